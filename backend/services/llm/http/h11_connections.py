"""Connections to one origin, and the idle ones of them: blocking, and of an event loop."""

from __future__ import annotations

import asyncio
import select
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from threading import Lock
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from ..runtime.fork import reset_in_child
from .dial import adial, dial, left_until
from .h11_exchange import Answer, Http1

#: Seconds for which an idle connection is kept: whatever stands between forgets it some day.
IDLE_FOR = 30.0

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

    def parts(self) -> tuple[str, str, list[tuple[str, str]], bytes]:
        """The arguments of `Http1.request`."""


class Poolable(Protocol):
    """A connection that may be kept for another exchange."""

    def is_alive(self) -> bool:
        """Whether the other end still listens, as far as this one knows."""

    def close(self) -> None:
        """Close it, if it is not closed."""


C = TypeVar("C", bound=Poolable)


class Idle(Generic[C]):
    """Idle connections, the last one used first; at most *size* of them."""

    def __init__(self, size: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._size = size
        self._clock = clock
        self.after_fork()
        reset_in_child(self)

    def after_fork(self) -> None:
        """Leave the parent's connections to the parent."""
        self._lock = Lock()  # guards the list
        self._kept: list[tuple[float, C]] = []

    def take(self, is_wanted: Callable[[C], bool]) -> C | None:
        """Return one that is alive and *is_wanted*, the caller's alone from now on."""
        while True:
            with self._lock:
                if not self._kept:
                    return None
                since, connection = self._kept.pop()
            fresh = self._clock() - since < IDLE_FOR
            if fresh and is_wanted(connection) and connection.is_alive():
                return connection
            connection.close()

    def keep(self, connection: C) -> None:
        """Keep it for another; the one that was idle longest makes room for it."""
        with self._lock:
            self._kept.append((self._clock(), connection))
            over = [each for _, each in self._kept[: -self._size]]
            del self._kept[: -self._size]
        for each in over:
            each.close()

    def close(self) -> None:
        """Close all that are idle."""
        with self._lock:
            idle, self._kept = self._kept, []
        for _, connection in idle:
            connection.close()


class Connection:
    """A blocking connection, used by one thread at a time."""

    def __init__(self, origin: Origin, limit: int, until: float) -> None:
        self.origin = origin
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
            # What is sent holds credentials: no variable of a traceback is to show it.
            self._send(memoryview(self._http.request(*request.parts())), until)
            while True:
                self._socket.settimeout(left_until(until))
                if (answer := self._http.receive(self._socket.recv(_READ))) is not None:
                    return answer
        except BaseException:
            self.close()
            raise

    def _send(self, data: memoryview, until: float) -> None:
        # A server may answer before it has read everything, and close: the answer is what counts.
        with suppress(BrokenPipeError, ConnectionResetError):
            for start in range(0, len(data), _WRITE):
                self._socket.settimeout(left_until(until))
                self._socket.sendall(data[start : start + _WRITE])

    def is_alive(self) -> bool:
        """Whether nothing has come since the last answer, not even the connection's end."""
        if not self._http.is_reusable or self._socket.fileno() < 0:
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

    @classmethod
    async def opened(cls, origin: Origin, limit: int, until: float) -> AsyncConnection:
        """Connect before *until*; raises as `adial`."""
        return await adial(
            lambda: cls(origin, limit), origin.host, origin.port, until, origin.context
        )

    async def exchange(self, request: Sendable) -> Answer:
        """Send and receive as `Connection.exchange` does, until it is cancelled."""
        try:
            self._answer = asyncio.get_running_loop().create_future()
            self._transport.write(self._http.request(*request.parts()))
            return await self._answer
        except BaseException:
            self.close()
            raise
        finally:
            self._answer = None

    def is_alive(self) -> bool:
        """Whether the other end has neither closed nor said anything since the last answer."""
        return self._is_open and self._http.is_reusable

    def close(self) -> None:
        """Drop the connection and what is still to be sent."""
        self._is_open = False
        if self._transport is not None:
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
        self.data_received(b"")

    def connection_lost(self, error: Exception | None) -> None:
        """Take note of the connection's end, as asyncio asks."""
        self._is_open = False
        self._fail(error or ConnectionResetError("the connection was lost"))

    def _fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
