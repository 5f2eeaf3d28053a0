"""Many callers of one client: nothing is lost, mixed up, provoked or left behind."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sandbox import Limits, Sandbox
from tests.timing import wait_until, with_more_time
from tests.wire.conftest import OpenFace
from tests.wire.faces import KINDS, MODEL, Face

CROWD = 200
OPEN_FILES = Path("/proc/self/fd")


def all_at_once(face: Face, prompts: list[str]) -> list[str]:
    """The answers to the prompts, each asked by a thread or a task of its own."""
    if face.loop is None:
        with ThreadPoolExecutor(len(prompts)) as crowd:
            return list(crowd.map(face.client.generate, prompts))

    async def crowd_of_tasks() -> list[str]:
        return list(await asyncio.gather(*map(face.client.agenerate, prompts)))

    answers: list[str] = face.run(crowd_of_tasks())
    return answers


@pytest.mark.parametrize("kind", KINDS)
def test_two_hundred_callers_each_get_their_own_answer(
    open_client: OpenFace, sandbox: Sandbox, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = set(threading.enumerate())
    face = open_client(kind, GROQ_REQUESTS_PER_MINUTE=CROWD, BEDROCK_REQUESTS_PER_MINUTE=CROWD)
    prompts = [f"caller {number}" for number in range(CROWD)]
    with caplog.at_level(logging.WARNING):
        assert [f"Sandbox: {prompt}" for prompt in prompts] == all_at_once(face, prompts)
    # No slot was lost, no default was another's, and the pool was as large as the crowd.
    assert (CROWD, CROWD) == (len(sandbox.exchanges), len(face.client._request_times))
    for exchange in sandbox.exchanges:
        sent = exchange.body.get("inferenceConfig", exchange.body)
        assert 0.7 == sent["temperature"]
        assert 4096 == (sent.get("maxTokens") or sent.get("max_tokens"))
    assert [] == caplog.records
    face.client.close()
    if face.loop is not None:
        face.run(face.loop.shutdown_default_executor())
    for thread in set(threading.enumerate()) - before:
        thread.join(30.0)
    assert set() == set(threading.enumerate()) - before


@pytest.mark.parametrize("kind", KINDS)
def test_no_429_is_provoked_and_no_time_is_lost(
    open_client: OpenFace, sandbox: Sandbox, kind: str
) -> None:
    calls, limit, window = 40, 10, 0.25
    sandbox.limits = Limits(rpm=limit, minute=window)
    face = open_client(kind, LLM_MAX_QUOTA_WAIT=60.0)
    face.client._rate_limit_window = window
    face.client._max_requests_per_window = limit
    began = time.monotonic()
    all_at_once(face, [str(number) for number in range(calls)])
    passed = time.monotonic() - began
    assert [200] * calls == [exchange.status for exchange in sandbox.exchanges]
    seen = sorted(exchange.arrived_at for exchange in sandbox.exchanges)
    # The next after as many as the limit came a whole window later, as far as floats can tell.
    gaps = [later - first for first, later in zip(seen, seen[limit:], strict=False)]
    assert min(gaps) > window - 1e-6
    least = (calls / limit - 1) * window
    assert least <= passed < 2 * least + 20.0  # the rest is the machine's own slowness


@pytest.mark.parametrize("kind", ["groq async", "bedrock async"])
def test_who_came_first_is_sent_first(open_client: OpenFace, sandbox: Sandbox, kind: str) -> None:
    # One at a time: two that are on their way may overtake each other. And in a window that is far
    # longer than this loop ever stands still: one who is late by all of it is passed over.
    def scene(seconds: float) -> None:
        face = open_client(kind, LLM_MAX_QUOTA_WAIT=600.0, LLM_MAX_CONCURRENCY=1, LLM_TIMEOUT=600.0)
        face.client._rate_limit_window = 2 * seconds
        face.client._max_requests_per_window = 1
        sandbox.clear()
        all_at_once(face, [str(number) for number in range(4)])
        asked = [str(exchange.body["messages"][0]["content"]) for exchange in sandbox.exchanges]
        assert [True] * 4 == [str(number) in text for number, text in enumerate(asked)]

    with_more_time(scene)


@pytest.mark.skipif(not OPEN_FILES.exists(), reason="the system does not tell its open files")
def test_no_file_descriptor_is_left_open(open_face: OpenFace, sandbox: Sandbox) -> None:
    face = open_face()  # whatever is opened once and for all is open now
    face.generate("hi")
    before = len(list(OPEN_FILES.iterdir()))
    for _ in range(3):
        other = Face(f"{face.provider} {face.manner}".strip(), {})
        other.generate("hi", model=MODEL)
        other.close()
    gc.collect()
    # The sandbox closes its own ends of connections in its own time.
    wait_until(lambda: len(list(OPEN_FILES.iterdir())) <= before)
