"""httpx's requests and responses over connections of our own, and what it calls their failures."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from typing import Any

import httpx

from .bounded import Decoder
from .deadline import TimeLeft
from .failures import without_traceback
from .http1 import Answer, Head, encode
from .http1_connections import UnconnectedError
from .opened import AsyncOpened, Opened, without_coding
from .origin import Origin
from .proxies import ProxyRefusedError

#: Seconds that no call takes: what waits needs a number.
_NO_END = 1e7

_EXTENSIONS = {"http_version": b"HTTP/1.1"}

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


class HttpxRequest:
    """One of httpx's requests, which shows nothing of itself."""

    def __init__(self, request: httpx.Request, origin: Origin) -> None:
        self._request = request
        self._origin = origin
        self._seconds = request.extensions.get("timeout", {}).get("read")
        self.began = time.monotonic()

    @property
    def until(self) -> float:
        """When what is read next must be here, by `time.monotonic`; who reads may move it on."""
        if isinstance(self._seconds, TimeLeft):
            return self._seconds.at
        return self.began + (_NO_END if self._seconds is None else self._seconds)

    def encode(self) -> memoryview | None:
        """What is to be sent, as `http1.encode` returns it."""
        request, content = self._request, self._content
        headers = [
            (name.decode("latin-1"), text.decode("latin-1"))
            for name, text in request.headers.raw
            if name.lower() != b"transfer-encoding"
        ]
        if len(headers) < len(request.headers.raw):
            headers.append(("content-length", str(len(content or b""))))
        target = request.url.raw_path.decode("ascii")
        if self._origin.is_forwarded:
            target = f"{request.url.scheme}://{request.url.netloc.decode('ascii')}{target}"
            headers += self._origin.proxy_headers
        return encode(request.method, target, headers, content or b"")

    @property
    def rest(self) -> Iterable[bytes]:
        """What is to be sent after that: a body that is not in memory, such as a file."""
        stream: Any = self._request.stream
        return stream if self._content is None else ()

    @property
    def _content(self) -> bytes | None:
        try:
            return self._request.content
        except httpx.RequestNotRead:
            return None

    def to_response(self, answer: Answer) -> httpx.Response:
        """httpx's response that says what *answer* does."""
        status, headers, body = answer
        made = httpx.Response(status, headers=raw(headers), content=body, extensions=_EXTENSIONS)
        made.elapsed = timedelta(seconds=time.monotonic() - self.began)
        return made

    def opened(self, head: Head, body: Body | AsyncBody) -> httpx.Response:
        """httpx's response whose *body* is still to be read."""
        extensions = {**_EXTENSIONS, **body.extensions}
        return httpx.Response(
            head.status, headers=raw(head.headers), stream=body, extensions=extensions
        )

    def to_error(self, error: Exception) -> Exception:
        """httpx's exception for *error*."""
        made = httpx_error(error)
        if isinstance(made, httpx.RequestError):
            made.request = self._request
        return made


class Body(httpx.SyncByteStream):
    """A body as it comes, for threads."""

    def __init__(self, opened: Opened, request: HttpxRequest) -> None:
        self._opened = opened
        self._request = request
        #: What httpx's response says of the connection.
        self.extensions: dict[str, Any] = {"network_stream": opened}

    def __iter__(self) -> Iterator[bytes]:
        try:
            while (piece := self._opened.read(self._request.until)) is not None:
                yield piece
        except Exception as error:
            failure = self._request.to_error(error)
        else:
            return
        raise failure

    def close(self) -> None:
        """End the answer, whether or not all of it has come."""
        self._opened.close()


class AsyncBody(httpx.AsyncByteStream):
    """The same for asyncio."""

    def __init__(self, opened: AsyncOpened, request: HttpxRequest) -> None:
        self._opened = opened
        self._request = request
        self.extensions: dict[str, Any] = {}

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while (piece := await self._opened.read(self._request.until)) is not None:
                yield piece
        except Exception as error:
            failure = self._request.to_error(error)
        else:
            return
        raise failure

    async def aclose(self) -> None:
        """End the answer, whether or not all of it has come."""
        await self._opened.aclose()


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
    return Answer(answer.status, without_coding(answer.headers), body)


def httpx_error(failure: Exception) -> Exception:
    """httpx's exception for *failure*, of an exchange; itself where that is none of those."""
    is_connected = not isinstance(failure, UnconnectedError)
    reason = failure if is_connected else failure.__cause__ or failure
    kind: type[Exception]
    if isinstance(reason, TimeoutError):
        kind = httpx.ReadTimeout if is_connected else httpx.ConnectTimeout
    elif isinstance(reason, ProxyRefusedError):
        kind = httpx.ProxyError
    elif isinstance(reason, OSError):
        kind = httpx.ReadError if is_connected else httpx.ConnectError
    elif _is_of_h11(reason, "LocalProtocolError"):
        kind = httpx.LocalProtocolError
    elif _is_of_h11(reason, "RemoteProtocolError"):
        kind = httpx.RemoteProtocolError
    else:
        return failure
    made = kind(str(reason))
    made.__cause__ = without_traceback(reason)
    return made


def _is_of_h11(reason: BaseException, name: str) -> bool:
    """Whether *reason* is h11's error of this *name*: it is imported if it has raised one."""
    h11 = sys.modules.get("h11")
    return h11 is not None and isinstance(reason, getattr(h11, name))
