"""The idle connections that a client keeps: one stack for all threads, one for each event loop."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from ..runtime.event_loops import LoopResource, PerEventLoop
from ..runtime.fork import on_fork_in_child
from ..runtime.opening import abortable_by, is_abortable
from .idle import KEEP_ALIVE, IdleStack
from .origin import Origin


class Reusable(Protocol):
    """A connection that may carry one exchange after another."""

    origin: Origin

    @property
    def is_reusable(self) -> bool:
        """Whether the last answer has come to its end, and leaves room for another."""

    def is_alive(self) -> bool:
        """Whether nothing has come since the last answer, not even the connection's end."""

    def close(self) -> None:
        """Close it at once."""


C = TypeVar("C", bound=Reusable)
A = TypeVar("A", bound=Reusable)


def take_idle(idle: IdleStack[C], origin: Origin) -> C | None:
    """Return a connection to *origin* that waits, and that the server has not closed meanwhile."""
    close(idle.surplus())
    while (connection := idle.take()) is not None:
        if connection.origin == origin and connection.is_alive():
            if is_abortable():
                _abortable(connection)
            return connection
        connection.close()
    return None


def _abortable(connection: Any) -> None:
    """Let another thread end the exchange that this one begins; close what is for nobody."""
    try:
        abortable_by(connection.abort)
    except ConnectionAbortedError:
        connection.close()
        raise


def keep(idle: IdleStack[C], connection: C) -> None:
    """Keep *connection* for another exchange, if it can carry one."""
    if connection.is_reusable:
        close(idle.put(connection))
    else:
        connection.close()


def close(connections: Iterable[Reusable]) -> None:
    """Close all of them."""
    for each in connections:
        each.close()


class IdlePools(Generic[C, A]):
    """Keeps up to *size* connections in each stack, each for at most *expiry* seconds."""

    def __init__(self, size: int, expiry: float = KEEP_ALIVE) -> None:
        self.of_threads = IdleStack[C](size, expiry)
        # Hosts build a client per request and drop it without closing it.
        weakref.finalize(self, _close, self.of_threads)
        self._of_loops = PerEventLoop[IdleStack[A]](partial(IdleStack, size, expiry), _aclose)
        on_fork_in_child(self, IdlePools._reset_in_child)

    async def of_this_loop(self) -> LoopResource[IdleStack[A]]:
        """Return the running event loop's stack, to be used inside one `async with` block."""
        return await self._of_loops.get()

    def close(self) -> None:
        """Close the idle connections of all threads."""
        _close(self.of_threads)

    async def aclose(self) -> None:
        """Close this event loop's idle connections, once its calls have ended."""
        await self._of_loops.aclose()

    def _reset_in_child(self) -> None:
        """In a child, leave the parent's connections and event loops alone."""
        _close(self.of_threads)
        self._of_loops.reset_in_child()


def _close(idle: IdleStack[C]) -> None:
    close(idle.drain())


async def _aclose(idle: IdleStack[A]) -> None:
    close(idle.drain())
