"""Counts what happens to calls, cheaply and without a package: a scrape takes the counts over.

Each metric is in `METRICS`, with its labels, all of them of few values: models that are not in our
table are "other", and no tag is a label.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

from ..events import (
    AttemptEnded,
    AttemptStarted,
    BatchEnded,
    CacheHit,
    CallEnded,
    CallJoined,
    CallStarted,
    Event,
    FirstPiece,
    ModelSwitched,
    OutageBegan,
    RepairPlanned,
    RetryPlanned,
    ScopePaused,
    WaitEnded,
    WaitStarted,
)
from ..frozen import dataclass
from ..runtime.fork import ForkLock, on_fork_in_child
from ..types import Usage
from .labels import error_label, model_label, outcome_of, status_label

#: A metric's name and the values of its labels, in the order of the table.
Series: TypeAlias = "tuple[str, ...]"


@dataclass(frozen=True)
class Metric:
    """One row of the table; a counter's samples end in `_total`."""

    name: str
    kind: Literal["counter", "gauge", "histogram", "summary"]
    help: str
    labels: tuple[str, ...]


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
    Metric("llm_attempts_in_flight", "gauge", "Requests that were sent.", ("provider",)),
    Metric("llm_calls_waiting", "gauge", "Calls in a queue.", ("provider", "limit")),
    Metric("llm_cache_hits", "counter", "Answers that were kept.", ("provider", "model")),
    Metric("llm_joined_calls", "counter", "Calls that joined another.", ("provider", "model")),
    Metric("llm_pauses", "counter", "Pauses that a provider's limit began.", ("provider",)),
    Metric("llm_pause_seconds", "counter", "Seconds that pauses were to last.", ("provider",)),
    Metric("llm_outages", "counter", "Outages that a provider told of.", ("provider",)),
    Metric(
        *("llm_model_switches", "counter", "Successors that took a model's place."),
        labels=("provider", "previous"),
    ),
    Metric("llm_limit_left", "gauge", "What is left of a limit.", ("provider", "scope", "limit")),
    Metric("llm_limit_amount", "gauge", "The limit itself.", ("provider", "scope", "limit")),
    Metric(
        *("llm_batch_prompts", "counter", "Prompts of a provider's own batches, when read."),
        labels=("provider", "model", "outcome"),
    ),
    Metric("llm_repairs", "counter", "Structured answers asked again.", ("provider", "model")),
)

#: Events that are counted in one go, which is cheaper than one by one.
_BATCH = 32

#: Observations that are kept between two scrapes; then they are taken over by the call.
MOST_OBSERVATIONS = 5_000


@dataclass(frozen=True)
class Counts:
    """What has happened since the last time: increments, observations, and levels as they are."""

    increments: dict[Series, float]
    observations: list[tuple[Series, float]]
    levels: dict[Series, float]


class CallCounts:
    """A hook that counts; `take` returns the counts and begins anew."""

    def __init__(self) -> None:
        #: Events that are not counted yet; a deque needs no lock.
        self._pending: deque[Event] = deque()
        self._lock = ForkLock(leaf=True)  # guards the three below
        self._increments: dict[Series, float] = defaultdict(float)
        self._observations: list[tuple[Series, float]] = []
        self._levels: dict[Series, float] = defaultdict(float)
        self._handlers: dict[type[Event], Callable[[Any], None]] = {
            CallStarted: self._call_started,
            AttemptStarted: self._attempt_started,
            AttemptEnded: self._attempt_ended,
            CallEnded: self._call_ended,
            WaitStarted: self._wait_started,
            WaitEnded: self._wait_ended,
            FirstPiece: self._first_piece,
            RetryPlanned: self._retry_planned,
            CacheHit: self._cache_hit,
            CallJoined: self._call_joined,
            ScopePaused: self._scope_paused,
            OutageBegan: self._outage_began,
            ModelSwitched: self._model_switched,
            RepairPlanned: self._repair_planned,
            BatchEnded: self._batch_ended,
        }
        on_fork_in_child(self, CallCounts._reset_in_child)

    def note(self, event: Event) -> bool:
        """Count *event*; return whether so many observations are kept that they should be taken."""
        self._pending.append(event)
        if len(self._pending) < _BATCH:
            return False
        with self._lock:
            self._count_pending()
            return len(self._observations) >= MOST_OBSERVATIONS

    def take(self) -> Counts:
        """Return what was counted since the last time."""
        with self._lock:
            self._count_pending()
            increments, self._increments = self._increments, defaultdict(float)
            observations, self._observations = self._observations, []
            return Counts(increments, observations, dict(self._levels))

    def _count_pending(self) -> None:
        while self._pending:
            event = self._pending.popleft()
            if (handler := self._handlers.get(type(event))) is not None:
                handler(event)

    def _call_started(self, event: CallStarted) -> None:
        self._levels["llm_calls_in_flight", event.call.provider] += 1

    def _attempt_started(self, event: AttemptStarted) -> None:
        self._levels["llm_attempts_in_flight", event.call.provider] += 1

    def _attempt_ended(self, event: AttemptEnded) -> None:
        self._leave("llm_attempts_in_flight", event.call.provider)
        if event.is_sent:
            attempt, provider = event.attempt, event.call.provider
            model = model_label(attempt.model)
            self._increments["llm_attempts", provider, model, status_label(attempt.status)] += 1
            if attempt.usage.reported:
                self._count_tokens(attempt.usage, attempt.cost, provider, model)

    def _count_tokens(self, usage: Usage, cost: float | None, provider: str, model: str) -> None:
        counts = self._increments
        counts["llm_tokens", provider, model, "input"] += usage.input_tokens
        counts["llm_tokens", provider, model, "output"] += usage.output_tokens
        if usage.cached_input_tokens:
            counts["llm_tokens", provider, model, "cached_input"] += usage.cached_input_tokens
        if usage.cache_write_input_tokens:
            written = usage.cache_write_input_tokens
            counts["llm_tokens", provider, model, "cache_write_input"] += written
        if usage.reasoning_tokens:
            counts["llm_tokens", provider, model, "reasoning"] += usage.reasoning_tokens
        if cost is None:
            counts["llm_unpriced_tokens", provider, model] += usage.total_tokens
        else:
            counts["llm_cost_dollars", provider, model] += cost

    def _call_ended(self, event: CallEnded) -> None:
        call, model = event.call, model_label(event.model)
        outcome = outcome_of(event)
        self._leave("llm_calls_in_flight", call.provider)
        self._increments["llm_calls", call.provider, model, call.operation, outcome] += 1
        if event.error_type is not None and outcome == "failed":
            error = error_label(event.error_type)
            self._increments["llm_call_errors", call.provider, model, error] += 1
        self._observe("llm_call_duration_seconds", call.provider, model, value=event.seconds)

    def _wait_started(self, event: WaitStarted) -> None:
        self._levels["llm_calls_waiting", event.call.provider, event.limit] += 1

    def _wait_ended(self, event: WaitEnded) -> None:
        self._leave("llm_calls_waiting", event.call.provider, event.limit)
        self._observe("llm_wait_seconds", event.call.provider, event.limit, value=event.seconds)

    def _first_piece(self, event: FirstPiece) -> None:
        name, model = "llm_time_to_first_token_seconds", model_label(event.call.model)
        self._observe(name, event.call.provider, model, value=event.seconds)

    def _retry_planned(self, event: RetryPlanned) -> None:
        model, error = model_label(event.call.model), error_label(event.error)
        self._increments["llm_retries", event.call.provider, model, error] += 1

    def _cache_hit(self, event: CacheHit) -> None:
        model = model_label(event.call.model)
        self._increments["llm_cache_hits", event.call.provider, model] += 1

    def _batch_ended(self, event: BatchEnded) -> None:
        provider = event.call.provider
        for each in event.by_model if event.is_new else ():
            model = model_label(each.model)
            self._increments["llm_batch_prompts", provider, model, "answered"] += each.answered
            self._increments["llm_batch_prompts", provider, model, "failed"] += each.failed
            if each.usage.reported:
                self._count_tokens(each.usage, each.cost, provider, model)

    def _call_joined(self, event: CallJoined) -> None:
        model = model_label(event.call.model)
        self._increments["llm_joined_calls", event.call.provider, model] += 1

    def _scope_paused(self, event: ScopePaused) -> None:
        self._increments["llm_pauses", event.call.provider] += 1
        self._increments["llm_pause_seconds", event.call.provider] += event.seconds

    def _outage_began(self, event: OutageBegan) -> None:
        self._increments["llm_outages", event.call.provider] += 1

    def _model_switched(self, event: ModelSwitched) -> None:
        previous = model_label(event.previous)
        self._increments["llm_model_switches", event.call.provider, previous] += 1

    def _repair_planned(self, event: RepairPlanned) -> None:
        model = model_label(event.call.model)
        self._increments["llm_repairs", event.call.provider, model] += 1

    def _observe(self, *series: str, value: float) -> None:
        self._observations.append((series, value))

    def _leave(self, *series: str) -> None:
        # Never below 0: a child process hears of the end of what its parent began.
        self._levels[series] = max(0.0, self._levels[series] - 1)

    def _reset_in_child(self) -> None:
        """In a child, nothing is counted that the parent will count, and nothing is in flight."""
        self._pending.clear()
        self._increments, self._observations = defaultdict(float), []
        self._levels = defaultdict(float, dict.fromkeys(self._levels, 0.0))
