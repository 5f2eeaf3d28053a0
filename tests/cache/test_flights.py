"""One flight per key, whoever asks and whatever becomes of the leader."""

from __future__ import annotations

import asyncio
from concurrent import futures
from functools import partial

import pytest

from services.llm import forks
from services.llm.flights import Flight, Flights, Lead, StillFlying, WouldDeadlock
from tests.cache.support import elsewhere, follow, lead


def test_the_first_leads_and_the_others_get_what_it_lands(flights: Flights[str]) -> None:
    first = lead(flights)
    followers = [follow(flights) for _ in range(3)]
    assert 1 == len(flights)
    first.land("answer")
    assert 0 == len(flights)
    assert ["answer"] * 3 == [follower.join(0) for follower in followers]


def test_each_key_has_a_flight_of_its_own(flights: Flights[str]) -> None:
    one, other = lead(flights, "one"), lead(flights, "other")
    follower = follow(flights, "one")
    other.land("other's")
    one.land("one's")
    assert "one's" == follower.join(0)


def test_after_the_landing_the_next_one_leads(flights: Flights[str]) -> None:
    lead(flights).land("answer")
    lead(flights)


def test_only_the_first_end_counts(flights: Flights[str]) -> None:
    first = lead(flights)
    follower = follow(flights)
    first.land("answer")
    first.crash(ValueError("late"))
    second = lead(flights)
    first.land("later still")
    assert isinstance(flights.claim("k"), Flight)
    second.land("second")
    assert "answer" == follower.join(0)


@pytest.mark.parametrize(
    "end", [asyncio.CancelledError(), KeyboardInterrupt(), GeneratorExit(), SystemExit()]
)
def test_a_leader_that_goes_away_passes_the_lead_on(
    flights: Flights[str], end: BaseException
) -> None:
    first = lead(flights)
    followers = [follow(flights) for _ in range(3)]
    with pytest.raises(type(end)), first:
        raise end
    second = elsewhere(lambda: followers[0].join(0))
    assert isinstance(second, Lead)
    late = follow(flights)
    second.crash(end)
    third = followers[1].join(0)
    assert isinstance(third, Lead)
    assert 1 == len(flights)
    third.land("answer")
    assert ["answer"] * 2 == [follower.join(0) for follower in (followers[2], late)]
    assert 0 == len(flights)


def test_a_leader_that_goes_away_alone_ends_the_flight(flights: Flights[str]) -> None:
    lead(flights).crash(KeyboardInterrupt())
    with lead(flights):
        pass
    assert 0 == len(flights)


def test_the_lead_passes_over_those_who_gave_up(flights: Flights[str]) -> None:
    first = lead(flights)
    seats = [follow(flights) for _ in range(5)]
    for gone in (0, 1, 3):
        assert isinstance(elsewhere(partial(seats[gone].join, 0)), StillFlying)
    first.crash(GeneratorExit())
    second = seats[2].join(0)
    assert isinstance(second, Lead)
    second.crash(GeneratorExit())
    third = seats[4].join(0)
    assert isinstance(third, Lead)
    third.crash(GeneratorExit())
    assert 0 == len(flights)


def test_leaving_the_block_ends_the_flight(flights: Flights[str]) -> None:
    leader = lead(flights)
    failed = follow(flights)
    with pytest.raises(ValueError, match="wrong"), leader:
        raise ValueError("wrong")
    with pytest.raises(ValueError, match="wrong"):
        failed.join(0)
    with lead(flights) as leader:
        landed = follow(flights)
        leader.land("answer")
    assert "answer" == landed.join(0)


def test_a_followers_own_deadline_disturbs_nobody(flights: Flights[str]) -> None:
    first = lead(flights)
    impatient, patient = follow(flights), follow(flights)
    assert isinstance(elsewhere(lambda: impatient.join(0.001)), StillFlying)
    first.land("answer")
    assert "answer" == patient.join(0)


def test_waiting_for_a_leader_of_ones_own_thread_is_refused(flights: Flights[str]) -> None:
    first = lead(flights)
    follower = follow(flights)
    with pytest.raises(WouldDeadlock):
        follower.join(5)
    landed = follow(flights)
    first.land("answer")
    assert "answer" == landed.join(5)


def test_a_follower_interrupted_as_it_waits_gives_up_its_seat(
    flights: Flights[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    first = lead(flights)
    interrupted, other = follow(flights), follow(flights)
    first._thread = -1  # the leader is in another thread
    with monkeypatch.context() as patch:
        patch.setattr(futures, "wait", interrupt)
        with pytest.raises(KeyboardInterrupt):
            interrupted.join()
    first.crash(KeyboardInterrupt())
    assert isinstance(other.join(0), Lead)


def test_a_forked_child_begins_with_no_flights(flights: Flights[str]) -> None:
    parents = lead(flights)
    flights._lock.__enter__()
    forks._after_fork_in_child()
    assert 0 == len(flights)
    lead(flights)
    parents.land("of the parent")
    assert 1 == len(flights)
