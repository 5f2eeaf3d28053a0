"""Connections that carry one exchange after another: blocking, and of an event loop."""

from __future__ import annotations

import asyncio
import select
import ssl
from typing import Any, NamedTuple, Protocol

from .dial import adial, dial, left_until
from .http1 import Answer, Http1
from .refused import is_broken_pipe, was_reset

#: Bytes of one read.
_READ = 65_536

#: Bytes of one write, which waits for the reader just once; also what one TLS record holds.
_WRITE = 16_384


class Origin(NamedTuple):
    """Whom a connection goes to; with a context it is secured."""

    host: str
    port: int
    context: ssl.SSLContext | None


class Sendable(Protocol):
    """A request, which shows nothing of itself."""

    def encode(self) -> memoryview | None:
        """What is to be sent, as `http1.encode` returns it."""


def _sendable(request: Sendable) -> memoryview:
    if (sent := request.encode()) is None:
        from h11 import LocalProtocolError

        raise LocalProtocolError("the request has a header or a target that cannot be sent")
    return sent


class UnconnectedError(Exception):
    """No connection could be made, for the reason that is its cause."""


class Connection:
    """A blocking connection, used by one thread at a time."""

    def __init__(self, origin: Origin, limit: int, until: float) -> None:
        self.origin = origin
        #: The server had closed the connection before it could read the last request.
        self.was_refused = False
        self._http = Http1(limit)
        self._socket = dial(origin.host, origin.port, until)
        if origin.context is not None:
            try:
                self._socket.settimeout(left_until(until))
                self._socket = origin.context.wrap_socket(self._socket, server_hostname=origin.host)
            except BaseException:
                self._socket.close()
                raise

    def exchange(self, request: Sendable, until: float) -> Answer:
        """Send *request* and return the answer before *until*.

        Raises TimeoutError, OSError and what `Http1` raises; then the connection is closed.
        """
        try:
            self._http.begin()
            self._send(_sendable(request), until)
            return self._answer(until)
        except BaseException:
            self.close()
            raise

    def _send(self, data: memoryview, until: float) -> None:
        # A server may answer before it has read everything, and close: the answer is what counts.
        try:
            for start in range(0, len(data), _WRITE):
                self._socket.settimeout(left_until(until))
                self._socket.sendall(data[start : start + _WRITE])
        except (BrokenPipeError, ConnectionResetError) as error:
            self.was_refused = is_broken_pipe(error)

    def _answer(self, until: float) -> Answer:
        is_first = True
        while True:
            self._socket.settimeout(left_until(until))
            data = self._socket.recv(_READ)
            if is_first and not data:
                self.was_refused |= was_reset(self._socket)
            is_first = False
            if (answer := self._http.receive(data)) is not None:
                return answer

    @property
    def is_reusable(self) -> bool:
        """Whether the last answer has come to its end, and leaves room for another."""
        return self._http.is_reusable

    def is_alive(self) -> bool:
        """Whether nothing has come since the last answer, not even the connection's end."""
        if not self.is_reusable or self._socket.fileno() < 0:
            return False
        if not hasattr(select, "poll"):
            return not select.select([self._socket], [], [], 0)[0]
        poll = select.poll()  # unlike `select`, of any descriptor
        poll.register(self._socket, select.POLLIN)
        return not poll.poll(0)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


class AsyncConnection(asyncio.Protocol):
    """A connection of an event loop, used by one task at a time."""

    def __init__(self, origin: Origin, limit: int) -> None:
        self.origin = origin
        self._http = Http1(limit)
        self._transport: Any = None
        self._answer: asyncio.Future[Answer] | None = None
        self._is_open = False
        #: The server had closed the connection before it could read the last request.
        self.was_refused = False

    @classmethod
    async def opened(cls, origin: Origin, limit: int, until: float) -> AsyncConnection:
        """Connect before *until*; raises as `adial`."""
        return await adial(
            lambda: cls(origin, limit), origin.host, origin.port, until, origin.context
        )

    async def exchange(self, request: Sendable, until: float) -> Answer:
        """Send and receive as `Connection.exchange` does, without blocking the event loop."""
        loop = asyncio.get_running_loop()
        timer = None
        try:
            sent = _sendable(request)
            self._http.begin()
            self._answer = loop.create_future()
            timer = loop.call_later(left_until(until), self._fail, TimeoutError("timed out"))
            if self._is_open:
                self._transport.write(sent)
            else:
                self.was_refused = True
                self._fail(ConnectionResetError("the connection was lost"))
            return await self._answer
        except BaseException:
            self.close()
            raise
        finally:
            self._answer = None
            if timer is not None:
                timer.cancel()

    @property
    def is_reusable(self) -> bool:
        """Whether the last answer has come to its end, and leaves room for another."""
        return self._is_open and self._http.is_reusable

    def is_alive(self) -> bool:
        """Whether the other end has neither closed nor said anything since the last answer."""
        return self.is_reusable

    def close(self) -> None:
        """Drop the connection and what is still to be sent."""
        self._is_open = False
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport, as asyncio asks."""
        self._transport, self._is_open = transport, True

    def data_received(self, data: bytes) -> None:
        """Take what was received, as asyncio asks."""
        if self._answer is None or self._answer.done():
            self.close()  # nobody asked
            return
        try:
            answer = self._http.receive(data)
        except Exception as error:
            self._fail(error)
        else:
            if answer is not None:
                self._answer.set_result(answer)

    def eof_received(self) -> None:
        """Take note of the server's end, which may be that of an answer without a length."""
        self._is_open = False
        self.was_refused |= was_reset(self._transport.get_extra_info("socket"))
        self.data_received(b"")

    def connection_lost(self, error: Exception | None) -> None:
        """Take note of the connection's end, as asyncio asks."""
        self._is_open = False
        self.was_refused |= is_broken_pipe(error)
        self._fail(error or ConnectionResetError("the connection was lost"))

    def _fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
