"""Whether a connection was closed before the server could read what was sent over it."""

from __future__ import annotations

import socket
from contextlib import suppress
from errno import EPIPE
from typing import Any


def was_reset(connection: Any) -> bool:
    """Whether a connection that the other side has closed was reset after that.

    Whoever closes, and gets more to read after, resets; it has read nothing of it. A server that
    reads a request, and closes then, does not reset; nor is one that resets alone proof of it.
    """
    with suppress(OSError):  # it is closed on our side too, and says nothing any more
        return bool(connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == EPIPE)
    return False


def is_broken_pipe(error: BaseException | None) -> bool:
    """Whether *error*, of a write, says that the other side had closed before."""
    return isinstance(error, BrokenPipeError)
