"""One exchange over a connection that waits, or over a new one: blocking, and on an event loop.

A connection that waited, and that its server closed before it read the request, is replaced
unseen. Else the server may have begun, and be paid for it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

from ..runtime.coroutines import as_coroutine, run_without_loop
from .http1 import Answer, Head
from .http1_async import AsyncConnection
from .http1_connections import Connection, Sendable, UnconnectedError
from .idle import IdleStack
from .idle_pools import keep, take_idle
from .origin import Origin

C = TypeVar("C", Connection, AsyncConnection)
R = TypeVar("R")


def exchange(
    idle: IdleStack[Connection], origin: Origin, request: Sendable, until: float, limit: int
) -> Answer:
    """Send *request* and return the answer, of at most *limit* bytes, before *until*.

    Raises UnconnectedError, TimeoutError, OSError, h11.ProtocolError and ResponseTooLargeError.
    """
    connection, answer = run_without_loop(
        _sent(
            *(idle, origin),
            connect=as_coroutine(partial(Connection, origin, limit, until)),
            send=as_coroutine(lambda connection: connection.exchange(request, until)),
        )
    )
    keep(idle, connection)
    return answer


def begin(
    idle: IdleStack[Connection], origin: Origin, request: Sendable, until: float, limit: int
) -> tuple[Connection, Head]:
    """Send *request* and return the head of its answer before *until*; raises as `exchange`."""
    return run_without_loop(
        _sent(
            *(idle, origin),
            connect=as_coroutine(partial(Connection, origin, limit, until)),
            send=as_coroutine(lambda connection: connection.begin(request, until)),
        )
    )


async def aexchange(
    idle: IdleStack[AsyncConnection], origin: Origin, request: Sendable, until: float, limit: int
) -> Answer:
    """Do as `exchange` does, without blocking the event loop."""
    connection, answer = await _sent(
        *(idle, origin),
        connect=partial(AsyncConnection.opened, origin, limit, until),
        send=lambda connection: connection.exchange(request, until),
    )
    keep(idle, connection)
    return answer


async def abegin(
    idle: IdleStack[AsyncConnection], origin: Origin, request: Sendable, until: float, limit: int
) -> tuple[AsyncConnection, Head]:
    """Do as `begin` does, without blocking the event loop."""
    return await _sent(
        *(idle, origin),
        connect=partial(AsyncConnection.opened, origin, limit, until),
        send=lambda connection: connection.begin(request, until),
    )


async def _sent(
    idle: IdleStack[C],
    origin: Origin,
    connect: Callable[[], Coroutine[Any, Any, C]],
    send: Callable[[C], Coroutine[Any, Any, R]],
) -> tuple[C, R]:
    connection = take_idle(idle, origin)
    if connection is not None:
        try:
            return connection, await send(connection)
        except Exception:
            if not connection.was_refused:
                raise
    try:
        connection = await connect()
    except OSError as error:
        raise UnconnectedError from error
    return connection, await send(connection)
