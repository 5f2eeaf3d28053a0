"""Metrics for Prometheus to scrape; `call_counts.METRICS` is the list of them.

    from services.llm.telemetry import prometheus
    prometheus.instrument()

Calls only count; the metrics of prometheus_client are brought up to date by a scrape. Where several
processes write theirs into PROMETHEUS_MULTIPROC_DIR, that is done by each event instead, since the
scrape may be another process's.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import partial
from math import inf
from typing import Any
from weakref import WeakKeyDictionary

from ..events import CallEnded, Event, hooks, limit_sources
from ..limit_types import Headroom
from ..runtime.fork import ForkLock
from .call_counts import METRICS, CallCounts, Metric
from .extras import HasHooks, required
from .labels import scope_label

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)

#: The hook of each registry: one, however many clients are followed.
_hooks: WeakKeyDictionary[Any, PrometheusHook] = WeakKeyDictionary()


def instrument(client: HasHooks | None = None, *, registry: Any = None) -> Callable[[], None]:
    """Count the calls of *client*, or of all clients, in *registry*; return what ends that.

    The registry is prometheus_client's own unless it is given. Raises ConfigurationError without
    the package prometheus-client.
    """
    followed = hooks if client is None else client.hooks
    return partial(followed.remove, followed.add(hook_of(registry)))


def hook_of(registry: Any = None) -> PrometheusHook:
    """Return the hook that counts in *registry*: one, however many clients are followed."""
    library = required("prometheus_client", "prometheus-client")
    registry = library.REGISTRY if registry is None else registry
    if registry not in _hooks:
        _hooks[registry] = PrometheusHook(library)
        registry.register(_hooks[registry])
    return _hooks[registry]


class PrometheusHook:
    """A hook that counts, and the collector that a registry asks for the metrics."""

    def __init__(self, library: Any) -> None:
        kinds = {
            "counter": library.Counter,
            "gauge": partial(library.Gauge, multiprocess_mode="livesum"),
            "histogram": partial(library.Histogram, buckets=_SECONDS),
            "summary": library.Summary,
        }
        self._metrics = {each.name: _made(kinds[each.kind], each) for each in METRICS}
        self._counts = CallCounts()
        self._is_shared = any(name.upper() == "PROMETHEUS_MULTIPROC_DIR" for name in os.environ)
        self._lock = ForkLock()  # guards the order in which levels are set

    def __call__(self, event: Event, /) -> None:
        """Count *event*."""
        if self._counts.note(event) or self._is_shared:
            self._update()
            if isinstance(event, CallEnded):
                self._look_at_limits()

    def describe(self) -> Iterable[Any]:
        """Return the names of the metrics, for the registry to know whose they are."""
        return [family for metric in self._metrics.values() for family in metric.describe()]

    def collect(self) -> Iterable[Any]:
        """Return the metrics as they are now."""
        self._update()
        self._look_at_limits()
        return [family for metric in self._metrics.values() for family in metric.collect()]

    def _update(self) -> None:
        """Bring the metrics up to date."""
        with self._lock:
            counts = self._counts.take()
            for (name, *labels), amount in counts.increments.items():
                self._metrics[name].labels(*labels).inc(amount)
            for (name, *labels), value in counts.observations:
                self._metrics[name].labels(*labels).observe(value)
            for (name, *labels), level in counts.levels.items():
                self._metrics[name].labels(*labels).set(level)

    def _look_at_limits(self) -> None:
        """Set what is left of each limit; of several accounts', of the one that has least."""
        lowest: dict[tuple[str, str, str], Headroom] = {}
        for provider, scope, found in limit_sources.headroom():
            labels = (str(provider), scope_label(scope), found.name)
            known = lowest.get(labels)
            if found.amount < inf and (known is None or _share(found) < _share(known)):
                lowest[labels] = found
        with self._lock:
            left, amount = self._metrics["llm_limit_left"], self._metrics["llm_limit_amount"]
            if not self._is_shared:  # where the library cannot forget
                left.clear()
                amount.clear()
            for labels, found in lowest.items():
                left.labels(*labels).set(found.left)
                amount.labels(*labels).set(found.amount)


def _share(found: Headroom) -> float:
    return found.left / found.amount if found.amount else 0.0


def _made(kind: Callable[..., Any], metric: Metric) -> Any:
    # In no registry by itself: the hook is the collector of them all.
    return kind(metric.name, metric.help, metric.labels, registry=None)
