from __future__ import annotations

from services.llm.quota import Quota, Reservation, SlidingWindow


def test_the_pauses_are_named_with_the_seconds_that_are_left() -> None:
    quota = Quota((SlidingWindow(9, 60.0),))
    quota.pause("a", 15.0)
    quota.pause("b", 11.0)
    assert {"a": 3.0} == quota.pauses(12.0)


def test_who_waits_for_a_pause_goes_at_once_where_it_is_ended() -> None:
    quota = Quota((SlidingWindow(9, 60.0),))
    quota.pause("a", 1_000.0)
    reservation = quota.reserve("a", {"requests": 1.0}, 10.0, max_wait=2_000.0)
    assert isinstance(reservation, Reservation)
    assert 990.0 == quota.try_start(reservation, 10.0)
    wake = reservation.wake
    quota.forget(10.0)
    assert wake.done()
    assert 0.0 == quota.try_start(reservation, 10.0)
    assert {} == quota.pauses(10.0)


def test_times_that_step_back_are_taken_as_the_latest_seen() -> None:
    quota = Quota((SlidingWindow(9, 60.0),))
    quota.pause("a", 15.0)
    quota.reserve("a", {"requests": 1.0}, 12.0)
    assert {"a": 3.0} == quota.pauses(10.0)
    assert 3.0 == quota.paused_for("a", 10.0)


def test_a_pause_that_ends_at_this_moment_has_ended() -> None:
    quota = Quota((SlidingWindow(9, 60.0),))
    quota.pause("a", 15.0)
    assert ({}, 0.0) == (quota.pauses(15.0), quota.paused_for("a", 15.0))


def test_a_resumption_whose_time_steps_back_is_at_the_latest_time_seen() -> None:
    quota = Quota((SlidingWindow(9, 60.0),))
    quota.pause("a", 1_000.0)
    reservation = quota.reserve("a", {"requests": 1.0}, 100.0, max_wait=2_000.0)
    assert isinstance(reservation, Reservation)
    quota.forget(50.0)
    assert 100.0 == reservation.starts_at
