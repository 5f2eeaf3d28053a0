"""An answer of which the head is here, and whose body is read as it comes: decoded and bounded."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..runtime.coroutines import as_coroutine, run_without_loop
from .http1 import Head
from .http1_async import AsyncConnection
from .http1_connections import Connection
from .idle import IdleStack
from .idle_pools import keep

if TYPE_CHECKING:
    from .bounded import Decoder

C = TypeVar("C", Connection, AsyncConnection)

#: Headers that are no longer true of a body that has been decoded.
_OF_THE_CODING = ("content-encoding", "content-length")

#: Seconds for the end of a message whose stream has ended, so that its connection can be kept.
_LINGER = 0.1


def without_coding(headers: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """*headers* but for those that say how the body was coded."""
    return [pair for pair in headers if pair[0] not in _OF_THE_CODING]


class _Opened(Generic[C]):
    """What both kinds are; a body has at most *limit* bytes once it is decoded."""

    def __init__(self, connection: C, head: Head, idle: IdleStack[C], limit: int) -> None:
        self.head = head
        self._connection: C = connection
        self._idle: IdleStack[C] = idle
        self._decoder: Decoder | None = None
        self._decoding: Iterator[bytes] = iter(())
        self._is_closed = False
        codings = [text for name, text in head.headers if name == "content-encoding"]
        if codings:
            from .bounded import Decoder  # with httpx, which Bedrock does without

            try:
                self._decoder = Decoder(", ".join(codings), limit)
            except Exception:
                connection.close()
                raise
            self.head = Head(head.status, without_coding(head.headers))

    async def _decoded(
        self, decoder: Decoder, read: Callable[[], Coroutine[Any, Any, bytes]]
    ) -> bytes | None:
        while (piece := next(self._decoding, None)) is None:
            data = await read()
            if not data:
                decoder.end()
                return None
            self._decoding = decoder.feed(data)
        return piece

    async def _close(
        self, is_done: bool, read: Callable[[float], Coroutine[Any, Any, Any]]
    ) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        try:
            if is_done:
                # A failure here costs the connection, and no answer.
                with suppress(Exception):
                    until = time.monotonic() + _LINGER
                    while await read(until):
                        pass
        finally:
            keep(self._idle, self._connection)


class Opened(_Opened[Connection]):
    """For threads; read by one at a time."""

    def read(self, until: float) -> bytes | None:
        """Return the next piece of the body before *until*, or None at its end.

        Raises TimeoutError, OSError, h11.RemoteProtocolError, httpx.DecodingError and
        ResponseTooLargeError.
        """
        if self._decoder is None:
            return self._connection.read(until) or None
        read = as_coroutine(partial(self._connection.read, until))
        return run_without_loop(self._decoded(self._decoder, read))

    def whole(self, until: float) -> bytes:
        """Return the rest of the body before *until*, and close it; raises as `read`."""
        try:
            return b"".join(iter(partial(self.read, until), None))
        finally:
            self.close()

    def close(self, *, is_done: bool = False) -> None:
        """Keep the connection where it can carry another exchange, else close it.

        Where the stream *is_done*, the end of its message is waited for, for a moment.
        """
        run_without_loop(self._close(is_done, as_coroutine(self._connection.read)))

    def abort(self) -> None:
        """End a read in another thread at once."""
        self._connection.abort()

    def get_extra_info(self, name: str) -> Any:
        """Return the socket, as a network stream of httpx does; None is all that it says else."""
        return self._connection.socket if name == "socket" else None


class AsyncOpened(_Opened[AsyncConnection]):
    """For an event loop; read by one task at a time."""

    async def read(self, until: float) -> bytes | None:
        """Do as `Opened.read` does, without blocking the event loop."""
        if self._decoder is None:
            return await self._connection.read(until) or None
        return await self._decoded(self._decoder, partial(self._connection.read, until))

    async def whole(self, until: float) -> bytes:
        """Do as `Opened.whole` does, without blocking the event loop."""
        pieces = []
        try:
            while (piece := await self.read(until)) is not None:
                pieces.append(piece)
        finally:
            await self.aclose()
        return b"".join(pieces)

    async def aclose(self, *, is_done: bool = False) -> None:
        """Do as `Opened.close` does, without blocking the event loop."""
        await self._close(is_done, self._connection.read)
