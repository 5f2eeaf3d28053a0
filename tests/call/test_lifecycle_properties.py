"""Whatever happens to calls, and however they interleave, their sums are right."""

from __future__ import annotations

from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from services.llm.account.account import Account
from services.llm.call import lifecycle, retry
from services.llm.call.call_policy import CallPolicy
from services.llm.effects import Effect, Effects, Send, Sleep
from services.llm.errors import (
    InvalidRequestError,
    LLMError,
    ProviderUnavailableError,
    RateLimitError,
    Retry,
)
from services.llm.types import Reply, Request
from tests.call.scripted import Clock, account, says

REQUEST = Request("m", ({"role": "user", "content": "hi"},), 0.7, 100)
#: Of seconds, for what floats make of sums of them.
A_GRAIN = 1e-6


def failures() -> st.SearchStrategy[LLMError]:
    """Any failure of the provider's, with or without its own idea of when to come back."""
    kinds = [ProviderUnavailableError, RateLimitError, InvalidRequestError, LLMError]
    return st.builds(
        lambda kind, status, after, retry: kind(
            "no",
            # Without one, it was refused before it was sent.
            status=status or (400 if kind is InvalidRequestError else None),
            retry_after=after,
            retry=retry,
        ),
        st.sampled_from(kinds),
        st.sampled_from([None, 400, 429, 503]),
        st.none() | st.floats(0, 90),
        st.sampled_from([Retry.NEVER, Retry.AFTER_BACKOFF, Retry.IF_REQUESTED]),
    )


class Caller:
    """One who makes call after call, a step at a time, and checks each on its way."""

    def __init__(self, to: Account, clock: Clock, policy: CallPolicy, attempts: int) -> None:
        self._to, self._clock, self._policy, self._attempts = to, clock, policy, attempts
        self._call: Effects[Reply] | None = None
        self._effect: Effect | None = None
        self._began = 0.0
        self._sends = 0
        #: When something was sent, and until when what was learnt forbids it.
        self.sent: list[float] = []
        self.forbidden = 0.0

    def go_on(self, outcome: LLMError | Reply | None, forbidden: float) -> None:
        """Begin a call, or let the one that runs go on with *outcome*; None cancels it."""
        if self._call is not None and outcome is None:
            return self.leave()
        try:
            self._effect = self._step(outcome)
        except StopIteration as done:
            self._ended(len(done.value.attempts), exact=True)
        except LLMError as error:
            self._ended(len(error.attempts), exact=False)
        else:
            self._check(forbidden)
        return None

    def leave(self) -> None:
        """Cancel what runs."""
        if self._call is not None:
            self._call.close()
            self._call = None

    def _step(self, outcome: LLMError | Reply | None) -> Effect:
        if self._call is None:
            self._call = lifecycle.run_call(
                self._policy, self._to, partial(lifecycle.fetch_reply, REQUEST)
            )
            self._began, self._sends = self._clock.now, 0
            return next(self._call)
        if isinstance(self._effect, Sleep):
            self._clock.now = max(self._clock.now, self._until)
            return self._call.send(None)
        if isinstance(outcome, LLMError):
            waits = isinstance(outcome, (ProviderUnavailableError, RateLimitError))
            if waits and outcome.retry_after is not None:
                self.forbidden = self._clock.now + outcome.retry_after
            return self._call.throw(outcome)
        return self._call.send(outcome)

    def _ended(self, attempts: int, *, exact: bool) -> None:
        self._call = None
        assert attempts == self._sends or not exact
        assert attempts <= self._sends <= self._attempts

    def _check(self, forbidden: float) -> None:
        now, effect, timeout = self._clock.now, self._effect, self._policy.timeout
        if isinstance(effect, Sleep):
            self._until = now + effect.seconds
            assert self._until <= self._began + timeout + A_GRAIN
        else:
            assert isinstance(effect, Send)
            assert 0 < effect.timeout <= timeout + A_GRAIN
            assert now >= forbidden - A_GRAIN
            self._sends += 1
            self.sent.append(now)


OUTCOMES = failures() | st.just(says("Yes.")) | st.none()


@given(
    attempts=st.integers(1, 4),
    window=st.integers(1, 4),
    quota_wait_left=st.sampled_from([0.0, 5.0, 60.0]),
    timeout=st.sampled_from([1.0, 30.0, 300.0]),
    steps=st.lists(st.tuples(st.integers(0, 3), st.floats(0, 30), OUTCOMES), max_size=40),
)
def test_nothing_is_sent_too_early_too_often_or_too_late(
    attempts: int,
    window: int,
    quota_wait_left: float,
    timeout: float,
    steps: list[tuple[int, float, LLMError | Reply | None]],
) -> None:
    clock = Clock()
    to = account(clock, requests=window)
    policy = CallPolicy(lambda: retry.transient_errors(attempts), timeout, quota_wait_left)
    callers = [Caller(to, clock, policy, attempts) for _ in range(4)]
    for which, passed, outcome in steps:
        clock.now += passed
        callers[which].go_on(outcome, max(each.forbidden for each in callers))
    for caller in callers:
        caller.leave()
    sent = sorted(moment for caller in callers for moment in caller.sent)
    assert all(b - a >= 60.0 - A_GRAIN for a, b in zip(sent, sent[window:], strict=False))
    assert (0, 0.0) == (len(to.window.pending), to.window.pending.in_flight_amount)
    assert to.concurrency.free == to.concurrency._size
