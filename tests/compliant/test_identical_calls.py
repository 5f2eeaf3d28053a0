"""A hundred identical calls, over threads, event loops and both faces."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from groq_client_compliant import GroqClient
from sandbox import Fault, Sandbox
from services import llm_client
from tests.compliant.support import KEYS, MODEL, said
from tests.timing import await_until

#: What both faces ask: the same question with the same parameters.
LENGTH = 4096


@pytest.fixture(autouse=True)
def _loops_may_stand_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long one does on a slow machine, its call stays the one that is waited for."""
    monkeypatch.setattr("services.llm.account.single_flight._MAX_SILENCE", 30.0)


@pytest.fixture
def slow() -> Iterator[Sandbox]:
    """A provider that takes its time, so that calls are at once."""
    with Sandbox(latency=0.4) as sandbox:
        yield sandbox


@pytest.fixture
def _face_with_cache(slow: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    known = SimpleNamespace(
        GROQ_API_KEY="gsk_AnotherKey0123456789",
        GROQ_BASE_URL=slow.url,
        GROQ_MODEL=MODEL,
        LLM_CACHE_URL=str(tmp_path / "cache.json"),
        LLM_CACHE_TIMEOUT=30.0,  # however slow the machine is
    )
    monkeypatch.setattr(llm_client, "settings", known)


async def _ask(client: GroqClient) -> str:
    return await client.chat(said("hello"), MODEL, max_tokens=LENGTH)


async def _ask_often(client: GroqClient, times: int) -> list[str]:
    try:
        return await asyncio.gather(*(_ask(client) for _ in range(times)))
    finally:
        await client.aclose()


@pytest.mark.usefixtures("_face_with_cache")
def test_a_hundred_identical_calls_are_one_request(slow: Sandbox, tmp_path: Path) -> None:
    with llm_client.GroqClient() as face:
        cache = tmp_path / "cache.json"
        client = GroqClient(KEYS, cache_path=cache, base_url=slow.url)
        asking: list[Callable[[], list[str]]] = [
            lambda: asyncio.run(_ask_often(client, 20)),
            lambda: asyncio.run(_ask_often(client, 20)),
            lambda: asyncio.run(
                _ask_often(GroqClient(KEYS[1:], cache_path=cache, base_url=slow.url), 20)
            ),
            *(lambda: [face.generate("hello")] for _ in range(40)),
        ]
        with ThreadPoolExecutor(len(asking)) as threads:
            answers = [answer for each in threads.map(lambda ask: ask(), asking) for answer in each]
        assert ["Sandbox: hello"] * 100 == answers
        assert 1 == len(slow.exchanges)


def _followers(client: GroqClient) -> int:
    """How many calls wait for another's answer."""
    leaders = client._account.single_flight._leaders.values()
    return sum(len(leader._followers) for leader in leaders)


def test_a_cancelled_leader_costs_one_request_more_and_nobody_elses_answer(
    sandbox: Sandbox,
) -> None:
    sandbox.script(Fault.silent(60))
    client = GroqClient(KEYS, cache_path=None, base_url=sandbox.url)
    leads = threading.Event()

    async def lead_and_leave() -> bool:
        leader = asyncio.create_task(_ask(client))
        await asyncio.to_thread(sandbox.wait_for, 1)
        leads.set()
        await await_until(lambda: _followers(client) == 99)
        leader.cancel()
        (outcome,) = await asyncio.gather(leader, return_exceptions=True)
        await client.aclose()
        return isinstance(outcome, asyncio.CancelledError)

    async def follow() -> list[str]:
        await asyncio.to_thread(leads.wait, 30)
        answers = await asyncio.gather(*(_ask(client) for _ in range(33)))
        await client.aclose()
        return answers

    with ThreadPoolExecutor(4) as threads:
        led = threads.submit(asyncio.run, lead_and_leave())
        followed = [threads.submit(asyncio.run, follow()) for _ in range(3)]
        answers = [answer for each in followed for answer in each.result()]
    assert led.result()
    assert ["Sandbox: hello"] * 99 == answers
    assert 2 == len(sandbox.exchanges)


def test_without_a_cache_identical_calls_still_meet(slow: Sandbox) -> None:
    client = GroqClient(KEYS, cache_path=None, base_url=slow.url)
    assert ["Sandbox: hello"] * 10 == asyncio.run(_ask_often(client, 10))
    assert 1 == len(slow.exchanges)


@pytest.mark.usefixtures("_face_with_cache")
def test_the_face_finds_what_the_compliant_client_was_answered(
    slow: Sandbox, tmp_path: Path
) -> None:
    with llm_client.GroqClient() as face:
        client = GroqClient(KEYS, cache_path=tmp_path / "cache.json", base_url=slow.url)
        asyncio.run(_ask_often(client, 1))
        assert face.respond("hello").cached
        assert 1 == len(slow.exchanges)
