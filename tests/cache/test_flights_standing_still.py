"""A leader whose event loop stands still does not hold up those who wait elsewhere."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import pytest

from services.llm import flights as module
from services.llm.flights import Flight, Flights, Lead, StillFlying
from services.llm.loops import blocked, own_loop, sign_of_life
from tests.cache.support import elsewhere, follow, lead

HANG = 10.0


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """No second is waited before a leader is given up."""
    monkeypatch.setattr(module, "_STANDS_STILL", 0.01)


class Stopped:
    """An event loop in a thread of its own that has led a flight, and then stands still."""

    def __init__(self, flights: Flights[str]) -> None:
        self._claimed, self._released = threading.Event(), threading.Event()
        self._flights = flights
        self._thread = threading.Thread(target=asyncio.run, args=(self._stand(),), daemon=True)
        self._thread.start()
        assert self._claimed.wait(HANG)

    async def _stand(self) -> None:
        self.lead = lead(self._flights)
        self._claimed.set()
        self._released.wait(HANG)
        self.lead.land("of the leader that stood still")

    def release(self) -> None:
        self._released.set()
        self._thread.join()


@pytest.fixture
def stopped(flights: Flights[str]) -> Iterator[Stopped]:
    leader = Stopped(flights)
    yield leader
    leader.release()


def _thread(follower: Flight[str]) -> object:
    return elsewhere(lambda: follower.join(HANG))


def _task(follower: Flight[str]) -> object:
    return elsewhere(lambda: asyncio.run(_awaited(follower)))


async def _awaited(follower: Flight[str]) -> object:
    return await follower.ajoin(HANG)


@pytest.mark.parametrize("wait", [_thread, _task])
def test_a_follower_takes_the_lead_and_the_others_get_its_answer(
    flights: Flights[str], stopped: Stopped, wait: Callable[[Flight[str]], object]
) -> None:
    follower, other = follow(flights), follow(flights)
    taken = wait(follower)
    assert isinstance(taken, Lead)
    assert isinstance(flights.claim("k"), Flight)
    taken.land("answer")
    assert "answer" == other.join(HANG)
    stopped.release()
    assert 0 == len(flights)


def test_a_loop_that_was_closed_leads_nobody(flights: Flights[str]) -> None:
    async def claim() -> None:
        lead(flights)

    asyncio.run(claim())
    assert isinstance(_thread(follow(flights)), Lead)


def test_the_follower_that_takes_the_lead_may_fail_in_its_turn(
    flights: Flights[str], stopped: Stopped
) -> None:
    first, second = follow(flights), follow(flights)
    taken = _thread(first)
    assert isinstance(taken, Lead)
    with pytest.raises(KeyboardInterrupt), taken:
        raise KeyboardInterrupt
    heir = _thread(second)
    assert isinstance(heir, Lead)
    heir.land("answer")
    assert 0 == len(flights)


def test_a_leader_that_lands_meanwhile_is_left_alone(flights: Flights[str]) -> None:
    first = lead(flights)
    follower = follow(flights)
    first.land("answer")
    flights._take_over(follower, first)
    assert "answer" == follower.join(HANG)
    assert 0 == len(flights)


def test_a_loop_that_runs_is_waited_for_however_long_the_answer_takes(
    flights: Flights[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def alive(loop: object) -> Future[None]:
        asked.append(loop)
        return sign_of_life(None)

    monkeypatch.setattr(module, "sign_of_life", alive)
    lead(flights)
    late = elsewhere(lambda: follow(flights).join(0.2))
    assert isinstance(late, StillFlying)
    assert len(asked) > 1


def test_a_call_that_blocks_its_loop_goes_on_without_it() -> None:
    async def main() -> tuple[object, object]:
        with blocked():
            inside = own_loop()
        return inside, own_loop()

    inside, outside = asyncio.run(main())
    assert (None, True) == (inside, isinstance(outside, asyncio.AbstractEventLoop))
    assert None is own_loop()


def test_a_loop_that_runs_gives_a_sign() -> None:
    async def main() -> tuple[bool, bool]:
        own = sign_of_life(asyncio.get_running_loop()).done()
        loop = asyncio.get_running_loop()
        sign = await asyncio.to_thread(sign_of_life, loop)
        await asyncio.wait_for(asyncio.wrap_future(sign), HANG)
        return own, sign.done()

    assert (True, True) == asyncio.run(main())
