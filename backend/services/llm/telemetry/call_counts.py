"""Counts what happens to calls, cheaply and without a package; `metrics.METRICS` has the names."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from ..events import (
    AttemptEnded,
    AttemptStarted,
    BatchEnded,
    CacheHit,
    CallEnded,
    CallJoined,
    CallMeter,
    CallStarted,
    Event,
    FirstPiece,
    ModelSwitched,
    OutageBegan,
    Outcome,
    RepairPlanned,
    RetryPlanned,
    ScopePaused,
    WaitEnded,
    WaitStarted,
)
from ..frozen import dataclass
from ..runtime.fork import ForkLock, on_fork_in_child
from ..types import Attempt, Provider, Usage
from .labels import error_label, model_label, status_label
from .metrics import Series

#: How much is counted in one go, which is cheaper than one by one: that of 64 calls.
_BATCH = 256

#: The events in whose place a meter is told values.
METERED: frozenset[type[Event]] = frozenset((CallStarted, AttemptStarted, AttemptEnded, CallEnded))
#: The events that are counted.
COUNTED: frozenset[type[Event]] = METERED | {
    *(WaitStarted, WaitEnded, FirstPiece, RetryPlanned, CacheHit, CallJoined, ScopePaused),
    *(OutageBegan, ModelSwitched, RepairPlanned, BatchEnded),
}


class Observed(Protocol):
    """A distribution, or a list of the values themselves."""

    def append(self, value: float, /) -> None:
        """Observe a *value*."""

    def copy(self: S) -> S:
        """Return one that holds the same, for now."""
        ...


S = TypeVar("S", bound=Observed)


@dataclass(frozen=True)
class Counts(Generic[S]):
    """Increments, observations, and levels as they are, by metric and the values of its labels."""

    increments: dict[Series, float]
    observations: dict[Series, S]
    levels: dict[Series, float]


class CallCounts(CallMeter, Generic[S]):
    """Counts what a call does with every attempt as a meter, and all else as events.

    *observed* makes what the observations of one series are kept in.
    """

    def __init__(self, observed: Callable[[], S]) -> None:
        #: What is not counted yet, and the functions that count it; a deque needs no lock.
        self._pending: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._observed = observed
        self._lock = ForkLock(leaf=True)  # guards the three below
        self._increments: dict[Series, float] = defaultdict(float)
        self._observations: dict[Series, S] = defaultdict(observed)
        self._levels: dict[Series, float] = defaultdict(float)
        self._handlers: dict[type[Event], Callable[[Any], None]] = {
            CallStarted: lambda event: self._one_more("llm_calls_in_flight", event.call.provider),
            AttemptStarted: lambda event: self._one_more(
                "llm_attempts_in_flight", event.call.provider
            ),
            AttemptEnded: lambda event: self._end_attempt(
                event.call.provider, event.attempt, event.is_sent
            ),
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

    def note(self, event: Event) -> None:
        """Count *event*."""
        if (handler := self._handlers.get(type(event))) is not None:
            self._pending.append((handler, (event,)))
            if len(self._pending) >= _BATCH:
                self.catch_up()

    def call_started(self, provider: Provider) -> None:
        """As `CallMeter`."""
        self._pending.append((self._one_more, ("llm_calls_in_flight", provider)))

    def attempt_started(self, provider: Provider) -> None:
        """As `CallMeter`."""
        self._pending.append((self._one_more, ("llm_attempts_in_flight", provider)))

    def attempt_ended(self, provider: Provider, attempt: Attempt, is_sent: bool) -> None:
        """As `CallMeter`."""
        self._pending.append((self._end_attempt, (provider, attempt, is_sent)))

    def call_ended(
        self,
        provider: Provider,
        operation: str,
        model: str,
        outcome: Outcome,
        error_type: str | None,
        seconds: float,
    ) -> bool:
        """As `CallMeter`."""
        ended = (provider, operation, model, outcome, error_type, seconds)
        self._pending.append((self._end_call, ended))
        return len(self._pending) >= _BATCH

    def catch_up(self) -> None:
        """Count what was noted."""
        with self._lock:
            self._count_pending()

    def totals(self) -> Counts[S]:
        """Return all that was counted."""
        with self._lock:
            self._count_pending()
            observations = {series: each.copy() for series, each in self._observations.items()}
            return Counts(dict(self._increments), observations, dict(self._levels))

    def take(self) -> Counts[S]:
        """Return what was counted since the last time, and levels as they are."""
        with self._lock:
            self._count_pending()
            increments, self._increments = self._increments, defaultdict(float)
            observations, self._observations = self._observations, defaultdict(self._observed)
            return Counts(increments, observations, dict(self._levels))

    def _count_pending(self) -> None:
        while self._pending:
            count, values = self._pending.popleft()
            count(*values)

    def _one_more(self, *series: str) -> None:
        self._levels[series] += 1

    def _end_attempt(self, provider: str, attempt: Attempt, is_sent: bool) -> None:
        self._one_fewer("llm_attempts_in_flight", provider)
        if is_sent:
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
        call = event.call
        ended = (call.provider, call.operation, event.model, event.outcome)
        self._end_call(*ended, event.error_type, event.seconds)

    def _end_call(
        self,
        provider: str,
        operation: str,
        model: str,
        outcome: str,
        error_type: str | None,
        seconds: float,
    ) -> None:
        model = model_label(model)
        self._one_fewer("llm_calls_in_flight", provider)
        self._increments["llm_calls", provider, model, operation, outcome] += 1
        if error_type is not None and outcome == "failed":
            self._increments["llm_call_errors", provider, model, error_label(error_type)] += 1
        self._observations["llm_call_duration_seconds", provider, model].append(seconds)

    def _wait_started(self, event: WaitStarted) -> None:
        self._one_more("llm_calls_waiting", event.call.provider, event.limit)

    def _wait_ended(self, event: WaitEnded) -> None:
        self._one_fewer("llm_calls_waiting", event.call.provider, event.limit)
        waits = self._observations["llm_wait_seconds", event.call.provider, event.limit]
        waits.append(event.seconds)

    def _first_piece(self, event: FirstPiece) -> None:
        name, model = "llm_time_to_first_token_seconds", model_label(event.call.model)
        self._observations[name, event.call.provider, model].append(event.seconds)

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

    def _one_fewer(self, *series: str) -> None:
        # Never below 0: a child process hears of the end of what its parent began.
        self._levels[series] = max(0.0, self._levels[series] - 1)

    def _reset_in_child(self) -> None:
        """In a child, nothing is counted that the parent will count, and nothing is in flight."""
        self._pending.clear()
        self._increments, self._observations = defaultdict(float), defaultdict(self._observed)
        self._levels = defaultdict(float, dict.fromkeys(self._levels, 0.0))
