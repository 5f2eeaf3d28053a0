"""Connections of an event loop that carry one exchange after another.

Who reads slowly stops the socket: what has come and is not read yet is bounded.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from .dial import left_until
from .http1 import Answer, Head, Http1
from .http1_connections import Sendable, rest_of, sendable
from .origin import Origin
from .refused import is_broken_pipe, was_reset
from .tunnel import aconnected

#: Bytes that wait to be read until the transport is told to read no more.
_FULL = 256 * 1024


class AsyncConnection(asyncio.Protocol):
    """A connection of an event loop, used by one task at a time."""

    def __init__(self, origin: Origin, limit: int) -> None:
        self.origin = origin
        #: The server had closed the connection before it could read the last request.
        self.was_refused = False
        self._http = Http1(limit)
        self._transport: Any = None
        self._is_open = False
        self._unread = 0
        self._is_paused = False
        self._may_write = True
        self._waiter: asyncio.Future[None] | None = None
        self._error: Exception | None = None
        # One timer for all the waits of an exchange: most of them end long before their moment.
        self._until = self._timer_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @classmethod
    async def opened(cls, origin: Origin, limit: int, until: float) -> AsyncConnection:
        """Connect before *until*; raises as `aconnected`."""
        return await aconnected(lambda: cls(origin, limit), origin, until)

    async def exchange(self, request: Sendable, until: float) -> Answer:
        """Send and receive as `Connection.exchange` does, without blocking the event loop."""
        head, pieces = await self.begin(request, until, is_whole=True), []
        while piece := await self.read(until):
            pieces.append(piece)
        return Answer(*head, b"".join(pieces))

    async def begin(self, request: Sendable, until: float, *, is_whole: bool = False) -> Head:
        """Do as `Connection.begin` does, without blocking the event loop."""
        try:
            # What is sent holds credentials: no variable of a traceback is to show it.
            sent = sendable(request)
            self._http.begin(is_whole=is_whole)
            if not self._is_open:
                self.was_refused = True
                raise ConnectionResetError("the connection was lost")
            self._transport.write(sent)
            for piece in rest_of(request):
                if not await self._may_go_on(until):
                    break
                self._transport.write(piece)
        except BaseException:
            self.close()
            raise
        head = await self._next(until)
        assert isinstance(head, Head), "the head comes first"
        return head

    async def read(self, until: float) -> bytes:
        """Do as `Connection.read` does, without blocking the event loop."""
        piece = await self._next(until)
        assert isinstance(piece, bytes), "there is one head"
        self._unread -= len(piece)
        if self._is_paused and not self._unread:
            self._is_paused = False
            self._transport.resume_reading()
        if not piece:
            self._stop_timer()
        return piece

    async def _next(self, until: float) -> Head | bytes:
        try:
            while not self._http.parts:
                if (error := self._http.error or self._error) is not None:
                    raise error
                await self._wait(until)
            return self._http.parts.popleft()
        except BaseException:
            self.close()
            raise

    async def _may_go_on(self, until: float) -> bool:
        """Wait until more may be written; False where the server has answered or left before."""
        while self._http.is_waiting and self._error is None:
            if self._may_write:
                return True
            await self._wait(until)
        return False

    async def _wait(self, until: float) -> None:
        """Wait for whatever comes next; raises TimeoutError at *until*."""
        left, loop = left_until(until), asyncio.get_running_loop()
        self._until = until
        if self._timer is None or until < self._timer_at:
            self._start_timer(left)
        self._waiter = loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _start_timer(self, seconds: float) -> None:
        self._stop_timer()
        self._timer_at = self._until
        self._timer = asyncio.get_running_loop().call_later(seconds, self._on_time)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_time(self) -> None:
        """End the wait, if its moment has come: it may be a later wait than the timer's."""
        self._timer = None
        if self._waiter is None or self._waiter.done():
            return
        left = self._until - time.monotonic()
        if left > 0:
            self._start_timer(left)
        else:
            self._waiter.set_exception(TimeoutError("timed out"))

    @property
    def is_reusable(self) -> bool:
        """Whether the last answer has been read to its end, and leaves room for another."""
        return self._is_open and self._http.is_reusable and not self._http.parts

    def is_alive(self) -> bool:
        """Whether the other end has neither closed nor said anything since the last answer."""
        return self.is_reusable

    def close(self) -> None:
        """Drop the connection and what is still to be sent."""
        self._is_open = False
        self._stop_timer()
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport, as asyncio asks."""
        self._transport, self._is_open = transport, True

    def data_received(self, data: bytes) -> None:
        """Take what was received, as asyncio asks."""
        if not self._http.is_asked:
            self.close()  # nobody asked
            return
        self._unread += self._http.receive(data)
        if self._unread > _FULL and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        """Take note of the server's end, which may be that of an answer without a length."""
        self._is_open = False
        if self._http.is_waiting:
            self.was_refused |= was_reset(self._transport.get_extra_info("socket"))
        self._http.receive(b"")
        self._end(ConnectionResetError("the connection was closed"))

    def connection_lost(self, error: Exception | None) -> None:
        """Take note of the connection's end, as asyncio asks."""
        self._is_open = False
        if self._http.is_waiting:
            self.was_refused |= is_broken_pipe(error)
        self._end(error or ConnectionResetError("the connection was lost"))

    def _end(self, error: Exception) -> None:
        self._error = self._error or error
        self._wake()

    def pause_writing(self) -> None:
        """Let who writes wait, as asyncio asks."""
        self._may_write = False

    def resume_writing(self) -> None:
        """Let them go on."""
        self._may_write = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
