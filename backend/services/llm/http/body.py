"""The body of an answer: decoded piece by piece, bounded, and its connection given back."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from typing import Any

import httpx

from .bounded import Decoder
from .failures import HTTPCORE_ERRORS, as_httpx

#: Bytes of a body that is not worth to be handed out piece by piece.
_SHORT = 256 * 1024

#: Headers that are no longer true of a body that has been decoded.
_OF_THE_CODING = (b"content-encoding", b"content-length")


def is_short(response: Any, limit: int) -> bool:
    """Whether the answer says how long it is, and is to be read at once.

    httpx takes a body apart in five layers of generators, which costs more than parsing it.
    """
    length = [value for name, value in response.headers if name.lower() == b"content-length"]
    return (
        len(length) == 1
        and length[0].isdigit()
        and int(length[0]) <= min(limit, _SHORT)
        and not any(name.lower() == b"content-encoding" for name, _ in response.headers)
    )


def short_answer(response: Any, pieces: list[bytes], began: float) -> httpx.Response:
    """httpx's response with a body that has been read; *began* is of `time.monotonic`."""
    answer = httpx.Response(
        response.status,
        headers=response.headers,
        content=b"".join(pieces),
        extensions=response.extensions,
    )
    answer.elapsed = timedelta(seconds=time.monotonic() - began)
    return answer


def answer_of(response: Any, body: Any) -> httpx.Response:
    """httpx's response with a *body* that is decoded already."""
    headers = response.headers
    if body.encoding:
        headers = [pair for pair in headers if pair[0].lower() not in _OF_THE_CODING]
    return httpx.Response(
        response.status, headers=headers, stream=body, extensions=response.extensions
    )


class _Body:
    """An answer's body as it comes; the connection is kept when it has ended."""

    def __init__(
        self, response: Any, limit: int, request: httpx.Request, release: Callable[[], Any]
    ) -> None:
        self._response = response
        self._request = request
        self._release: Callable[[], Any] | None = release
        self._limit = limit
        #: How it is coded on the wire; httpx must not see it, and decode once more.
        self.encoding = ", ".join(
            value.decode("ascii", "replace")
            for name, value in response.headers
            if name.lower() == b"content-encoding"
        )

    def _take_release(self) -> Callable[[], Any] | None:
        """What gives the connection back, which is done once."""
        release, self._release = self._release, None
        return release


class Body(_Body, httpx.SyncByteStream):
    """A body for threads."""

    def __iter__(self) -> Iterator[bytes]:
        decoder = Decoder(self.encoding, self._limit)
        try:
            for data in self._response.stream:
                yield from decoder.feed(data)
        except HTTPCORE_ERRORS as error:
            failure: Exception = as_httpx(error, self._request)
        else:
            decoder.end()
            return
        raise failure

    def close(self) -> None:
        """End the answer, whether or not all of it has come."""
        try:
            self._response.close()
        finally:
            if release := self._take_release():
                release()


class AsyncBody(_Body, httpx.AsyncByteStream):
    """A body for asyncio."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        decoder = Decoder(self.encoding, self._limit)
        try:
            async for data in self._response.stream:
                for piece in decoder.feed(data):
                    yield piece
        except HTTPCORE_ERRORS as error:
            failure: Exception = as_httpx(error, self._request)
        else:
            decoder.end()
            return
        raise failure

    async def aclose(self) -> None:
        """End the answer, whether or not all of it has come."""
        try:
            await self._response.aclose()
        finally:
            if release := self._take_release():
                await release()
