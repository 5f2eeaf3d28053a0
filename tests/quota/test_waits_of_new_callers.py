"""How long a new caller has to wait where those before it spend less than they declare."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.llm.limit_types import Priority
from services.llm.quota import (
    NEVER,
    Limit,
    NoCapacity,
    Quota,
    Reservation,
    SlidingWindow,
    TokenBucketLimit,
)
from services.llm.quota.charges import Charge
from services.llm.quota.slow_start import DOUBLING, SlowStart

NOW = 1_800_000_000.0

counts = st.integers(0, 9)
amounts = st.integers(1, 8).map(float)


def after_all_in_turn(limit: Limit, reserved: list[float], amount: float) -> float:
    """Reserve one after the other, each as early as it can go, and then find room for *amount*."""
    at = NOW
    for sequence, each in enumerate(reserved):
        at = limit.earliest(each, at, NOW)
        limit.pending.reserve(Charge(each, at, sequence))
    return limit.earliest(amount, at, NOW)


def sent(limit: Limit, amount: float, sequence: int) -> None:
    charge = Charge(amount, NOW - 1.0, sequence)
    limit.pending.reserve(charge)
    limit.pending.start(charge, NOW - 1.0)


@given(st.integers(1, 4), st.lists(st.integers(0, 70), max_size=8), counts, st.integers(0, 3))
def test_a_window_has_room_after_all_who_go_as_early_as_they_can(
    size: int, ages: list[int], reserved: int, flying: int
) -> None:
    limit = SlidingWindow(size, 60.0, times=[NOW - age for age in ages])
    for sequence in range(flying):
        sent(limit, 1.0, 100 + sequence)
    found = after_all_in_turn(limit, [1.0] * reserved, 1.0)
    assert pytest.approx(found - NOW) == limit.earliest_after_all(1.0, NOW) - NOW


@given(st.lists(amounts, max_size=8), st.lists(amounts, max_size=2), st.floats(0.0, 8.0), amounts)
def test_a_bucket_has_room_after_all_who_go_as_early_as_they_can(
    reserved: list[float], flying: list[float], missing: float, amount: float
) -> None:
    limit = TokenBucketLimit(8.0, 60.0)
    limit.correct(missing, NOW, settled_since=0.0)
    for sequence, each in enumerate(flying):
        sent(limit, each, 100 + sequence)
    found = after_all_in_turn(limit, reserved, amount)
    assert pytest.approx(found - NOW, abs=1e-5) == limit.earliest_after_all(amount, NOW) - NOW


def test_what_never_fits_does_so_after_all_others_neither() -> None:
    assert NEVER == SlidingWindow(0.5, 60.0).earliest_after_all(1.0, NOW)
    assert NEVER == TokenBucketLimit(8.0, 60.0).earliest_after_all(9.0, NOW)
    assert NEVER == TokenBucketLimit(0.0, 60.0).earliest_after_all(0.0, NOW)


def test_a_slow_start_counts_all_in_any_case() -> None:
    slow = SlowStart()
    slow.restart_if_idle(NOW)
    assert NOW == slow.earliest_after_all(1.0, NOW)
    sent(slow, 1.0, 1)
    assert NOW + DOUBLING == slow.earliest_after_all(1.0, NOW)


@pytest.mark.parametrize("priority", ["interactive", "batch"])
def test_who_can_wait_long_enough_is_never_refused_where_all_spend_little(
    priority: Priority,
) -> None:
    """Four callers ask again as soon as they are answered, each for half of the limit."""
    quota, now = Quota((), lambda: [TokenBucketLimit(8_000.0, 60.0)]), NOW
    waiting = list[Reservation]()
    for _ in range(400):
        if len(waiting) < 4:
            got = quota.reserve("m", {"tokens": 4_000.0}, now, 130.0, priority)
            assert isinstance(got, Reservation)
            waiting.append(got)
            continue
        now = max(now, waiting[0].starts_at)
        assert 0.0 == quota.try_start(waiting[0], now)
        quota.settle(waiting.pop(0), {"tokens": 200.0}, now, now)
    # At the rate of what was declared, the last would go after more than three hours.
    assert now - NOW <= 400 * 200 / 8_000 * 60.0


def test_who_cannot_wait_long_enough_is_told_how_long_it_takes_at_most() -> None:
    quota, now = Quota((), lambda: [TokenBucketLimit(8_000.0, 60.0)]), NOW
    waiting = [quota.reserve("m", {"tokens": 8_000.0}, now, NEVER) for _ in range(3)]
    first = waiting[0]
    assert isinstance(first, Reservation)
    quota.try_start(first, now)
    quota.settle(first, {"tokens": 0.0}, now, now)
    refused = quota.reserve("m", {"tokens": 8_000.0}, now, 100.0)
    assert NoCapacity(120.0, "tokens") == refused


def test_a_wait_leaves_room_for_answers_that_are_still_to_come() -> None:
    quota = Quota((SlidingWindow(1, 60.0),))
    quota.max_transit = 2.0
    first = quota.reserve("m", {"requests": 1.0}, NOW)
    assert isinstance(first, Reservation)
    quota.try_start(first, NOW)
    # It may be answered, and so have been received, up to two seconds from now.
    assert NoCapacity(62.0, "requests") == quota.reserve("m", {"requests": 1.0}, NOW, 61.9)
    patient = quota.reserve("m", {"requests": 1.0}, NOW, 62.0)
    assert isinstance(patient, Reservation)
    quota.cancel(patient, NOW)
    quota.settle(first, {}, NOW, NOW)
    assert isinstance(quota.reserve("m", {"requests": 1.0}, NOW, 60.0), Reservation)


def test_a_short_wait_is_not_refused_for_an_answer_that_may_come_late() -> None:
    quota = Quota((SlidingWindow(2, 60.0),))
    quota.max_transit = 5.0
    for at in (NOW - 59.0, NOW):
        sent_then = quota.reserve("m", {"requests": 1.0}, at)
        assert isinstance(sent_then, Reservation)
        quota.try_start(sent_then, at)
        if at < NOW:
            quota.settle(sent_then, {}, at, at)
    assert isinstance(quota.reserve("m", {"requests": 1.0}, NOW, 5.0), Reservation)
