"""HTTP/1.1 as bytes in and bytes out: the sockets are the caller's.

Nearly every answer is one head with a length, and its body: these are read here, which takes a
tenth of the time. Whatever else HTTP/1.1 allows is h11's to read (`h11_answer`), which is imported
with the first such answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from ..errors import ResponseTooLargeError

if TYPE_CHECKING:
    from .h11_answer import H11Answer

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

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._received = bytearray()
        self._head: tuple[int, list[tuple[str, str]]] | None = None
        #: Where the answer's body begins and ends in what is received.
        self._start = self._end = 0
        self._rare: H11Answer | None = None
        #: Whether the connection may carry another exchange.
        self.is_reusable = True

    def begin(self) -> None:
        """Take note that a request is being sent: the next that is received is its answer."""
        self.is_reusable = False

    def receive(self, data: bytes) -> Answer | None:
        """Take what was received, nothing at the connection's end; return the answer once whole.

        Raises ResponseTooLargeError, and h11.RemoteProtocolError for what is no HTTP or is cut
        off.
        """
        if self._rare is None and self._head is None and not self._begin(data):
            from .h11_answer import H11Answer

            self._rare = H11Answer(self._limit)
        if self._rare is not None:
            answer = self._rare.receive(data)
            if answer is not None:
                self.is_reusable, self._rare = self._rare.is_reusable, None
            return answer
        if not data:
            from h11 import RemoteProtocolError

            raise RemoteProtocolError("the server closed before the answer was whole")
        self._received += data
        return self._whole() if len(self._received) >= self._end else None

    def _begin(self, data: bytes) -> bool:
        """Read the head of an answer; whether it is there, and says how long the answer is."""
        found = _PLAIN.match(data)
        if found is None:
            return False
        headers = []
        for line in found[2].decode("latin-1").split("\r\n")[:-1]:
            name, _, text = line.partition(":")
            headers.append((name.lower(), text.strip(" \t")))
        length, status = _length_of(headers), int(found[1])
        if length is None or status in _EMPTY:
            return False
        if length > self._limit:
            raise ResponseTooLargeError.over(self._limit)
        self._head = status, headers
        self._start, self._end = found.end(), found.end() + length
        return True

    def _whole(self) -> Answer:
        assert self._head is not None
        answer = Answer(*self._head, bytes(self._received[self._start : self._end]))
        # Nothing has followed the answer.
        self.is_reusable = len(self._received) == self._end
        self._head, self._received = None, bytearray()
        return answer


def _length_of(headers: Sequence[tuple[str, str]]) -> int | None:
    """How long the body is; None where that is told otherwise, or the connection does not stay."""
    length = None
    for name, text in headers:
        if name == "content-length":
            if length is not None or not _LENGTH.fullmatch(text):
                return None
            length = int(text)
        elif name == "transfer-encoding" or (name == "connection" and text.lower() != "keep-alive"):
            return None
    return length
