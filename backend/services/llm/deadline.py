"""Hold httpx to a deadline for the whole exchange, where its own timeouts are per read.

httpx gives every phase of a request the same number of seconds, and every single read of the
body as well, so a server that sends a byte now and then is waited for forever. The hooks here
turn that number into a moment: each phase gets what is left, and so do each read and write.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import httpx


#: What `settimeout` takes for "now": zero would make the socket non-blocking instead.
_AT_ONCE = 1e-6

#: Bytes of one write, which waits for the reader just once; also what one TLS record holds.
_SLICE = 16_384

_CONNECTED = ("connect_tcp.complete", "connect_unix_socket.complete", "start_tls.complete")


class Left(float):
    """Seconds that were left when it was made, and the moment (`at`) they are left until."""

    at: float

    def __new__(cls, at: float) -> Left:
        """Compute what is left until *at*, in seconds of `time.monotonic`."""
        left = super().__new__(cls, max(_AT_ONCE, at - time.monotonic()))
        left.at = at
        return left


class Until(dict[str, float]):
    """httpx's `timeout` extension, whose every value is what is left until a moment."""

    def __init__(self, at: float) -> None:
        super().__init__()
        self.at = at

    def get(self, key: str, default: object = None) -> Any:
        """Return what is left, whichever phase asks."""
        return Left(self.at)


def http_client(kind: Literal["Client", "AsyncClient"], size: int, timeout: float) -> Any:
    """Make an HTTP client for the SDK that keeps up to *size* idle connections open.

    *timeout* is in seconds for a whole exchange, to which the hook holds a blocking client. An
    awaiting call is ended by its event loop, at its deadline exactly.
    """
    import httpx

    # Calls at once are bounded before they come here. A bound of httpcore's own (1.0.9) would
    # lose a place for good whenever a call is cancelled in the moment in which it gets it.
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=size)
    hooks = {"request": [hold_to_deadline]} if kind == "Client" else {}
    return getattr(httpx, kind)(
        limits=limits,
        timeout=timeout,
        follow_redirects=True,
        event_hooks=hooks,
    )


def hold_to_deadline(request: httpx.Request) -> None:
    """Turn the request's read timeout into its deadline; a request hook of an `httpx.Client`."""
    seconds = request.extensions.get("timeout", {}).get("read")
    if seconds is not None:
        request.extensions["timeout"] = Until(time.monotonic() + seconds)
        request.extensions["trace"] = _on_trace


def _on_trace(event: str, info: dict[str, Any]) -> None:
    """Have every use of a new connection ask anew what is left (httpcore's trace extension).

    httpcore asks for a timeout once for the headers and once for the body, and passes it on
    with each read and each write of them.
    """
    if event.endswith(_CONNECTED):
        stream = info["return_value"]
        stream.read, stream.write = _reading(stream.read), _writing(stream.write)


def _reading(read: Callable[..., bytes]) -> Callable[..., bytes]:
    def held(max_bytes: int, timeout: float | None = None) -> bytes:
        return read(max_bytes, _now_left(timeout))

    return held


def _writing(write: Callable[..., None]) -> Callable[..., None]:
    def held(buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), _SLICE):
            write(buffer[start : start + _SLICE], _now_left(timeout))

    return held


def _now_left(timeout: float | None) -> float | None:
    return Left(timeout.at) if isinstance(timeout, Left) else timeout
