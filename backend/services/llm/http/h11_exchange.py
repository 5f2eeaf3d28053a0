"""HTTP/1.1 as bytes in and bytes out (h11): the sockets are the caller's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import h11

from ..errors import ResponseTooLargeError

#: The longest head of an answer, in bytes.
_LONGEST_HEAD = 128 * 1024


class Answer(NamedTuple):
    """A whole answer; its headers in the order in which they came, their names in lower case."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class Http1:
    """One connection's protocol: one exchange after another.

    *limit* is the longest body of an answer, in bytes.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LONGEST_HEAD)
        self._head: Any = None
        self._body = bytearray()

    @property
    def is_reusable(self) -> bool:
        """Whether the connection may carry another exchange."""
        return self._h11.our_state is h11.IDLE

    def request(
        self, method: str, target: str, headers: Sequence[tuple[str, str]], body: bytes
    ) -> bytes:
        """Return what is to be sent; raises h11.LocalProtocolError for what cannot be."""
        head = h11.Request(method=method, target=target, headers=list(headers))
        sent = [self._h11.send(head), self._h11.send(h11.Data(data=body))]
        sent.append(self._h11.send(h11.EndOfMessage()))
        return b"".join(piece for piece in sent if piece)

    def receive(self, data: bytes) -> Answer | None:
        """Take what was received, nothing at the connection's end; return the answer once whole.

        Raises ResponseTooLargeError, and h11.RemoteProtocolError for what is no HTTP or is cut
        off.
        """
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
                case h11.NEED_DATA:
                    return None
                case h11.ConnectionClosed() | h11.PAUSED:
                    raise h11.RemoteProtocolError("the server closed without an answer")

    def _allow(self, size: int) -> None:
        if size > self._limit:
            raise ResponseTooLargeError.over(self._limit)

    def _answer(self) -> Answer:
        headers = [
            (name.decode("ascii"), text.decode("latin-1")) for name, text in self._head.headers
        ]
        answer = Answer(self._head.status_code, headers, bytes(self._body))
        self._head, self._body = None, bytearray()
        ended = self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE
        # Nothing has followed the answer, not even the end of the connection.
        if ended and self._h11.trailing_data == (b"", False):
            self._h11.start_next_cycle()
        return answer


def _announced(head: Any) -> int:
    """The length of the body, where the head says it."""
    return next((int(text) for name, text in head.headers if name == b"content-length"), 0)
