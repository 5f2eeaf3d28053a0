"""Server-sent events, taken from a stream's bytes however these were cut (WHATWG, HTML 9.2.6)."""

from __future__ import annotations

from codecs import BOM_UTF8


class Events:
    """Puts bytes together and hands out the data of each event that is whole."""

    def __init__(self) -> None:
        self._unended = bytearray()
        self._data: list[bytes] = []
        self._has_begun = False

    def feed(self, received: bytes) -> list[bytes]:
        """Take what was received; return the data of the events that ended with it."""
        if b"\n" not in received:
            # Split once its end is here: a long line costs no more than its length.
            self._unended += received
            return []
        data = bytes(self._unended) + received if self._unended else received
        *lines, rest = data.split(b"\n")
        if not self._has_begun:
            self._has_begun = True
            lines[0] = lines[0].removeprefix(BOM_UTF8)
        self._unended[:] = rest
        whole = []
        for line in lines:
            line = line.removesuffix(b"\r")
            if line.startswith(b"data:"):
                self._data.append(line[5:].removeprefix(b" "))
            elif not line and self._data:
                whole.append(b"\n".join(self._data))
                self._data = []
        return whole
