"""The metrics that calls are counted in: the table of them, and what their histograms hold.

All labels have few values: models that are not in our table are "other", and no tag is a label.
"""

from __future__ import annotations

from bisect import bisect_left
from math import inf
from typing import Literal, TypeAlias

from ..frozen import dataclass

#: A metric's name and the values of its labels, in the order of the table.
Series: TypeAlias = "tuple[str, ...]"


@dataclass(frozen=True)
class Metric:
    """One row of the table; a counter's samples end in `_total`."""

    name: str
    kind: Literal["counter", "gauge", "histogram", "summary"]
    help: str
    labels: tuple[str, ...]
    #: How the gauges of several processes are combined: what is left of one limit is not added up.
    across_processes: Literal["livesum", "livemin"] = "livesum"


METRICS = (
    Metric(
        *("llm_calls", "counter", "Calls that have ended, by outcome."),
        labels=("provider", "model", "operation", "outcome"),
    ),
    Metric(
        *("llm_call_errors", "counter", "Calls that have ended in an error."),
        labels=("provider", "model", "error"),
    ),
    Metric(
        *("llm_call_duration_seconds", "histogram", "Seconds of a call, its waits included."),
        labels=("provider", "model"),
    ),
    Metric(
        *("llm_time_to_first_token_seconds", "histogram", "Seconds to a stream's first piece."),
        labels=("provider", "model"),
    ),
    Metric(
        *("llm_attempts", "counter", "Attempts that were sent, by HTTP status."),
        labels=("provider", "model", "status"),
    ),
    Metric(
        *("llm_retries", "counter", "Further attempts, by what the one before has ended in."),
        labels=("provider", "model", "error"),
    ),
    Metric(
        *("llm_tokens", "counter", "Tokens; cached and reasoning are parts of input and output."),
        labels=("provider", "model", "kind"),
    ),
    Metric(
        *("llm_cost_dollars", "counter", "US dollars, where the price is known."),
        labels=("provider", "model"),
    ),
    Metric(
        *("llm_unpriced_tokens", "counter", "Tokens whose price is not known."),
        labels=("provider", "model"),
    ),
    Metric(
        *("llm_wait_seconds", "summary", "Seconds waited before a request could be sent."),
        labels=("provider", "limit"),
    ),
    Metric("llm_calls_in_flight", "gauge", "Calls that have not ended.", ("provider",)),
    Metric("llm_attempts_in_flight", "gauge", "Attempts that have not ended.", ("provider",)),
    Metric("llm_calls_waiting", "gauge", "Calls in a queue.", ("provider", "limit")),
    Metric("llm_cache_hits", "counter", "Calls answered by the cache.", ("provider", "model")),
    Metric("llm_joined_calls", "counter", "Calls that joined another.", ("provider", "model")),
    Metric("llm_pauses", "counter", "Pauses that a provider's limit began.", ("provider",)),
    Metric("llm_pause_seconds", "counter", "Seconds that pauses were to last.", ("provider",)),
    Metric("llm_outages", "counter", "Outages that a provider told of.", ("provider",)),
    Metric(
        *("llm_model_switches", "counter", "Successors that took a model's place."),
        labels=("provider", "previous"),
    ),
    Metric(
        *("llm_limit_left", "gauge", "What is left of a limit."),
        labels=("provider", "scope", "limit"),
        across_processes="livemin",
    ),
    Metric(
        *("llm_limit_amount", "gauge", "The limit itself."),
        labels=("provider", "scope", "limit"),
        across_processes="livemin",
    ),
    Metric(
        *("llm_batch_prompts", "counter", "Prompts of a provider's own batches, when read."),
        labels=("provider", "model", "outcome"),
    ),
    Metric("llm_repairs", "counter", "Structured answers asked again.", ("provider", "model")),
)

#: Upper bounds of the buckets of every histogram, in seconds.
BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, inf)


class Distribution:
    """How many values were observed in each of `BUCKETS`, and their sum."""

    def __init__(self) -> None:
        self.counts = [0] * len(BUCKETS)
        self.sum = 0.0

    def copy(self) -> Distribution:
        """Return one that holds the same, for now."""
        copy = Distribution()
        copy.counts, copy.sum = self.counts.copy(), self.sum
        return copy

    def append(self, value: float) -> None:
        """Observe a *value*, which belongs to the first bucket whose bound is not below it."""
        self.counts[bisect_left(BUCKETS, value)] += 1
        self.sum += value
