from __future__ import annotations

import math

import pytest

from services.llm.quota import NoCapacity, Quota, Reservation, SlidingWindow, TokenBucketLimit
from tests.quota.support import ONE, a_minute, answered, reserved, sent, tokens

# Waking.


def test_a_refund_brings_the_next_nearer_and_wakes_it() -> None:
    quota = a_minute(1)
    answered(quota, 100.0)
    first, second = reserved(quota, 100.0), reserved(quota, 100.0)
    quota.cancel(first, 110.0)
    assert second.wake.done()
    assert quota.try_start(second, 110.0) == 50.0
    assert not second.wake.done()
    assert quota.try_start(second, 160.0) == 0.0


def test_a_refund_twice_or_of_what_was_sent_is_an_error_and_gives_nothing_back() -> None:
    quota = a_minute(2)
    in_flight, waiting = sent(quota, 100.0), reserved(quota, 100.0)
    quota.cancel(waiting, 100.0)
    for reservation in (waiting, in_flight):
        with pytest.raises(RuntimeError, match="does not wait to be started"):
            quota.cancel(reservation, 100.0)
    answered(quota, 100.0)
    assert quota.reserve("m", ONE, 100.0) == NoCapacity(60.0, "requests")


def test_what_an_answer_did_not_spend_goes_to_the_first_and_then_to_the_next() -> None:
    quota = Quota((), lambda: (TokenBucketLimit(10, 10.0),))
    in_flight = sent(quota, 100.0, tokens(10))
    first, second, third = (reserved(quota, 100.0, tokens(4)) for _ in range(3))
    assert (first.starts_at, second.starts_at, third.starts_at) == (104.0, 108.0, 112.0)
    quota.settle(in_flight, {"tokens": 2}, 100.0, 100.0)
    assert [reservation.wake.done() for reservation in (first, second, third)] == [
        True,
        False,
        False,
    ]
    assert quota.try_start(first, 100.0) == 0.0
    assert [reservation.wake.done() for reservation in (second, third)] == [True, False]
    assert quota.try_start(second, 100.0) == 0.0
    assert (third.wake.done(), third.starts_at) == (True, 104.0)
    assert quota.try_start(third, 100.0) == 4.0


def test_what_is_freed_in_one_scope_wakes_those_in_another() -> None:
    quota = a_minute(1)
    waiting = reserved(quota, 100.0, scope="a")
    other = reserved(quota, 100.0, scope="b")
    quota.cancel(waiting, 100.0)
    assert (other.wake.done(), quota.try_start(other, 100.0)) == (True, 0.0)


def test_who_is_due_is_passed_over_so_that_the_next_is_brought_nearer() -> None:
    quota = a_minute(2)
    in_flight = [sent(quota, 100.0) for _ in range(2)]
    asleep, awake, last = (reserved(quota, 100.0) for _ in range(3))
    quota.settle(in_flight[0], {"requests": 0}, 100.0, 100.0)
    assert (asleep.starts_at, asleep.wake.done()) == (100.0, True)
    quota.settle(in_flight[1], {"requests": 0}, 100.0, 101.0)
    assert (awake.starts_at, awake.wake.done(), last.wake.done()) == (101.0, True, False)


def test_no_one_is_brought_nearer_into_the_room_of_one_who_is_due() -> None:
    bucket = TokenBucketLimit(10, 10.0)
    quota = Quota((bucket,))
    answered(quota, 100.0, tokens(6))
    large, other = reserved(quota, 100.0, tokens(10), "a"), sent(quota, 100.0, {}, "c")
    assert large.starts_at == 106.0
    bucket.amount = 20
    due = quota.reserve("b", tokens(10), 100.0)
    assert isinstance(due, Reservation)
    quota.settle(other, {}, 100.0, 100.0)
    assert quota.try_start(due, 100.0) == 0.0


def test_one_who_was_called_and_one_who_gave_up_waiting_are_not_called_again() -> None:
    quota = a_minute(1)
    answered(quota, 100.0)
    first, second, third = (reserved(quota, 100.0) for _ in range(3))
    third.wake.cancel()
    quota.cancel(first, 101.0)
    called = second.wake
    quota.cancel(second, 102.0)
    assert (called.result(), third.wake.cancelled(), third.starts_at) == (None, True, 160.0)
    assert quota.try_start(third, 102.0) == 58.0
    assert not third.wake.done()


def test_two_events_before_one_comes_call_it_once() -> None:
    quota = Quota((), lambda: (TokenBucketLimit(10, 10.0),))
    in_flight = [sent(quota, 100.0, tokens(5)) for _ in range(2)]
    waiting = reserved(quota, 100.0, tokens(10))
    for reservation, at in zip(in_flight, (106.0, 102.0), strict=True):
        quota.settle(reservation, {"tokens": 1}, 100.0, 100.0)
        assert (waiting.wake.done(), waiting.starts_at) == (True, at)


@pytest.mark.parametrize("now", [0.0, 1_800_000_000.1])
def test_no_one_is_called_for_less_than_a_clock_can_tell(now: float) -> None:
    quota = Quota((), lambda: (TokenBucketLimit(0.7, 3.3),))
    answered(quota, now, tokens(0.6))
    waiting = reserved(quota, now, tokens(0.55))
    for step in range(300):
        answered(quota, now + step * 0.007, {}, "other")
        assert not waiting.wake.done()


# Requests in flight.


def test_a_slot_is_used_from_when_the_provider_can_have_seen_the_request() -> None:
    quota = a_minute(1)
    in_flight = sent(quota, 100.0)
    quota.settle(in_flight, {}, 103.0, 104.0)
    assert quota.reserve("m", ONE, 104.0) == NoCapacity(59.0, "requests")


@pytest.mark.parametrize(
    ("latest_receipt", "free"), [(90.0, 160.0), (200.0, 164.0), (math.nan, 164.0)]
)
def test_a_request_is_seen_between_its_sending_and_now(latest_receipt: float, free: float) -> None:
    quota = a_minute(1)
    quota.settle(sent(quota, 100.0), {}, latest_receipt, 104.0)
    assert reserved(quota, 104.0).starts_at == free


@pytest.mark.parametrize("spent", [-1.0, math.nan, math.inf])
def test_what_cannot_have_been_spent_is_not_believed(spent: float) -> None:
    quota = Quota((), lambda: (TokenBucketLimit(10, 10.0),))
    quota.settle(sent(quota, 100.0, tokens(4)), {"tokens": spent}, 100.0, 100.0)
    assert quota.reserve("m", tokens(10), 100.0) == NoCapacity(4.0, "tokens")


def test_a_request_in_flight_for_longer_than_the_window_still_counts() -> None:
    quota = a_minute(1)
    in_flight = sent(quota, 100.0)
    assert quota.reserve("m", ONE, 500.0) == NoCapacity(60.0, "requests")
    quota.settle(in_flight, {}, 100.5, 500.0)
    assert isinstance(quota.reserve("m", ONE, 500.0), Reservation)


@pytest.mark.parametrize("limit", [SlidingWindow(1, 0.05), TokenBucketLimit(1, 0.05, "requests")])
def test_who_can_only_wait_for_an_answer_does_not_poll(
    limit: SlidingWindow | TokenBucketLimit,
) -> None:
    quota, looks = Quota((limit,)), [100.0]
    in_flight, waiting = sent(quota, 100.0), reserved(quota, 100.0)
    while looks[-1] < 1_000.0:
        looks.append(looks[-1] + quota.try_start(waiting, looks[-1]))
    assert len(looks) < 50
    quota.settle(in_flight, {}, looks[-2], looks[-2] + 1.0)
    assert waiting.wake.done()
    assert quota.try_start(waiting, looks[-2] + 1.0) == 0.0


def test_one_whose_future_was_cancelled_gets_another_to_wait_for() -> None:
    quota = a_minute(1)
    answered(quota, 100.0)
    waiting = reserved(quota, 100.0)
    waiting.wake.cancel()
    assert quota.try_start(waiting, 100.0) == 60.0
    assert not waiting.wake.done()


def test_nobody_waits_behind_one_who_has_left() -> None:
    quota = Quota((), lambda: (TokenBucketLimit(10, 10.0),))
    answered(quota, 100.0, tokens(10))
    large = reserved(quota, 100.0, tokens(10))
    assert large.starts_at == 110.0
    quota.cancel(large, 100.0)
    assert reserved(quota, 100.0, tokens(1)).starts_at == 101.0


def test_who_needs_nothing_still_goes_behind_the_latest_of_those_ahead() -> None:
    quota = Quota((), lambda: (TokenBucketLimit(10, 10.0),))
    sent(quota, 100.0, tokens(10))
    first, second, third = (
        reserved(quota, 100.0, demand) for demand in (tokens(2), tokens(2), ONE)
    )
    assert (first.starts_at, second.starts_at, third.starts_at) == (102.0, 104.0, 104.0)
    assert quota.try_start(second, 105.0) > 0.0
    assert quota.try_start(third, 105.0) == second.starts_at - 105.0


def test_a_reservation_tells_whether_it_has_gone() -> None:
    quota = a_minute(1)
    reservation = reserved(quota, 100.0)
    assert not reservation.is_started
    quota.try_start(reservation, 100.0)
    assert reservation.is_started
