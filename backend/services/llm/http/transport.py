"""httpx's transports on connections of our own: for threads and for asyncio.

Both do the same: take a connection, send, hand out the answer piece by piece, decoded and
bounded, and keep the connection once the answer has ended.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from contextlib import aclosing, closing
from functools import partial
from typing import Any

import httpx

from ..errors import ResponseTooLargeError
from ..runtime.coroutines import run_without_loop
from . import http1_connections
from .body import AsyncBody, Body, answer_of, is_short, short_answer
from .connections import PooledConnection
from .exchange import aexchange, exchange
from .failures import HTTPCORE_ERRORS, as_httpx, without_traceback
from .http1 import Answer
from .http1_connections import Sendable
from .pool import Origin, Pool, may_repeat, to_httpcore
from .whole_answers import WholeRequest, expects_whole_answers


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
            response: httpx.Response = await self._send_by(patched, request)
            return response
        if expects_whole_answers.get():
            direct_origin = self._pool.direct_origin(request.url)
            if direct_origin is not None:
                return await self._send_whole(direct_origin, WholeRequest(request))
        origin, began = self._pool.origin_of(request.url), time.monotonic()
        pooled, answer = await self._send_pooled(request, origin)
        return_to_pool = partial(self._return_to_pool, origin, pooled)
        return await self._make_response(answer, request, began, return_to_pool)

    async def _send_whole(
        self, origin: http1_connections.Origin, request: WholeRequest
    ) -> httpx.Response:
        try:
            answer = await self.exchange(origin, request, request.until)
            return request.to_response(answer, self._pool.limit)
        except ResponseTooLargeError:
            raise
        except Exception as error:
            failure = request.to_error(error)
        raise failure

    async def _send_pooled(
        self, request: httpx.Request, origin: Origin
    ) -> tuple[PooledConnection, Any]:
        to_send = to_httpcore(request)
        idle = await self._take_idle(origin)
        pooled = idle or origin.connect()
        while True:
            try:
                return pooled, await self._send_by(pooled.connection, to_send)
            except BaseException as error:
                failure = without_traceback(error)
                pooled.network.abort()
            if not may_repeat(failure, pooled, is_fresh=idle is None):
                raise (
                    as_httpx(failure, request) if isinstance(failure, HTTPCORE_ERRORS) else failure
                )
            idle, pooled = None, origin.connect()

    async def _take_idle(self, origin: Origin) -> PooledConnection | None:
        while (pooled := origin.idle.take()) is not None and pooled.has_expired():
            await self._close(pooled)
        return pooled

    async def _return_to_pool(self, origin: Origin, pooled: PooledConnection) -> None:
        for each in origin.idle.put(pooled) if pooled.is_reusable() else [pooled]:
            await self._close(each)

    async def _close_idle(self) -> None:
        for pooled in self._pool.shut_down():
            await self._close(pooled)

    @abstractmethod
    async def _send_by(self, connection: Any, request: Any) -> Any:
        """Send *request* by an httpcore connection, or by a transport of httpx."""

    @abstractmethod
    async def exchange(
        self, origin: http1_connections.Origin, request: Sendable, until: float
    ) -> Answer:
        """Send *request* without httpx, and return the whole answer; as `exchange.exchange`."""

    @abstractmethod
    async def _make_response(
        self,
        answer: Any,
        request: httpx.Request,
        began: float,
        return_to_pool: Callable[[], Coroutine[Any, Any, None]],
    ) -> httpx.Response:
        """Return httpx's response, whose end calls *return_to_pool*; *began* as `short_answer`."""

    @abstractmethod
    async def _close(self, pooled: PooledConnection) -> None:
        """Close a connection."""


class Transport(_Transport, httpx.BaseTransport):
    """Sends a request on a connection that waits, or on a new one; see `Pool`."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send *request*, and return the answer as soon as its headers are here."""
        return run_without_loop(self._handle(request))

    def close(self) -> None:
        """Close the connections; one that carries a call is closed after it."""
        run_without_loop(self._close_idle())

    async def exchange(
        self, origin: http1_connections.Origin, request: Sendable, until: float
    ) -> Answer:
        """Send *request* without httpx: it blocks, for `run_without_loop`."""
        return exchange(self._pool.idle, origin, request, until, self._pool.limit)

    async def _send_by(self, connection: Any, request: Any) -> Any:
        return connection.handle_request(request)

    async def _make_response(
        self,
        answer: Any,
        request: httpx.Request,
        began: float,
        return_to_pool: Callable[[], Coroutine[Any, Any, None]],
    ) -> httpx.Response:
        limit = self._pool.limit
        body = Body(answer, limit, request, lambda: run_without_loop(return_to_pool()))
        if not is_short(answer, limit):
            return answer_of(answer, body)
        with closing(body):
            return short_answer(answer, list(body), began)

    async def _close(self, pooled: PooledConnection) -> None:
        pooled.connection.close()


class AsyncTransport(_Transport, httpx.AsyncBaseTransport):
    """The same for one event loop; see `Pool`."""

    async def exchange(
        self, origin: http1_connections.Origin, request: Sendable, until: float
    ) -> Answer:
        """Send *request* without httpx; as `exchange.aexchange`."""
        return await aexchange(self._pool.idle, origin, request, until, self._pool.limit)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send *request*, and return the answer as soon as its headers are here."""
        return await self._handle(request)

    async def aclose(self) -> None:
        """Close the connections; one that carries a call is closed after it."""
        await self._close_idle()

    async def _send_by(self, connection: Any, request: Any) -> Any:
        return await connection.handle_async_request(request)

    async def _make_response(
        self,
        answer: Any,
        request: httpx.Request,
        began: float,
        return_to_pool: Callable[[], Coroutine[Any, Any, None]],
    ) -> httpx.Response:
        limit = self._pool.limit
        body = AsyncBody(answer, limit, request, return_to_pool)
        if not is_short(answer, limit):
            return answer_of(answer, body)
        async with aclosing(body):
            return short_answer(answer, [piece async for piece in body], began)

    async def _close(self, pooled: PooledConnection) -> None:
        await pooled.connection.aclose()
