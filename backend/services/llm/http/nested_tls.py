"""TLS within TLS, for threads: the ssl module secures sockets of the system alone."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from .dial import left_until

T = TypeVar("T")

#: Bytes of one read.
_READ = 65_536


class NestedTLS:
    """TLS to *host* over the TLS of *outer*: as much of a socket as is used here."""

    def __init__(self, outer: ssl.SSLSocket, context: ssl.SSLContext, host: str) -> None:
        self.outer = outer
        self._received, self._sent = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._until = time.monotonic() + (outer.gettimeout() or 0.0)
        self._inner = context.wrap_bio(self._received, self._sent, server_hostname=host)
        self._run(self._inner.do_handshake)

    def settimeout(self, seconds: float) -> None:
        """Let what is done next end after so many *seconds*."""
        self._until = time.monotonic() + seconds

    def sendall(self, data: memoryview) -> None:
        """Send *data*; raises TimeoutError and OSError."""
        while data:
            data = data[self._run(partial(self._inner.write, data)) :]

    def recv(self, size: int) -> bytes:
        """Return what comes next, nothing at the end; raises TimeoutError and OSError."""
        try:
            return self._run(partial(self._inner.read, size))
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""

    def fileno(self) -> int:
        """The descriptor by which a selector knows it."""
        return self.outer.fileno()

    def getsockopt(self, *option: Any) -> Any:
        """Return what the socket says of *option*."""
        return self.outer.getsockopt(*option)

    def close(self) -> None:
        """Close the socket."""
        self.outer.close()

    def _run(self, call: Callable[[], T]) -> T:
        """Return what *call* does, once as much has come as it needs, and its own has been sent."""
        while True:
            try:
                result = call()
            except ssl.SSLWantReadError:
                self._flush()
                self._fill()
            else:
                self._flush()
                return result

    def _flush(self) -> None:
        if data := self._sent.read():
            self.outer.settimeout(left_until(self._until))
            self.outer.sendall(data)

    def _fill(self) -> None:
        self.outer.settimeout(left_until(self._until))
        if data := self.outer.recv(_READ):
            self._received.write(data)
        else:
            self._received.write_eof()
