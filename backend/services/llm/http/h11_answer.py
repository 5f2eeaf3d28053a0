"""One answer in any of the forms of HTTP/1.1, as h11 reads it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import h11

#: The longest head of an answer, in bytes.
LONGEST_HEAD = 128 * 1024


class H11Answer:
    """An answer of which *take_head* is given the status and the headers, and `feed` the body."""

    def __init__(self, take_head: Callable[[int, list[tuple[str, str]]], None]) -> None:
        self._take_head = take_head
        self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=LONGEST_HEAD)
        # What was sent is no matter, but that it was no HEAD.
        self._h11.send(h11.Request(method="POST", target="/", headers=[("host", "")]))
        self._h11.send(h11.EndOfMessage())
        self.is_ended = self.is_reusable = False
        self.error: Exception | None = None

    def feed(self, data: bytes) -> bytes:
        """Do as `chunked.MessageBody.feed` does."""
        body = bytearray()
        try:
            self._h11.receive_data(data)
            while not self.is_ended and self._take(self._h11.next_event(), body):
                pass
        except h11.RemoteProtocolError as error:
            self.error = error
        return bytes(body)

    def end(self) -> None:
        """Take note of the connection's end, which may be that of the body."""
        self.feed(b"")

    def _take(self, event: Any, body: bytearray) -> bool:
        """Take what *event* says, its data to *body*; whether there may be another event."""
        match event:
            case h11.Response(status_code=status, headers=headers):
                named = [(name.decode("ascii"), text.decode("latin-1")) for name, text in headers]
                self._take_head(status, named)
            case h11.Data(data=data):
                body += data
            case h11.EndOfMessage():
                self.is_ended = True
                ended = self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE
                # Nothing has followed the answer, not even the end of the connection.
                self.is_reusable = ended and self._h11.trailing_data == (b"", False)
        return event is not h11.NEED_DATA and event is not h11.PAUSED
