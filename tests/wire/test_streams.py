"""Streams on both providers, blocking and awaiting: whole, broken, left, and shared."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from sandbox import Answer, Fault, Sandbox
from services.llm.call.stream import AsyncStream
from services.llm.errors import (
    LLMError,
    LLMTimeoutError,
    ProviderUnavailableError,
    RateLimitError,
    TruncatedError,
)
from services.llm.stream_types import ReasoningPiece, TextPiece, ToolCallPiece, UsageReport
from services.llm.types import Reply
from tests.timing import wait_until, with_more_time
from tests.wire.conftest import OpenFace
from tests.wire.faces import Face
from tests.wire.streaming import Read, open_stream, read

PIECES = ("Chapter", " 94", " has", " chairs.")
TEXT = "".join(PIECES)
ONCE = {"max_retries": 0}


def broken(kind: Any, frame: int, **how: Any) -> Fault:
    return Fault.in_stream(kind, frame=frame, answer=Answer.streams(*PIECES), **how)


def assert_healthy(face: Face) -> None:
    """Nothing is held: neither a permit nor a call in flight, and the client answers."""
    account = face.client._account
    assert 64 == account.concurrency.free
    assert 0 == len(account.single_flight)
    assert "Sandbox: still there?" == face.generate("still there?")


def test_a_stream_ends_with_the_whole_reply(face: Face, sandbox: Sandbox) -> None:
    sandbox.script(Answer.streams(*PIECES))
    got = read(face, "Where are chairs?")
    assert list(PIECES) == got.texts
    assert got.reply is not None
    whole = face.respond("Where are chairs?")
    assert (TEXT, whole.finish_reason) == (got.reply.text, got.reply.finish_reason)
    assert got.reply.usage.reported
    assert got.reply.usage == got.reply.attempts[0].usage
    assert got.reply.time_to_first_token is not None
    assert 0 < got.reply.time_to_first_token <= got.reply.latency
    assert None is whole.time_to_first_token
    assert_healthy(face)


def test_nothing_is_sent_before_the_first_piece_is_asked_for(face: Face, sandbox: Sandbox) -> None:
    stream = open_stream(face, "hi")
    with pytest.raises(RuntimeError, match="to its end"):
        _ = stream.reply
    del stream
    gc.collect()
    assert [] == sandbox.exchanges


def test_events_tell_thoughts_calls_and_usage(face: Face, sandbox: Sandbox) -> None:
    sandbox.script(Answer(text="It rains.", reasoning="Look outside."))
    got = read(face, "hi")
    kinds = [type(event) for event in got.events]
    assert {ReasoningPiece, TextPiece, UsageReport} == set(kinds)
    assert "It rains." == "".join(e.text for e in got.events if isinstance(e, TextPiece))
    assert got.reply is not None
    thoughts = "".join(e.text for e in got.events if isinstance(e, ReasoningPiece))
    assert ("Look outside.", "Look outside.") == (thoughts, got.reply.reasoning)
    assert [UsageReport(got.reply.usage)] == [e for e in got.events if type(e) is UsageReport]


def test_a_tool_call_comes_in_pieces(face: Face, sandbox: Sandbox) -> None:
    sandbox.script(Answer.calls("weather"))
    function = {"name": "weather", "parameters": {"type": "object", "properties": {}}}
    tools = [{"type": "function", "function": function}]
    got = read(face, "How is the weather?", tools=tools)
    pieces = [event for event in got.events if isinstance(event, ToolCallPiece)]
    assert got.reply is not None
    (call,) = got.reply.tool_calls
    assert "weather" == call.name
    assert (call.name, call.id) == (
        "".join(piece.name for piece in pieces),
        "".join(piece.id for piece in pieces),
    )


@pytest.mark.parametrize("kind", ["cut", "reset", "tear", "damage"])
def test_a_connection_that_breaks_is_an_error_with_the_text_so_far(
    face: Face, sandbox: Sandbox, kind: str
) -> None:
    sandbox.script(broken(kind, 3))
    got = read(face, "hi")
    assert isinstance(got.error, ProviderUnavailableError)
    assert got.error.partial is not None
    assert (got.text, 1) == (got.error.partial.text, len(got.error.attempts))
    assert TEXT.startswith(got.text)
    assert got.text
    assert_healthy(face)


def test_a_quiet_end_is_an_error_with_the_text_so_far(face: Face, sandbox: Sandbox) -> None:
    sandbox.script(broken("end", 3))
    got = read(face, "hi")
    assert isinstance(got.error, TruncatedError)
    assert got.text == got.error.text
    assert TEXT.startswith(got.text)
    assert_healthy(face)


def test_a_stream_that_stands_still_is_an_error_with_the_text_so_far(
    open_face: OpenFace, sandbox: Sandbox
) -> None:
    def scene(seconds: float) -> None:
        face = open_face(LLM_STREAM_IDLE_TIMEOUT=seconds)
        sandbox.clear()
        sandbox.script(broken("stall", 3, seconds=60))
        got = read(face, "hi")
        assert isinstance(got.error, LLMTimeoutError)
        assert f"has stood still for {seconds:g} seconds" in str(got.error)
        assert got.error.partial is not None
        assert got.text == got.error.partial.text
        assert got.text
        assert_healthy(face)

    with_more_time(scene)


def test_a_stream_that_outlives_its_deadline_is_an_error_with_the_text_so_far(
    face: Face, sandbox: Sandbox
) -> None:
    def scene(seconds: float) -> None:
        sandbox.clear()
        sandbox.script(Fault.paced(seconds / 5, answer=Answer.streams(*PIECES * 20)))
        got = read(face, "hi", timeout=seconds, max_retries=0)
        assert isinstance(got.error, LLMTimeoutError)
        told = f"the deadline of {seconds:g} seconds passed before the stream had ended"
        assert told in str(got.error)
        assert got.error.partial is not None
        assert got.text == got.error.partial.text
        assert_healthy(face)

    with_more_time(scene)


def test_an_error_in_the_stream_is_that_error_with_the_text_so_far(
    face: Face, sandbox: Sandbox
) -> None:
    sandbox.script(broken("error", 3, status=503))
    got = read(face, "hi")
    assert isinstance(got.error, ProviderUnavailableError)
    assert got.error.partial is not None
    assert got.text == got.error.partial.text
    assert got.text
    assert_healthy(face)


@pytest.mark.usefixtures("short_backoff")
@pytest.mark.parametrize("kind", ["cut", "reset", "tear", "damage", "error"])
def test_what_passes_is_tried_again_before_the_first_piece(
    face: Face, sandbox: Sandbox, kind: str
) -> None:
    how = {"status": 503} if kind == "error" else {}
    sandbox.script(broken(kind, 0, **how), Answer.streams(*PIECES))
    got = read(face, "hi")
    assert list(PIECES) == got.texts
    assert got.reply is not None
    assert [True, False] == [attempt.error is not None for attempt in got.reply.attempts]
    assert_healthy(face)


@pytest.mark.usefixtures("short_backoff")
def test_a_refusal_before_the_stream_is_as_of_any_call(face: Face, sandbox: Sandbox) -> None:
    sandbox.script(Fault.error(503), Answer.streams(*PIECES), Fault.error(400))
    assert list(PIECES) == read(face, "hi").texts
    assert 2 == len(sandbox.exchanges)
    got = read(face, "hi")
    assert isinstance(got.error, LLMError)
    assert (400, 3) == (got.error.status, len(sandbox.exchanges))
    assert_healthy(face)


def test_what_is_missing_after_the_answers_end_is_not_missed(face: Face, sandbox: Sandbox) -> None:
    for without in ("done", "usage"):
        sandbox.script(replace(Answer.streams(*PIECES), without=frozenset({without})))
        assert list(PIECES) == read(face, "hi").texts
    for kind in ("cut", "reset", "tear", "end", "damage"):
        sandbox.script(broken(kind, -1))
        got = read(face, "hi")
        assert (kind, list(PIECES), None) == (kind, got.texts, got.error)
    assert_healthy(face)


def test_an_answer_without_an_end_is_cut_off(face: Face, sandbox: Sandbox) -> None:
    sandbox.script(Answer.unfinished())
    got = read(face, "hi")
    assert isinstance(got.error, TruncatedError)
    assert got.text == got.error.text


def test_a_reader_that_leaves_gives_everything_back(open_face: OpenFace, sandbox: Sandbox) -> None:
    limits = {f"{name}_TOKENS_PER_MINUTE": 10_000 for name in ("GROQ", "BEDROCK")}
    face = open_face(**limits)
    sandbox.script(Fault.paced(0.1, answer=Answer.streams(*PIECES * 100)))
    got = read(face, "hi", leave_after=2, max_tokens=9_000)
    assert (list(PIECES[:2]), None) == (got.texts, got.reply)
    # Of 9,000 tokens nearly all are there again at once.
    sandbox.script(Answer.streams(*PIECES))
    assert list(PIECES) == read(face, "hi again", max_tokens=9_000).texts
    assert_healthy(face)
    wait_until(lambda: sandbox.exchanges[0].status is not None)


def test_a_stream_that_is_dropped_is_told_of_and_closed_soon(
    open_face: OpenFace, sandbox: Sandbox
) -> None:
    face = open_face(LLM_MAX_CONCURRENCY=1)
    sandbox.script(Fault.paced(0.05, answer=Answer.streams(*PIECES * 100)))
    account = face.client._account
    with pytest.warns(ResourceWarning, match="dropped before its end"):
        drop(face)
    settle(face, lambda: account.concurrency.free)
    assert 1 == account.concurrency.free
    assert "Sandbox: hi" == face.generate("hi")


def drop(face: Face) -> None:
    stream = open_stream(face, "hi")
    if isinstance(stream, AsyncStream):
        assert "Chapter" == face.run(anext_of(stream))
    else:
        assert "Chapter" == next(stream)
    del stream
    gc.collect()


async def anext_of(stream: AsyncStream) -> str:
    return await anext(stream)


def settle(face: Face, holds: Callable[[], object]) -> None:
    async def wait() -> None:
        while not holds():
            await asyncio.sleep(0.01)

    if face.loop is None:
        wait_until(holds)
    else:
        face.run(wait())


def test_a_stream_that_is_left_can_be_closed_twice(face: Face, sandbox: Sandbox) -> None:
    got = read(face, "hi", leave_after=1, close_twice=True)
    assert ["Sandbox:"] == got.texts
    assert_healthy(face)


def test_two_readers_at_once_are_refused(face: Face, sandbox: Sandbox) -> None:
    sandbox.script(Fault.silent(60))
    stream = open_stream(face, "hi")
    if isinstance(stream, AsyncStream):

        async def both() -> None:
            reading = asyncio.create_task(anext_of(stream))
            await asyncio.to_thread(sandbox.wait_for, 1)
            with pytest.raises(RuntimeError, match="one thread or task at a time"):
                await anext_of(stream)
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading

        face.run(both())
        return
    stream._reader._is_busy = True
    with pytest.raises(RuntimeError, match="one thread or task at a time"):
        next(stream)


def test_who_closes_a_stream_ends_the_wait_of_its_reader_at_once(
    face: Face, sandbox: Sandbox
) -> None:
    sandbox.script(broken("stall", 3, seconds=60))
    stream = open_stream(face, "hi")
    closed = "closed while its next piece was waited for"
    if isinstance(stream, AsyncStream):

        async def both() -> None:
            assert "Chapter" == await anext(stream)
            reading = asyncio.create_task(read_on(stream))
            await asyncio.sleep(0)
            await stream.aclose()
            with pytest.raises(RuntimeError, match=closed):
                await reading

        face.run(both())
    else:
        assert "Chapter" == next(stream)
        closing = threading.Thread(target=close_once_waiting, args=(stream,))
        closing.start()
        with pytest.raises(RuntimeError, match=closed):
            list(stream)
        closing.join()
    assert_healthy(face)


@pytest.mark.parametrize("kind", ["groq", "bedrock"])
@pytest.mark.parametrize("is_kept", [False, True])
def test_who_closes_a_stream_ends_the_wait_for_its_beginning_at_once(
    open_client: OpenFace, sandbox: Sandbox, kind: str, is_kept: bool
) -> None:
    face = open_client(kind)
    if is_kept:
        assert read(face, "hello").text
    sandbox.script(Fault.silent(60))
    stream = open_stream(face, "hi")

    def close() -> None:
        sandbox.wait_for(1 + is_kept)
        stream.close()

    closing = threading.Thread(target=close)
    closing.start()
    with pytest.raises(RuntimeError, match="closed while its next piece was waited for"):
        next(stream)
    closing.join()
    sandbox.clear()
    assert_healthy(face)


async def read_on(stream: AsyncStream) -> list[str]:
    return [piece async for piece in stream]


def close_once_waiting(stream: Any) -> None:
    while not stream._reader._is_busy:
        time.sleep(0.001)
    stream.close()


def test_a_kept_answer_is_streamed_at_once(open_face: OpenFace, sandbox: Sandbox) -> None:
    face = open_face(LLM_CACHE_URL="memory:")
    sandbox.script(Answer.streams(*PIECES))
    assert list(PIECES) == read(face, "hi").texts
    again = read(face, "hi")
    assert [TEXT] == again.texts
    assert again.reply is not None
    assert (True, 0.0) == (again.reply.cached, again.reply.cost)
    assert 1 == len(sandbox.exchanges)
    assert_healthy(face)


def test_a_window_that_is_full_refuses_a_stream_too(open_face: OpenFace) -> None:
    face = open_face(GROQ_REQUESTS_PER_MINUTE=1, BEDROCK_REQUESTS_PER_MINUTE=1)
    assert read(face, "hi").error is None
    assert isinstance(read(face, "hi").error, RateLimitError)


def test_an_identical_call_waits_for_the_stream_that_leads(
    open_face: OpenFace, sandbox: Sandbox
) -> None:
    face = open_face(LLM_CACHE_URL="memory:")
    sandbox.script(Fault.paced(0.05, answer=Answer.streams(*PIECES)))
    results: list[Reply | None] = []

    def lead() -> None:
        results.append(read(face, "hi").reply)

    if face.loop is None:
        leading = threading.Thread(target=lead)
        leading.start()
        sandbox.wait_for(1)
        joined = read(face, "hi")
        leading.join()
    else:
        first, joined = face.run(both_at_once(face, sandbox))
        results.append(first.reply)
    assert joined.reply is not None
    assert ([TEXT], True) == (joined.texts, joined.reply.cached)
    assert results[0] is not None
    assert (TEXT, 1) == (results[0].text, len(sandbox.exchanges))


async def both_at_once(face: Face, sandbox: Sandbox) -> tuple[Read, Read]:
    got = Read(), Read()
    leading = asyncio.create_task(got[0].aread(face.client.astream("hi")))
    await asyncio.to_thread(sandbox.wait_for, 1)
    await got[1].aread(face.client.astream("hi"))
    await leading
    return got


def test_nobody_waits_for_a_reader_that_does_not_read_on(
    open_face: OpenFace, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.llm.account.single_flight._MAX_SILENCE", 0.1)
    face = open_face(LLM_CACHE_URL="memory:")
    stream = open_stream(face, "hi")
    if isinstance(stream, AsyncStream):

        async def scene() -> str:
            async with stream:
                await anext(stream)
                text: str = await face.client.agenerate("hi", timeout=60)
                return text

        assert "Sandbox: hi" == face.run(scene())
    else:
        with stream:
            next(stream)
            found: list[str] = []
            asking = threading.Thread(
                target=lambda: found.append(face.client.generate("hi", timeout=60))
            )
            asking.start()
            asking.join()
        assert ["Sandbox: hi"] == found
    assert 2 == len(sandbox.exchanges)
