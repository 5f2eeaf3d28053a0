"""Which failures deserve another attempt, after how long, and how often; tenacity's strategies."""

from __future__ import annotations

import random

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt
from tenacity.wait import wait_base

from ..errors import LLMError, Verdict

#: Backoff of `transient_errors` in seconds: doubled from the first to the last, less a quarter.
FIRST_BACKOFF, LAST_BACKOFF, JITTER = 0.5, 8.0, 0.25

_TRANSIENT = frozenset({Verdict.TRANSIENT, Verdict.AGAIN})
_UNKNOWN_TOO = _TRANSIENT | {Verdict.UNKNOWN}


class wait_backoff(wait_base):  # noqa: N801 - tenacity's strategies are named like functions
    """Double the wait from `first` up to `last`, take off up to `jitter` of it at random.

    A wait that the provider asks for is never undercut; none is due where the way is clear again.
    """

    def __init__(self, first: float, last: float, jitter: float = 0.0) -> None:
        self.first = first
        self.last = last
        self.jitter = jitter

    def __call__(self, retry_state: RetryCallState) -> float:
        """Seconds to wait before the next attempt."""
        error = _error(retry_state)
        if error.verdict is Verdict.AGAIN:
            return 0.0
        # The exponent is bounded: 2 ** 1024 is no float.
        doubled = self.first * 2.0 ** min(retry_state.attempt_number - 1, 64)
        backoff = min(self.last, doubled) * (1 - self.jitter * random.random())
        return max(backoff, error.retry_after or 0.0)


class wait_decorrelated(wait_base):  # noqa: N801 - tenacity's strategies are named like functions
    """`min(cap, uniform(base, 3 * previous wait))`, which spreads callers that failed together.

    Source: "Exponential Backoff and Jitter", AWS Architecture Blog, 2015.
    """

    def __init__(self, base: float, cap: float) -> None:
        self.base = base
        self.cap = cap

    def __call__(self, retry_state: RetryCallState) -> float:
        """Seconds to wait before the next attempt."""
        error = _error(retry_state)
        if error.verdict is Verdict.AGAIN:
            return 0.0
        # Kept on the state, which is the request's own: old releases of tenacity tell no wait.
        kept = vars(retry_state)
        previous = kept.get("decorrelated", self.base)
        kept["decorrelated"] = backoff = min(self.cap, random.uniform(self.base, 3 * previous))
        return max(backoff, error.retry_after or 0.0)


def transient_errors(attempts: int) -> Retrying:
    """Retry what is known to be transient, as the SDKs' own retries do."""
    return _policy(attempts, _TRANSIENT, wait_backoff(FIRST_BACKOFF, LAST_BACKOFF, JITTER))


def exact_attempts(attempts: int) -> Retrying:
    """Retry what is not known to be permanent, after 1 s, 2 s, 4 s, up to a minute."""
    return _policy(attempts, _UNKNOWN_TOO, wait_backoff(1.0, 60.0))


def decorrelated_jitter(attempts: int, base: float = 0.5, cap: float = 30.0) -> Retrying:
    """Retry what is known to be transient, with decorrelated jitter between *base* and *cap* s."""
    return _policy(attempts, _TRANSIENT, wait_decorrelated(base, cap))


def _policy(attempts: int, verdicts: frozenset[Verdict], wait: wait_base) -> Retrying:
    def again(error: BaseException) -> bool:
        return isinstance(error, LLMError) and error.verdict in verdicts

    return Retrying(stop=stop_after_attempt(attempts), retry=retry_if_exception(again), wait=wait)


def _error(retry_state: RetryCallState) -> LLMError:
    error = retry_state.outcome.exception() if retry_state.outcome else None
    assert isinstance(error, LLMError), "only our own errors are ever retried"
    return error
