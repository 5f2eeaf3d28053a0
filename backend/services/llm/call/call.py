"""One call: until when it may take, what it has waited and spent so far, and how it may fail."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from .. import models
from ..effects import sleep
from ..errors import (
    AuthenticationError,
    ConfigurationError,
    ContextLengthError,
    InvalidRequestError,
    LLMError,
    LLMTimeoutError,
    ProviderUnavailableError,
    RateLimitError,
    RetriesExhaustedError,
    Retry,
)
from ..quota import NEVER, too_large_message
from ..types import Attempt, Usage

R = TypeVar("R")

if TYPE_CHECKING:
    from ..account.account import Account
    from ..account.cache import Cache
    from ..account.single_flight import Follower, Leader
    from ..effects import Effects, WaitReason
    from ..events import WaitCause
    from ..quota import Demand, NoCapacity
    from ..stream_types import AnyEvent
    from ..types import Mode, Reply, Request
    from .call_events import CallEvents
    from .call_policy import CallPolicy
    from .stream_resumption import StreamResumption
    from .usage_recorder import UsageRecorder


class Snapshots(Protocol):
    """What is handed out of a structured answer as it comes."""

    def use_output_mode(self, spec: Any, mode: Mode, rewritten: Any) -> None:
        """Expect an answer in this form."""

    def restart(self) -> None:
        """Forget what came of an answer of which nothing was shown."""

    def of(self, events: Sequence[AnyEvent]) -> list[AnyEvent]:
        """The newest snapshot after *events*, if there is a new one."""
        ...


def was_sent(error: LLMError) -> bool:
    """Whether the provider can have seen the request that failed: else we or the SDK refused it."""
    return error.status is not None or not isinstance(error, _UNSENT)


_UNSENT = (AuthenticationError, ConfigurationError, InvalidRequestError)


def interruption_name(error: BaseException) -> str:
    """Return how attempts and hooks name what interrupted a call; to leave a stream cancels it."""
    return "Cancelled" if isinstance(error, GeneratorExit) else type(error).__name__


#: What a wait is added up as in an `Attempt`, by its cause; all others are for limits.
_WAIT_REASONS: Mapping[WaitCause, WaitReason] = {
    "concurrency": "concurrency",
    "outage": "retry",
    "backoff": "retry",
}


@dataclass
class Call:
    """One call with all its attempts; those of all turns, where its answer is structured."""

    policy: CallPolicy
    account: Account
    started_at: float
    #: What tells the call's hooks; None where it has none.
    events: CallEvents | None = None
    #: What adds its usage to a ledger; None where the account has none.
    usage_recorder: UsageRecorder | None = None
    attempts: list[Attempt] = field(default_factory=list)
    quota_waited: float = 0.0
    #: How a request is sent for a stream, whose admission is told of it; None: by `Send`.
    send_stream: Callable[[Request, float, Any], Effects[Reply]] | None = None
    #: When the first piece of a stream came.
    first_piece_at: float | None = None
    #: Something of a stream has been handed out: from then on nothing is tried again.
    has_streamed: bool = False
    #: What is handed out of a structured answer as it comes, in place of its text.
    snapshots: Snapshots | None = None
    #: How a stream goes on after a break; None where it does not.
    stream_resumption: StreamResumption | None = None
    #: The identical calls that wait for this one.
    leader: Leader[Reply] | None = None
    #: Its place among identical calls, from before others know of it until it is released.
    claim: Leader[Reply] | Follower[Reply] | None = None
    #: Seconds waited since the last attempt, by reason.
    waited: dict[WaitReason, float] = field(default_factory=dict)

    def duration(self) -> float:
        """Seconds since the call began."""
        return self.account.now() - self.started_at

    def time_to_first_piece(self) -> float:
        """Seconds from the beginning of the call to the first piece of its stream."""
        assert self.first_piece_at is not None, "no piece has come yet"
        return self.first_piece_at - self.started_at

    def time_left(self) -> float:
        """Seconds until the deadline."""
        return self.started_at + self.policy.timeout - self.account.now()

    def quota_wait_left(self) -> float:
        """Seconds that may still be waited for limits."""
        left = self.policy.max_quota_wait - self.quota_waited
        return max(0.0, min(left, self.time_left())) if left > 0 else 0.0

    def run_cache_operation(self, cache: Cache, operation: Callable[[], R]) -> Effects[R | None]:
        """Run an *operation* on the store of *cache*; None where that takes too long."""
        return cache.run(operation, self.time_left(), self.policy.cache_timeout)

    def wait(
        self,
        seconds: float,
        cause: WaitCause,
        wake: Future[None] | None = None,
        scope: str = "",
    ) -> Effects[None]:
        """Sleep until *wake* is done, *seconds* at most, and add up how long that took.

        Hooks are told that the call waits because of *cause*, to be sent to *scope*.
        """
        if seconds <= 0:
            return
        reason = _WAIT_REASONS.get(cause, "quota")
        begun = self.account.now()
        try:
            if self.events is not None:
                self.events.wait_started(cause, seconds, scope)
            yield from sleep(seconds, reason, wake)
        finally:
            passed = self.account.now() - begun
            if self.events is not None:
                self.events.wait_ended(cause, passed, scope)
        self.waited[reason] = self.waited.get(reason, 0.0) + passed
        if reason == "quota":
            self.quota_waited += passed

    def record_attempt(
        self,
        model: str,
        sent_at: float,
        reply: Reply | None,
        error: LLMError | None = None,
        estimated: int = 0,
    ) -> None:
        """Add an attempt that was sent at *sent_at*; not one that was refused before."""
        is_sent = error is None or was_sent(error)
        usage = reply.usage if reply is not None else Usage()
        status = error.status if error is not None else 200
        known = [each.request_id for each in (reply, error) if each is not None]
        attempt = Attempt(
            number=len(self.attempts) + 1,
            model=model,
            quota_wait=self.waited.get("quota", 0.0) + self.waited.get("concurrency", 0.0),
            retry_wait=self.waited.get("retry", 0.0),
            latency=self.account.now() - sent_at,
            error=error.label if error is not None else None,
            status=status,
            usage=usage,
            cost=None if reply is None else _cost_of(reply, model),
            request_id=next((each for each in known if each), None),
            estimated_input_tokens=estimated,
        )
        if is_sent:
            self.attempts.append(attempt)
            self.waited = {}
        try:
            if is_sent and self.usage_recorder is not None:
                self.usage_recorder.attempt_ended(attempt, reply)
        finally:
            if self.events is not None:
                self.events.attempt_ended(attempt, is_sent=is_sent)

    def record_interruption(self, model: str, sent_at: float, error: BaseException) -> None:
        """Add an attempt that was interrupted: what it has spent is not known."""
        number, latency = len(self.attempts) + 1, self.account.now() - sent_at
        attempt = Attempt(number, model, latency=latency, error=interruption_name(error))
        self.attempts.append(attempt)
        try:
            if self.usage_recorder is not None:
                self.usage_recorder.attempt_interrupted(model)
        finally:
            if self.events is not None:
                self.events.attempt_ended(attempt, is_sent=True)

    def limit_error(self, full: NoCapacity, demand: Demand, scope: str) -> LLMError:
        """Return the error for limits of *scope* that have no room in time, or never have."""
        unit = full.unit or "requests"
        note = "" if self.account.fleet is None else self.account.fleet.outage_note()
        if full.wait == NEVER and unit == "requests":
            return RateLimitError(
                f"Rate limit exceeded: a limit on requests lets none through{note}",
                provider=self.account.provider,
            )
        if full.wait == NEVER:
            limits = self.account.quota.headroom(scope, self.account.now())
            return ContextLengthError(
                too_large_message(demand.get(unit, 0.0), unit, limits, self.account.provider),
                provider=self.account.provider,
            )
        return RateLimitError(
            f"Rate limit exceeded. Please wait {full.wait:.1f} seconds{note}",
            provider=self.account.provider,
            retry_after=full.wait,
        )

    def outage_error(self, wait: float) -> ProviderUnavailableError:
        """Return the error for a provider's Retry-After that ends after the deadline."""
        return ProviderUnavailableError(
            f"The provider asked not to be called for another {wait:.1f} seconds",
            provider=self.account.provider,
            retry_after=wait,
            retry=Retry.NEVER,
        )

    def deadline_error(self) -> LLMTimeoutError:
        """Return the error for a deadline that has passed without an answer."""
        return LLMTimeoutError(
            f"No answer within {self.policy.timeout:g} seconds",
            provider=self.account.provider,
            retry=Retry.NEVER,
        )

    def final_error(self, error: LLMError) -> LLMError:
        """Return what the caller is told when the attempts, or the time for them, are used up."""
        if not self.policy.has_requested_attempts:
            return error
        exhausted = RetriesExhaustedError(
            f"Failed after {len(self.attempts)} attempts: {error}",
            provider=self.account.provider,
            status=error.status,
            code=error.code,
            request_id=error.request_id,
            retry_after=error.retry_after,
        )
        exhausted.__cause__ = error
        return exhausted


def _cost_of(reply: Reply, model: str) -> float | None:
    """Return what *reply* cost, by the price of the model it names, else by that of *model*."""
    usage, tier = reply.usage, reply.service_tier
    cost = models.cost(reply.model, usage, tier)
    return models.cost(model, usage, tier) if cost is None else cost
