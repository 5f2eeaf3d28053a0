"""What a caller holds of a stream: an iterator of text, and a block at whose end it is closed.

Nothing is sent before the first piece is asked for. A stream that is dropped before its end is told
of with a ResourceWarning, and closed soon after: never by the garbage collection itself, which may
run while its thread holds any lock.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import Any, NoReturn, cast, overload

from ..effects import Effects
from ..runtime.closing import ClosedByAsyncBlock, ClosedByBlock
from ..stream_types import AnyEvent, StreamEvent, TextPiece
from ..types import Reply
from .drivers import arun, run
from .sse import HEARTBEAT, Frames, aframes, checked_heartbeat
from .stream_ends import close_elsewhere, on_drop_in_loop, on_drop_in_thread, with_loop
from .stream_reader import StreamReader


class _Stream:
    """What both kinds of stream are: a reader, and the reply at the end."""

    def __init__(self, flow: Effects[Reply], transport: Any) -> None:
        self._reader = StreamReader(flow)
        self._transport = transport

    @property
    def reply(self) -> Reply:
        """The whole reply. Raises RuntimeError until the stream has been read to its end."""
        if self._reader.reply is None or self._reader.waiting:
            raise RuntimeError("the stream has not been read to its end, where its reply is known")
        return self._reader.reply


class BlockingStream(_Stream, ClosedByBlock):
    """What a thread reads."""

    def __init__(self, flow: Effects[Reply], transport: Any) -> None:
        super().__init__(flow, transport)
        on_drop_in_thread(self, self._reader, transport)

    def sse(self) -> Frames:
        """Return the rest of the stream as server-sent events, for a web server to send.

        Closing them closes the stream; an LLMError becomes the last of them.
        """
        self._reader.is_handed_over = True
        return Frames(self, self._next)

    def close(self) -> None:
        """Give back connection, permit and tokens that are left, if the stream holds them."""
        run(self._reader.close(), self._transport)

    def _next(self) -> AnyEvent | None:
        if self._reader.waiting:
            return self._reader.waiting.popleft()
        return run(self._reader.next_event(), self._transport)


class AwaitingStream(_Stream, ClosedByAsyncBlock):
    """What a task reads."""

    _loop: asyncio.AbstractEventLoop | None = None

    def sse(self, heartbeat: float | None = HEARTBEAT) -> AsyncGenerator[str, None]:
        """Return the rest of the stream as server-sent events, for a web server to send.

        A client that goes away ends the call. After each *heartbeat* seconds of silence comes a
        comment, for proxies. An LLMError becomes the last of them.
        """
        self._reader.is_handed_over = True
        return aframes(self, self._next, checked_heartbeat(heartbeat))

    async def aclose(self) -> None:
        """Give back connection, permit and tokens that are left, if the stream holds them."""
        if self._loop in (None, asyncio.get_running_loop()):
            await arun(self._reader.close(), self._transport)
        else:
            await close_elsewhere(self._reader, self._transport, self._loop)

    async def _next(self) -> AnyEvent | None:
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
            on_drop_in_loop(self, self._reader, self._transport, loop)
            await with_loop(self)
        elif self._loop is not loop:
            self._refuse()
        if self._reader.waiting:
            return self._reader.waiting.popleft()
        return await arun(self._reader.next_event(asyncio.current_task()), self._transport)

    def _refuse(self) -> NoReturn:
        if self._loop is not None and self._loop.is_closed():
            self._reader.give_back()
        raise RuntimeError(
            "the stream belongs to the event loop in which it was begun, and is read in no other"
        )


class Stream(BlockingStream, Iterator[str]):
    """An answer as it comes: an iterator of its text, to be read in a `with` block.

    `events` gives all that comes, `reply` is the whole reply, once it has been read to its end.
    Raises `LLMError`; its `partial` is the reply as far as it came.
    """

    def __next__(self) -> str:
        while (event := self._next()) is not None:
            if isinstance(event, TextPiece):
                return event.text
        raise StopIteration

    def events(self) -> Iterator[StreamEvent]:
        """Return an iterator of all that comes from here on: text, thoughts, tool calls, usage."""
        return cast("Iterator[StreamEvent]", iter(self._next, None))


class AsyncStream(AwaitingStream, AsyncIterator[str]):
    """The same for an event loop: `async with client.astream(...) as stream`, then `async for`."""

    async def __anext__(self) -> str:
        while (event := await self._next()) is not None:
            if isinstance(event, TextPiece):
                return event.text
        raise StopAsyncIteration

    def events(self) -> AsyncIterator[StreamEvent]:
        """Return an iterator of all that comes from here on: text, thoughts, tool calls, usage."""
        return _Events(self)


class _Events(AsyncIterator[StreamEvent]):
    def __init__(self, stream: AsyncStream) -> None:
        self._stream = stream

    async def __anext__(self) -> StreamEvent:
        event = await self._stream._next()
        if event is None:
            raise StopAsyncIteration
        return cast("StreamEvent", event)


@overload
def to_sse(stream: BlockingStream) -> Frames: ...


@overload
def to_sse(
    stream: AwaitingStream, heartbeat: float | None = HEARTBEAT
) -> AsyncGenerator[str, None]: ...


def to_sse(stream: BlockingStream | AwaitingStream, heartbeat: float | None = HEARTBEAT) -> Any:
    """Return the rest of *stream* as server-sent events, as its method `sse` does."""
    return stream.sse(heartbeat) if isinstance(stream, AwaitingStream) else stream.sse()
