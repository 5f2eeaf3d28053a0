"""HTTP/1.1 as bytes in and parts of answers out: the sockets are the caller's.

Nearly every answer is one head, and a body that has a length or comes in chunks: these are read
here, which takes a tenth of the time. Whatever else HTTP/1.1 allows is h11's to read
(`h11_answer`), which is imported with the first such answer.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from ..errors import ResponseTooLargeError
from .chunked import ChunkedBody, MessageBody, SizedBody, no_http

# RFC 9110, 5.5 and 5.6.2: the characters of a header's name and of its value.
_NAME = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_VALUE = rb"[\t\x20-\x7e\x80-\xff]*"
_NAMED = re.compile(_NAME.decode())
_FIRST_LINE = re.compile(r"[A-Z]+ [\x21-\x7e]+ HTTP/1\.1")
#: No value holds these; what ends a line is counted.
_CONTROLS = bytes({*range(32), 127} - set(b"\t\r\n"))
_PLAIN = re.compile(
    rb"HTTP/1\.1 ([2-5][0-9]{2})(?: " + _VALUE + rb")?\r\n"
    rb"((?:" + _NAME + b":" + _VALUE + rb"\r\n)+)\r\n"
)
_LENGTH = re.compile(r"[0-9]{1,18}")
#: No body follows these, whatever length they tell.
_EMPTY = (204, 304)


class Head(NamedTuple):
    """The beginning of an answer; its headers in the order in which they came, in lower case."""

    status: int
    headers: list[tuple[str, str]]


class Answer(NamedTuple):
    """A whole answer; its headers in the order in which they came, their names in lower case."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


def encode(
    method: str, target: str, headers: Sequence[tuple[str, str]], body: bytes
) -> memoryview | None:
    """Return a request as it is sent, in a form that no traceback shows; None if it cannot be.

    It raises nothing: the variables here are secrets.
    """
    lines = [f"{method} {target} HTTP/1.1", *[f"{name}: {text}" for name, text in headers]]
    try:
        head = "\r\n".join((*lines, "", "")).encode("latin-1")
    except UnicodeEncodeError:
        return None
    # A line that is not ours would be another header.
    ends = len(lines) + 1
    is_clean = ends == head.count(b"\r\n") == head.count(b"\r") == head.count(b"\n")
    is_clean = is_clean and len(head.translate(None, _CONTROLS)) == len(head)
    if not (is_clean and _FIRST_LINE.fullmatch(lines[0]) and _are_names(*[n for n, _ in headers])):
        return None
    return memoryview(head + body)


@lru_cache(maxsize=64)
def _are_names(*names: str) -> bool:
    """Whether these may be the names of headers; of a client's requests they are the same."""
    return bool(names) and all(map(_NAMED.fullmatch, names))


class Http1:
    """One connection's protocol: one exchange after another.

    *limit* is the longest body of an answer, in bytes.
    """

    #: Bytes of body that may still come, and whether its reader wants all of it or nothing.
    _room: int
    _is_whole: bool

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._body: MessageBody | None = None
        #: What has come: a head, pieces of its body, and an empty piece as its end.
        self.parts: deque[Head | bytes] = deque()
        #: What comes after the parts: h11.RemoteProtocolError for what is no HTTP or is cut off,
        #: or ResponseTooLargeError.
        self.error: Exception | None = None
        #: Whether an answer is to come, or the rest of one.
        self.is_asked = False
        #: Whether the connection may carry another exchange.
        self.is_reusable = True

    @property
    def is_waiting(self) -> bool:
        """Whether nothing of the answer has come."""
        return self.is_asked and self._body is None

    def begin(self, *, is_whole: bool = False) -> None:
        """Take note that a request is being sent: the next that is received is its answer.

        Where its reader wants all of it or nothing, one that says it is too large is not read.
        """
        self.is_reusable, self.is_asked, self._room = False, True, self._limit
        self._is_whole = is_whole

    def receive(self, data: bytes) -> int:
        """Take what was received, nothing at the connection's end; return the bytes of body."""
        if not self.is_asked:
            self.is_reusable = False
            return 0
        if data:
            if self._body is None:
                data = self._begin(data)
            assert self._body is not None, "its head has come"
            return self._take(self._body, self._body.feed(data))
        if self._body is None:
            return self._fail(no_http("the server disconnected without an answer"))
        self._body.end()
        return self._take(self._body, b"")

    def _take(self, body: MessageBody, piece: bytes) -> int:
        if self.error is not None:
            return 0
        if len(piece) > self._room:
            piece = piece[: self._room]
            self._fail(ResponseTooLargeError.over(self._limit))
        self._room -= len(piece)
        if piece:
            self.parts.append(piece)
        if body.error is not None:
            self._fail(body.error)
        elif body.is_ended and self.is_asked:
            self.is_reusable, self.is_asked, self._body = body.is_reusable, False, None
            self.parts.append(b"")
        return len(piece)

    def _begin(self, data: bytes) -> bytes:
        """Read the head of an answer, if all of it is there; return what follows it."""
        found = _PLAIN.match(data)
        if found is not None:
            headers = []
            for line in found[2].decode("latin-1").split("\r\n")[:-1]:
                name, _, text = line.partition(":")
                headers.append((name.lower(), text.strip(" \t")))
            status = int(found[1])
            self._body = None if status in _EMPTY else _body_of(headers)
            if self._body is not None:
                self._take_head(status, headers)
                return data[found.end() :]
        from .h11_answer import H11Answer

        self._body = H11Answer(self._take_head)
        return data

    def _take_head(self, status: int, headers: list[tuple[str, str]]) -> None:
        self.parts.append(Head(status, headers))
        announced = (text for name, text in headers if name == "content-length")
        if self._is_whole and any(int(text) > self._limit for text in announced):
            self._fail(ResponseTooLargeError.over(self._limit))

    def _fail(self, error: Exception) -> int:
        self.error, self.is_asked = self.error or error, False
        return 0


def _body_of(headers: Sequence[tuple[str, str]]) -> MessageBody | None:
    """What reads the body; None where these say it otherwise, or the connection does not stay."""
    body: MessageBody | None = None
    for name, text in headers:
        if name in ("content-length", "transfer-encoding"):
            if body is not None:
                return None
            if name == "transfer-encoding" and text.lower() == "chunked":
                body = ChunkedBody()
            elif name == "content-length" and _LENGTH.fullmatch(text):
                body = SizedBody(int(text))
            else:
                return None
        elif name == "connection" and text.lower() != "keep-alive":
            return None
    return body
