from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.llm.quota import (
    NEVER,
    NoCapacity,
    Quota,
    Reservation,
    SlidingWindow,
    TokenBucketLimit,
)
from services.llm.quota.limits import float_tolerance, seconds_until
from tests.quota.support import ONE, a_minute, answered, reserved, sent, tokens

# Reserving.


def test_a_request_with_room_goes_at_once() -> None:
    quota = a_minute(1)
    reservation = reserved(quota, 100.0)
    assert (reservation.starts_at, quota.try_start(reservation, 100.0)) == (100.0, 0.0)


def test_who_will_not_wait_reserves_nothing_and_is_told_how_long_it_would_be() -> None:
    quota = a_minute(1)
    answered(quota, 100.0)
    assert quota.reserve("m", ONE, 115.0) == NoCapacity(45.0, "requests")
    assert quota.reserve("m", ONE, 159.5) == NoCapacity(0.5, "requests")
    assert isinstance(quota.reserve("m", ONE, 160.0), Reservation)


@pytest.mark.parametrize("now", [0.0, 3.3, 1_800_000_000.1, 1_763_827_200.7])
@pytest.mark.parametrize("window", [0.05, 0.1, 59.9, 86_399.7])
def test_a_wait_that_is_slept_out_exactly_is_long_enough(now: float, window: float) -> None:
    quota = Quota((SlidingWindow(1, window),), lambda: (TokenBucketLimit(7.0, window),))
    answered(quota, now, tokens(6.9))
    for _ in range(50):
        full = quota.reserve("m", tokens(6.9), now)
        assert isinstance(full, NoCapacity)
        now += full.wait
        answered(quota, now, tokens(6.9))


def test_a_wait_up_to_the_longest_allowed_is_reserved() -> None:
    quota = a_minute(1)
    answered(quota, 100.0)
    assert quota.reserve("m", ONE, 101.0, 58.9) == NoCapacity(59.0, "requests")
    reservation = quota.reserve("m", ONE, 101.0, 59.0)
    assert isinstance(reservation, Reservation)
    assert reservation.starts_at == 160.0


def test_a_request_takes_all_of_its_limits_or_none() -> None:
    bucket = TokenBucketLimit(10, 10.0)
    quota = Quota((SlidingWindow(5, 60.0),), lambda: (bucket,))
    answered(quota, 100.0, tokens(8))
    assert quota.reserve("m", tokens(8), 100.0) == NoCapacity(6.0, "tokens")
    for _ in range(4):
        answered(quota, 100.0)
    assert quota.reserve("m", ONE, 100.0) == NoCapacity(60.0, "requests")
    assert quota.reserve("m", tokens(8), 100.0) == NoCapacity(60.0, "requests")
    assert isinstance(quota.reserve("m", {"tokens": 2}, 100.0), Reservation)


def test_what_never_fits_is_refused_for_ever_whatever_one_would_wait() -> None:
    quota = Quota((), lambda: (TokenBucketLimit(10, 10.0),))
    assert quota.reserve("m", tokens(11), 100.0, NEVER) == NoCapacity(NEVER, "tokens")


def test_each_model_has_its_own_limits_beside_the_shared_ones() -> None:
    quota = Quota((SlidingWindow(3, 60.0),), lambda: (SlidingWindow(2, 60.0),))
    for _ in range(2):
        answered(quota, 100.0, scope="a")
    assert quota.reserve("a", ONE, 100.0) == NoCapacity(60.0, "requests")
    answered(quota, 100.0, scope="b")
    assert quota.reserve("b", ONE, 100.0) == NoCapacity(60.0, "requests")


@pytest.mark.parametrize("amount", [-1.0, math.nan])
def test_an_amount_that_is_none_is_refused_by_name(amount: float) -> None:
    with pytest.raises(ValueError, match=r"demand\['tokens'\] = .*must be 0 or more"):
        Quota().reserve("m", tokens(amount), 0.0)


def test_a_limit_that_a_host_sets_to_nothing_refuses_everything() -> None:
    window = SlidingWindow(1, 60.0)
    quota = Quota((window,))
    waiting = reserved(quota, 100.0)
    window.amount = 0
    assert quota.reserve("m", ONE, 100.0) == NoCapacity(NEVER, "requests")
    assert quota.try_start(waiting, 100.0) == NEVER
    window.amount = 1
    assert quota.try_start(waiting, 100.0) == 0.0


# Waiting.


def test_those_who_wait_go_in_the_order_they_reserved() -> None:
    quota = a_minute(1)
    answered(quota, 100.0)
    first, second = reserved(quota, 101.0), reserved(quota, 102.0)
    assert (first.starts_at, second.starts_at) == (160.0, 220.0)
    assert quota.try_start(second, 160.0) == 60.0
    assert quota.try_start(first, 160.0) == 0.0
    assert quota.reserve("m", ONE, 160.0) == NoCapacity(120.0, "requests")


def test_nobody_overtakes_one_who_waits_for_more() -> None:
    quota = Quota((), lambda: (TokenBucketLimit(10, 10.0),))
    answered(quota, 100.0, tokens(8))
    large = reserved(quota, 100.0, tokens(6))
    assert large.starts_at == 104.0
    assert quota.reserve("m", tokens(1), 100.0) == NoCapacity(5.0, "tokens")
    assert quota.reserve("m", {}, 100.0) == NoCapacity(4.0, None)


def test_a_herd_that_wakes_too_soon_is_told_once_and_in_order() -> None:
    quota = a_minute(3)
    in_flight = [sent(quota, 100.0) for _ in range(3)]
    herd = [reserved(quota, 100.0) for _ in range(3)]
    assert [reservation.starts_at for reservation in herd] == [160.0] * 3
    for seconds, reservation in enumerate(in_flight, 1):
        quota.settle(reservation, {}, 100.0 + seconds, 100.0 + seconds)
    last, middle, first = reversed(herd)
    assert [quota.try_start(reservation, 160.0) for reservation in (last, first, middle)] == [
        3.0,
        1.0,
        2.0,
    ]
    assert [
        quota.try_start(reservation, reservation.starts_at) for reservation in (first, middle, last)
    ] == [0.0] * 3


def test_one_who_never_wakes_costs_the_others_only_what_it_reserved() -> None:
    quota = a_minute(1)
    answered(quota, 100.0)
    asleep, second, third = (reserved(quota, 100.0) for _ in range(3))
    assert (asleep.starts_at, second.starts_at, third.starts_at) == (160.0, 220.0, 280.0)
    assert quota.try_start(second, 219.0) == 1.0
    assert quota.try_start(second, 220.0) == 0.0
    quota.settle(second, {}, 220.0, 220.0)
    assert quota.try_start(asleep, 230.0) == 50.0
    assert quota.try_start(asleep, 280.0) == 0.0


def test_one_who_never_wakes_leaves_a_bucket_to_refill() -> None:
    quota = Quota((), lambda: (TokenBucketLimit(10, 10.0),))
    answered(quota, 100.0, tokens(10))
    asleep = reserved(quota, 100.0, tokens(10))
    assert asleep.starts_at == 110.0
    assert quota.reserve("m", tokens(5), 111.0) == NoCapacity(4.0, "tokens")
    answered(quota, 120.0, tokens(10))
    assert quota.try_start(asleep, 121.0) == 9.0


def test_one_who_wakes_late_pushes_the_next_by_no_more_than_that() -> None:
    quota = a_minute(1)
    answered(quota, 100.0)
    first, second = reserved(quota, 100.0), reserved(quota, 100.0)
    assert quota.try_start(first, 161.0) == 0.0
    quota.settle(first, {}, 161.0, 161.0)
    assert quota.try_start(second, 220.0) == 1.0
    assert quota.try_start(second, 221.0) == 0.0


def test_a_reservation_in_one_scope_keeps_its_room_from_the_others() -> None:
    quota = Quota((TokenBucketLimit(10, 10.0),))
    answered(quota, 100.0, tokens(10))
    large = reserved(quota, 100.0, tokens(10), "a")
    assert large.starts_at == 110.0
    assert quota.reserve("b", tokens(1), 105.0) == NoCapacity(6.0, "tokens")


def test_a_paused_scope_holds_back_no_other() -> None:
    quota = Quota((TokenBucketLimit(10, 10.0), SlidingWindow(1, 60.0)))
    quota.pause("a", 4_000.0)
    assert reserved(quota, 100.0, tokens(10), "a").starts_at == 4_000.0
    answered(quota, 101.0, tokens(10), "b")
    assert reserved(quota, 3_941.0, scope="b").starts_at == 4_060.0


def test_a_moment_that_one_limit_puts_off_must_suit_the_others_too() -> None:
    quota = Quota((SlidingWindow(1, 60.0),), lambda: (TokenBucketLimit(100, 100.0),))
    answered(quota, 100.0, {"tokens": 100})
    quota.pause("a", 200.0)
    assert reserved(quota, 100.0, scope="a").starts_at == 200.0
    assert quota.reserve("m", {"tokens": 60}, 100.0) == NoCapacity(60.0, "tokens")
    assert quota.reserve("m", tokens(60), 100.0) == NoCapacity(160.0, "requests")


def test_nobody_overtakes_one_whose_moment_has_been_put_off() -> None:
    quota = Quota((), lambda: (TokenBucketLimit(10, 10.0),))
    in_flight = sent(quota, 100.0, tokens(10))
    large, small = reserved(quota, 100.0, tokens(5)), reserved(quota, 100.0, tokens(1))
    quota.settle(in_flight, {"tokens": 14}, 100.0, 101.0)
    assert (large.starts_at, quota.try_start(large, 105.0)) == (105.0, 4.0)
    assert (small.starts_at, quota.try_start(small, 106.0)) == (106.0, 4.0)


# Pauses.


def test_a_pause_holds_until_its_end_and_a_shorter_one_does_not_shorten_it() -> None:
    quota = a_minute(5)
    waiting = reserved(quota, 100.0)
    quota.pause("m", 130.0)
    quota.pause("m", 120.0)
    assert (quota.paused_for("m", 110.0), quota.paused_for("other", 110.0)) == (20.0, 0.0)
    assert quota.reserve("m", ONE, 110.0) == NoCapacity(20.0, None)
    assert quota.try_start(waiting, 110.0) == 20.0
    assert quota.try_start(waiting, 130.0) == 0.0
    assert quota.paused_for("m", 131.0) == 0.0


# Misuse, and clocks.


@given(st.lists(st.floats(-1e3, 2e9), min_size=2, max_size=2).map(sorted))
@example([2.0**-53, 1 + 2.0**-52])
def test_a_wait_is_never_short_of_its_moment(moments: list[float]) -> None:
    now, moment = moments
    wait = seconds_until(moment, now)
    assert now + wait >= moment
    assert wait - (moment - now) <= float_tolerance(moment)


def test_a_reservation_is_started_once() -> None:
    quota = a_minute(5)
    in_flight, refunded = sent(quota, 100.0), reserved(quota, 100.0)
    quota.cancel(refunded, 100.0)
    for reservation in (in_flight, refunded):
        with pytest.raises(
            RuntimeError, match="the reservation for 'm' does not wait to be started"
        ):
            quota.try_start(reservation, 100.0)


def test_a_reservation_is_settled_once() -> None:
    quota = a_minute(1)
    in_flight = sent(quota, 100.0)
    quota.settle(in_flight, {}, 100.0, 100.0)
    with pytest.raises(RuntimeError, match="is not in flight"):
        quota.settle(in_flight, {}, 150.0, 150.0)
    assert reserved(quota, 150.0).starts_at == 160.0


def test_a_clock_that_steps_back_is_taken_to_stand_still() -> None:
    quota = a_minute(1)
    answered(quota, 100.0)
    assert quota.reserve("m", ONE, 40.0) == NoCapacity(60.0, "requests")
    assert quota.paused_for("m", 40.0) == 0.0


def test_a_limit_that_lets_all_through_is_no_headroom() -> None:
    open_to_all = Quota((SlidingWindow(math.inf, 60.0),))
    assert () == open_to_all.headroom("m", 0.0)


class Asked(SlidingWindow):
    """A window that counts how often it is asked for what was received."""

    asked = 0

    def mark_received(self, sent_until: float, max_transit: float) -> None:
        self.asked += 1
        super().mark_received(sent_until, max_transit)


def test_a_limit_is_asked_for_what_was_received_only_as_long_as_that_may_be_in_flight() -> None:
    limit = Asked(9, 60.0)
    quota = Quota((limit,))
    quota.assume_received_after = 10.0
    first, second = sent(quota, 100.0), sent(quota, 105.0)
    reserved(quota, 109.0)
    assert 0 == limit.asked
    reserved(quota, 110.0)
    quota.settle(first, {}, 110.0, 110.0)
    asked = limit.asked
    reserved(quota, 120.0)
    assert asked < limit.asked
    quota.settle(second, {}, 120.0, 120.0)
    asked = limit.asked
    reserved(quota, 200.0)
    assert asked == limit.asked
    sent(quota, 200.0)
    quota._reset_in_child()
    reserved(quota, 250.0)
    assert asked == limit.asked
    quota.settle(sent(quota, 251.0), {}, 251.0, 251.0)
    asked = limit.asked
    reserved(quota, 300.0)
    assert asked == limit.asked


def test_only_scopes_in_which_somebody_waits_are_looked_at() -> None:
    quota = a_minute(100)
    for number in range(20):
        answered(quota, 100.0, scope=f"scope {number}")
    waiting = reserved(quota, 100.0, scope="another")
    answered(quota, 100.0)
    assert 1 == len(quota._state.active_queues)
    quota.cancel(waiting, 100.0)
    assert 0 == len(quota._state.active_queues)


def test_a_time_of_an_answer_that_steps_back_is_the_latest_seen() -> None:
    quota = a_minute(1)
    in_flight = sent(quota, 100.0)
    quota.paused_for("m", 110.0)
    quota.settle(in_flight, {}, 200.0, 90.0)
    assert 170.0 == reserved(quota, 110.0).starts_at


def test_one_that_is_held_starts_no_earlier_and_neither_do_those_after_it() -> None:
    quota = a_minute(9)
    held = reserved(quota, 100.0)
    wake = held.wake
    quota.hold(held, 130.0, 100.0)
    assert (130.0, True, 30.0) == (held.starts_at, held.wake is wake, quota.try_start(held, 100.0))
    assert 130.0 == reserved(quota, 100.0).starts_at
    quota.hold(held, 120.0, 140.0)
    assert 140.0 == held.starts_at
    assert 0.0 == quota.try_start(held, 140.0)
    with pytest.raises(RuntimeError, match="does not wait to be started"):
        quota.hold(held, 150.0, 140.0)
