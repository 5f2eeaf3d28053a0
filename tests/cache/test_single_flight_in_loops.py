"""Flights between tasks of one event loop, of several, and threads."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Awaitable, Callable
from concurrent import futures
from typing import Any

import pytest

from services.llm.account.single_flight import (
    ClaimHolder,
    Follower,
    Leader,
    SingleFlight,
    StillInFlight,
    WouldDeadlock,
)
from tests.cache.support import elsewhere, follow, lead


def test_those_who_block_a_thread_lead_before_the_tasks_it_may_hold_up(
    single_flight: SingleFlight[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> str:
        first = lead(single_flight)
        task = asyncio.ensure_future(follow(single_flight).ajoin())
        await asyncio.sleep(0)
        blocking = follow(single_flight)
        wait = futures.wait

        def leader_leaves_meanwhile(*arguments: Any) -> object:
            elsewhere(lambda: first.set_exception(KeyboardInterrupt()))
            return wait(*arguments)

        first._thread = -1  # the leader is in another thread
        monkeypatch.setattr(futures, "wait", leader_leaves_meanwhile)
        second = blocking.join(30)  # holds up this loop, where the task is
        assert isinstance(second, Leader)
        second.set_result("answer")
        answer = await task
        assert isinstance(answer, str)
        return answer

    assert "answer" == asyncio.run(main())


def test_a_blocking_call_in_the_loop_of_its_leader_is_refused_rather_than_stuck(
    single_flight: SingleFlight[str],
) -> None:
    async def main() -> str:
        first = lead(single_flight)
        with pytest.raises(WouldDeadlock):
            follow(single_flight).join(5)
        follower = asyncio.ensure_future(follow(single_flight).ajoin(5))
        await asyncio.sleep(0)
        first.set_result("answer")
        answer = await follower
        assert isinstance(answer, str)
        return answer

    assert "answer" == asyncio.run(main())


def test_a_task_that_waits_is_answered_from_a_thread(single_flight: SingleFlight[str]) -> None:
    async def main() -> list[str]:
        first = lead(single_flight)
        tasks = [asyncio.ensure_future(follow(single_flight).ajoin()) for _ in range(3)]
        await asyncio.sleep(0)
        threading.Thread(target=first.set_result, args=("answer",)).start()
        return [str(each) for each in await asyncio.gather(*tasks)]

    assert ["answer"] * 3 == asyncio.run(main())


def test_a_task_sees_the_error_of_its_leader_or_gets_the_lead(
    single_flight: SingleFlight[str],
) -> None:
    async def main() -> None:
        first = lead(single_flight)
        follower = follow(single_flight)
        first.set_exception(ValueError("wrong"))
        with pytest.raises(ValueError, match="wrong"):
            await follower.ajoin()
        second = lead(single_flight)
        follower = follow(single_flight)
        second.set_exception(asyncio.CancelledError())
        third = await follower.ajoin()
        assert isinstance(third, Leader)
        third.set_result("answer")

    asyncio.run(main())
    assert 0 == len(single_flight)


def test_a_new_leader_that_is_cancelled_before_it_knows_passes_the_lead_on(
    single_flight: SingleFlight[str],
) -> None:
    async def main() -> str:
        first = lead(single_flight)
        next_leader = asyncio.ensure_future(follow(single_flight).ajoin())
        other = asyncio.ensure_future(follow(single_flight).ajoin())
        await asyncio.sleep(0)
        first.set_exception(asyncio.CancelledError())
        next_leader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await next_leader
        second = await other
        assert isinstance(second, Leader)
        second.set_result("answer")
        return "answer"

    assert "answer" == asyncio.run(main())
    assert 0 == len(single_flight)


@pytest.mark.parametrize("give_up", ["deadline", "cancellation"])
def test_a_task_that_gives_up_leaves_the_others_waiting(
    single_flight: SingleFlight[str], give_up: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> str:
        first = lead(single_flight)
        leaving, staying = follow(single_flight), follow(single_flight)
        task = asyncio.ensure_future(leaving.ajoin(0 if give_up == "deadline" else None))
        other = asyncio.ensure_future(staying.ajoin())
        await asyncio.sleep(0)
        if give_up == "cancellation":
            task.cancel()
        with pytest.raises(StillInFlight if give_up == "deadline" else asyncio.CancelledError):
            await task
        first.set_result("answer")
        answer = await other
        assert isinstance(answer, str)
        return answer

    assert "answer" == asyncio.run(main())
    gc.collect()
    assert [] == caplog.records


def test_a_landing_after_the_followers_loop_has_closed_harms_nobody(
    single_flight: SingleFlight[str], caplog: pytest.LogCaptureFixture
) -> None:
    first = lead(single_flight)

    async def gives_up() -> None:
        with pytest.raises(StillInFlight):
            await follow(single_flight).ajoin(0)

    asyncio.run(gives_up())
    staying = follow(single_flight)
    first.set_result("answer")
    assert "answer" == staying.join(0)
    assert [] == caplog.records


async def answer(
    single_flight: SingleFlight[str], calls: list[int], work: Callable[[], Awaitable[str]]
) -> str:
    """Make a call the way a client does: join the flight, or lead it."""
    claim: Leader[str] | Follower[str] | str = single_flight.claim("k")
    if isinstance(claim, Follower):
        claim = await claim.ajoin(30)
    if isinstance(claim, str):
        return claim
    assert isinstance(claim, Leader)
    with claim:
        calls.append(threading.get_ident())
        value = await work()
        claim.set_result(value)
        return value


def answer_here(
    single_flight: SingleFlight[str], calls: list[int], work: Callable[[], object]
) -> str:
    """Make a call the way a client's blocking face does."""
    claim: Leader[str] | Follower[str] | str = single_flight.claim("k")
    if isinstance(claim, Follower):
        claim = claim.join(30)
    if isinstance(claim, str):
        return claim
    assert isinstance(claim, Leader)
    with claim:
        calls.append(threading.get_ident())
        work()
        claim.set_result("answer")
        return "answer"


def test_calls_of_many_threads_and_loops_are_one_call(single_flight: SingleFlight[str]) -> None:
    calls: list[int] = []
    everyone_claimed = threading.Event()
    claims = threading.Semaphore(0)
    original = single_flight.claim

    def counted(key: str, holder: ClaimHolder[str] | None = None) -> Leader[str] | Follower[str]:
        claim = original(key, holder)
        claims.release()
        return claim

    single_flight.claim = counted  # type: ignore[method-assign]  # to know when all have asked

    async def slow() -> str:
        await asyncio.to_thread(everyone_claimed.wait, 30)
        return "answer"

    async def a_loop() -> list[str]:
        return list(await asyncio.gather(*(answer(single_flight, calls, slow) for _ in range(16))))

    def a_thread() -> list[str]:
        return [answer_here(single_flight, calls, lambda: everyone_claimed.wait(30))]

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


def test_with_the_leader_cancelled_one_more_call_answers_the_rest(
    single_flight: SingleFlight[str],
) -> None:
    calls: list[int] = []

    async def main() -> list[str]:
        ready = asyncio.Event()

        async def slow() -> str:
            await ready.wait()
            return "answer"

        tasks = [asyncio.ensure_future(answer(single_flight, calls, slow)) for _ in range(100)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        with pytest.raises(asyncio.CancelledError):
            await tasks[0]
        ready.set()
        return list(await asyncio.gather(*tasks[1:]))

    assert ["answer"] * 99 == asyncio.run(main())
    assert 2 == len(calls)
    assert 0 == len(single_flight)
