"""Connections whose answers are taken piece by piece, as they come: blocking, and of an event loop.

Who reads slowly stops the socket: nothing is read ahead but what one read brings, and on an event
loop up to a bound.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, NamedTuple

import h11

from ..errors import ResponseTooLargeError
from . import http1_connections
from .dial import adial, left_until, shut
from .http1_connections import Origin, Sendable

#: The longest head of an answer, in bytes.
_LONGEST_HEAD = 128 * 1024

#: Bytes of one read.
_READ = 65_536

#: Bytes of pieces that wait to be read until the transport is told to read no more.
_FULL = 256 * 1024


class Head(NamedTuple):
    """The beginning of an answer; its headers in the order in which they came, in lower case."""

    status: int
    headers: list[tuple[str, str]]


class Http1:
    """One connection's protocol, whose answers have bodies of at most *limit* bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LONGEST_HEAD)
        self._size = 0
        #: Pieces that have come: a head, parts of its body, and an empty part as its end.
        self.pieces: deque[Head | bytes] = deque()

    @property
    def is_reusable(self) -> bool:
        """Whether the connection may carry another exchange."""
        return self._h11.our_state is h11.IDLE

    def begin(self) -> None:
        """Expect an answer: what was sent is no matter, but that it was no HEAD."""
        self._h11.send(h11.Request(method="POST", target="/", headers=[("host", "")]))
        self._h11.send(h11.EndOfMessage())

    def receive(self, data: bytes) -> int:
        """Take what was received, nothing at the connection's end; return the bytes of body.

        Raises ResponseTooLargeError, and h11.RemoteProtocolError for what is no HTTP or is cut
        off.
        """
        self._h11.receive_data(data)
        before = self._size
        while True:
            event = self._h11.next_event()
            match event:
                case h11.Response():
                    self._size = before = 0
                    self.pieces.append(_head(event))
                case h11.Data():
                    self._size += len(event.data)
                    if self._size > self._limit:
                        raise ResponseTooLargeError.over(self._limit)
                    self.pieces.append(bytes(event.data))
                case h11.EndOfMessage():
                    self.pieces.append(b"")
                    self._end()
                    return self._size - before
                case h11.NEED_DATA:
                    return self._size - before
                case h11.ConnectionClosed() | h11.PAUSED:
                    raise h11.RemoteProtocolError("the server closed without an answer")

    def _end(self) -> None:
        ended = self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE
        # Nothing has followed the answer, not even the end of the connection.
        if ended and self._h11.trailing_data == (b"", False):
            self._h11.start_next_cycle()


def _head(event: Any) -> Head:
    headers = [(name.decode("ascii"), text.decode("latin-1")) for name, text in event.headers]
    return Head(event.status_code, headers)


class Connection(http1_connections.Connection):
    """A blocking connection, used by one thread at a time."""

    def __init__(self, origin: Origin, limit: int, until: float) -> None:
        """Connect before *until*; raises OSError."""
        super().__init__(origin, limit, until)
        self._stream = Http1(limit)

    def begin(self, request: Sendable, until: float) -> Head:
        """Send *request* and return the head of its answer before *until*.

        Raises TimeoutError, OSError and what `Http1` raises; then the connection is closed.
        """
        try:
            # What is sent holds credentials: no variable of a traceback is to show it.
            sent = http1_connections._sendable(request)
            self._stream.begin()
            self._send(sent, until)
        except BaseException:
            self.close()
            raise
        head = self._next(until)
        assert isinstance(head, Head), "the head comes first"
        return head

    def read(self, until: float) -> bytes:
        """Return the next piece of the body before *until*, an empty one at its end; or raise."""
        piece = self._next(until)
        assert isinstance(piece, bytes), "there is one head"
        return piece

    def _next(self, until: float) -> Head | bytes:
        try:
            while not self._stream.pieces:
                self._socket.settimeout(left_until(until))
                self._stream.receive(self._socket.recv(_READ))
            return self._stream.pieces.popleft()
        except BaseException:
            self.close()
            raise

    def abort(self) -> None:
        """End a read in another thread at once, which then closes the connection."""
        shut(self._socket)

    @property
    def is_reusable(self) -> bool:
        """Whether the last answer has been read to its end, and leaves room for another."""
        return self._stream.is_reusable and not self._stream.pieces


class AsyncConnection(asyncio.Protocol):
    """A connection of an event loop, used by one task at a time."""

    def __init__(self, origin: Origin, limit: int) -> None:
        self.origin = origin
        self._http = Http1(limit)
        self._transport: Any = None
        self._unread = 0
        self._waiter: asyncio.Future[None] | None = None
        self._error: Exception | None = None

    @classmethod
    async def opened(cls, origin: Origin, limit: int, until: float) -> AsyncConnection:
        """Connect before *until*; raises OSError."""
        host, port, context = origin
        return await adial(lambda: cls(origin, limit), host, port, until, context)

    async def begin(self, request: Sendable, until: float) -> Head:
        """Do as `Connection.begin` does, without blocking the event loop."""
        try:
            sent = http1_connections._sendable(request)
            self._http.begin()
            self._transport.write(sent)
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
        if self._unread <= 0:
            self._transport.resume_reading()
        return piece

    async def _next(self, until: float) -> Head | bytes:
        try:
            if not self._http.pieces:
                await self._wait(until)
            return self._http.pieces.popleft()
        except BaseException:
            self.close()
            raise

    async def _wait(self, until: float) -> None:
        loop = asyncio.get_running_loop()
        timer = loop.call_later(left_until(until), self._fail, TimeoutError("timed out"))
        try:
            while not self._http.pieces:
                if self._error is not None:
                    raise self._error
                self._waiter = loop.create_future()
                await self._waiter
        finally:
            self._waiter = None
            timer.cancel()

    @property
    def is_reusable(self) -> bool:
        """Whether the last answer has been read to its end, and leaves room for another."""
        return self._error is None and self._http.is_reusable and not self._http.pieces

    def is_alive(self) -> bool:
        """Whether the other end has neither closed nor said anything since the last answer."""
        return self.is_reusable

    def close(self) -> None:
        """Drop the connection and what is still to be sent."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport, as asyncio asks."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take what was received, as asyncio asks."""
        try:
            self._unread += self._http.receive(data)
        except Exception as error:
            self._fail(error)
            return
        if self._unread > _FULL:
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        """Take note of the server's end, which may be that of an answer without a length."""
        self.data_received(b"")
        self._fail(ConnectionResetError("the connection was closed"))

    def connection_lost(self, error: Exception | None) -> None:
        """Take note of the connection's end, as asyncio asks."""
        self._fail(error or ConnectionResetError("the connection was lost"))

    def _fail(self, error: Exception) -> None:
        self._error = self._error or error
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
