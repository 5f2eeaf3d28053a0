"""What is retried, after how long, and how often: tenacity's strategies by hand."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenacity import Retrying

from services.llm.call import retry
from services.llm.errors import LLMError, RateLimitError, Retry


def waits(policy: Retrying, failures: list[Exception]) -> list[float]:
    """The waits between the attempts; the last failure, or tenacity's own end, is not raised."""
    retries = retry.Retries(policy)
    slept: list[float] = []
    for failure in failures:
        try:
            pause = retries.seconds_before_retry(failure)
        except type(failure):
            break
        if pause is None:
            break
        slept.append(pause)
    return slept


def failure(kind: Retry = Retry.AFTER_BACKOFF, retry_after: float | None = None) -> LLMError:
    return LLMError("no", retry=kind, retry_after=retry_after)


@pytest.mark.parametrize(
    ("kind", "ridden_out", "retried_as_told"),
    [
        (Retry.NEVER, False, False),
        (Retry.AFTER_BACKOFF, True, True),
        (Retry.AT_ONCE, True, True),
        (Retry.IF_REQUESTED, False, True),
    ],
)
def test_the_kind_of_error_decides(kind: Retry, ridden_out: bool, retried_as_told: bool) -> None:
    for make, expected in (
        (retry.transient_errors, ridden_out),
        (retry.decorrelated_jitter, ridden_out),
        (retry.exact_attempts, retried_as_told),
    ):
        assert expected == bool(waits(make(2), [failure(kind)] * 2))


@pytest.mark.parametrize(
    "bug", [TypeError("no"), Exception("Temporary error"), KeyboardInterrupt()]
)
def test_an_error_that_is_not_ours_is_never_retried(bug: Exception) -> None:
    assert [] == waits(retry.exact_attempts(9), [bug])


@given(attempts=st.integers(1, 20))
def test_there_are_as_many_attempts_as_were_asked_for(attempts: int) -> None:
    for make in (retry.transient_errors, retry.exact_attempts, retry.decorrelated_jitter):
        assert attempts - 1 == len(waits(make(attempts), [failure()] * 30))


def test_attempts_as_told_are_a_second_apart_then_two_then_four_up_to_a_minute() -> None:
    expected = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    assert expected == waits(retry.exact_attempts(9), [failure()] * 9)


@given(seed=st.integers(0, 2**32), after=st.none() | st.floats(0, 1e6), count=st.integers(1, 90))
def test_backoff_stays_within_its_bounds_and_above_what_the_provider_asks(
    seed: int, after: float | None, count: int
) -> None:
    random.seed(seed)
    for number, wait in enumerate(
        waits(retry.transient_errors(count + 1), [failure(retry_after=after)] * count)
    ):
        full = min(8.0, 0.5 * 2**number)
        assert max(0.75 * full, after or 0.0) <= wait <= max(full, after or 0.0)


@given(
    seed=st.integers(0, 2**32),
    base=st.floats(0.01, 10),
    cap=st.floats(0.01, 100),
    after=st.none() | st.floats(0, 1e6),
)
def test_decorrelated_waits_grow_by_three_at_most(
    seed: int, base: float, cap: float, after: float | None
) -> None:
    random.seed(seed)
    previous = base
    for wait in waits(retry.decorrelated_jitter(20, base, cap), [failure(retry_after=after)] * 19):
        least, most = min(cap, base), min(cap, 3 * max(base, previous))
        assert max(least, after or 0.0) <= wait <= max(most * (1 + 1e-9), after or 0.0)
        previous = wait


def test_where_the_way_is_clear_again_no_wait_is_due() -> None:
    clear = failure(Retry.AT_ONCE, retry_after=9.0)
    for make in (retry.transient_errors, retry.exact_attempts, retry.decorrelated_jitter):
        assert [0.0] == waits(make(2), [clear] * 2)


def test_each_decorrelated_wait_is_drawn_up_to_three_times_the_one_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(random, "uniform", lambda least, most: most)
    assert [1.5, 4.5, 13.5, 30.0, 30.0] == waits(retry.decorrelated_jitter(6), [failure()] * 6)
    late: list[Exception] = [failure(retry_after=20.0), failure()]
    assert [20.0, 4.5] == waits(retry.decorrelated_jitter(3), late), (
        "what was asked for is not drawn from"
    )
    monkeypatch.setattr(random, "uniform", lambda least, most: least)
    assert [0.5] * 3 == waits(retry.decorrelated_jitter(4), [failure()] * 4)


def test_backoff_loses_a_quarter_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "random", lambda: 1.0)
    assert [0.375, 0.75, 1.5, 3.0, 6.0, 6.0] == waits(retry.transient_errors(7), [failure()] * 7)
    monkeypatch.setattr(random, "random", lambda: 0.0)
    assert [0.5, 1.0, 2.0] == waits(retry.transient_errors(4), [failure()] * 4)


def test_a_policy_that_is_kept_is_that_of_the_jitter_it_was_made_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = retry.transient_errors(3)
    assert kept is retry.transient_errors(3)
    monkeypatch.setattr(retry, "JITTER", 0.0)
    assert kept is not retry.transient_errors(3)


def test_a_limit_that_refuses_again_and_again_is_asked_less_and_less_often() -> None:
    retries = retry.Retries(retry.transient_errors(1))
    refused = RateLimitError("full", retry=Retry.AT_ONCE)
    expected = [0.0]
    while len(expected) < 80:
        expected.append(min(retry.LAST_BACKOFF, (expected[-1] * 2) or retry.FIRST_BACKOFF))
    assert expected == [retries.seconds_before_retry(refused) for _ in expected]


def test_a_refusal_costs_an_attempt_where_their_number_is_exact() -> None:
    retries = retry.Retries(retry.exact_attempts(2))
    refused = RateLimitError("full", retry=Retry.AT_ONCE)
    assert 0.0 == retries.seconds_before_retry(refused, has_requested_attempts=True)
    assert retries.seconds_before_retry(refused, has_requested_attempts=True) is None


def test_another_error_at_once_costs_an_attempt_as_any_other() -> None:
    retries = retry.Retries(retry.transient_errors(2))
    assert 0.0 == retries.seconds_before_retry(failure(Retry.AT_ONCE))
    assert retries.seconds_before_retry(failure(Retry.AT_ONCE)) is None
