"""The connections that carry Bedrock's streams, and what is read from one of them."""

from __future__ import annotations

import time
import weakref
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from typing import Any

from ...http.h11_stream import AsyncConnection, Connection, Head, Place
from ...http.http1_connections import UnconnectedError
from ...http.idle import IdleStack
from ...runtime.event_loops import PerEventLoop
from ...runtime.fork import on_fork_in_child
from .connection_errors import raise_as_botocore
from .signing import Signed

#: Seconds for the end of a message whose stream has ended, so that its connection can be kept.
_LINGER = 0.1


class Connections:
    """Keeps up to *size* idle connections; a stream has at most *limit* bytes."""

    def __init__(self, size: int, limit: int) -> None:
        self._size = size
        self._limit = limit
        self._idle = IdleStack[Connection](size)
        # Hosts build a client per request and drop it without closing it.
        weakref.finalize(self, _close, self._idle)
        self._idle_of_loops = PerEventLoop[IdleStack[AsyncConnection]](self._stack, _aclose)
        on_fork_in_child(self, Connections._reset_in_child)

    def _reset_in_child(self) -> None:
        """In a child, leave the parent's connections alone."""
        self._idle = IdleStack(self._size)
        self._idle_of_loops.forget()

    def open(self, place: Place, signed: Signed, until: float) -> Opened:
        """Send *signed* and return the beginning of its answer before *until*.

        Raises botocore's errors of a connection, TimeoutError and ResponseTooLargeError.
        """
        connection = _waiting(self._idle, place)
        with _as_botocore(signed.request.url, connecting=True):
            connection = connection or Connection(place, self._limit, until)
        with _as_botocore(signed.request.url):
            head = connection.begin(signed, until)
        return Opened(connection, head, self._idle, signed.request.url)

    async def aopen(self, place: Place, signed: Signed, until: float) -> AsyncOpened:
        """Do as `open` does, on this event loop."""
        async with AsyncExitStack() as lease:
            idle = await lease.enter_async_context(await self._idle_of_loops.get())
            connection = _waiting(idle, place)
            with _as_botocore(signed.request.url, connecting=True):
                connection = connection or await AsyncConnection.opened(place, self._limit, until)
            with _as_botocore(signed.request.url):
                head = await connection.begin(signed, until)
            return AsyncOpened(connection, head, idle, signed.request.url, lease.pop_all())

    def close(self) -> None:
        """Close the idle connections of all threads."""
        _close(self._idle)

    async def aclose(self) -> None:
        """Close this event loop's idle connections, once its calls have ended."""
        await self._idle_of_loops.aclose()

    def _stack(self) -> IdleStack[AsyncConnection]:
        return IdleStack(self._size)


class Opened:
    """An answer of which the head is here; read by one thread at a time."""

    def __init__(
        self, connection: Connection, head: Head, idle: IdleStack[Connection], url: str
    ) -> None:
        self.head = head
        self._connection = connection
        self._idle = idle
        self._url = url

    def read(self, until: float) -> bytes | None:
        """Return the next piece of the body before *until*, or None at its end."""
        with _as_botocore(self._url):
            return self._connection.read(until) or None

    def close(self, *, is_done: bool = False) -> None:
        """Keep the connection where it can carry another stream, else close it."""
        # It costs the connection, and no answer.
        with suppress(Exception):
            until = time.monotonic() + _LINGER
            while is_done and self.read(until) is not None:
                pass
        _keep(self._connection, self._idle)


class AsyncOpened:
    """The same for an event loop."""

    def __init__(
        self,
        connection: AsyncConnection,
        head: Head,
        idle: IdleStack[AsyncConnection],
        url: str,
        lease: AsyncExitStack,
    ) -> None:
        self.head = head
        self.lease = lease
        self._connection = connection
        self._idle = idle
        self._url = url

    async def read(self, until: float) -> bytes | None:
        """Return the next piece of the body before *until*, or None at its end."""
        with _as_botocore(self._url):
            return await self._connection.read(until) or None

    async def aclose(self, *, is_done: bool = False) -> None:
        """Keep the connection where it can carry another stream, else close it."""
        async with self.lease:
            # It costs the connection, and no answer.
            with suppress(Exception):
                until = time.monotonic() + _LINGER
                while is_done and await self.read(until) is not None:
                    pass
            _keep(self._connection, self._idle)


def _waiting(idle: IdleStack[Any], place: Place) -> Any:
    while (connection := idle.take()) is not None:
        if connection.place == place and connection.can_carry_another():
            return connection
        connection.close()
    return None


def _keep(connection: Any, idle: IdleStack[Any]) -> None:
    for each in idle.put(connection) if connection.can_carry_another() else [connection]:
        each.close()


def _close(idle: IdleStack[Any]) -> None:
    for each in idle.drain():
        each.close()


async def _aclose(idle: IdleStack[Any]) -> None:
    _close(idle)


@contextmanager
def _as_botocore(url: str, *, connecting: bool = False) -> Iterator[None]:
    """Raise botocore's error for what a connection raises; a timeout stays what it is."""
    try:
        yield
    except Exception as error:
        if not connecting or not isinstance(error, OSError):
            raise_as_botocore(error, url)
        unconnected = UnconnectedError()
        unconnected.__cause__ = error
        raise_as_botocore(unconnected, url)
