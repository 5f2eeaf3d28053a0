"""httpx's transports on connections of our own: for threads and for asyncio.

Both do the same: send on a connection that waits, or on a new one, hand out the answer piece by
piece, decoded and bounded, and keep the connection once the answer has ended.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import httpx

from ..runtime.coroutines import run_without_loop
from .exchange import abegin as begin_async
from .exchange import aexchange as exchange_async
from .exchange import begin as begin_blocking
from .exchange import exchange as exchange_blocking
from .http1 import Answer, Head
from .http1_connections import Sendable
from .httpx_parts import AsyncBody, Body, HttpxRequest, decoded, expects_whole_answers
from .opened import AsyncOpened, Opened
from .origin import Origin
from .pool import Pool

#: Bytes of a body that is not worth to be handed out piece by piece: httpx takes it apart in five
#: layers of generators, which costs more than parsing it.
_SHORT = 256 * 1024


class _Transport(ABC):
    """What both kinds do; each awaits what suspends on an event loop, and blocks in a thread."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @property
    def pool(self) -> Pool:
        """What it has in common with the other kind."""
        return self._pool

    async def _handle(self, request: httpx.Request) -> httpx.Response:
        patched = self._pool.patched_transport(request.url)
        if patched is not None:
            return await self._send_over(patched, request)
        if not _has_known_length(request):
            await self._read_request_body(request)
        origin = self._pool.origin_of(request.url)
        sendable = HttpxRequest(request, origin)
        try:
            return await self._send(origin, sendable)
        except Exception as error:
            failure = sendable.to_error(error)
        raise failure

    async def _send(self, origin: Origin, sendable: HttpxRequest) -> httpx.Response:
        limit = self._pool.limit
        if expects_whole_answers.get():
            answer = await self.exchange(origin, sendable, sendable.until)
            return sendable.to_response(decoded(answer, limit))
        opened = await self._open(origin, sendable)
        if not _is_short(opened.head, limit):
            return sendable.opened(opened.head, self._body(opened, sendable))
        status, headers = opened.head
        return sendable.to_response(
            Answer(status, headers, await self._read_all(opened, sendable.until))
        )

    @abstractmethod
    async def exchange(self, origin: Origin, request: Sendable, until: float) -> Answer:
        """Send *request* without httpx, and return the whole answer; as `exchange.exchange`."""

    @abstractmethod
    async def _open(self, origin: Origin, sendable: HttpxRequest) -> Any:
        """Send *sendable* and return the answer once its head is here."""

    @abstractmethod
    def _body(self, opened: Any, sendable: HttpxRequest) -> Any:
        """The rest of it as httpx reads it."""

    @abstractmethod
    async def _read_all(self, opened: Any, until: float) -> bytes:
        """The rest of it."""

    @abstractmethod
    async def _read_request_body(self, request: httpx.Request) -> None:
        """Read the body of *request*."""

    @abstractmethod
    async def _send_over(self, transport: Any, request: httpx.Request) -> httpx.Response:
        """Send *request* over a transport of httpx."""


class Transport(_Transport, httpx.BaseTransport):
    """Sends a request on a connection that waits, or on a new one; see `Pool`."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send *request*, and return the answer as soon as its headers are here."""
        return run_without_loop(self._handle(request))

    def close(self) -> None:
        """Close the connections; one that carries a call is closed after it."""
        self._pool.shut_down()
        if (patched := self._pool.drop_patched_transport()) is not None:
            patched.close()

    async def exchange(self, origin: Origin, request: Sendable, until: float) -> Answer:
        """Send *request* without httpx: it blocks, for `run_without_loop`."""
        return exchange_blocking(self._pool.idle, origin, request, until, self._pool.limit)

    def open(self, origin: Origin, request: Sendable, until: float) -> Opened:
        """Send *request* without httpx, and return the answer once its head is here."""
        idle, limit = self._pool.idle, self._pool.limit
        return Opened(*begin_blocking(idle, origin, request, until, limit), idle, limit)

    async def _open(self, origin: Origin, sendable: HttpxRequest) -> Opened:
        return self.open(origin, sendable, sendable.until)

    def _body(self, opened: Opened, sendable: HttpxRequest) -> Body:
        return Body(opened, sendable)

    async def _read_all(self, opened: Opened, until: float) -> bytes:
        return opened.whole(until)

    async def _read_request_body(self, request: httpx.Request) -> None:
        request.read()

    async def _send_over(self, transport: Any, request: httpx.Request) -> httpx.Response:
        response: httpx.Response = transport.handle_request(request)
        return response


class AsyncTransport(_Transport, httpx.AsyncBaseTransport):
    """The same for one event loop; see `Pool`."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send *request*, and return the answer as soon as its headers are here."""
        return await self._handle(request)

    async def aclose(self) -> None:
        """Close the connections; one that carries a call is closed after it."""
        self._pool.shut_down()
        if (patched := self._pool.drop_patched_transport()) is not None:
            await patched.aclose()

    async def exchange(self, origin: Origin, request: Sendable, until: float) -> Answer:
        """Send *request* without httpx; as `exchange.aexchange`."""
        return await exchange_async(self._pool.idle, origin, request, until, self._pool.limit)

    async def open(self, origin: Origin, request: Sendable, until: float) -> AsyncOpened:
        """Do as `Transport.open` does, without blocking the event loop."""
        idle, limit = self._pool.idle, self._pool.limit
        return AsyncOpened(*await begin_async(idle, origin, request, until, limit), idle, limit)

    async def _open(self, origin: Origin, sendable: HttpxRequest) -> AsyncOpened:
        return await self.open(origin, sendable, sendable.until)

    def _body(self, opened: AsyncOpened, sendable: HttpxRequest) -> AsyncBody:
        return AsyncBody(opened, sendable)

    async def _read_all(self, opened: AsyncOpened, until: float) -> bytes:
        return await opened.whole(until)

    async def _read_request_body(self, request: httpx.Request) -> None:
        await request.aread()

    async def _send_over(self, transport: Any, request: httpx.Request) -> httpx.Response:
        response: httpx.Response = await transport.handle_async_request(request)
        return response


def _has_known_length(request: httpx.Request) -> bool:
    """Whether the body can be sent as it is read: it says its length, and nothing in it awaits."""
    return "content-length" in request.headers and isinstance(request.stream, httpx.SyncByteStream)


def _is_short(head: Head, limit: int) -> bool:
    """Whether the answer says how long it is, and is to be read at once."""
    length = dict(head.headers).get("content-length", "")
    return length.isdecimal() and int(length) <= min(limit, _SHORT)
