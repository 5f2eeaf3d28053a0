"""One exchange over a connection that waits, or over a new one: blocking, and on an event loop.

A connection that waited, and that its server closed before it read the request, is replaced
unseen. Else the server may have begun, and be paid for it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from ..frozen import dataclass
from ..runtime.coroutines import as_coroutine
from .http1 import Answer, Head
from .http1_async import AsyncConnection
from .http1_connections import Connection, Sendable, UnconnectedError
from .idle import IdleStack
from .idle_pools import keep, take_idle
from .origin import Origin

C = TypeVar("C", Connection, AsyncConnection)
R = TypeVar("R")


@dataclass(frozen=True)
class Exchanges(Generic[C]):
    """Exchanges over one kind of connections, by the steps that wait: those of a thread block."""

    _connect: Callable[[Origin, int, float], Coroutine[Any, Any, C]]
    _exchange: Callable[[C, Sendable, float], Coroutine[Any, Any, Answer]]
    _begin: Callable[[C, Sendable, float], Coroutine[Any, Any, Head]]

    async def whole(
        self, idle: IdleStack[C], origin: Origin, request: Sendable, until: float, limit: int
    ) -> Answer:
        """Send *request* and return the answer, of at most *limit* bytes, before *until*.

        Raises UnconnectedError, TimeoutError, OSError, h11.ProtocolError and ResponseTooLargeError.
        """
        connection, answer = await self._sent(idle, origin, request, until, limit, self._exchange)
        keep(idle, connection)
        return answer

    async def begin(
        self, idle: IdleStack[C], origin: Origin, request: Sendable, until: float, limit: int
    ) -> tuple[C, Head]:
        """Send *request* and return the head of its answer before *until*; raises as `whole`."""
        return await self._sent(idle, origin, request, until, limit, self._begin)

    async def _sent(
        self,
        idle: IdleStack[C],
        origin: Origin,
        request: Sendable,
        until: float,
        limit: int,
        send: Callable[[C, Sendable, float], Coroutine[Any, Any, R]],
    ) -> tuple[C, R]:
        connection = take_idle(idle, origin)
        if connection is not None:
            try:
                return connection, await send(connection, request, until)
            except Exception:
                if not connection.was_refused:
                    raise
        try:
            connection = await self._connect(origin, limit, until)
        except OSError as error:
            raise UnconnectedError from error
        return connection, await send(connection, request, until)


BLOCKING = Exchanges(
    as_coroutine(Connection), as_coroutine(Connection.exchange), as_coroutine(Connection.begin)
)
AWAITING = Exchanges(AsyncConnection.opened, AsyncConnection.exchange, AsyncConnection.begin)
