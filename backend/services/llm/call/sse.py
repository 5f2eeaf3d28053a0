"""Server-sent events of a stream, as a web server sends them to a browser.

text, reasoning   {"text": "..."}
tool_call         {"index": 0, "id": "...", "name": "...", "arguments": "..."}
snapshot          {"value": ...}, of a structured answer
usage             {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3, ...}
done              {"finish_reason": "stop", "model": "...", "cached": false, "usage": {...}}
error             {"type": "RateLimitError", "message": "...", "retry_after": 2.5}

Either `done` or `error` is the last; a connection that ends without one has broken. An error's
message is of ours alone: what a provider or an SDK said is not for whoever sits at the browser.
Source of the format: the WHATWG standard of HTML, 9.2 Server-sent events.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextvars import copy_context
from functools import partial
from typing import Any, Protocol

import anyio
from typing_extensions import assert_never

from ..errors import (
    ConfigurationError,
    ContentFilteredError,
    ContextLengthError,
    LLMError,
    LLMTimeoutError,
    ProviderUnavailableError,
    RateLimitError,
    StructuredOutputError,
    TruncatedError,
)
from ..redaction.printable import shown
from ..runtime.blocking import run_in_thread
from ..stream_types import AnyEvent, ReasoningPiece, Snapshot, TextPiece, ToolCallPiece, UsageReport
from ..types import Reply, Usage

log = logging.getLogger(__name__)

#: Seconds of silence after which a comment is sent: proxies drop a silent connection after 30.
HEARTBEAT = 15.0

#: A comment, which a browser passes over.
_COMMENT = ": waiting\n\n"

#: What a browser is told of an error: the first class that it is of, and a message.
_MESSAGES: dict[type[LLMError], str] = {
    LLMTimeoutError: "The answer took too long.",
    RateLimitError: "Too many requests: try again later.",
    ContextLengthError: "The question is too long.",
    ContentFilteredError: "The answer was withheld.",
    TruncatedError: "The answer ended early.",
    StructuredOutputError: "The answer is not in the form that was asked for.",
    ProviderUnavailableError: "The model cannot be reached.",
    LLMError: "The answer failed.",
}


class Closable(Protocol):
    """A stream that is read in a thread."""

    @property
    def reply(self) -> Reply:
        """The whole reply, at the end."""

    def close(self) -> None:
        """Give back what it holds."""


class AsyncClosable(Protocol):
    """A stream that is read in a task."""

    @property
    def reply(self) -> Reply:
        """The whole reply, at the end."""

    async def aclose(self) -> None:
        """Give back what it holds."""


class Frames(Iterator[str]):
    """The frames of a blocking stream, for a server that works in threads, or for an ASGI server.

    `close` closes the stream. Starlette and FastAPI iterate them as an asynchronous iterator, which
    they end: of another iterator they would not tell that the client has gone away. It is no
    generator, whose `finally` the garbage collection would run.
    """

    def __init__(self, stream: Closable, read: Callable[[], AnyEvent | None]) -> None:
        self._stream = stream
        self._read = read
        self._is_over = False

    def __next__(self) -> str:
        if self._is_over:
            raise StopIteration
        try:
            event = self._read()
        except LLMError as error:
            self._is_over = True
            return error_frame(error)
        self._is_over = event is None
        return done_frame(self._stream.reply) if event is None else frame_of(event)

    def __aiter__(self) -> AsyncGenerator[str, None]:
        """Yield them in an event loop, each read in a thread of ours; silence as `aframes` does."""
        reader = _InThreads(self._stream, self._read)
        return aframes(reader, reader.read, HEARTBEAT)

    def close(self) -> None:
        """Close the stream, as servers do when a client has gone away (PEP 3333)."""
        self._is_over = True
        self._stream.close()


class _InThreads:
    """A blocking stream as an event loop reads it: one step after another, in one context."""

    def __init__(self, stream: Closable, read: Callable[[], AnyEvent | None]) -> None:
        self._stream = stream
        self._read = partial(copy_context().run, read)

    @property
    def reply(self) -> Reply:
        """The whole reply, at the end."""
        return self._stream.reply

    async def read(self) -> AnyEvent | None:
        """Return the next event, None at the end."""
        return await run_in_thread(self._read)

    async def aclose(self) -> None:
        """Give back what the stream holds; a thread that still reads is told at once."""
        await run_in_thread(self._stream.close)


async def aframes(
    stream: AsyncClosable,
    read: Callable[[], Coroutine[Any, Any, AnyEvent | None]],
    heartbeat: float | None,
) -> AsyncGenerator[str, None]:
    """Yield the frames of *stream*, and a comment after each *heartbeat* seconds of silence.

    Whatever ends it closes the stream: its end, `aclose` or a cancellation. One that is dropped is
    closed by its event loop (PEP 525), never by the garbage collection.
    """
    reading = asyncio.create_task(read())
    try:
        while True:
            while not (await asyncio.wait({reading}, timeout=heartbeat))[0]:
                yield _COMMENT
            if (event := reading.result()) is None:
                break
            yield frame_of(event)
            reading = asyncio.create_task(read())
        yield done_frame(stream.reply)
    except LLMError as error:
        yield error_frame(error)
    finally:
        with anyio.CancelScope(shield=True):
            await _ended(reading)
            await stream.aclose()


async def _ended(reading: asyncio.Task[Any]) -> None:
    """Cancel *reading* and wait for its end; nobody wants to know what it found."""
    reading.cancel()
    await asyncio.wait({reading})
    if not reading.cancelled():
        reading.exception()


def checked_heartbeat(seconds: float | None) -> float | None:
    """Return *seconds*; raises ConfigurationError for what is no time above zero."""
    is_number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    if seconds is None or (is_number and 0 < seconds <= sys.float_info.max):
        return seconds
    raise ConfigurationError(
        f"heartbeat is {shown(seconds)}: give seconds above 0, or None for no comments"
    )


def frame_of(event: AnyEvent) -> str:
    """The frame of one *event* of a stream."""
    match event:
        case TextPiece(text):
            return _frame("text", {"text": text})
        case ReasoningPiece(text):
            return _frame("reasoning", {"text": text})
        case ToolCallPiece(index, arguments, id, name):
            call = {"index": index, "id": id, "name": name, "arguments": arguments}
            return _frame("tool_call", call)
        case UsageReport(usage):
            return _frame("usage", _tokens(usage))
        case Snapshot(value):
            return _frame("snapshot", {"value": value})
    assert_never(event)


def done_frame(reply: Reply) -> str:
    """The last frame of a stream that ended well."""
    return _frame(
        "done",
        {
            "finish_reason": reply.finish_reason,
            "model": reply.model,
            "cached": reply.cached,
            "usage": _tokens(reply.usage) if reply.usage.reported else None,
        },
    )


def error_frame(error: LLMError) -> str:
    """The last frame of a stream that failed; what a browser is not told goes into the log."""
    log.warning("a stream of server-sent events ended in %s", error.label)
    kind = next(each for each in _MESSAGES if isinstance(error, each))
    data = {"type": kind.__name__, "message": _MESSAGES[kind], "retry_after": error.retry_after}
    return _frame("error", data)


def _frame(event: str, data: object) -> str:
    # In ASCII no character of the data ends a line, and half of a surrogate pair can be sent.
    return f"event: {event}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n"


def _tokens(usage: Usage) -> dict[str, int]:
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "cached_input_tokens": usage.cached_input_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
    }
