from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.llm.quota import NEVER, SlidingWindow
from services.llm.quota.charges import Charge, PriorityFilter
from tests.quota.oracle import crowds, first_without_a_crowd

UNIX = 1_800_000_000.0

bases = st.sampled_from([0.0, UNIX])
steps = st.lists(st.integers(-16, 80), max_size=8)
eighths = st.integers(0, 80).map(lambda count: count / 8)
windows = st.sampled_from([0.125, 1.0, 2.0, 8.0])


def in_flight(window: SlidingWindow, count: int, since: float) -> list[Charge]:
    charges = [Charge(1.0, since, 1_000 + sequence) for sequence in range(count)]
    for charge in charges:
        window.pending.reserve(charge)
        window.pending.start(charge, since)
    return charges


@given(bases, st.integers(1, 4), windows, steps, steps, st.integers(0, 2), eighths)
def test_the_earliest_moment_is_the_first_that_crowds_no_window(
    now: float,
    size: int,
    window: float,
    seen: list[int],
    reserved: list[int],
    flying: int,
    later: float,
) -> None:
    limit = SlidingWindow(size, window, times=[now - step / 8 for step in seen])
    log = [at for at in limit.times if at + window > now] + [now] * flying
    in_flight(limit, flying, now - 1.0)
    charges = [Charge(1.0, now + step / 8, sequence) for sequence, step in enumerate(reserved)]
    for charge in charges:
        limit.pending.reserve(charge)
    expected = first_without_a_crowd(
        [*log, *(charge.at for charge in charges)], now + later, size, window
    )
    assert expected == limit.earliest(1.0, now + later, now)


@given(bases, st.integers(1, 4), windows, steps, steps, st.integers(0, 8), eighths)
def test_for_its_turn_only_those_ahead_and_before_count(
    now: float,
    size: int,
    window: float,
    seen: list[int],
    reserved: list[int],
    sequence: int,
    later: float,
) -> None:
    limit = SlidingWindow(size, window, times=[now - step / 8 for step in seen])
    log = list(limit.times)
    for other, step in enumerate(reserved):
        limit.pending.reserve(charge := Charge(1.0, now + step / 8, other))
        log += [charge.at] if other < sequence else []
    start = now + later
    expected = min(
        at
        for at in {start, *(one + window for one in log)}
        if at >= start and not crowds([one for one in log if one <= at], at, size, window)
    )
    assert expected == limit.earliest(1.0, start, now, PriorityFilter(sequence))


@given(
    st.lists(st.floats(allow_nan=False), max_size=12),
    st.floats(-2.0, 12.0),
    st.floats(allow_nan=False),
    st.sampled_from([0.0, UNIX]),
)
def test_any_numbers_in_the_log_end_in_an_answer(
    garbage: list[float], size: float, window: float, now: float
) -> None:
    limit = SlidingWindow(size, window, times=garbage)
    in_flight(limit, 2, now)
    limit.pending.reserve(Charge(1.0, now, 1))
    assert limit.earliest(1.0, now, now) >= now
    assert limit.earliest(1.0, now, now, PriorityFilter(2, now)) >= now


def test_a_moment_frees_its_slot_exactly_one_window_later() -> None:
    limit = SlidingWindow(1, 60.0, times=[100.0])
    assert limit.earliest(1.0, 159.0, 159.0) == 160.0
    assert limit.earliest(1.0, 160.0, 160.0) == 160.0
    assert limit.times == []


@pytest.mark.parametrize("now", [0.0, 12.345, UNIX + 0.1])
def test_a_tiny_window_at_unix_time_frees_its_slot_too(now: float) -> None:
    limit = SlidingWindow(2, 0.05, times=[now, now])
    free = limit.earliest(1.0, now, now)
    assert free == now + 0.05
    assert limit.earliest(1.0, free, free) == free


def test_hosts_may_empty_refill_shrink_and_widen_the_log_at_any_moment() -> None:
    limit = SlidingWindow(2, 60.0)
    limit.times[:] = [10.0, 5.0]
    assert limit.earliest(1.0, 20.0, 20.0) == 65.0
    limit.amount = 3
    assert limit.earliest(1.0, 20.0, 20.0) == 20.0
    limit.amount, limit.window = 2, 12.0
    assert limit.earliest(1.0, 20.0, 20.0) == 20.0
    limit.times.append(9.0)
    assert limit.earliest(1.0, 20.0, 20.0) == 21.0
    limit.times.clear()
    assert limit.earliest(1.0, 20.0, 20.0) == 20.0


@pytest.mark.parametrize(
    ("amount", "expected"), [(0, NEVER), (-1, NEVER), (0.5, NEVER), (1.9, 70.0)]
)
def test_less_than_one_request_is_none(amount: float, expected: float) -> None:
    assert SlidingWindow(amount, 60.0, times=[10.0]).earliest(1.0, 20.0, 20.0) == expected


def test_an_infinite_amount_is_no_limit() -> None:
    limit = SlidingWindow(math.inf, 60.0, times=[1.0] * 1_000)
    assert limit.earliest(1.0, 1.0, 1.0) == 1.0


@pytest.mark.parametrize("window", [0.0, -1.0])
def test_a_window_without_length_holds_nothing(window: float) -> None:
    limit = SlidingWindow(1, window, times=[1.0, 1.0])
    in_flight(limit, 2, 1.0)
    assert limit.earliest(1.0, 1.0, 1.0) == 1.0


def test_what_is_in_flight_counts_as_now_however_long_it_takes() -> None:
    limit = SlidingWindow(1, 1.0)
    [charge] = in_flight(limit, 1, 10.0)
    assert limit.earliest(1.0, 99.0, 99.0) == 100.0
    limit.settle(charge, 1.0, 10.5, 99.0)
    assert limit.times == [10.5]
    assert limit.earliest(1.0, 99.0, 99.0) == 99.0


def test_what_turned_out_never_to_be_a_request_frees_its_slot() -> None:
    limit = SlidingWindow(1, 60.0)
    [charge] = in_flight(limit, 1, 10.0)
    limit.settle(charge, 0.0, 10.5, 11.0)
    assert limit.times == []


def test_only_a_full_flight_holds_the_next_one() -> None:
    limit = SlidingWindow(2, 60.0)
    assert limit.blocked_since(1.0) is None
    in_flight(limit, 1, 10.0)
    assert limit.blocked_since(1.0) is None
    in_flight(limit, 1, 11.0)
    assert limit.blocked_since(1.0) == 10.0


def test_tokens_are_not_logged_one_by_one() -> None:
    with pytest.raises(ValueError, match=r"SlidingWindow\(unit='tokens'\).*Bucket"):
        SlidingWindow(8_000, 60.0, "tokens")


def test_what_leaves_the_window_a_moment_later_is_still_in_it() -> None:
    limit = SlidingWindow(1, 60.0)
    limit.pending.reserve(Charge(1, 100.0))
    assert limit.earliest(1, 160.0 - 1e-10, 100.0, PriorityFilter(5)) == 160.0
    assert limit.earliest(1, 160.0, 100.0, PriorityFilter(5)) == 160.0


def test_used_is_what_the_window_holds_in_flight_and_reserved_up_to_the_limit() -> None:
    limit = SlidingWindow(4, 60.0, times=[30.0, 100.0])
    assert 2.0 == limit.used(89.0)
    assert 1.0 == limit.used(90.0)
    assert [100.0] == limit.times
    in_flight(limit, 1, 100.0)
    limit.pending.reserve(Charge(1.0, 130.0, 5))
    assert 3.0 == limit.used(100.0)
    in_flight(limit, 4, 100.0)
    assert 4.0 == limit.used(100.0)


@pytest.mark.parametrize("amount", [0.0, -2.0])
def test_of_a_limit_of_nothing_nothing_is_used(amount: float) -> None:
    assert 0.0 == SlidingWindow(amount, 60.0, times=[100.0]).used(100.0)


def test_a_window_is_full_again_when_its_last_request_has_left_it() -> None:
    limit = SlidingWindow(4, 60.0, times=[100.0, 70.0])
    assert 160.0 == limit.full_at(110.0)
    assert 170.0 == limit.full_at(170.0)
    in_flight(limit, 1, 175.0)
    assert 240.0 == limit.full_at(180.0)
    assert 7.0 == SlidingWindow(4, 60.0).full_at(7.0)


def received(limit: SlidingWindow, sent_at: float) -> Charge:
    """A charge that was sent then, and that the provider has received a second later."""
    [charge] = in_flight(limit, 1, sent_at)
    limit.mark_received(sent_at, 1.0)
    return charge


def test_a_request_that_was_received_is_logged_again_when_it_is_answered() -> None:
    limit = SlidingWindow(4, 60.0)
    limit.mark_received(100.0, 1.0)
    assert [] == limit.times
    charge = received(limit, 100.0)
    assert [101.0] == limit.times
    limit.settle(charge, 1.0, 100.5, 102.0)
    assert [100.5] == limit.times
    refused = received(limit, 110.0)
    limit.settle(refused, 0.0, 110.5, 112.0)
    assert [100.5] == limit.times


def test_only_the_request_itself_leaves_the_log_that_a_host_has_changed() -> None:
    limit = SlidingWindow(9, 60.0)
    charge = received(limit, 100.0)
    limit.times[:] = [105.0, 103.0, 101.0, 99.0]
    limit.settle(charge, 0.0, 100.5, 106.0)
    assert [99.0, 103.0, 105.0] == limit.times
    gone = received(limit, 100.0)
    limit.times[:] = [103.0, 99.0]
    limit.settle(gone, 0.0, 100.5, 106.0)
    assert [99.0, 103.0] == limit.times


@pytest.mark.parametrize("size", [3, 300])
def test_a_log_that_a_host_has_filled_in_any_order_is_read_in_the_right_one(size: int) -> None:
    falling = [100.0 + at for at in reversed(range(size))]
    assert size - 1 == SlidingWindow(1_000, 60.0, times=falling.copy()).used(160.0)
    limit = SlidingWindow(1_000, 1_000.0, times=falling.copy())
    limit.settle(in_flight(limit, 1, 101.0)[0], 1.0, 101.5, 102.0)
    assert sorted([*falling, 101.5]) == limit.times


def test_a_long_log_keeps_its_order_whatever_leaves_it() -> None:
    limit = SlidingWindow(1_000, 400.0, times=[float(at) for at in range(300)])
    assert 300.0 == limit.used(300.0)
    for at in (350.0, 349.5):
        limit.settle(in_flight(limit, 1, at)[0], 1.0, at, 350.0)
    assert [299.0, 349.5, 350.0] == limit.times[-3:]
    assert 301.0 == limit.used(400.0)
