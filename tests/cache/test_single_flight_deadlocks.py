"""A leader whose event loop stands still does not hold up those who wait elsewhere."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import pytest

from services.llm.account import single_flight as module
from services.llm.account.single_flight import Follower, Leader, SingleFlight
from services.llm.runtime.running_loop import blocking_thread, current_loop, next_iteration
from tests.cache.support import elsewhere, follow, lead

HANG = 30.0


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """No second is waited before a leader is given up."""
    monkeypatch.setattr(module, "_MAX_SILENCE", 0.01)


class Stopped:
    """An event loop in a thread of its own that has led a flight, and then stands still."""

    def __init__(self, single_flight: SingleFlight[str]) -> None:
        self._claimed, self._released = threading.Event(), threading.Event()
        self._single_flights = single_flight
        self._thread = threading.Thread(target=asyncio.run, args=(self._stand(),), daemon=True)
        self._thread.start()
        assert self._claimed.wait(HANG)

    async def _stand(self) -> None:
        self.lead = lead(self._single_flights)
        self._claimed.set()
        self._released.wait(HANG)
        self.lead.set_result("of the leader that stood still")

    def release(self) -> None:
        self._released.set()
        self._thread.join()


@pytest.fixture
def stopped(single_flight: SingleFlight[str]) -> Iterator[Stopped]:
    leader = Stopped(single_flight)
    yield leader
    leader.release()


def _thread(follower: Follower[str]) -> object:
    return elsewhere(lambda: follower.join(HANG))


def _task(follower: Follower[str]) -> object:
    return elsewhere(lambda: asyncio.run(_awaited(follower)))


async def _awaited(follower: Follower[str]) -> object:
    return await follower.ajoin(HANG)


@pytest.mark.parametrize("wait", [_thread, _task])
def test_a_follower_takes_the_lead_and_the_others_get_its_answer(
    single_flight: SingleFlight[str], stopped: Stopped, wait: Callable[[Follower[str]], object]
) -> None:
    follower, other = follow(single_flight), follow(single_flight)
    taken = wait(follower)
    assert isinstance(taken, Leader)
    assert isinstance(single_flight.claim("k"), Follower)
    taken.set_result("answer")
    assert "answer" == other.join(HANG)
    stopped.release()
    assert 0 == len(single_flight)


def test_a_loop_that_was_closed_leads_nobody(single_flight: SingleFlight[str]) -> None:
    async def claim() -> None:
        lead(single_flight)

    asyncio.run(claim())
    assert isinstance(_thread(follow(single_flight)), Leader)


def test_the_follower_that_takes_the_lead_may_fail_in_its_turn(
    single_flight: SingleFlight[str], stopped: Stopped
) -> None:
    first, second = follow(single_flight), follow(single_flight)
    taken = _thread(first)
    assert isinstance(taken, Leader)
    with pytest.raises(KeyboardInterrupt), taken:
        raise KeyboardInterrupt
    next_leader = _thread(second)
    assert isinstance(next_leader, Leader)
    next_leader.set_result("answer")
    assert 0 == len(single_flight)


def test_a_leader_that_lands_meanwhile_is_left_alone(single_flight: SingleFlight[str]) -> None:
    first = lead(single_flight)
    follower = follow(single_flight)
    first.set_result("answer")
    single_flight._take_over(follower, first)
    assert "answer" == follower.join(HANG)
    assert 0 == len(single_flight)


def test_a_loop_that_runs_is_waited_for_however_long_the_answer_takes(
    single_flight: SingleFlight[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def alive(loop: object) -> Future[None]:
        asked.append(loop)
        if len(asked) == 3:
            first.set_result("answer")
        return next_iteration(None)

    monkeypatch.setattr(module, "next_iteration", alive)
    first = lead(single_flight)
    assert "answer" == elsewhere(lambda: follow(single_flight).join(HANG))
    assert 3 == len(asked)


def test_a_call_that_blocks_its_loop_goes_on_without_it() -> None:
    async def main() -> tuple[object, object]:
        with blocking_thread():
            inside = current_loop()
        return inside, current_loop()

    inside, outside = asyncio.run(main())
    assert (None, True) == (inside, isinstance(outside, asyncio.AbstractEventLoop))
    assert None is current_loop()


def test_a_loop_that_runs_gives_a_sign() -> None:
    async def main() -> tuple[bool, bool]:
        own = next_iteration(asyncio.get_running_loop()).done()
        loop = asyncio.get_running_loop()
        sign = await asyncio.to_thread(next_iteration, loop)
        await asyncio.wait_for(asyncio.wrap_future(sign), HANG)
        return own, sign.done()

    assert (True, True) == asyncio.run(main())


class Moments:
    """A clock that stands where it is set."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


def test_a_follower_looks_at_its_leader_each_second_and_waits_no_longer_than_its_time(
    single_flight: SingleFlight[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Moments()
    monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(module, "_MAX_SILENCE", 1.0)
    lead(single_flight)
    waits: list[float] = []
    for timeout in (4.5, 2.0):
        for seconds in follow(single_flight)._waits(timeout):
            waits.append(seconds)
            clock.now += seconds
    assert [*[1.0] * 4, 0.5, *[0.5] * 4] == waits
