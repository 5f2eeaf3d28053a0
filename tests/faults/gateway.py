"""A gateway before the sandbox, which refuses connections and breaks off below HTTP."""

from __future__ import annotations

import re
import socket
import threading
from collections import deque
from contextlib import suppress
from urllib.parse import urlsplit

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_REUSE = getattr(socket, "SO_REUSEPORT", socket.SO_REUSEADDR)
#: No answer comes later than this, in seconds.
_HANG = 30.0


class Gateway:
    """Carries each request to *target* on a connection of its own, unless it is told otherwise."""

    def __init__(self, target: str) -> None:
        at = urlsplit(target)
        assert at.hostname is not None, "a sandbox has an address"
        self._target = (at.hostname, at.port or 80)
        self._replies: deque[bytes] = deque()
        self._refusals = 0
        self._listener: socket.socket | None = None
        # It holds the port while nobody listens.
        self._holder = _bound(0)
        self._port: int = self._holder.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        self._listen()

    def reply(self, data: bytes, times: int) -> None:
        """Answer the next requests with these bytes, and hang up."""
        self._replies.extend([data] * times)

    def refuse(self, times: int) -> None:
        """Refuse connections until `time_passed` was called so many times."""
        self._refusals = times
        self._stop()

    def time_passed(self) -> None:
        """Count one refusal less, as a caller waits after each."""
        if self._refusals:
            self._refusals -= 1
            if not self._refusals:
                self._listen()

    def recover(self) -> None:
        """Carry every request from now on."""
        self._replies.clear()
        self._refusals = 0
        if self._listener is None:
            self._listen()

    def close(self) -> None:
        """Listen no more."""
        self._stop()
        self._holder.close()

    def _listen(self) -> None:
        self._listener = _bound(self._port)
        self._listener.listen()
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _stop(self) -> None:
        if self._listener is not None:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):  # closed: the next connections are refused
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):  # the client has left, as it may
            connection.settimeout(_HANG)
            request = _whole_request(connection)
            if not request:
                return
            if self._replies:
                connection.sendall(self._replies.popleft())
                return
            with socket.create_connection(self._target, _HANG) as upstream:
                head, _, body = request.partition(b"\r\n")
                upstream.sendall(head + b"\r\nconnection: close\r\n" + _without_connection(body))
                while data := upstream.recv(65536):
                    connection.sendall(data)


def _bound(port: int) -> socket.socket:
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, _REUSE, 1)
    made.bind(("127.0.0.1", port))
    return made


def _whole_request(connection: socket.socket) -> bytes:
    data = b""
    while more := connection.recv(65536):
        data += more
        head, end, body = data.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if end and len(body) >= (int(length[1]) if length else 0):
            return data
    return b""


def _without_connection(rest: bytes) -> bytes:
    head, end, body = rest.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
    return b"\r\n".join(lines) + end + body
