"""One call on its way: until when it may go on, what it has spent, and how it may fail."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field
from math import inf

from tenacity import Retrying

from .. import models
from ..account.account import Account
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
    Verdict,
)
from ..quota import NEVER, Demand, Refusal
from ..types import Attempt, Flow, Reply, Usage, WaitReason, sleep


@dataclass(frozen=True)
class CallPolicy:
    """What one call may take: attempts, and seconds in all, for one attempt, and for quota."""

    retrying: Retrying
    timeout: float
    max_quota_wait: float = 0.0
    attempt_timeout: float = inf
    #: The caller asked for this many attempts, and is told when they are used up.
    exact_attempts: bool = False


def was_sent(error: LLMError) -> bool:
    """Whether the provider can have seen the request that failed: else we or the SDK refused it."""
    return error.status is not None or not isinstance(error, _UNSENT)


_UNSENT = (AuthenticationError, ConfigurationError, InvalidRequestError)


@dataclass
class Call:
    """One call on its way, over all its turns."""

    terms: CallPolicy
    account: Account
    started: float
    attempts: list[Attempt] = field(default_factory=list)
    quota_waited: float = 0.0
    #: Seconds waited since the attempt before.
    waited: dict[WaitReason, float] = field(default_factory=dict)

    def left(self) -> float:
        """Seconds until the deadline."""
        return self.started + self.terms.timeout - self.account.now()

    def quota_wait_left(self) -> float:
        """Seconds that may still be waited for a limit's sake."""
        return max(0.0, min(self.terms.max_quota_wait - self.quota_waited, self.left()))

    def wait(self, seconds: float, why: WaitReason, wake: Future[None] | None = None) -> Flow[None]:
        """Sleep, and enter into the ledger how long that really took."""
        begun = self.account.now()
        yield from sleep(seconds, why, wake)
        passed = self.account.now() - begun
        self.waited[why] = self.waited.get(why, 0.0) + passed
        if why == "quota":
            self.quota_waited += passed

    def record(
        self, model: str, sent: float, reply: Reply | None, error: LLMError | None = None
    ) -> None:
        """Enter an attempt, sent at *sent*, into the ledger; what was not sent is none."""
        if error is not None and not was_sent(error):
            return
        usage = reply.usage if reply is not None else Usage()
        status = error.status if error is not None else 200
        known = [each.request_id for each in (reply, error) if each is not None]
        self.attempts.append(
            Attempt(
                number=len(self.attempts) + 1,
                model=model,
                quota_wait=self.waited.get("quota", 0.0) + self.waited.get("concurrency", 0.0),
                retry_wait=self.waited.get("retry", 0.0),
                latency=self.account.now() - sent,
                error=error.label if error is not None else None,
                status=status,
                usage=usage,
                cost=models.cost(model, usage),
                request_id=next((each for each in known if each), None),
            )
        )
        self.waited = {}

    def refused(self, refusal: Refusal, demand: Demand) -> LLMError:
        """No limit of ours has room in time; where there never is, waiting does not help."""
        unit = refusal.unit or "requests"
        if refusal.wait == NEVER and unit == "requests":
            return RateLimitError(
                "Rate limit exceeded: a limit on requests lets none through",
                provider=self.account.provider,
            )
        if refusal.wait == NEVER:
            return ContextLengthError(
                f"{demand.get(unit, 0):.0f} {unit} in one call are more than the whole limit of"
                f" {unit}: shorten the prompt, lower max_tokens or raise the limit",
                provider=self.account.provider,
            )
        return RateLimitError(
            f"Rate limit exceeded. Please wait {refusal.wait:.1f} seconds",
            provider=self.account.provider,
            retry_after=refusal.wait,
        )

    def outage_error(self, wait: float) -> ProviderUnavailableError:
        """The provider's own Retry-After ends after the deadline."""
        return ProviderUnavailableError(
            f"The provider asked not to be called for another {wait:.1f} seconds",
            provider=self.account.provider,
            retry_after=wait,
            verdict=Verdict.FATAL,
        )

    def deadline_error(self) -> LLMTimeoutError:
        """The deadline has passed before anything could be sent."""
        return LLMTimeoutError(
            f"No answer within {self.terms.timeout:g} seconds",
            provider=self.account.provider,
            verdict=Verdict.FATAL,
        )

    def last_error(self, error: LLMError) -> LLMError:
        """What the caller is told when the attempts, or the time for them, are used up."""
        if not self.terms.exact_attempts:
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
