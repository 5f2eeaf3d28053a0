"""What has been counted as prometheus_client has it in a scrape: families of samples."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import Any

from ..limit_types import Headroom
from .call_counts import Counts
from .metrics import BUCKETS, METRICS, Distribution


class Families:
    """Makes the families of all metrics, each time anew."""

    def __init__(self, library: Any) -> None:
        core, utils = library.metrics_core, library.utils
        self._kinds = {
            "counter": core.CounterMetricFamily,
            "gauge": core.GaugeMetricFamily,
            "histogram": core.HistogramMetricFamily,
            "summary": core.SummaryMetricFamily,
        }
        self._bounds = [utils.floatToGoString(bound) for bound in BUCKETS]

    def without_values(self) -> list[Any]:
        """Return the families without a sample."""
        return list(self._empty().values())

    def of(
        self,
        counts: Counts[Distribution],
        limits: Mapping[tuple[str, str, str], Headroom],
    ) -> list[Any]:
        """Return the families of these *counts* and *limits*."""
        families = self._empty()
        for (name, *labels), amount in (counts.increments | counts.levels).items():
            families[name].add_metric(labels, amount)
        for (name, *labels), found in counts.observations.items():
            self._add(families[name], labels, found)
        for key, headroom in limits.items():
            families["llm_limit_left"].add_metric(key, headroom.left)
            families["llm_limit_amount"].add_metric(key, headroom.amount)
        return list(families.values())

    def _empty(self) -> dict[str, Any]:
        return {
            each.name: self._kinds[each.kind](each.name, each.help, labels=each.labels)
            for each in METRICS
        }

    def _add(self, family: Any, labels: list[str], found: Distribution) -> None:
        below = list(accumulate(found.counts))
        if family.type == "summary":
            family.add_metric(labels, below[-1], found.sum)
        else:
            buckets = list(zip(self._bounds, below, strict=True))
            family.add_metric(labels, buckets, found.sum)
