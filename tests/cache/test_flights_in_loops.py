"""Flights between tasks of one event loop, of several, and threads."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Awaitable, Callable
from concurrent import futures
from typing import Any

import pytest

from services.llm.flights import Flight, Flights, Lead, StillFlying, WouldDeadlock
from tests.cache.support import elsewhere, follow, lead


def test_those_who_block_a_thread_lead_before_the_tasks_it_may_hold_up(
    flights: Flights[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> str:
        first = lead(flights)
        task = asyncio.ensure_future(follow(flights).ajoin())
        await asyncio.sleep(0)
        blocking = follow(flights)
        wait = futures.wait

        def leader_leaves_meanwhile(*arguments: Any) -> object:
            elsewhere(lambda: first.crash(KeyboardInterrupt()))
            return wait(*arguments)

        first._thread = -1  # the leader is in another thread
        monkeypatch.setattr(futures, "wait", leader_leaves_meanwhile)
        second = blocking.join(30)  # holds up this loop, where the task is
        assert isinstance(second, Lead)
        second.land("answer")
        answer = await task
        assert isinstance(answer, str)
        return answer

    assert "answer" == asyncio.run(main())


def test_a_blocking_call_in_the_loop_of_its_leader_is_refused_rather_than_stuck(
    flights: Flights[str],
) -> None:
    async def main() -> str:
        first = lead(flights)
        with pytest.raises(WouldDeadlock):
            follow(flights).join(5)
        follower = asyncio.ensure_future(follow(flights).ajoin(5))
        await asyncio.sleep(0)
        first.land("answer")
        answer = await follower
        assert isinstance(answer, str)
        return answer

    assert "answer" == asyncio.run(main())


def test_a_task_that_waits_is_answered_from_a_thread(flights: Flights[str]) -> None:
    async def main() -> list[str]:
        first = lead(flights)
        tasks = [asyncio.ensure_future(follow(flights).ajoin()) for _ in range(3)]
        await asyncio.sleep(0)
        threading.Thread(target=first.land, args=("answer",)).start()
        return [str(each) for each in await asyncio.gather(*tasks)]

    assert ["answer"] * 3 == asyncio.run(main())


def test_a_task_sees_the_error_of_its_leader_or_gets_the_lead(flights: Flights[str]) -> None:
    async def main() -> None:
        first = lead(flights)
        follower = follow(flights)
        first.crash(ValueError("wrong"))
        with pytest.raises(ValueError, match="wrong"):
            await follower.ajoin()
        second = lead(flights)
        follower = follow(flights)
        second.crash(asyncio.CancelledError())
        third = await follower.ajoin()
        assert isinstance(third, Lead)
        third.land("answer")

    asyncio.run(main())
    assert 0 == len(flights)


def test_an_heir_that_is_cancelled_before_it_knows_passes_the_lead_on(
    flights: Flights[str],
) -> None:
    async def main() -> str:
        first = lead(flights)
        heir = asyncio.ensure_future(follow(flights).ajoin())
        other = asyncio.ensure_future(follow(flights).ajoin())
        await asyncio.sleep(0)
        first.crash(asyncio.CancelledError())
        heir.cancel()
        with pytest.raises(asyncio.CancelledError):
            await heir
        second = await other
        assert isinstance(second, Lead)
        second.land("answer")
        return "answer"

    assert "answer" == asyncio.run(main())
    assert 0 == len(flights)


@pytest.mark.parametrize("give_up", ["deadline", "cancellation"])
def test_a_task_that_gives_up_leaves_the_others_waiting(
    flights: Flights[str], give_up: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> str:
        first = lead(flights)
        leaving, staying = follow(flights), follow(flights)
        task = asyncio.ensure_future(leaving.ajoin(0 if give_up == "deadline" else None))
        other = asyncio.ensure_future(staying.ajoin())
        await asyncio.sleep(0)
        if give_up == "cancellation":
            task.cancel()
        with pytest.raises(StillFlying if give_up == "deadline" else asyncio.CancelledError):
            await task
        first.land("answer")
        answer = await other
        assert isinstance(answer, str)
        return answer

    assert "answer" == asyncio.run(main())
    gc.collect()
    assert [] == caplog.records


def test_a_landing_after_the_followers_loop_has_closed_harms_nobody(
    flights: Flights[str], caplog: pytest.LogCaptureFixture
) -> None:
    first = lead(flights)

    async def gives_up() -> None:
        with pytest.raises(StillFlying):
            await follow(flights).ajoin(0)

    asyncio.run(gives_up())
    staying = follow(flights)
    first.land("answer")
    assert "answer" == staying.join(0)
    assert [] == caplog.records


async def answer(
    flights: Flights[str], calls: list[int], work: Callable[[], Awaitable[str]]
) -> str:
    """Make a call the way a client does: join the flight, or lead it."""
    claim: Lead[str] | Flight[str] | str = flights.claim("k")
    if isinstance(claim, Flight):
        claim = await claim.ajoin(30)
    if isinstance(claim, str):
        return claim
    assert isinstance(claim, Lead)
    with claim:
        calls.append(threading.get_ident())
        value = await work()
        claim.land(value)
        return value


def answer_here(flights: Flights[str], calls: list[int], work: Callable[[], object]) -> str:
    """Make a call the way a client's blocking face does."""
    claim: Lead[str] | Flight[str] | str = flights.claim("k")
    if isinstance(claim, Flight):
        claim = claim.join(30)
    if isinstance(claim, str):
        return claim
    assert isinstance(claim, Lead)
    with claim:
        calls.append(threading.get_ident())
        work()
        claim.land("answer")
        return "answer"


def test_calls_of_many_threads_and_loops_are_one_call(flights: Flights[str]) -> None:
    calls: list[int] = []
    everyone_claimed = threading.Event()
    claims = threading.Semaphore(0)
    original = flights.claim

    def counted(key: str) -> Lead[str] | Flight[str]:
        claim = original(key)
        claims.release()
        return claim

    flights.claim = counted  # type: ignore[method-assign]  # to know when all have asked

    async def slow() -> str:
        await asyncio.to_thread(everyone_claimed.wait, 30)
        return "answer"

    async def a_loop() -> list[str]:
        return list(await asyncio.gather(*(answer(flights, calls, slow) for _ in range(16))))

    def a_thread() -> list[str]:
        return [answer_here(flights, calls, lambda: everyone_claimed.wait(30))]

    results: list[str] = []
    threads = [
        *(threading.Thread(target=lambda: results.extend(asyncio.run(a_loop()))) for _ in range(5)),
        *(threading.Thread(target=lambda: results.extend(a_thread())) for _ in range(20)),
    ]
    for thread in threads:
        thread.start()
    for _ in range(100):
        assert claims.acquire(timeout=30)
    everyone_claimed.set()
    for thread in threads:
        thread.join()
    assert ["answer"] * 100 == results
    assert 1 == len(calls)


def test_with_the_leader_cancelled_one_more_call_answers_the_rest(flights: Flights[str]) -> None:
    calls: list[int] = []

    async def main() -> list[str]:
        ready = asyncio.Event()

        async def slow() -> str:
            await ready.wait()
            return "answer"

        tasks = [asyncio.ensure_future(answer(flights, calls, slow)) for _ in range(100)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        with pytest.raises(asyncio.CancelledError):
            await tasks[0]
        ready.set()
        return list(await asyncio.gather(*tasks[1:]))

    assert ["answer"] * 99 == asyncio.run(main())
    assert 2 == len(calls)
    assert 0 == len(flights)
