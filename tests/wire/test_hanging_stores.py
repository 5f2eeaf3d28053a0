"""A store that hangs, a loop that stands still, a host whose threads are taken: calls go on."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sandbox import Sandbox
from services.llm.account import single_flight
from services.llm.stores.locks import PathLock
from tests.wire.conftest import OpenFace
from tests.wire.faces import KINDS

HANG = 30.0
#: Seconds; what is expected is far less than what a store that hangs would take.
BOUND = 0.2


@contextmanager
def file_that_others_hold(folder: Path) -> Iterator[str]:
    path = folder / "answers.json"
    with PathLock(path, timeout=HANG).held():
        yield f"json:{path}"


@contextmanager
def redis_that_never_answers(_: Path) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"


@pytest.mark.parametrize("hanging", [file_that_others_hold, redis_that_never_answers])
@pytest.mark.parametrize("kind", KINDS)
def test_a_cache_that_hangs_delays_a_call_by_its_own_bound_and_fails_none(
    open_client: OpenFace,
    sandbox: Sandbox,
    kind: str,
    hanging: Any,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with hanging(tmp_path) as url, caplog.at_level(logging.WARNING):
        face = open_client(kind, LLM_CACHE_URL=url, LLM_CACHE_TIMEOUT=BOUND)
        began = time.monotonic()
        answers = [face.generate(f"call {each}", timeout=HANG) for each in range(5)]
        # Once, and then it is left out: five locks are given up after 25 s, Redis after 20 s.
        assert time.monotonic() - began < 15.0
        assert [f"Sandbox: call {each}" for each in range(5)] == answers
    told = [each.message for each in caplog.records if "left out" in each.message]
    assert 1 == len(told)
    assert "has not answered within 0.2 s" in told[0]


@pytest.mark.parametrize("kind", ["groq async", "bedrock async"])
def test_a_host_whose_threads_are_all_taken_holds_up_no_call(
    open_client: OpenFace, kind: str, tmp_path: Path
) -> None:
    url = f"sqlite:{tmp_path / 'answers.db'}"
    face = open_client(kind, LLM_CACHE_URL=url, LLM_CACHE_TIMEOUT=HANG)
    released = threading.Event()

    async def scene() -> list[str]:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        taken = loop.run_in_executor(None, released.wait, HANG)
        try:
            return [await face.client.agenerate("hi", timeout=HANG) for _ in range(2)]
        finally:
            released.set()
            await taken

    assert ["Sandbox: hi"] * 2 == face.run(scene())


@pytest.mark.parametrize("provider", ["groq", "bedrock"])
def test_a_leader_on_a_loop_that_stands_still_holds_up_no_identical_call(
    open_client: OpenFace, sandbox: Sandbox, provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(single_flight, "_MAX_SILENCE", 0.05)
    client = open_client(provider, LLM_CACHE_URL="memory:").client
    released = threading.Event()

    async def stand_still() -> str:
        leading = asyncio.create_task(client.agenerate("hi"))
        await asyncio.to_thread(sandbox.wait_for, 1)
        released.wait(HANG)
        answer: str = await leading
        return answer

    with ThreadPoolExecutor(1) as elsewhere:
        leader = elsewhere.submit(asyncio.run, stand_still())
        sandbox.wait_for(1)
        assert "Sandbox: hi" == client.generate("hi", timeout=HANG)
        assert not leader.done()
        released.set()
        assert "Sandbox: hi" == leader.result(HANG)
