"""One flight per key, whoever asks and whatever becomes of the leader."""

from __future__ import annotations

import asyncio
from concurrent import futures
from functools import partial

import pytest

from services.llm.account.single_flight import (
    Follower,
    Leader,
    SingleFlight,
    StillInFlight,
    WouldDeadlock,
)
from services.llm.runtime import fork
from tests.cache.support import elsewhere, follow, lead


def test_the_first_leads_and_the_others_get_what_it_lands(single_flight: SingleFlight[str]) -> None:
    first = lead(single_flight)
    followers = [follow(single_flight) for _ in range(3)]
    assert 1 == len(single_flight)
    first.set_result("answer")
    assert 0 == len(single_flight)
    assert ["answer"] * 3 == [follower.join(0) for follower in followers]


def test_each_key_has_a_flight_of_its_own(single_flight: SingleFlight[str]) -> None:
    one, other = lead(single_flight, "one"), lead(single_flight, "other")
    follower = follow(single_flight, "one")
    other.set_result("other's")
    one.set_result("one's")
    assert "one's" == follower.join(0)


def test_after_the_landing_the_next_one_leaders(single_flight: SingleFlight[str]) -> None:
    lead(single_flight).set_result("answer")
    lead(single_flight)


def test_only_the_first_end_counts(single_flight: SingleFlight[str]) -> None:
    first = lead(single_flight)
    follower = follow(single_flight)
    first.set_result("answer")
    first.set_exception(ValueError("late"))
    second = lead(single_flight)
    first.set_result("later still")
    assert isinstance(single_flight.claim("k"), Follower)
    second.set_result("second")
    assert "answer" == follower.join(0)


def test_a_follower_in_another_thread_can_be_told_to_wait_no_more(
    single_flight: SingleFlight[str],
) -> None:
    first = lead(single_flight)
    follower, late = follow(single_flight), follow(single_flight)
    follower.abort()
    follower.abort()
    assert isinstance(elsewhere(lambda: follower.join(60)), StillInFlight)
    first.set_result("answer")
    late.abort()
    assert "answer" == late.join(60)


@pytest.mark.parametrize(
    "end", [asyncio.CancelledError(), KeyboardInterrupt(), GeneratorExit(), SystemExit()]
)
def test_a_leader_that_goes_away_passes_the_lead_on(
    single_flight: SingleFlight[str], end: BaseException
) -> None:
    first = lead(single_flight)
    followers = [follow(single_flight) for _ in range(3)]
    with pytest.raises(type(end)), first:
        raise end
    second = elsewhere(lambda: followers[0].join(0))
    assert isinstance(second, Leader)
    late = follow(single_flight)
    second.set_exception(end)
    third = followers[1].join(0)
    assert isinstance(third, Leader)
    assert 1 == len(single_flight)
    third.set_result("answer")
    assert ["answer"] * 2 == [follower.join(0) for follower in (followers[2], late)]
    assert 0 == len(single_flight)


def test_a_leader_that_goes_away_alone_ends_the_flight(single_flight: SingleFlight[str]) -> None:
    lead(single_flight).set_exception(KeyboardInterrupt())
    with lead(single_flight):
        pass
    assert 0 == len(single_flight)


def test_the_lead_passes_over_those_who_gave_up(single_flight: SingleFlight[str]) -> None:
    first = lead(single_flight)
    claims = [follow(single_flight) for _ in range(5)]
    for gone in (0, 1, 3):
        assert isinstance(elsewhere(partial(claims[gone].join, 0)), StillInFlight)
    first.set_exception(GeneratorExit())
    second = claims[2].join(0)
    assert isinstance(second, Leader)
    second.set_exception(GeneratorExit())
    third = claims[4].join(0)
    assert isinstance(third, Leader)
    third.set_exception(GeneratorExit())
    assert 0 == len(single_flight)


def test_leaving_the_block_ends_the_flight(single_flight: SingleFlight[str]) -> None:
    leader = lead(single_flight)
    failed = follow(single_flight)
    with pytest.raises(ValueError, match="wrong"), leader:
        raise ValueError("wrong")
    with pytest.raises(ValueError, match="wrong"):
        failed.join(0)
    with lead(single_flight) as leader:
        landed = follow(single_flight)
        leader.set_result("answer")
    assert "answer" == landed.join(0)


def test_a_followers_own_deadline_disturbs_nobody(single_flight: SingleFlight[str]) -> None:
    first = lead(single_flight)
    impatient, patient = follow(single_flight), follow(single_flight)
    assert isinstance(elsewhere(lambda: impatient.join(0.001)), StillInFlight)
    first.set_result("answer")
    assert "answer" == patient.join(0)


def test_waiting_for_a_leader_of_ones_own_thread_is_refused(
    single_flight: SingleFlight[str],
) -> None:
    first = lead(single_flight)
    follower = follow(single_flight)
    with pytest.raises(WouldDeadlock):
        follower.join(5)
    landed = follow(single_flight)
    first.set_result("answer")
    assert "answer" == landed.join(5)


def test_a_follower_interrupted_as_it_waits_gives_up_its_place(
    single_flight: SingleFlight[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    first = lead(single_flight)
    interrupted, other = follow(single_flight), follow(single_flight)
    first._thread = -1  # the leader is in another thread
    with monkeypatch.context() as patch:
        patch.setattr(futures, "wait", interrupt)
        with pytest.raises(KeyboardInterrupt):
            interrupted.join()
    first.set_exception(KeyboardInterrupt())
    assert isinstance(other.join(0), Leader)


def test_a_forked_child_begins_with_no_calls_in_flight(
    forks_of_its_own: None, single_flight: SingleFlight[str]
) -> None:
    parents = lead(single_flight)
    single_flight._lock.__enter__()
    fork._after_fork_in_child()
    assert 0 == len(single_flight)
    lead(single_flight)
    parents.set_result("of the parent")
    assert 1 == len(single_flight)
