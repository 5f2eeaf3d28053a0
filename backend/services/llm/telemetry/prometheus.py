"""Metrics for Prometheus to scrape; `metrics.METRICS` is the list of them.

    from services.llm.telemetry import prometheus
    prometheus.instrument()

Calls only count; a scrape makes metrics of the counts. Where several processes write theirs into
PROMETHEUS_MULTIPROC_DIR, each event writes them instead by the metrics of prometheus_client, since
the scrape may be another process's.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from functools import partial
from math import inf
from typing import Any
from weakref import WeakKeyDictionary

from ..errors import ConfigurationError
from ..events import CallEnded, Event, limit_sources
from ..limit_types import Headroom
from ..redaction.printable import shown
from ..runtime.fork import ForkLock
from .call_counts import COUNTED, METERED, CallCounts
from .extras import HasHooks, checked, hooks_of, import_required
from .labels import scope_label
from .metric_families import Families
from .metrics import BUCKETS, METRICS, Distribution, Metric, Series

#: Names the folder in which processes share their metrics; the library itself reads it, too.
_FOLDER = "PROMETHEUS_MULTIPROC_DIR"

_lock = ForkLock()  # guards the one below
#: The hook of each registry: one, however many clients are followed.
_hooks: WeakKeyDictionary[Any, PrometheusHook] = WeakKeyDictionary()


def instrument(client: HasHooks | None = None, *, registry: Any = None) -> Callable[[], None]:
    """Count the calls of *client*, or of all clients, in *registry*; return what ends that.

    The registry is prometheus_client's own unless it is given. Called again, it changes nothing,
    and either end ends it. Raises ConfigurationError without the package prometheus-client, for
    what is no client or registry, and where PROMETHEUS_MULTIPROC_DIR is no folder that can be
    written.
    """
    hooks = hooks_of(client)
    return partial(hooks.remove, hooks.add(hook_of(registry)))


def hook_of(registry: Any = None) -> PrometheusHook:
    """Return the hook that counts in *registry*: one, however many clients are followed."""
    library = import_required("prometheus_client", "prometheus-client")
    registry = checked("registry", registry, library.CollectorRegistry) or library.REGISTRY
    with _lock:
        if registry not in _hooks:
            hook = (
                MultiprocessHook(library)
                if _is_multiprocess(library)
                else SingleProcessHook(library)
            )
            registry.register(hook)
            _hooks[registry] = hook
        return _hooks[registry]


def _is_multiprocess(library: Any) -> bool:
    """Whether processes share a folder of metrics; ConfigurationError where that cannot work."""
    folder = os.environ.get(_FOLDER, os.environ.get(_FOLDER.lower()))
    if folder is None:
        return False
    if not os.path.isdir(folder) or not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigurationError(
            f"{_FOLDER} is {shown(folder)}: give a folder that is there and can be written,"
            " emptied before the first process starts"
        )
    if not library.values.ValueClass._multiprocess:
        raise ConfigurationError(
            f"{_FOLDER} was set after prometheus_client was imported: set it before that"
        )
    return True


class PrometheusHook(ABC):
    """A hook that counts, and the collector that a registry asks for the metrics."""

    @abstractmethod
    def __call__(self, event: Event, /) -> None:
        """Count *event*."""

    @abstractmethod
    def describe(self) -> Iterable[Any]:
        """Return the metrics without their values, for the registry to know their names."""

    @abstractmethod
    def collect(self) -> Iterable[Any]:
        """Return the metrics as they are now."""


class SingleProcessHook(PrometheusHook):
    """Counts by itself; a scrape makes metrics of it."""

    heard_events = COUNTED - METERED

    def __init__(self, library: Any) -> None:
        self._families = Families(library)
        self.meter = CallCounts(Distribution)

    def __call__(self, event: Event, /) -> None:
        """Count *event*."""
        self.meter.note(event)

    def describe(self) -> Iterable[Any]:
        """Return the metrics without their values, for the registry to know their names."""
        return self._families.without_values()

    def collect(self) -> Iterable[Any]:
        """Return the metrics as they are now."""
        return self._families.of(self.meter.totals(), lowest_limits())


class MultiprocessHook(PrometheusHook):
    """Keeps the library's own metrics up to date, for the processes that share a folder of them."""

    def __init__(self, library: Any) -> None:
        kinds = {
            "counter": library.Counter,
            "gauge": library.Gauge,
            "histogram": partial(library.Histogram, buckets=BUCKETS),
            "summary": library.Summary,
        }
        self._metrics = {each.name: _made(kinds[each.kind], each) for each in METRICS}
        self._counts: CallCounts[list[float]] = CallCounts(list)
        self._lock = ForkLock()  # guards the order in which levels are set, and the two below
        self._children: dict[Series, Any] = {}
        self._levels: dict[Series, float] = {}

    def __call__(self, event: Event, /) -> None:
        """Count *event*."""
        self._counts.note(event)
        self._update()
        if isinstance(event, CallEnded):
            self._set_limits()

    def describe(self) -> Iterable[Any]:
        """Return the metrics without their values, for the registry to know their names."""
        return [family for metric in self._metrics.values() for family in metric.describe()]

    def collect(self) -> Iterable[Any]:
        """Return the metrics as they are now."""
        self._update()
        self._set_limits()
        return [family for metric in self._metrics.values() for family in metric.collect()]

    def _update(self) -> None:
        with self._lock:
            counts = self._counts.take()
            for series, amount in counts.increments.items():
                self._child(*series).inc(amount)
            for series, values in counts.observations.items():
                for value in values:
                    self._child(*series).observe(value)
            for series, level in counts.levels.items():
                if self._levels.get(series) != level:
                    self._child(*series).set(level)
            self._levels = counts.levels

    def _set_limits(self) -> None:
        # What is gone stays as it was last: the library cannot forget it here.
        with self._lock:
            for labels, found in lowest_limits().items():
                self._child("llm_limit_left", *labels).set(found.left)
                self._child("llm_limit_amount", *labels).set(found.amount)

    def _child(self, name: str, *labels: str) -> Any:
        """Return the metric of one series, which takes the library long to find."""
        series = (name, *labels)
        if series not in self._children:
            self._children[series] = self._metrics[name].labels(*labels)
        return self._children[series]


def lowest_limits() -> dict[tuple[str, str, str], Headroom]:
    """Return each limit by its labels; where accounts share these, the one with the least left."""
    lowest: dict[tuple[str, str, str], Headroom] = {}
    for provider, scope, found in limit_sources.headroom():
        labels = (str(provider), scope_label(scope), found.name)
        known = lowest.get(labels)
        if found.amount < inf and (known is None or _share(found) < _share(known)):
            lowest[labels] = found
    return lowest


def _share(found: Headroom) -> float:
    return found.left / found.amount if found.amount else 0.0


def _made(kind: Callable[..., Any], metric: Metric) -> Any:
    mode = {"multiprocess_mode": metric.across_processes} if metric.kind == "gauge" else {}
    # In no registry by itself: the hook is the collector of them all.
    return kind(metric.name, metric.help, metric.labels, registry=None, **mode)
