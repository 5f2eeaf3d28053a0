"""One call by itself: its time, its waits, its attempts, and the errors that it ends in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from services.llm.call import retry
from services.llm.call.call import Call, was_sent
from services.llm.call.call_policy import CallPolicy
from services.llm.effects import Effects, Sleep
from services.llm.errors import (
    AuthenticationError,
    ConfigurationError,
    ContextLengthError,
    InvalidRequestError,
    LLMError,
    ProviderUnavailableError,
    RateLimitError,
    RetriesExhaustedError,
    Retry,
)
from services.llm.quota import NEVER, NoCapacity, Quota, TokenBucketLimit
from services.llm.types import Usage
from tests.call.calls import MODEL, limited, unavailable
from tests.call.scripted import Clock, account, says


@pytest.fixture
def clock() -> Clock:
    return Clock()


def begun(clock: Clock, **policy: Any) -> Call:
    """A call that begins now, and may take nine seconds."""
    terms = {"timeout": 9.0, **policy}
    return Call(CallPolicy(lambda: retry.transient_errors(3), **terms), account(clock), clock.now)


def slept(clock: Clock, wait: Effects[None]) -> list[Sleep]:
    """Sleep out a wait."""
    sleeps = []
    for effect in wait:
        assert isinstance(effect, Sleep)
        sleeps.append(effect)
        clock.now += effect.seconds
    return sleeps


def test_a_call_knows_how_long_it_has_taken_and_may_still_take(clock: Clock) -> None:
    call = begun(clock)
    clock.now += 2.5
    assert (2.5, 6.5) == (call.duration(), call.time_left())
    call.first_piece_at = clock.now
    clock.now += 8.0
    assert (10.5, -1.5, 2.5) == (call.duration(), call.time_left(), call.time_to_first_piece())


def test_a_call_waits_for_limits_within_its_patience_and_its_time(clock: Clock) -> None:
    call = begun(clock, max_quota_wait=6.0)
    assert 6.0 == call.quota_wait_left()
    slept(clock, call.wait(2.0, "requests"))
    assert 4.0 == call.quota_wait_left()
    slept(clock, call.wait(5.0, "backoff"))
    assert (2.0, 2.0) == (call.time_left(), call.quota_wait_left())
    clock.now += 3.0
    assert 0.0 == call.quota_wait_left()
    assert 0.0 == begun(clock).quota_wait_left()


def test_only_a_wait_for_limits_uses_up_the_patience_for_them(clock: Clock) -> None:
    call = begun(clock, max_quota_wait=6.0)
    for cause in ("concurrency", "outage", "backoff"):
        slept(clock, call.wait(1.0, cause))
    assert 6.0 == call.quota_wait_left()
    assert {"concurrency": 1.0, "retry": 2.0} == call.waited
    slept(clock, call.wait(0.5, "turn"))
    assert (5.5, 0.5) == (call.quota_wait_left(), call.waited["quota"])


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_a_wait_that_is_over_is_none(clock: Clock, seconds: float) -> None:
    call = begun(clock)
    assert ([], {}) == (slept(clock, call.wait(seconds, "backoff")), call.waited)


def test_a_short_wait_is_slept_and_one_that_is_cut_short_counts_as_long_as_it_took(
    clock: Clock,
) -> None:
    call = begun(clock)
    assert [Sleep(0.25, "retry")] == slept(clock, call.wait(0.25, "backoff"))
    waiting = call.wait(5.0, "pause")
    next(waiting)
    clock.now += 1.0
    assert [] == list(waiting)
    assert {"retry": 0.25, "quota": 1.0} == call.waited


def test_an_attempt_tells_what_came_of_it_and_what_was_waited_for_before(clock: Clock) -> None:
    call = begun(clock)
    for cause in ("requests", "concurrency", "backoff"):
        slept(clock, call.wait(1.5, cause))
    sent_at = clock.now
    clock.now += 0.5
    call.record_attempt(MODEL, sent_at, replace(says("Yes."), request_id="one"), None, 12)
    clock.now += 1.0
    call.record_attempt(MODEL, clock.now, None, unavailable())
    first, second = call.attempts
    assert (1, MODEL, 3.0, 1.5, 0.5) == (
        *(first.number, first.model, first.quota_wait, first.retry_wait),
        first.latency,
    )
    assert (None, 200, 10, "one", 12) == (
        *(first.error, first.status, first.usage.total_tokens, first.request_id),
        first.estimated_input_tokens,
    )
    assert (2, 0.0, 0.0, "ProviderUnavailableError", 503, Usage(), None, 0) == (
        *(second.number, second.quota_wait, second.retry_wait, second.error, second.status),
        *(second.usage, second.request_id, second.estimated_input_tokens),
    )


def test_an_attempt_that_failed_in_the_middle_has_the_id_of_whichever_names_one(
    clock: Clock,
) -> None:
    call = begun(clock)
    error = LLMError("cut off", status=500, request_id="of the error")
    call.record_attempt(MODEL, clock.now, says("Ye"), error)
    call.record_attempt(MODEL, clock.now, replace(says("Ye"), request_id="of the reply"), error)
    assert ["of the error", "of the reply"] == [each.request_id for each in call.attempts]


def test_what_was_refused_before_it_was_sent_keeps_the_waits_for_the_next_attempt(
    clock: Clock,
) -> None:
    call = begun(clock)
    slept(clock, call.wait(1.5, "requests"))
    call.record_attempt(MODEL, clock.now, None, ConfigurationError("no"))
    assert [] == call.attempts
    call.record_attempt(MODEL, clock.now, says("Yes."))
    assert [(1, 1.5)] == [(each.number, each.quota_wait) for each in call.attempts]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (InvalidRequestError("no"), False),
        (ConfigurationError("no"), False),
        (AuthenticationError("no"), False),
        (InvalidRequestError("no", status=400), True),
        (ProviderUnavailableError("silence"), True),
        (limited(), True),
    ],
)
def test_what_has_a_status_or_may_have_been_lost_on_its_way_was_sent(
    error: LLMError, expected: bool
) -> None:
    assert expected is was_sent(error)


def test_a_limit_that_lets_no_request_through_is_no_matter_of_waiting(clock: Clock) -> None:
    for unit in ("requests", None):
        error = begun(clock).limit_error(NoCapacity(NEVER, unit), {"requests": 1.0}, MODEL)
        assert isinstance(error, RateLimitError)
        assert "a limit on requests lets none through" in str(error)
        assert None is error.retry_after


def test_a_demand_beyond_a_whole_limit_is_an_error_that_says_by_how_much(clock: Clock) -> None:
    call = begun(clock)
    call.account.quota = Quota((), lambda: [TokenBucketLimit(100, 60.0, "tokens")])
    error = call.limit_error(NoCapacity(NEVER, "tokens"), {"tokens": 150.0}, MODEL)
    assert isinstance(error, ContextLengthError)
    assert str(error) == (
        "150 tokens in one call are 50 more than the whole limit of 100 (TPM):"
        " shorten the prompt or lower max_tokens, or raise GROQ_TOKENS_PER_MINUTE"
    )
    unnamed = call.limit_error(NoCapacity(NEVER, "tokens"), {"requests": 1.0}, MODEL)
    assert str(unnamed).startswith("0 tokens in one call are more than a whole limit: shorten")


def test_a_limit_that_is_full_for_a_while_says_for_how_long(clock: Clock) -> None:
    error = begun(clock).limit_error(NoCapacity(7.25, "tokens"), {"tokens": 5.0}, MODEL)
    assert isinstance(error, RateLimitError)
    assert ("Rate limit exceeded. Please wait 7.2 seconds", 7.25, "groq") == (
        *(str(error), error.retry_after),
        error.provider,
    )


def test_an_outage_and_a_deadline_are_not_tried_again(clock: Clock) -> None:
    outage, late = begun(clock).outage_error(50.0), begun(clock).deadline_error()
    assert (50.0, Retry.NEVER, Retry.NEVER) == (outage.retry_after, outage.retry, late.retry)
    assert "No answer within 9 seconds" == str(late)


def test_who_asked_for_attempts_is_told_how_many_there_were_and_of_the_last(clock: Clock) -> None:
    last = LLMError("no", status=503, code="busy", request_id="one", retry_after=3.0)
    assert begun(clock).final_error(last) is last
    call = begun(clock, has_requested_attempts=True)
    for _ in range(2):
        call.record_attempt(MODEL, clock.now, None, last)
    error = call.final_error(last)
    assert isinstance(error, RetriesExhaustedError)
    assert ("Failed after 2 attempts: no", 503, "busy", "one", 3.0, last) == (
        *(str(error), error.status, error.code, error.request_id, error.retry_after),
        error.__cause__,
    )
