"""Decode a body piece by piece, and stop where it is larger than it may be."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import httpx

from ..errors import ResponseTooLargeError

#: Bytes of one decoded piece: a bomb is met after one of them.
_PIECE = 64 * 1024

#: What is asked for; anything else would have to be decoded without a bound.
ACCEPTED = "gzip, deflate"


class Decoder:
    """Turns what is on the wire into the body, of at most *limit* bytes.

    *encoding* is the value of the header Content-Encoding. Raises ResponseTooLargeError, and
    httpx.DecodingError for what cannot be decoded, as httpx does.
    """

    def __init__(self, encoding: str, limit: int) -> None:
        self._limit = limit
        self._taken = 0
        self._body = 0
        self._encoding = encoding.strip().lower()
        self._inflater = self._made()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what *data* says."""
        self._taken = self._bounded(self._taken + len(data))
        if self._inflater is None:
            yield data
            return
        while data:
            piece = self._inflated(data)
            data = self._inflater.unconsumed_tail
            self._body = self._bounded(self._body + len(piece))
            if piece:
                yield piece

    def end(self) -> None:
        """Raise httpx.DecodingError if the body is not whole."""
        if self._inflater is not None and self._taken and not self._inflater.eof:
            raise httpx.DecodingError("the compressed body ends early")

    def _made(self) -> zlib._Decompress | None:
        if self._encoding in ("", "identity"):
            return None
        if self._encoding in ("gzip", "x-gzip"):
            return zlib.decompressobj(zlib.MAX_WBITS | 16)
        if self._encoding == "deflate":
            return zlib.decompressobj()
        raise httpx.DecodingError(f"the body is encoded as {self._encoding[:40]!r}, unasked")

    def _inflated(self, data: bytes) -> bytes:
        assert self._inflater is not None
        try:
            return self._inflater.decompress(data, _PIECE)
        except zlib.error as error:
            if self._encoding != "deflate" or self._body or self._taken != len(data):
                raise httpx.DecodingError(str(error)) from error
            # Some servers send it without the zlib header; known by its first bytes.
            self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
            return self._inflated_raw(data)

    def _inflated_raw(self, data: bytes) -> bytes:
        assert self._inflater is not None
        try:
            return self._inflater.decompress(data, _PIECE)
        except zlib.error as error:
            raise httpx.DecodingError(str(error)) from error

    def _bounded(self, size: int) -> int:
        if size > self._limit:
            raise ResponseTooLargeError.over(self._limit)
        return size
