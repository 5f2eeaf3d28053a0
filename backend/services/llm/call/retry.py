"""Which failures deserve another attempt, after how long, and how often; tenacity's strategies."""

from __future__ import annotations

import random
from functools import cached_property, lru_cache

from tenacity import (
    DoSleep,
    RetryCallState,
    RetryError,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
)
from tenacity.wait import wait_base

from ..errors import LLMError, RateLimitError, Retry

#: Backoff of `transient_errors` in seconds: doubled from the first to the last, less a quarter.
FIRST_BACKOFF, LAST_BACKOFF, JITTER = 0.5, 8.0, 0.25

_TRANSIENT = frozenset({Retry.AFTER_BACKOFF, Retry.AT_ONCE})
_TRANSIENT_OR_UNKNOWN = _TRANSIENT | {Retry.IF_REQUESTED}


class CallRetryState(RetryCallState):
    """tenacity's state of one call's retries, and the backoff that was drawn last."""

    last_backoff: float | None = None


class Retries:
    """What follows each failure of one call, by tenacity's own state machine."""

    def __init__(self, policy: Retrying) -> None:
        self._policy = policy
        self._refusals = 0

    @cached_property
    def _state(self) -> CallRetryState:
        # A copy, as tenacity keeps statistics of a call in it; most calls never need one.
        state = CallRetryState(self._policy.copy(), None, (), {})
        state.retry_object.begin()
        return state

    def seconds_before_retry(
        self, error: Exception, *, has_requested_attempts: bool = False
    ) -> float | None:
        """Seconds to wait before the next attempt; None when the attempts are used up.

        A limit's refusal that is waited out costs no attempt, as the caller's patience ends those
        waits; but where the caller *has_requested_attempts*, it costs one. Raises *error* itself
        where the policy makes no further attempt after it.
        """
        if (
            isinstance(error, RateLimitError)
            and error.retry is Retry.AT_ONCE
            and not has_requested_attempts
        ):
            self._refusals += 1
            # The limit's own wait comes first. One that is refused again and again waits longer.
            again = self._refusals - 1
            return min(LAST_BACKOFF, FIRST_BACKOFF * 2.0 ** min(again - 1, 64)) if again else 0.0
        self._state.set_exception((type(error), error, error.__traceback__))
        try:
            pause = self._state.retry_object.iter(self._state)
        except RetryError:
            return None
        assert isinstance(pause, DoSleep), "tenacity waits before each further attempt"
        self._state.prepare_for_next_attempt()
        return float(pause)


class wait_backoff(wait_base):  # noqa: N801 - tenacity's strategies are named like functions
    """Double the wait from `first` up to `last`, take off up to `jitter` of it at random.

    Never shorter than the provider's Retry-After; 0.0 where the error asks for no wait.
    """

    def __init__(self, first: float, last: float, jitter: float = 0.0) -> None:
        self.first = first
        self.last = last
        self.jitter = jitter

    def __call__(self, retry_state: RetryCallState) -> float:
        """Seconds to wait before the next attempt."""
        error = _error(retry_state)
        if error.retry is Retry.AT_ONCE:
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
        if error.retry is Retry.AT_ONCE:
            return 0.0
        assert isinstance(retry_state, CallRetryState), "it remembers the last backoff"
        previous = retry_state.last_backoff or self.base
        backoff = min(self.cap, random.uniform(self.base, 3 * previous))
        retry_state.last_backoff = backoff
        return max(backoff, error.retry_after or 0.0)


def transient_errors(attempts: int) -> Retrying:
    """Retry what is known to be transient, as the SDKs' own retries do."""
    return _transient_errors(attempts, JITTER)


@lru_cache(maxsize=64)  # a policy keeps nothing: each call that fails takes a copy
def _transient_errors(attempts: int, jitter: float) -> Retrying:
    return _policy(attempts, _TRANSIENT, wait_backoff(FIRST_BACKOFF, LAST_BACKOFF, jitter))


@lru_cache(maxsize=64)
def exact_attempts(attempts: int) -> Retrying:
    """Retry what is not known to be permanent, after 1 s, 2 s, 4 s, up to a minute."""
    return _policy(attempts, _TRANSIENT_OR_UNKNOWN, wait_backoff(1.0, 60.0))


def decorrelated_jitter(attempts: int, base: float = 0.5, cap: float = 30.0) -> Retrying:
    """Retry what is known to be transient, with decorrelated jitter between *base* and *cap* s."""
    return _policy(attempts, _TRANSIENT, wait_decorrelated(base, cap))


def _policy(attempts: int, retryable: frozenset[Retry], wait: wait_base) -> Retrying:
    def is_retryable(error: BaseException) -> bool:
        return isinstance(error, LLMError) and error.retry in retryable

    return Retrying(
        stop=stop_after_attempt(attempts), retry=retry_if_exception(is_retryable), wait=wait
    )


def _error(retry_state: RetryCallState) -> LLMError:
    error = retry_state.outcome.exception() if retry_state.outcome else None
    assert isinstance(error, LLMError), "only our own errors are ever retried"
    return error
