"""The body of an answer, taken out of what was received, however that was cut (RFC 9112, 6 and 7).

h11 spends ten times as much on a chunk, of which a stream has one for each word.
"""

from __future__ import annotations

import re
from typing import Protocol

_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})[\t ]*(?:;[^\r\n]*)?\r\n")
_TRAILER = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*\r\n")

#: Bytes of a line between two chunks, and of all the lines after the last.
_LONGEST_LINE = 4096

_CRLF = b"\r\n"


class MessageBody(Protocol):
    """A body that is being received."""

    #: All of it has come.
    is_ended: bool
    #: Nothing has followed it, and the connection stays.
    is_reusable: bool
    #: What is wrong with what came after that which `feed` has returned.
    error: Exception | None

    def feed(self, data: bytes) -> bytes:
        """Take what was received, and return what is of the body."""

    def end(self) -> None:
        """Take note that nothing more is received."""


class SizedBody:
    """A body of *size* bytes."""

    def __init__(self, size: int) -> None:
        self._left = size
        self.is_ended = self.is_reusable = False
        self.error: Exception | None = None

    def feed(self, data: bytes) -> bytes:
        """Do as `MessageBody.feed` does."""
        self.is_ended = len(data) >= self._left
        self.is_reusable = len(data) == self._left
        body = data[: self._left]
        self._left -= len(body)
        return body

    def end(self) -> None:
        """Say that the body is not whole."""
        self.error = cut_off()


class ChunkedBody:
    """A body that comes in chunks, each of which says how long it is."""

    def __init__(self) -> None:
        self._begun = b""  # a line whose end has not come
        self._left = 0  # bytes of a chunk, and of the line end after it
        self._trailers: int | None = None  # bytes of lines after the last chunk
        self.is_ended = self.is_reusable = False
        self.error: Exception | None = None

    def feed(self, data: bytes) -> bytes:
        """Do as `MessageBody.feed` does."""
        if self._begun:
            data, self._begun = self._begun + data, b""
        at, size, found = 0, len(data), list[bytes]()
        while at < size and self._trailers is None and self.error is None:
            if self._left:
                piece = data[at : at + self._left]
                at += len(piece)
                found.append(self._without_end(piece))
            else:
                at = self._begin_chunk(data, at, found)
        while at < size and not self.is_ended and self.error is None:
            at = self._take_trailer(data, at)
        self.is_reusable = self.is_ended and at == size
        return b"".join(found)

    def end(self) -> None:
        """Say that the body is not whole."""
        self.error = cut_off()

    def _begin_chunk(self, data: bytes, at: int, found: list[bytes]) -> int:
        """Read the size of a chunk at *at*, and the chunk if it is here; return where it ends."""
        line = _SIZE.match(data, at)
        if line is None:
            return self._keep_line(data, at)
        start, size = line.end(), int(line[1], 16)
        if not size:
            self._trailers = 0
            return start
        end = start + size
        if data.startswith(_CRLF, end):
            found.append(data[start:end])
            return end + 2
        self._left = size + 2
        return start

    def _without_end(self, piece: bytes) -> bytes:
        """Return what is of the body in *piece*, of a chunk and the line end after it."""
        size = self._left - 2
        self._left -= len(piece)
        body = max(0, size)
        if piece[body:] != _CRLF[body - size :][: max(0, len(piece) - body)]:
            self.error = no_http("a chunk is longer than it says")
        return piece[:body]

    def _take_trailer(self, data: bytes, at: int) -> int:
        assert self._trailers is not None
        if data.startswith(_CRLF, at):
            self.is_ended = True
            return at + 2
        line = _TRAILER.match(data, at)
        self._trailers += line.end() - at if line is not None else 0
        if line is None or self._trailers > _LONGEST_LINE:
            return self._keep_line(data, at)
        return line.end()

    def _keep_line(self, data: bytes, at: int) -> int:
        """Keep the beginning of a line, if it can be one."""
        self._begun = data[at:]
        if b"\n" in self._begun or len(self._begun) > _LONGEST_LINE:
            self.error = no_http("what stands between two chunks is no line of HTTP")
        return len(data)


def no_http(problem: str) -> Exception:
    """The error of an answer that is no HTTP."""
    from h11 import RemoteProtocolError  # with the first such answer

    return RemoteProtocolError(problem)


def cut_off() -> Exception:
    """The error of an answer that ends too early."""
    return no_http("the server closed before the answer was whole")
