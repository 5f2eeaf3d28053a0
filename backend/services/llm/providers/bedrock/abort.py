"""Abort a call of botocore's that has no time left or that nobody waits for any more.

botocore blocks until the server has spoken, and no thread can be stopped from outside. But the
socket below it can be shut down: its connect, handshake or read ends at once, and the call with
it. Names are looked up in threads of their own, which a call leaves at its deadline.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import ContextVar
from functools import lru_cache
from importlib import import_module
from typing import Any, TypeVar

from ...errors import ResponseTooLargeError
from ...http.dial import dial, shut
from ...runtime.fork import ForkLock

T = TypeVar("T")

#: Guards which socket a call is on.
_lock = ForkLock(leaf=True)

#: The call that this thread makes.
_current: ContextVar[AbortableCall | None] = ContextVar("_current", default=None)

#: Bytes that an answer may have beside its body: its head, and the frames of its chunks.
_BESIDE = 256 * 1024

#: What `settimeout` takes for "now": zero would make the socket non-blocking instead.
_AT_ONCE = 1e-6


class AbortableCall:
    """One call of botocore's, until it has ended.

    *until* is its deadline, a moment of `time.monotonic`; *limit* the longest answer, in bytes.
    """

    def __init__(self, until: float, limit: int) -> None:
        self.until = until
        self.limit = limit
        #: Done once the call is aborted.
        self.aborted: Future[None] = Future()
        #: The answer was longer than the limit.
        self.too_large: ResponseTooLargeError | None = None
        self._connection: Any = None
        self._opening: socket.socket | None = None

    def run(self, call: Callable[[], T]) -> T:
        """Make *call* in this thread; raises ConnectionAbortedError if it is aborted already."""
        if self.aborted.done():
            raise ConnectionAbortedError("nobody waits for the answer any more")
        token = _current.set(self)
        try:
            return call()
        finally:
            _current.reset(token)
            with _lock:
                self._connection = None
            self._drop_opening()

    def abort(self) -> None:
        """End the call, if it has not ended; one that has yet to connect ends as it does."""
        with _lock:
            if not self.aborted.done():
                self.aborted.set_result(None)
            self._shut()

    def left(self) -> float:
        """The seconds that are left, as `settimeout` takes them."""
        return max(self.until - time.monotonic(), _AT_ONCE)

    def opened(self, made: socket.socket) -> None:
        """Take note of the socket that is about to connect."""
        self._drop_opening()
        with _lock:
            # One of our own: a TLS handshake takes the descriptor away from the other.
            self._opening = made.dup()
            if self.aborted.done():
                self._shut()

    def connected(self, connection: Any) -> None:
        """Take note that the call goes over *connection*, which carries no other from now on."""
        with _lock:
            self._connection, connection.call = connection, self
            if self.aborted.done():
                self._shut()
        self._drop_opening()

    def _drop_opening(self) -> None:
        with _lock:
            opening, self._opening = self._opening, None
        if opening is not None:
            opening.close()

    def _shut(self) -> None:
        below = self._opening
        # The pool may have given the connection to another call since.
        if self._connection is not None and self._connection.call is self:
            # TLS within TLS, as over a secured proxy, hides the socket one step deeper.
            below = getattr(self._connection.sock, "socket", self._connection.sock)
        if below is not None:
            shut(below)


def track(client: Any) -> Any:
    """Have the connections of a botocore *client* tell the call that they carry; return it.

    botocore has no public way to its urllib3 pools. Where they are not found, as in a test's
    stand-in, a call ends with its client's own timeouts.
    """
    session = getattr(getattr(client, "_endpoint", None), "http_session", None)
    pools: Any = getattr(session, "_pool_classes_by_scheme", None)
    for scheme, pool in list(pools.items()) if isinstance(pools, dict) else ():
        pools[scheme] = type(pool.__name__, (pool,), {"ConnectionCls": _Tracked(pool)})
    return client


class _Tracked:
    """The class of a pool's connections: tracked, whatever a test has put there since."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    def __get__(self, _: object, __: object = None) -> Any:
        return _tracking(self._pool.ConnectionCls)


@lru_cache(maxsize=16)
def _tracking(kind: Any) -> Any:
    class Tracking(kind):  # type: ignore[misc] # whatever class the SDK brings
        #: The class that is tracked.
        tracks = kind
        call: AbortableCall | None = None
        response_class = _BoundedResponse

        def _new_conn(self) -> socket.socket:
            call = _current.get()
            return super()._new_conn() if call is None else _dialled(self, call)

        def connect(self) -> None:
            super().connect()
            self._tell()

        def request(self, *args: Any, **kwargs: Any) -> None:
            self._tell()  # one from the pool is connected already
            super().request(*args, **kwargs)

        def getresponse(self, *args: Any, **kwargs: Any) -> Any:
            if (call := _current.get()) is not None:
                # botocore has one read timeout a client, which is not this call's.
                self.timeout = call.left()
                self.sock.settimeout(self.timeout)
            return super().getresponse(*args, **kwargs)

        def _tell(self) -> None:
            if (call := _current.get()) is not None:
                call.connected(self)

    return Tracking


def _dialled(connection: Any, call: AbortableCall) -> socket.socket:
    """A socket that is connected in the call's time, or urllib3's own errors."""
    errors: Any = import_module("urllib3.exceptions")
    place = connection._dns_host, connection.port
    try:
        return dial(
            *place,
            call.until,
            options=connection.socket_options or (),
            opened=call.opened,
        )
    except TimeoutError as error:
        raise errors.ConnectTimeoutError(connection, f"{place[0]}: {error}") from error
    except OSError as error:
        raise errors.NewConnectionError(connection, f"{place[0]}: {error}") from error


class _BoundedResponse(http.client.HTTPResponse):
    """An answer that ends where the call's limit is passed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if (call := _current.get()) is not None:
            self.fp: Any = io.BufferedReader(_Counted(self.fp.detach(), call))

    def begin(self) -> None:
        super().begin()
        call = _current.get()
        if call is not None and (self.length or 0) > call.limit:
            _refuse(call)


class _Counted(io.RawIOBase):
    """The bytes of one answer as they come from the socket."""

    def __init__(self, raw: Any, call: AbortableCall) -> None:
        self._raw = raw
        self._call = call
        self._left = call.limit + _BESIDE

    def readable(self) -> bool:
        """Yes, as `io` asks."""
        return True

    def readinto(self, buffer: Any) -> Any:
        """Read once, as `io` asks; raises ResponseTooLargeError beyond the limit."""
        size = self._raw.readinto(buffer)
        self._left -= size or 0
        if self._left < 0:
            _refuse(self._call)
        return size

    def close(self) -> None:
        """Close the socket's own file."""
        self._raw.close()
        super().close()


def _refuse(call: AbortableCall) -> None:
    call.too_large = ResponseTooLargeError.over(call.limit)
    raise call.too_large
