"""What bounds one exchange with a Redis server as a whole: its time, and the bytes that it reads.

The redis package bounds each read by itself. A server, or a proxy before it, that sends one byte at
a time or never ends would hold a thread for ever.
"""

from __future__ import annotations

import math
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any


class _Exchange(threading.local):
    """What the exchange of this thread may still take; without one, there is no bound."""

    ends_at = math.inf
    bytes_left = math.inf

    def check(self) -> None:
        """Raise TimeoutError, or another OSError, where it has taken all that it may."""
        if self.bytes_left < 0:
            raise OSError("the answer is larger than any that was asked for")
        if monotonic() > self.ends_at:
            raise TimeoutError("the whole answer takes too long")


_exchange = _Exchange()


@contextmanager
def bounded_exchange(seconds: float, most_bytes: float) -> Iterator[None]:
    """Let the block connect and read for *seconds*, and read *most_bytes*: then that fails.

    A read that has begun by then ends by its own timeout.
    """
    before = _exchange.ends_at, _exchange.bytes_left
    _exchange.ends_at, _exchange.bytes_left = monotonic() + seconds, most_bytes
    try:
        yield
    finally:
        _exchange.ends_at, _exchange.bytes_left = before


class BoundedSocket:
    """The socket *of* a connection, whose reads fail once this thread's exchange is over."""

    def __init__(self, of: socket.socket) -> None:
        self._of = of

    def __getattr__(self, name: str) -> Any:
        return getattr(self._of, name)

    def recv(self, size: int, *flags: int) -> bytes:
        """Receive as a socket does; TimeoutError, or another OSError, once the exchange is over."""
        _exchange.check()
        data = self._of.recv(size, *flags)
        _exchange.bytes_left -= len(data)
        return data

    def recv_into(self, buffer: bytearray) -> int:
        """Receive into *buffer*, as `recv`."""
        _exchange.check()
        size = self._of.recv_into(buffer)
        _exchange.bytes_left -= size
        return size


def bound_connections(pool: Any) -> Any:
    """Let exchanges bound what the connections of the redis package's *pool* read; return it.

    Nothing public does it: `socket_timeout` bounds one read, `retry` is for what has failed, and
    whoever overrides `read_response`, or gives a parser or `redis_connect_func`, has the socket by
    private names alone. `_connect`, which returns the socket, is abstract in the package's own base
    class, where its connections of TCP, TLS and Unix define it.
    """
    connection = pool.connection_class
    open_socket = getattr(connection, "_connect", None)
    if open_socket is None:  # another release of the package, where each read has its own bound
        return pool

    def connect(self: Any) -> BoundedSocket:
        _exchange.check()
        return BoundedSocket(open_socket(self))

    pool.connection_class = type(connection.__name__, (connection,), {"_connect": connect})
    return pool
