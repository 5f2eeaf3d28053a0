"""The frames of an event stream, taken from its bytes however these were cut.

botocore reads them, but copies what it has of an unended frame with each piece that it is given.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

#: Bytes that say how long a frame is, with their checksum.
_PRELUDE = 12

#: Bytes of a frame with neither headers nor a payload.
_SHORTEST = 16


class Frames:
    """Puts bytes together and hands out the frames that are whole, as botocore reads them."""

    def __init__(self) -> None:
        self._botocore: Any = import_module("botocore.eventstream")
        self._unended = bytearray()
        self._size = 0

    def feed(self, received: bytes) -> Iterator[Any]:
        """Yield the frames that ended with what was received; raises botocore's ParserError."""
        self._unended += received
        while len(self._unended) >= (self._size or _PRELUDE):
            self._size = self._size or self._begun()
            if len(self._unended) < self._size:
                return
            frame = bytes(self._unended[: self._size])
            del self._unended[: self._size]
            self._size = 0
            yield self._read(frame)

    def _begun(self) -> int:
        """The bytes of the frame that has begun; raises ParserError for a broken prelude."""
        prelude = bytes(self._unended[:_PRELUDE])
        size = int.from_bytes(prelude[:4], "big")
        if size < _SHORTEST:
            raise self._botocore.ParserError(f"a frame of {size} bytes is too short")
        self._read(prelude)
        return size

    def _read(self, data: bytes) -> Any:
        """The frame that *data* is; None for a prelude alone, of which botocore checks the sum."""
        buffer = self._botocore.EventStreamBuffer()
        buffer.add_data(data)
        return next(buffer, None)
