"""One answer in any of the forms of HTTP/1.1, as h11 reads it."""

from __future__ import annotations

from typing import Any

import h11

from ..errors import ResponseTooLargeError
from .http1 import Answer

#: The longest head of an answer, in bytes.
LONGEST_HEAD = 128 * 1024


class H11Answer:
    """An answer whose body has at most *limit* bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=LONGEST_HEAD)
        # What was sent is no matter, but that it was no HEAD.
        self._h11.send(h11.Request(method="POST", target="/", headers=[("host", "")]))
        self._h11.send(h11.EndOfMessage())
        self._head: Any = None
        self._body = bytearray()
        self.is_reusable = False

    def receive(self, data: bytes) -> Answer | None:
        """Do as `http1.Http1.receive` does."""
        self._h11.receive_data(data)
        while True:
            event = self._h11.next_event()
            match event:
                case h11.Response():
                    self._head = event
                    self._allow(_announced(event))
                case h11.Data():
                    self._allow(len(self._body) + len(event.data))
                    self._body += event.data
                case h11.EndOfMessage():
                    return self._answer()
                case h11.NEED_DATA | h11.PAUSED:
                    return None

    def _allow(self, size: int) -> None:
        if size > self._limit:
            raise ResponseTooLargeError.over(self._limit)

    def _answer(self) -> Answer:
        headers = [
            (name.decode("ascii"), text.decode("latin-1")) for name, text in self._head.headers
        ]
        ended = self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE
        # Nothing has followed the answer, not even the end of the connection.
        self.is_reusable = ended and self._h11.trailing_data == (b"", False)
        return Answer(self._head.status_code, headers, bytes(self._body))


def _announced(head: Any) -> int:
    """The length of the body, where the head says it."""
    return next((int(text) for name, text in head.headers if name == b"content-length"), 0)
