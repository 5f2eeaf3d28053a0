"""The connections that carry Bedrock's streams, and what is read from one of them."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack, suppress

from ...http.h11_stream import AsyncConnection, Connection, Head
from ...http.http1_connections import Origin
from ...http.idle import IdleStack
from ...http.idle_pools import IdlePools, keep, take_idle
from .connection_errors import botocore_errors
from .signing import Signed

#: Seconds for the end of a message whose stream has ended, so that its connection can be kept.
_LINGER = 0.1


class StreamConnections:
    """Keeps up to *size* idle connections; a stream has at most *limit* bytes."""

    def __init__(self, size: int, limit: int) -> None:
        self._limit = limit
        self._idle = IdlePools[Connection, AsyncConnection](size)

    def open(self, origin: Origin, signed: Signed, until: float) -> Opened:
        """Send *signed* and return the beginning of its answer before *until*.

        Raises botocore's errors of a connection, TimeoutError and ResponseTooLargeError.
        """
        idle = self._idle.of_threads
        connection = take_idle(idle, origin)
        with botocore_errors(signed.request.url, connecting=True):
            connection = connection or Connection(origin, self._limit, until)
        with botocore_errors(signed.request.url):
            head = connection.begin(signed, until)
        return Opened(connection, head, idle, signed.request.url)

    async def aopen(self, origin: Origin, signed: Signed, until: float) -> AsyncOpened:
        """Do as `open` does, on this event loop."""
        async with AsyncExitStack() as stack:
            idle = await stack.enter_async_context(await self._idle.of_this_loop())
            connection = take_idle(idle, origin)
            with botocore_errors(signed.request.url, connecting=True):
                connection = connection or await AsyncConnection.opened(origin, self._limit, until)
            with botocore_errors(signed.request.url):
                head = await connection.begin(signed, until)
            return AsyncOpened(connection, head, idle, signed.request.url, stack.pop_all())

    def close(self) -> None:
        """Close the idle connections of all threads."""
        self._idle.close()

    async def aclose(self) -> None:
        """Close this event loop's idle connections, once its calls have ended."""
        await self._idle.aclose()


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
        with botocore_errors(self._url):
            return self._connection.read(until) or None

    def close(self, *, is_done: bool = False) -> None:
        """Keep the connection where it can carry another stream, else close it."""
        # It costs the connection, and no answer.
        with suppress(Exception):
            until = time.monotonic() + _LINGER
            while is_done and self.read(until) is not None:
                pass
        keep(self._idle, self._connection)

    def abort(self) -> None:
        """End a read in another thread at once."""
        self._connection.abort()


class AsyncOpened:
    """The same for an event loop."""

    def __init__(
        self,
        connection: AsyncConnection,
        head: Head,
        idle: IdleStack[AsyncConnection],
        url: str,
        stack: AsyncExitStack,
    ) -> None:
        self.head = head
        self.stack = stack
        self._connection = connection
        self._idle = idle
        self._url = url

    async def read(self, until: float) -> bytes | None:
        """Return the next piece of the body before *until*, or None at its end."""
        with botocore_errors(self._url):
            return await self._connection.read(until) or None

    async def aclose(self, *, is_done: bool = False) -> None:
        """Keep the connection where it can carry another stream, else close it."""
        async with self.stack:
            # It costs the connection, and no answer.
            with suppress(Exception):
                until = time.monotonic() + _LINGER
                while is_done and await self.read(until) is not None:
                    pass
            keep(self._idle, self._connection)
