"""A whole answer of our own connections as httpx has it, and what it calls their failures."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta

import h11
import httpx

from .bounded import Decoder
from .failures import without_traceback
from .http1 import Answer, encode
from .http1_connections import UnconnectedError

#: Headers that are no longer true of a body that has been decoded.
_OF_THE_CODING = ("content-encoding", "content-length")

#: Seconds that no call takes: what waits needs a number.
_NO_END = 1e7

#: Whether the answers are read whole, and not as they come.
expects_whole_answers: ContextVar[bool] = ContextVar("expects_whole_answers", default=False)


@contextmanager
def expect_whole_answers() -> Iterator[None]:
    """Say that the answers to what is sent in the block are read whole, and not streamed."""
    token = expects_whole_answers.set(True)
    try:
        yield
    finally:
        expects_whole_answers.reset(token)


class WholeRequest:
    """One of httpx's requests, which shows nothing of itself."""

    def __init__(self, request: httpx.Request) -> None:
        self._request = request
        seconds = request.extensions.get("timeout", {}).get("read")
        self.began = time.monotonic()
        #: When the answer must be here, by `time.monotonic`.
        self.until = self.began + (_NO_END if seconds is None else seconds)

    def encode(self) -> memoryview | None:
        """What is to be sent, as `http1.encode` returns it."""
        request = self._request
        target = request.url.raw_path.decode("ascii")
        headers = [
            (name.decode("latin-1"), text.decode("latin-1")) for name, text in request.headers.raw
        ]
        return encode(request.method, target, headers, request.content)

    def to_response(self, answer: Answer, limit: int) -> httpx.Response:
        """httpx's response that says what *answer* does, of at most *limit* bytes."""
        status, headers, body = decoded(answer, limit)
        extensions = {"http_version": b"HTTP/1.1"}
        made = httpx.Response(status, headers=raw(headers), content=body, extensions=extensions)
        made.elapsed = timedelta(seconds=time.monotonic() - self.began)
        return made

    def to_error(self, error: Exception) -> Exception:
        """httpx's exception for *error*."""
        made = httpx_error(error)
        if isinstance(made, httpx.RequestError):
            made.request = self._request
        return made


def raw(headers: Sequence[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    """*headers* as they were on the wire; httpx takes none but ASCII otherwise."""
    return [(name.encode("latin-1"), text.encode("latin-1")) for name, text in headers]


def decoded(answer: Answer, limit: int) -> Answer:
    """*answer* without the coding that it was sent in; its body has at most *limit* bytes."""
    codings = [text for name, text in answer.headers if name == "content-encoding"]
    if not codings:
        return answer
    decoder = Decoder(", ".join(codings), limit)
    body = b"".join(decoder.feed(answer.body))
    decoder.end()
    headers = [pair for pair in answer.headers if pair[0] not in _OF_THE_CODING]
    return Answer(answer.status, headers, body)


def httpx_error(failure: Exception) -> Exception:
    """httpx's exception for *failure*, of an exchange; itself where that is none of those."""
    is_connected = not isinstance(failure, UnconnectedError)
    reason = failure if is_connected else failure.__cause__
    kind: type[Exception]
    if isinstance(reason, TimeoutError):
        kind = httpx.ReadTimeout if is_connected else httpx.ConnectTimeout
    elif isinstance(reason, OSError):
        kind = httpx.ReadError if is_connected else httpx.ConnectError
    elif isinstance(reason, h11.LocalProtocolError):
        kind = httpx.LocalProtocolError
    elif isinstance(reason, h11.RemoteProtocolError):
        kind = httpx.RemoteProtocolError
    else:
        return failure
    made = kind(str(reason))
    made.__cause__ = without_traceback(reason)
    return made
