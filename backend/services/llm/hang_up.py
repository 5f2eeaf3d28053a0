"""Hang up on a call of botocore's that nobody waits for any more.

botocore blocks until the server has spoken or the read timeout of the whole client is over, and
no thread can be stopped from outside. But the socket below it can be shut down: its read ends at
once, and the thread with it.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, TypeVar

from .forks import ForkLock

T = TypeVar("T")

#: Guards which call a connection carries.
_lock = ForkLock(leaf=True)

#: The call that this thread makes.
_current: ContextVar[Line | None] = ContextVar("_current", default=None)


class Line:
    """The connection that one call is on, until it has ended."""

    def __init__(self) -> None:
        self._connection: Any = None
        self._is_cut = False

    def carry(self, call: Callable[[], T]) -> T:
        """Make *call* in this thread, on this line; raises ConnectionAbortedError if it is cut."""
        if self._is_cut:
            raise ConnectionAbortedError("nobody waits for the answer any more")
        token = _current.set(self)
        try:
            return call()
        finally:
            _current.reset(token)
            with _lock:
                self._connection = None

    def hang_up(self) -> None:
        """End the call, if it has not ended; one that has yet to connect ends as it does."""
        with _lock:
            self._is_cut = True
            self._shut()

    def connected(self, connection: Any) -> None:
        """Take note that the call goes over *connection*, which carries no other from now on."""
        with _lock:
            self._connection, connection.line = connection, self
            if self._is_cut:
                self._shut()

    def _shut(self) -> None:
        # The pool may have given the connection to another call since.
        if self._connection is not None and self._connection.line is self:
            below = self._connection.sock
            # One that has no other end any more cannot be shut down, and need not be.
            with suppress(OSError):
                if below is not None:
                    below.shutdown(socket.SHUT_RDWR)


def listen_in(client: Any) -> Any:
    """Have the connections of a botocore *client* tell the line that they carry; return it.

    botocore has no public way to its urllib3 pools. Where they are not found, as in a test's
    stand-in, an abandoned call ends with its read timeout.
    """
    session = getattr(getattr(client, "_endpoint", None), "http_session", None)
    pools: Any = getattr(session, "_pool_classes_by_scheme", None)
    for scheme, pool in list(pools.items()) if isinstance(pools, dict) else ():
        telling = {"ConnectionCls": _telling(pool.ConnectionCls)}
        pools[scheme] = type(pool.__name__, (pool,), telling)
    return client


def _telling(kind: Any) -> Any:
    class Telling(kind):  # type: ignore[misc] # whatever class the SDK brings
        def connect(self) -> None:
            super().connect()
            _tell(self)

        def request(self, *args: Any, **kwargs: Any) -> None:
            _tell(self)  # one from the pool is connected already
            super().request(*args, **kwargs)

    return Telling


def _tell(connection: Any) -> None:
    line = _current.get()
    if line is not None:
        line.connected(connection)
