"""httpx's transports on connections of our own: for threads and for asyncio.

Both do the same: send on a connection that waits, or on a new one, hand out the answer piece by
piece, decoded and bounded, and keep the connection once the answer has ended.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import httpx

from ..frozen import dataclass
from ..runtime.coroutines import as_coroutine, run_without_loop
from .exchange import AWAITING, BLOCKING, Exchanges
from .http1 import Answer, Head
from .http1_connections import Sendable
from .httpx_parts import AsyncBody, Body, HttpxRequest, decoded, expects_whole_answers
from .opened import AsyncOpened, Opened
from .origin import Origin
from .pool import Pool

#: Bytes of a body that is not worth to be handed out piece by piece: httpx takes it apart in five
#: layers of generators, which costs more than parsing it.
_SHORT = 256 * 1024


@dataclass(frozen=True)
class _Kind:
    """What the two differ in: the steps that wait, which block in a thread, and what they give."""

    exchanges: Exchanges[Any]
    opened: type[Opened | AsyncOpened]
    body: Callable[[Any, HttpxRequest], Body | AsyncBody]
    read_all: Callable[[Any, float], Coroutine[Any, Any, bytes]]
    read_request_body: Callable[[httpx.Request], Coroutine[Any, Any, bytes]]
    send_over: Callable[[Any, httpx.Request], Coroutine[Any, Any, httpx.Response]]


class _Transport:
    """What both kinds do; each awaits the steps of its own `_kind`."""

    _kind: _Kind

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @property
    def pool(self) -> Pool:
        """What it has in common with the other kind."""
        return self._pool

    async def exchange(self, origin: Origin, request: Sendable, until: float) -> Answer:
        """Send *request* without httpx, and return the whole answer; as `Exchanges.whole`."""
        idle, limit = self._pool.idle, self._pool.limit
        return await self._kind.exchanges.whole(idle, origin, request, until, limit)

    async def open(self, origin: Origin, request: Sendable, until: float) -> Any:
        """Send *request* without httpx, and return the answer once its head is here."""
        idle, limit = self._pool.idle, self._pool.limit
        begun = await self._kind.exchanges.begin(idle, origin, request, until, limit)
        return self._kind.opened(*begun, idle, limit)

    async def _handle(self, request: httpx.Request) -> httpx.Response:
        patched = self._pool.patched_transport(request.url)
        if patched is not None:
            return await self._kind.send_over(patched, request)
        if not _has_known_length(request):
            await self._kind.read_request_body(request)
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
        opened = await self.open(origin, sendable, sendable.until)
        if not _is_short(opened.head, limit):
            return sendable.opened(opened.head, self._kind.body(opened, sendable))
        status, headers = opened.head
        whole = await self._kind.read_all(opened, sendable.until)
        return sendable.to_response(Answer(status, headers, whole))


class Transport(_Transport, httpx.BaseTransport):
    """Sends a request on a connection that waits, or on a new one; see `Pool`."""

    _kind = _Kind(
        *(BLOCKING, Opened, Body, as_coroutine(Opened.whole), as_coroutine(httpx.Request.read)),
        send_over=as_coroutine(lambda patched, request: patched.handle_request(request)),
    )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send *request*, and return the answer as soon as its headers are here."""
        return run_without_loop(self._handle(request))

    def close(self) -> None:
        """Close the connections; one that carries a call is closed after it."""
        self._pool.shut_down()
        if (patched := self._pool.drop_patched_transport()) is not None:
            patched.close()


class AsyncTransport(_Transport, httpx.AsyncBaseTransport):
    """The same for one event loop; see `Pool`."""

    _kind = _Kind(
        *(AWAITING, AsyncOpened, AsyncBody, AsyncOpened.whole, httpx.Request.aread),
        send_over=lambda patched, request: patched.handle_async_request(request),
    )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send *request*, and return the answer as soon as its headers are here."""
        return await self._handle(request)

    async def aclose(self) -> None:
        """Close the connections; one that carries a call is closed after it."""
        self._pool.shut_down()
        if (patched := self._pool.drop_patched_transport()) is not None:
            await patched.aclose()


def _has_known_length(request: httpx.Request) -> bool:
    """Whether the body can be sent as it is read: it says its length, and nothing in it awaits."""
    return "content-length" in request.headers and isinstance(request.stream, httpx.SyncByteStream)


def _is_short(head: Head, limit: int) -> bool:
    """Whether the answer says how long it is, and is to be read at once."""
    length = dict(head.headers).get("content-length", "")
    return length.isdecimal() and int(length) <= min(limit, _SHORT)
