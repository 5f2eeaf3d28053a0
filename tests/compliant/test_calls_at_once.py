"""Calls at once, and who makes them: threads, event loops, cancelled tasks, a forked child."""

from __future__ import annotations

import asyncio
import gc
import os
import random

import pytest

from groq_client_compliant import GroqClient
from sandbox import Sandbox
from services.llm.errors import RateLimitError
from tests.compliant.support import KEYS, MODEL, said, with_client
from tests.timing import with_more_time


def test_calls_at_once_are_bounded_over_threads_and_loops() -> None:
    busiest = 0
    with Sandbox(latency=0.05) as sandbox:
        client = GroqClient(KEYS, 1000, 3, cache_path=None, base_url=sandbox.url)

        async def some(name: int) -> None:
            await asyncio.gather(*(client.chat(said(f"{name} {n}"), MODEL) for n in range(4)))
            await client.aclose()

        async def over_threads() -> None:
            await asyncio.gather(*(asyncio.to_thread(asyncio.run, some(n)) for n in range(3)))

        asyncio.run(over_threads())
        times = [(each.arrived_at, each.answered_at or 0.0) for each in sandbox.exchanges]
        busiest = max(sum(a <= at < b for a, b in times) for at, _ in times)
    assert (12, True) == (len(times), busiest <= 3)


def test_no_place_on_the_wire_is_held_while_waiting(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def two(client: GroqClient) -> list[str]:
        slow = asyncio.create_task(client.chat(said("slow"), "sandbox/503?times=1"))
        await asyncio.to_thread(sandbox.wait_for, 1)
        quick = await client.chat(said("quick"), MODEL)
        assert not slow.done()
        return [quick, await slow]

    def scene(seconds: float) -> None:
        monkeypatch.setattr(random, "uniform", lambda _low, _high: seconds)  # the backoff
        sandbox.clear()
        answers = with_client(sandbox.url, two, max_concurrency=1)
        assert ["Sandbox: quick", "Sandbox: slow"] == answers

    with_more_time(scene)


def test_a_call_that_is_cancelled_at_any_step_leaves_the_way_free(sandbox: Sandbox) -> None:
    async def use(client: GroqClient) -> None:
        for steps in range(60):
            task = asyncio.create_task(client.chat(said("never mind"), MODEL))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert "Sandbox: hi" == await client.chat(said("hi"), MODEL)

    with_client(sandbox.url, use, max_concurrency=1, rpm_per_key=100_000, request_timeout=30)


def test_calls_survive_that_their_client_is_closed_at_any_step(sandbox: Sandbox) -> None:
    async def use(client: GroqClient) -> None:
        for steps in range(40):
            asking = asyncio.gather(*(client.chat(said(f"{steps} {n}"), MODEL) for n in "ab"))
            for _ in range(steps):
                await asyncio.sleep(0)
            await client.aclose()
            assert [f"Sandbox: {steps} a", f"Sandbox: {steps} b"] == await asking

    with_client(sandbox.url, use, rpm_per_key=100_000)
    assert 80 == len(sandbox.exchanges)


def test_calls_that_are_cancelled_on_the_wire_show_no_room_for_more(sandbox: Sandbox) -> None:
    async def leave_two_and_ask(client: GroqClient) -> str:
        leaving = [asyncio.create_task(client.chat(said(n), "sandbox/silence")) for n in "ab"]
        await asyncio.to_thread(sandbox.wait_for, 2)
        for task in leaving:
            task.cancel()
        await asyncio.gather(*leaving, return_exceptions=True)
        return await client.chat(said("c"), MODEL)

    with pytest.raises(RateLimitError, match="Rate limit exceeded"):
        with_client(sandbox.url, leave_two_and_ask, rpm_per_key=2, max_quota_wait=0)
    assert 2 == len(sandbox.exchanges)


def test_a_client_may_be_used_in_one_loop_after_another(sandbox: Sandbox) -> None:
    client = GroqClient(KEYS, cache_path=None, base_url=sandbox.url)
    for text in ("one", "two"):
        assert f"Sandbox: {text}" == asyncio.run(client.chat(said(text), MODEL))
    del client
    gc.collect()


def test_what_is_forgotten_is_built_anew(sandbox: Sandbox) -> None:
    client = GroqClient(KEYS, cache_path=None, base_url=sandbox.url)
    for text in ("one", "two"):
        assert f"Sandbox: {text}" == asyncio.run(client.chat(said(text), MODEL))
        client._transport._reset_in_child()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_has_connections_of_its_own(sandbox: Sandbox) -> None:
    client = GroqClient(KEYS, cache_path=None, base_url=sandbox.url)
    assert "Sandbox: one" == asyncio.run(client.chat(said("one"), MODEL))
    child = os.fork()
    if child == 0:
        answer = asyncio.run(client.chat(said("two"), MODEL))
        os._exit(0 if answer == "Sandbox: two" else 1)
    assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
