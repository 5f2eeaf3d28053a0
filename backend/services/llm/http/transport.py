"""httpx's transports on connections of our own: for threads and for asyncio.

Both do the same: take a connection, send, hand out the answer piece by piece, decoded and
bounded, and keep the connection once the answer has ended.
"""

from __future__ import annotations

import time
from typing import Any

import httpx

from ..errors import ResponseTooLargeError
from . import http1_connections
from .body import AsyncBody, Body, answer_of, is_short, short_answer
from .connections import Kept
from .exchange import aexchange, close, exchange
from .failures import RAISED, as_httpx, without_frames
from .http1 import Answer
from .http1_connections import Sendable
from .pool import Origin, Pool, may_repeat, sent
from .whole import OfHttpx, is_read_whole


class Transport(httpx.BaseTransport):
    """Sends a request on a connection that waits, or on a new one; see `Pool`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @property
    def pool(self) -> Pool:
        """What it has in common with the other kind."""
        return self._pool

    def exchange(self, origin: http1_connections.Origin, request: Sendable, until: float) -> Answer:
        """Send *request* without httpx; as `exchange.exchange`."""
        pool = self._pool
        answer = exchange(pool.idle, origin, request, until, pool.limit)
        if pool.is_closed:
            close(pool.idle.drain())
        return answer

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send *request*, and return the answer as soon as its headers are here."""
        usual = self._pool.usual_transport(request.url)
        if usual is not None:
            response: httpx.Response = usual.handle_request(request)
            return response
        if is_read_whole.get() and (direct := self._pool.direct_origin(request.url)) is not None:
            return self._handle_whole(direct, OfHttpx(request))
        origin, began = self._pool.origin_of(request.url), time.monotonic()
        kept, answer = self._exchange(request, origin)
        body = Body(answer, self._pool.limit, request, lambda: self._give_back(origin, kept))
        if not is_short(answer, self._pool.limit):
            return answer_of(answer, body)
        try:
            return short_answer(answer, list(body), began)
        finally:
            body.close()

    def _handle_whole(self, direct: http1_connections.Origin, request: OfHttpx) -> httpx.Response:
        try:
            answer = self.exchange(direct, request, request.until)
            return request.answered(answer, self._pool.limit)
        except ResponseTooLargeError:
            raise
        except Exception as error:
            failure = request.failed(error)
        raise failure

    def _exchange(self, request: httpx.Request, origin: Origin) -> tuple[Kept, Any]:
        to_send = sent(request)
        waiting = self._waiting(origin)
        kept = waiting or origin.connect()
        while True:
            try:
                return kept, kept.connection.handle_request(to_send)
            except BaseException as error:
                failure = without_frames(error)
                kept.network.abort()
            if not may_repeat(failure, kept, is_fresh=waiting is None):
                raise as_httpx(failure, request) if isinstance(failure, RAISED) else failure
            waiting, kept = None, origin.connect()

    def _waiting(self, origin: Origin) -> Kept | None:
        while (kept := origin.idle.take()) is not None and kept.has_expired():
            kept.connection.close()
        return kept

    def _give_back(self, origin: Origin, kept: Kept) -> None:
        if self._pool.is_closed or not kept.is_reusable():
            surplus = [kept]
        else:
            surplus = origin.idle.put(kept)
        for each in surplus:
            each.connection.close()

    def close(self) -> None:
        """Close the connections; one that carries a call is closed after it."""
        self._pool.is_closed = True
        close(self._pool.idle.drain())
        for kept in self._pool.idle_ones():
            kept.connection.close()


class AsyncTransport(httpx.AsyncBaseTransport):
    """The same for one event loop; see `Pool`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @property
    def pool(self) -> Pool:
        """What it has in common with the other kind."""
        return self._pool

    async def exchange(
        self, origin: http1_connections.Origin, request: Sendable, until: float
    ) -> Answer:
        """Send *request* without httpx; as `exchange.aexchange`."""
        pool = self._pool
        answer = await aexchange(pool.idle, origin, request, until, pool.limit)
        if pool.is_closed:
            close(pool.idle.drain())
        return answer

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send *request*, and return the answer as soon as its headers are here."""
        usual = self._pool.usual_transport(request.url)
        if usual is not None:
            response: httpx.Response = await usual.handle_async_request(request)
            return response
        if is_read_whole.get() and (direct := self._pool.direct_origin(request.url)) is not None:
            return await self._handle_whole(direct, OfHttpx(request))
        origin, began = self._pool.origin_of(request.url), time.monotonic()
        kept, answer = await self._exchange(request, origin)
        body = AsyncBody(answer, self._pool.limit, request, lambda: self._give_back(origin, kept))
        if not is_short(answer, self._pool.limit):
            return answer_of(answer, body)
        try:
            return short_answer(answer, [piece async for piece in body], began)
        finally:
            await body.aclose()

    async def _handle_whole(
        self, direct: http1_connections.Origin, request: OfHttpx
    ) -> httpx.Response:
        try:
            answer = await self.exchange(direct, request, request.until)
            return request.answered(answer, self._pool.limit)
        except ResponseTooLargeError:
            raise
        except Exception as error:
            failure = request.failed(error)
        raise failure

    async def _exchange(self, request: httpx.Request, origin: Origin) -> tuple[Kept, Any]:
        to_send = sent(request)
        waiting = await self._waiting(origin)
        kept = waiting or origin.connect()
        while True:
            try:
                return kept, await kept.connection.handle_async_request(to_send)
            except BaseException as error:
                failure = without_frames(error)
                kept.network.abort()
            if not may_repeat(failure, kept, is_fresh=waiting is None):
                raise as_httpx(failure, request) if isinstance(failure, RAISED) else failure
            waiting, kept = None, origin.connect()

    async def _waiting(self, origin: Origin) -> Kept | None:
        while (kept := origin.idle.take()) is not None and kept.has_expired():
            await kept.connection.aclose()
        return kept

    async def _give_back(self, origin: Origin, kept: Kept) -> None:
        if self._pool.is_closed or not kept.is_reusable():
            surplus = [kept]
        else:
            surplus = origin.idle.put(kept)
        for each in surplus:
            await each.connection.aclose()

    async def aclose(self) -> None:
        """Close the connections; one that carries a call is closed after it."""
        self._pool.is_closed = True
        close(self._pool.idle.drain())
        for kept in self._pool.idle_ones():
            await kept.connection.aclose()
