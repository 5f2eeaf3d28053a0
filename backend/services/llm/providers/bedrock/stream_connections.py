"""The connections that carry Bedrock's streams, and what is read from one of them."""

from __future__ import annotations

from contextlib import AsyncExitStack

from ...http import opened
from ...http.exchange import AWAITING, BLOCKING
from ...http.http1_async import AsyncConnection
from ...http.http1_connections import Connection
from ...http.idle_pools import IdlePools
from ...http.origin import Origin
from ...runtime.coroutines import run_without_loop
from .connection_errors import botocore_errors
from .signing import Signed


class StreamConnections:
    """Keeps up to *size* idle connections; a stream has at most *limit* bytes."""

    def __init__(self, size: int, limit: int) -> None:
        self._limit = limit
        self._idle = IdlePools[Connection, AsyncConnection](size)

    def open(self, origin: Origin, signed: Signed, until: float) -> Opened:
        """Send *signed* and return the beginning of its answer before *until*.

        Raises botocore's errors of a connection, TimeoutError and ResponseTooLargeError.
        """
        idle, url = self._idle.of_threads, signed.request.url
        with botocore_errors(url):
            begun = run_without_loop(BLOCKING.begin(idle, origin, signed, until, self._limit))
        made = Opened(*begun, idle, self._limit)
        made.url = url
        return made

    async def aopen(self, origin: Origin, signed: Signed, until: float) -> AsyncOpened:
        """Do as `open` does, on this event loop."""
        async with AsyncExitStack() as stack:
            idle = await stack.enter_async_context(await self._idle.of_this_loop())
            url = signed.request.url
            with botocore_errors(url):
                begun = await AWAITING.begin(idle, origin, signed, until, self._limit)
            made = AsyncOpened(*begun, idle, self._limit)
            made.url, made.stack = url, stack.pop_all()
            return made

    def close(self) -> None:
        """Close the idle connections of all threads."""
        self._idle.close()

    async def aclose(self) -> None:
        """Close this event loop's idle connections, once its calls have ended."""
        await self._idle.aclose()


class Opened(opened.Opened):
    """A stream that raises botocore's errors."""

    url: str

    def read(self, until: float) -> bytes | None:
        """Return the next piece of the body before *until*, or None at its end."""
        with botocore_errors(self.url):
            return super().read(until)

    def abort(self) -> None:
        """End a read in another thread at once."""
        self._connection.abort()


class AsyncOpened(opened.AsyncOpened):
    """The same for an event loop, whose idle connections it holds by its *stack*."""

    url: str
    stack: AsyncExitStack

    async def read(self, until: float) -> bytes | None:
        """Return the next piece of the body before *until*, or None at its end."""
        with botocore_errors(self.url):
            return await super().read(until)

    async def aclose(self, *, is_done: bool = False) -> None:
        """Keep the connection where it can carry another stream, else close it."""
        async with self.stack:
            await super().aclose(is_done=is_done)
