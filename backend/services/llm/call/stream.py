"""What a caller holds of a stream: an iterator of text, and a block at whose end it is closed.

Nothing is sent before the first piece is asked for. From then on the stream holds a connection, a
permit and tokens, until it has been read to its end, has failed, or is closed. One that is dropped
before that is told of with a ResourceWarning, and closed soon after: never by the garbage
collection itself, which may run while its thread holds any lock.
"""

from __future__ import annotations

import _thread
import asyncio
import sys
import warnings
import weakref
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, Generic, TypeVar, overload

import anyio

from ..effects import Effect, Emit, Flow, Open
from ..runtime.running_loop import blocking_thread
from ..runtime.signals import find_signal_error
from ..types import Reply, StreamEvent, TextPiece
from .drivers import aperform, perform
from .sse import HEARTBEAT, Frames, aframes, checked_heartbeat


class _Driver:
    """Drives one stream's flow, on behalf of the object that its reader holds."""

    def __init__(self, flow: Flow[Reply], transport: Any) -> None:
        self.flow = flow
        self.reply: Reply | None = None
        self._transport = transport
        self._step: Callable[[], Effect] = partial(next, flow)
        self._channel: Any = None
        self._is_driving = False
        #: Whoever reads it cannot close it: a web server that drops it when its client has gone.
        self.is_handed_over = False

    def _begin(self) -> None:
        if self._is_driving:
            raise RuntimeError("a stream is read by one thread or task at a time")
        self._is_driving = True

    def _next_effect(self, step: Callable[[], Effect]) -> Effect | None:
        """Go on to the next effect; None at the flow's end."""
        try:
            return step()
        except StopIteration as done:
            self.reply = done.value
            return None

    def _resume(self, effect: Effect, result: Any) -> Callable[[], Effect]:
        if isinstance(effect, Open):
            self._channel = result
        return partial(self.flow.send, result)

    def _warn(self) -> None:
        if not self.is_handed_over:
            warnings.warn(
                "a stream was dropped before its end: read it inside a `with` block, or close it",
                ResourceWarning,
                stacklevel=3,
            )


class _ThreadDriver(_Driver):
    """Drives in the thread that reads."""

    def events(self) -> Sequence[StreamEvent] | None:
        """Return the events that come next; None at the end. Raises what ends the stream."""
        self._begin()
        step, handled = self._step, sys.exc_info()[1]
        try:
            with blocking_thread():
                while (effect := self._next_effect(step)) is not None:
                    if isinstance(effect, Emit):
                        self._step = partial(self.flow.send, None)
                        return effect.events
                    try:
                        self._release(effect)
                        step = self._resume(effect, perform(effect, self._transport))
                    # An interruption too: the flow gives back what it holds.
                    except BaseException as error:
                        step = partial(self.flow.throw, find_signal_error(error, handled))
            self.close()
            return None
        except BaseException:
            self.close()
            raise
        finally:
            self._is_driving = False

    def _release(self, effect: Effect) -> None:
        """Close the stream of the attempt before, if it is still open."""
        if isinstance(effect, Open) and self._channel is not None:
            self._channel.close()

    def close(self) -> None:
        """Give back what the stream holds, in this thread."""
        try:
            if self._channel is not None:
                self._channel.close()
        finally:
            self.flow.close()

    def abandon(self) -> None:
        """Close it in a thread of its own, without a lock that this thread may hold."""
        self._warn()
        # There are no threads any more as the interpreter exits, and nothing is held then.
        with suppress(RuntimeError):
            _thread.start_new_thread(self.close, ())


class _TaskDriver(_Driver):
    """Drives in the task that reads."""

    def __init__(self, flow: Flow[Reply], transport: Any) -> None:
        super().__init__(flow, transport)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing: asyncio.Task[None] | None = None

    async def events(self) -> Sequence[StreamEvent] | None:
        """Return the events that come next; None at the end. Raises what ends the stream."""
        self._begin()
        self._loop = asyncio.get_running_loop()
        step, handled = self._step, sys.exc_info()[1]
        try:
            while (effect := self._next_effect(step)) is not None:
                if isinstance(effect, Emit):
                    self._step = partial(self.flow.send, None)
                    return effect.events
                try:
                    await self._release(effect)
                    step = self._resume(effect, await aperform(effect, self._transport))
                # A cancellation too: the flow gives back what it holds.
                except BaseException as error:
                    step = partial(self.flow.throw, find_signal_error(error, handled))
            await self.close()
            return None
        except BaseException:
            await self.close()
            raise
        finally:
            self._is_driving = False

    async def _release(self, effect: Effect) -> None:
        if isinstance(effect, Open) and self._channel is not None:
            await self._channel.aclose()

    async def close(self) -> None:
        """Give back what the stream holds, also in a task that is being cancelled."""
        try:
            if self._channel is not None:
                with anyio.CancelScope(shield=True):
                    await self._channel.aclose()
        finally:
            self.flow.close()

    def abandon(self) -> None:
        """Close it in a task of its loop, or what its loop does not hold in a thread."""
        self._warn()
        # There are no threads any more as the interpreter exits, and nothing is held then.
        with suppress(RuntimeError):
            try:
                assert self._loop is not None, "it has begun"
                self._loop.call_soon_threadsafe(self._close_soon)
            except RuntimeError:  # its loop is closed
                _thread.start_new_thread(self.flow.close, ())

    def _close_soon(self) -> None:
        assert self._loop is not None, "it has begun"
        self._closing = self._loop.create_task(self.close())


D = TypeVar("D", _ThreadDriver, _TaskDriver)


class _Stream(Generic[D]):
    """What both kinds of stream are: pieces that wait to be read, and the reply at the end."""

    def __init__(self, driver: D) -> None:
        self._driver: D = driver
        self._waiting: deque[StreamEvent] = deque()
        self._is_over = False
        self._finalizer: weakref.finalize[Any, Any] | None = None

    @property
    def reply(self) -> Reply:
        """The whole reply. Raises RuntimeError until the stream has been read to its end."""
        if self._driver.reply is None or self._waiting:
            raise RuntimeError("the stream has not been read to its end, where its reply is known")
        return self._driver.reply

    def _begin(self) -> None:
        if self._finalizer is None:
            self._finalizer = weakref.finalize(self, self._driver.abandon)
            self._finalizer.atexit = False

    def _end(self) -> None:
        self._is_over = True
        if self._finalizer is not None:
            self._finalizer.detach()


class Stream(_Stream[_ThreadDriver], Iterator[str]):
    """An answer as it comes: an iterator of its text, to be read in a `with` block.

    `events` gives all that comes, `reply` is the whole reply, once it has been read to its end.
    Raises `LLMError`; its `partial` is the reply as far as it came.
    """

    def __init__(self, flow: Flow[Reply], transport: Any) -> None:
        super().__init__(_ThreadDriver(flow, transport))

    def __next__(self) -> str:
        while (event := self._next()) is not None:
            if isinstance(event, TextPiece):
                return event.text
        raise StopIteration

    def events(self) -> Iterator[StreamEvent]:
        """Return an iterator of all that comes from here on: text, thoughts, tool calls, usage."""
        return iter(self._next, None)

    def _next(self) -> StreamEvent | None:
        while not self._waiting:
            if self._is_over:
                return None
            self._begin()
            try:
                events = self._driver.events()
            except BaseException:
                self._end()
                raise
            if events is None:
                self._end()
            else:
                self._waiting.extend(events)
        return self._waiting.popleft()

    def sse(self) -> Frames:
        """Return the rest of the stream as server-sent events, for a web server to send.

        Closing them closes the stream; an LLMError becomes the last of them.
        """
        self._driver.is_handed_over = True
        return Frames(self, self._next)

    def close(self) -> None:
        """Give back connection, permit and tokens that are left, if the stream holds them."""
        if not self._is_over:
            self._end()
            self._waiting.clear()
            self._driver.close()

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()


class AsyncStream(_Stream[_TaskDriver], AsyncIterator[str]):
    """The same for an event loop: `async with client.astream(...) as stream`, then `async for`."""

    def __init__(self, flow: Flow[Reply], transport: Any) -> None:
        super().__init__(_TaskDriver(flow, transport))

    async def __anext__(self) -> str:
        while (event := await self._next()) is not None:
            if isinstance(event, TextPiece):
                return event.text
        raise StopAsyncIteration

    def events(self) -> AsyncIterator[StreamEvent]:
        """Return an iterator of all that comes from here on: text, thoughts, tool calls, usage."""
        return _Events(self)

    async def _next(self) -> StreamEvent | None:
        while not self._waiting:
            if self._is_over:
                return None
            self._begin()
            try:
                events = await self._driver.events()
            except BaseException:
                self._end()
                raise
            if events is None:
                self._end()
            else:
                self._waiting.extend(events)
        return self._waiting.popleft()

    def sse(self, heartbeat: float | None = HEARTBEAT) -> AsyncGenerator[str, None]:
        """Return the rest of the stream as server-sent events, for a web server to send.

        A client that goes away ends the call. After each *heartbeat* seconds of silence comes a
        comment, for proxies. An LLMError becomes the last of them.
        """
        self._driver.is_handed_over = True
        return aframes(self, self._next, checked_heartbeat(heartbeat))

    async def aclose(self) -> None:
        """Give back connection, permit and tokens that are left, if the stream holds them."""
        if not self._is_over:
            self._end()
            self._waiting.clear()
            await self._driver.close()

    async def __aenter__(self) -> AsyncStream:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        await self.aclose()


class _Events(AsyncIterator[StreamEvent]):
    def __init__(self, stream: AsyncStream) -> None:
        self._stream = stream

    async def __anext__(self) -> StreamEvent:
        event = await self._stream._next()
        if event is None:
            raise StopAsyncIteration
        return event


@overload
def to_sse(stream: Stream) -> Frames: ...


@overload
def to_sse(
    stream: AsyncStream, heartbeat: float | None = HEARTBEAT
) -> AsyncGenerator[str, None]: ...


def to_sse(stream: Stream | AsyncStream, heartbeat: float | None = HEARTBEAT) -> Any:
    """Return the rest of *stream* as server-sent events, as its method `sse` does."""
    return stream.sse(heartbeat) if isinstance(stream, AsyncStream) else stream.sse()
