"""A stream as server-sent events: its frames, its end, and a browser that goes away."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from starlette.responses import StreamingResponse

from sandbox import Answer, Fault, Sandbox
from services.llm.call import sse
from services.llm.call.stream import AsyncStream
from services.llm.errors import (
    AuthenticationError,
    ConfigurationError,
    LLMError,
    LLMTimeoutError,
    ProviderUnavailableError,
    RateLimitError,
    TruncatedError,
)
from services.llm.stream_types import ReasoningPiece, TextPiece, ToolCallPiece, UsageReport
from services.llm.types import Reply, Usage
from services.llm_client import to_sse
from tests.timing import await_until
from tests.wire.browser import parsed, serving, visit
from tests.wire.conftest import OpenFace
from tests.wire.faces import SECRETS, Face
from tests.wire.streaming import open_stream

PIECES = ("Chapter", " 94", "\n\nhas\r", " chairs\u2028.")
TEXT = "".join(PIECES)
STALL = Fault.in_stream("stall", pieces=2, seconds=60, answer=Answer.streams(*PIECES))


def frames_of(face: Face, *args: Any, **kwargs: Any) -> list[str]:
    """All frames of a stream of the face's own kind."""
    stream = open_stream(face, *args, **kwargs)
    if isinstance(stream, AsyncStream):

        async def read() -> list[str]:
            return [frame async for frame in stream.sse()]

        frames: list[str] = face.run(read())
        return frames
    return list(stream.sse())


def assert_nothing_is_left(face: Face) -> None:
    assert 64 == face.client._account.concurrency.free
    assert "Sandbox: still there?" == face.generate("still there?")


def test_the_frames_are_the_pieces_and_then_what_ended_them(face: Face, sandbox: Sandbox) -> None:
    sandbox.script(Answer.streams(*PIECES))
    frames = frames_of(face, "hi")
    events = parsed("".join(frames))
    assert all(frame.count("\n\n") == 1 for frame in frames)
    assert list(PIECES) == [data["text"] for name, data in events if name == "text"]
    name, done = events[-1]
    assert ("done", False) == (name, done["cached"])
    assert done["finish_reason"] in ("stop", "end_turn")
    assert [done["usage"]] == [data for name, data in events if name == "usage"]
    assert 0 < done["usage"]["output_tokens"] < done["usage"]["total_tokens"]
    assert_nothing_is_left(face)


def test_a_failure_is_a_frame_that_names_its_kind_and_nothing_else(
    face: Face, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.script(Fault.in_stream("cut", pieces=2, answer=Answer.streams(*PIECES)))
    with caplog.at_level(logging.WARNING):
        frames = frames_of(face, "hi")
    *_, (name, data) = parsed("".join(frames))
    assert "error" == name
    assert {
        "type": "ProviderUnavailableError",
        "message": "The model cannot be reached.",
        "retry_after": None,
    } == data
    assert "ended in ProviderUnavailableError" in caplog.text
    assert_nothing_is_left(face)


def test_a_refusal_shows_neither_the_providers_words_nor_a_key(
    face: Face, sandbox: Sandbox
) -> None:
    sandbox.script(Fault.error(401, message=f"no such key: {SECRETS[0]} of org_secret"))
    ((name, data),) = parsed("".join(frames_of(face, "hi", max_retries=0)))
    assert ("error", "LLMError", "The answer failed.") == (name, data["type"], data["message"])


def test_a_full_limit_says_when_to_come_back(face: Face, sandbox: Sandbox) -> None:
    sandbox.script(Fault.rate_limited(retry_after=30))
    ((_, data),) = parsed("".join(frames_of(face, "hi", max_retries=0)))
    assert "RateLimitError" == data["type"]
    assert face.provider == "bedrock" or 29 < data["retry_after"] <= 30


def test_to_sse_takes_either_kind_of_stream(face: Face, sandbox: Sandbox) -> None:
    stream = open_stream(face, "hi")
    if isinstance(stream, AsyncStream):

        async def read() -> str:
            return "".join([frame async for frame in to_sse(stream, heartbeat=None)])

        frames = face.run(read())
    else:
        frames = "".join(to_sse(stream))
    assert "done" == parsed(frames)[-1][0]


@pytest.mark.parametrize("heartbeat", [0, -1, True, "15", float("nan"), float("inf"), 10**400])
def test_a_heartbeat_that_is_no_time_is_refused_at_once(
    open_client: OpenFace, heartbeat: Any
) -> None:
    stream = open_client("groq async").client.astream("hi")
    with pytest.raises(ConfigurationError, match="heartbeat is"):
        stream.sse(heartbeat)


def tell(face: Face, **how: Any) -> Callable[[Any], StreamingResponse]:
    """A route that streams an answer, of the face's own kind of stream."""

    def respond(_: Any) -> StreamingResponse:
        frames = open_stream(face, "hi").sse(**how)
        return StreamingResponse(frames, media_type="text/event-stream")

    return respond


def left_behind(sandbox: Sandbox) -> bool:
    """Whether the sandbox has noticed that nobody listens any more, in the middle."""
    (exchange,) = sandbox.exchanges
    return 0 < exchange.frames_sent


def run(face: Face, scene: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(scene) if face.loop is None else face.run(scene)


def test_a_page_holds_the_whole_stream(face: Face, sandbox: Sandbox) -> None:
    sandbox.script(Answer.streams(*PIECES))

    async def scene() -> str:
        async with serving(tell(face)) as port:
            return await visit(port)

    events = parsed(run(face, scene()))
    assert TEXT == "".join(data["text"] for name, data in events if name == "text")
    assert "done" == events[-1][0]
    assert_nothing_is_left(face)


def test_a_browser_that_leaves_while_the_model_is_silent_ends_the_call(
    face: Face, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.script(STALL)
    monkeypatch.setattr(sse, "HEARTBEAT", 0.01)
    how = {"heartbeat": 0.01} if face.loop else {}

    async def scene() -> None:
        async with serving(tell(face, **how)) as port:
            page = await visit(port, leave_at=" 94.*: waiting")
            assert [*PIECES[:2]] == [data["text"] for _, data in parsed(page)]
            await await_until(lambda: left_behind(sandbox))
            await await_until(lambda: 64 == face.client._account.concurrency.free)
        assert {asyncio.current_task()} == asyncio.all_tasks()

    run(face, scene())
    assert_nothing_is_left(face)


def test_a_browser_that_leaves_in_the_middle_ends_the_call(face: Face, sandbox: Sandbox) -> None:
    sandbox.script(Fault.paced(0.01, answer=Answer.streams(*PIECES * 1000)))

    async def scene() -> None:
        async with serving(tell(face)) as port:
            await visit(port, leave_at="event: text")
            await await_until(lambda: left_behind(sandbox))
            await await_until(lambda: face.client._account.concurrency.free == 64)

    run(face, scene())
    assert sandbox.exchanges[0].frames_sent < 1000 * len(PIECES)
    assert_nothing_is_left(face)


def test_frames_that_are_dropped_close_their_stream_without_a_word(
    face: Face, sandbox: Sandbox
) -> None:
    sandbox.script(STALL)

    async def scene() -> None:
        frames = open_stream(face, "hi").sse()
        if face.loop is None:
            next(frames)
        else:
            await anext(frames)
        del frames

    run(face, scene())
    gc.collect()
    # Another thread, or task, gives back what the stream held.
    run(
        face,
        await_until(lambda: left_behind(sandbox) and 64 == face.client._account.concurrency.free),
    )
    assert_nothing_is_left(face)


def test_frames_that_are_closed_give_everything_back_at_once(face: Face, sandbox: Sandbox) -> None:
    sandbox.script(STALL)
    frames = open_stream(face, "hi").sse()
    if face.loop is None:
        next(frames)
        frames.close()
        assert [] == list(frames)
    else:

        async def scene() -> None:
            await anext(frames)
            await frames.aclose()

        face.run(scene())
    assert_nothing_is_left(face)


def test_a_task_that_is_cancelled_while_it_waits_for_a_frame_closes_the_stream(
    open_client: OpenFace, sandbox: Sandbox
) -> None:
    face = open_client("groq async")
    sandbox.script(STALL)

    async def scene() -> None:
        seen: list[str] = []

        async def read() -> None:
            async for frame in face.client.astream("hi").sse():
                seen.append(frame)

        reading = asyncio.create_task(read())
        await await_until(lambda: len(seen) == 2)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        assert 64 == face.client._account.concurrency.free
        assert {asyncio.current_task()} == asyncio.all_tasks()

    face.run(scene())
    assert_nothing_is_left(face)


def test_a_defect_is_raised_and_is_no_frame(
    open_client: OpenFace, monkeypatch: pytest.MonkeyPatch
) -> None:
    face = open_client("groq async")

    async def broken(_: object) -> None:
        raise ZeroDivisionError

    async def scene() -> None:
        await anext(face.client.astream("hi").sse())

    monkeypatch.setattr(AsyncStream, "_next", broken)
    with pytest.raises(ZeroDivisionError):
        face.run(scene())


USAGE = Usage(3, 4, 7, cached_input_tokens=1, reasoning_tokens=2, reported=True)
TOKENS = {
    "input_tokens": 3,
    "output_tokens": 4,
    "total_tokens": 7,
    "cached_input_tokens": 1,
    "reasoning_tokens": 2,
}


@pytest.mark.parametrize(
    ("event", "name", "data"),
    [
        (TextPiece("a\n\nb\r\u2028\ud83d"), "text", {"text": "a\n\nb\r\u2028\ud83d"}),
        (ReasoningPiece("hm"), "reasoning", {"text": "hm"}),
        (
            ToolCallPiece(1, '{"a', "call_1", "weather"),
            "tool_call",
            {"index": 1, "id": "call_1", "name": "weather", "arguments": '{"a'},
        ),
        (UsageReport(USAGE), "usage", TOKENS),
    ],
)
def test_each_event_is_one_frame(event: Any, name: str, data: dict[str, Any]) -> None:
    frame = sse.frame_of(event)
    assert frame.isascii()
    assert "\r" not in frame
    assert [(name, data)] == parsed(frame)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (LLMTimeoutError("x"), "LLMTimeoutError"),
        (ProviderUnavailableError("x"), "ProviderUnavailableError"),
        (TruncatedError("x"), "TruncatedError"),
        (RateLimitError("x"), "RateLimitError"),
        (AuthenticationError("x"), "LLMError"),
        (LLMError("x"), "LLMError"),
    ],
)
def test_an_error_is_told_of_by_a_kind_that_a_browser_may_know(error: LLMError, kind: str) -> None:
    ((name, data),) = parsed(sse.error_frame(error))
    assert ("error", kind) == (name, data["type"])
    assert "x" not in data["message"].split()


def test_a_usage_that_nobody_told_is_null() -> None:
    ((name, data),) = parsed(sse.done_frame(Reply("hi", "a model", "groq", "stop")))
    assert ("done", None) == (name, data["usage"])


def test_what_is_no_event_has_no_frame() -> None:
    with pytest.raises(AssertionError):
        sse.frame_of(object())  # type: ignore[arg-type] # no event, as none must be
