"""One exchange over a connection that waits, or over a new one: blocking, and on an event loop."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from ..runtime.coroutines import run_without_loop
from .http1 import Answer
from .http1_connections import AsyncConnection, Connection, Origin, Sendable, UnconnectedError
from .idle import IdleStack
from .idle_pools import keep, take_idle

C = TypeVar("C", Connection, AsyncConnection)


def exchange(
    idle: IdleStack[Connection], origin: Origin, request: Sendable, until: float, limit: int
) -> Answer:
    """Send *request* and return the answer, of at most *limit* bytes, before *until*.

    Raises UnconnectedError, TimeoutError, OSError, h11.ProtocolError and ResponseTooLargeError.
    """

    async def connect() -> Connection:
        return Connection(origin, limit, until)

    async def send(connection: Connection) -> Answer:
        return connection.exchange(request, until)

    return run_without_loop(_exchange(idle, origin, connect, send))


async def aexchange(
    idle: IdleStack[AsyncConnection], origin: Origin, request: Sendable, until: float, limit: int
) -> Answer:
    """Do as `exchange` does, without blocking the event loop."""
    return await _exchange(
        *(idle, origin),
        connect=lambda: AsyncConnection.opened(origin, limit, until),
        send=lambda connection: connection.exchange(request, until),
    )


async def _exchange(
    idle: IdleStack[C],
    origin: Origin,
    connect: Callable[[], Coroutine[Any, Any, C]],
    send: Callable[[C], Coroutine[Any, Any, Answer]],
) -> Answer:
    connection = take_idle(idle, origin)
    if connection is not None:
        try:
            answer = await send(connection)
        except Exception:
            if not connection.was_refused:
                raise
        else:
            keep(idle, connection)
            return answer
    try:
        connection = await connect()
    except OSError as error:
        raise UnconnectedError from error
    answer = await send(connection)
    keep(idle, connection)
    return answer
