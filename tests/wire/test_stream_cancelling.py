"""A stream can be left, cancelled or closed at any moment: nothing stays taken or running."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import pytest

from sandbox import Answer, Fault, Sandbox
from services.llm.call.stream import AsyncStream
from services.llm.errors import LLMError
from tests.wire.conftest import OpenFace
from tests.wire.faces import Face
from tests.wire.streaming import Read, open_stream

KNOBS = {"LLM_MAX_CONCURRENCY": 1, "LLM_CACHE_URL": "memory:"}
LIMITS = {f"{name}_REQUESTS_PER_MINUTE": 1000 for name in ("GROQ", "BEDROCK")}
PIECES = ("Chapter", " 94", " has", " chairs.")
#: It goes on with an answer whose beginning it is given.
RESUMING = "us.anthropic.claude-haiku-4-5-20251001-v1:0"


def assert_nothing_is_left(face: Face, question: str) -> None:
    """There is a permit, no call in flight, no task, and the client answers."""
    account = face.client._account
    assert 1 == account.concurrency.free
    assert 0 == len(account.single_flight)
    assert f"Sandbox: {question}" == face.generate(question, timeout=30)


@pytest.mark.parametrize("kind", ["groq async", "bedrock async"])
def test_a_task_cancelled_at_any_step_leaves_the_way_free(
    open_client: OpenFace, sandbox: Sandbox, kind: str
) -> None:
    face = open_client(kind, **KNOBS, **LIMITS)

    async def scene(steps: int) -> None:
        got = Read()
        task = asyncio.create_task(got.aread(face.client.astream(f"step {steps}")))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert {asyncio.current_task()} == asyncio.all_tasks()

    for steps in range(80):
        face.run(scene(steps))
        assert_nothing_is_left(face, f"after {steps}")


async def read_frames(face: Face, question: str) -> None:
    async for _ in face.client.astream(question).sse(heartbeat=1e-4):
        pass


async def read_snapshots(face: Face, question: str) -> None:
    async with face.client.astream_structured(question, {"type": "object"}) as stream:
        async for _ in stream:
            pass


async def read_resumed(face: Face, question: str) -> None:
    async with face.client.astream(question, model=RESUMING, resume=True) as stream:
        async for _ in stream:
            pass


@pytest.mark.parametrize("read", [read_frames, read_snapshots, read_resumed])
def test_a_reader_of_any_kind_cancelled_at_any_step_leaves_the_way_free(
    open_client: OpenFace, sandbox: Sandbox, read: Callable[[Face, str], Coroutine[Any, Any, None]]
) -> None:
    face = open_client("bedrock async", **KNOBS, **LIMITS)

    async def scene(steps: int) -> None:
        if read is read_resumed:
            sandbox.script(Fault.in_stream("cut", pieces=2, answer=Answer.streams(*PIECES)))
        task = asyncio.create_task(read(face, f"step {steps}"))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert {asyncio.current_task()} == asyncio.all_tasks()
        sandbox.clear()

    for steps in range(0, 90, 3):
        face.run(scene(steps))
        assert_nothing_is_left(face, f"after {steps}")


@pytest.mark.parametrize("kind", ["groq async", "bedrock async"])
def test_a_stream_that_another_task_closes_at_any_step_leaves_the_way_free(
    open_client: OpenFace, sandbox: Sandbox, kind: str
) -> None:
    face = open_client(kind, **KNOBS, **LIMITS)

    async def scene(steps: int) -> None:
        stream = face.client.astream(f"step {steps}")
        reading = asyncio.create_task(collect(stream))
        for _ in range(steps):
            await asyncio.sleep(0)
        await stream.aclose()
        assert 1 == face.client._account.concurrency.free
        (read,) = await asyncio.gather(reading, return_exceptions=True)
        text = "".join(read) if isinstance(read, list) else str(read)
        assert text in ("", *GROWING, f"Sandbox: step {steps}", CLOSED)
        assert {asyncio.current_task()} == asyncio.all_tasks()

    for steps in range(0, 80, 3):
        face.run(scene(steps))
        assert_nothing_is_left(face, f"after {steps}")


#: What has come of an answer until it is whole.
GROWING = ("Sandbox:", "Sandbox: step")
CLOSED = "the stream was closed while its next piece was waited for"


async def collect(stream: AsyncStream) -> list[str]:
    return [piece async for piece in stream]


@pytest.mark.parametrize("kind", ["groq async", "bedrock async"])
def test_a_task_cancelled_between_pieces_hangs_up(
    open_client: OpenFace, sandbox: Sandbox, kind: str
) -> None:
    face = open_client(kind, **KNOBS, **LIMITS)

    async def scene(pieces: int) -> None:
        sandbox.script(
            Fault.in_stream("stall", pieces=pieces, seconds=60, answer=Answer.streams(*PIECES))
        )
        got = Read()
        task = asyncio.create_task(got.aread(face.client.astream(f"piece {pieces}")))
        while len(got.texts) < pieces:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert {asyncio.current_task()} == asyncio.all_tasks()

    for pieces in range(1, len(PIECES)):
        face.run(scene(pieces))
        assert_nothing_is_left(face, f"after {pieces}")


@pytest.mark.parametrize("kind", ["groq", "groq async", "bedrock", "bedrock async"])
def test_a_stream_left_after_any_event_leaves_the_way_free(
    open_client: OpenFace, sandbox: Sandbox, kind: str
) -> None:
    face = open_client(kind, **KNOBS, **LIMITS)
    for events in range(8):
        sandbox.script(Answer.streams(*PIECES))
        stream = open_stream(face, f"events {events}")
        if face.loop is None:
            with stream:
                for _ in range(events):
                    next(stream, None)
        else:
            face.run(leave(stream, events))
        sandbox.clear()
        assert_nothing_is_left(face, f"after {events}")


async def leave(stream: object, events: int) -> None:
    async with stream as left:  # type: ignore[attr-defined] # whichever kind it is
        for _ in range(events):
            await anext(left, None)
    assert {asyncio.current_task()} == asyncio.all_tasks()


def test_a_stream_that_failed_stays_ended(open_client: OpenFace, sandbox: Sandbox) -> None:
    face = open_client("groq", **KNOBS, **LIMITS)
    sandbox.script(Fault.error(400))
    stream = open_stream(face, "hi")
    with pytest.raises(LLMError):
        next(stream)
    assert None is next(stream, None)
