"""Connections that carry one exchange after another, for threads; a loop's are in `http1_async`.

An answer is taken whole, or piece by piece as it comes: who reads slowly stops the socket, since
nothing is read ahead but what one read brings.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Iterable
from functools import partial
from itertools import chain
from typing import Protocol

from .dial import left_until, shut
from .http1 import Answer, Head, Http1
from .origin import Origin
from .refused import is_broken_pipe, was_reset
from .tunnel import connected

#: Bytes of one read.
_READ = 65_536

#: Bytes of one write, which waits for the reader just once; also what one TLS record holds.
_WRITE = 16_384


class Sendable(Protocol):
    """A request, which shows nothing of itself."""

    def encode(self) -> memoryview | None:
        """What is to be sent, as `http1.encode` returns it.

        An attribute `rest`, where there is one, is what follows it.
        """


def sendable(request: Sendable) -> memoryview:
    """What *request* is sent as; raises h11.LocalProtocolError."""
    if (sent := request.encode()) is None:
        from h11 import LocalProtocolError

        raise LocalProtocolError("the request has a header or a target that cannot be sent")
    return sent


def rest_of(request: Sendable) -> Iterable[bytes]:
    """What is to be sent after what `encode` gives: a body that is not in memory."""
    rest: Iterable[bytes] = getattr(request, "rest", ())
    return rest


class UnconnectedError(Exception):
    """No connection could be made, for the reason that is its cause."""


class Connection:
    """A blocking connection, used by one thread at a time."""

    def __init__(self, origin: Origin, limit: int, until: float) -> None:
        """Connect before *until*; raises OSError."""
        self.origin = origin
        #: The server had closed the connection before it could read the last request.
        self.was_refused = False
        self._http = Http1(limit)
        self._socket = connected(origin, until)

    def exchange(self, request: Sendable, until: float) -> Answer:
        """Send *request* and return the answer before *until*; raises as `begin`."""
        head = self.begin(request, until, is_whole=True)
        return Answer(*head, b"".join(iter(partial(self.read, until), b"")))

    def begin(self, request: Sendable, until: float, *, is_whole: bool = False) -> Head:
        """Send *request* and return the head of its answer before *until*.

        Raises TimeoutError, OSError and the errors of `Http1`; then the connection is closed.
        """
        try:
            # What is sent holds credentials: no variable of a traceback is to show it.
            sent = sendable(request)
            self._http.begin(is_whole=is_whole)
            self._send(chain([sent], map(memoryview, rest_of(request))), until)
        except BaseException:
            self.close()
            raise
        head = self._next(until)
        assert isinstance(head, Head), "the head comes first"
        return head

    def read(self, until: float) -> bytes:
        """Return the next piece of the body before *until*, an empty one at its end; or raise."""
        piece = self._next(until)
        assert isinstance(piece, bytes), "there is one head"
        return piece

    def _send(self, pieces: Iterable[memoryview], until: float) -> None:
        # A server may answer before it has read everything, and close: the answer is what counts.
        try:
            for piece in pieces:
                for start in range(0, len(piece), _WRITE):
                    self._socket.settimeout(left_until(until))
                    self._socket.sendall(piece[start : start + _WRITE])
        except (BrokenPipeError, ConnectionResetError) as error:
            self.was_refused = is_broken_pipe(error)

    def _next(self, until: float) -> Head | bytes:
        http = self._http
        try:
            while not http.parts:
                if http.error is not None:
                    raise http.error
                self._socket.settimeout(left_until(until))
                data = self._socket.recv(_READ)
                if not data and http.is_waiting:
                    self.was_refused |= was_reset(self._socket)
                http.receive(data)
            return http.parts.popleft()
        except BaseException:
            self.close()
            raise

    def abort(self) -> None:
        """End a read in another thread at once, which then closes the connection."""
        shut(self.socket)

    @property
    def socket(self) -> socket.socket:
        """The system's socket, below whatever secures it."""
        found: socket.socket = getattr(self._socket, "outer", self._socket)
        return found

    @property
    def is_reusable(self) -> bool:
        """Whether the last answer has been read to its end, and leaves room for another."""
        return self._http.is_reusable and not self._http.parts

    def is_alive(self) -> bool:
        """Whether nothing has come since the last answer, not even the connection's end."""
        if not self.is_reusable or self._socket.fileno() == -1:
            return False
        if not hasattr(select, "poll"):
            return not select.select([self._socket], [], [], 0)[0]
        poll = select.poll()  # unlike `select`, of any descriptor
        poll.register(self._socket, select.POLLIN)
        return not poll.poll(0)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
