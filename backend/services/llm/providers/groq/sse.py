"""Server-sent events, taken from a stream's bytes however these were cut (WHATWG, HTML 9.2.6)."""

from __future__ import annotations

from codecs import BOM_UTF8


class Events:
    """Puts bytes together and hands out the name and the data of each event that is whole."""

    def __init__(self) -> None:
        self._unended = bytearray()
        self._name = b""
        self._data: list[bytes] = []
        self._has_begun = False
        self._ended_in_cr = False

    def feed(self, received: bytes) -> list[tuple[bytes, bytes]]:
        """Take what was received; return name and data of the events that ended with it."""
        received = self._with_one_line_end(received)
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
            if line.startswith(b"data:"):
                self._data.append(line[5:].removeprefix(b" "))
            elif line.startswith(b"event:"):
                self._name = line[6:].removeprefix(b" ")
            elif not line:
                # An event without data is none, but a server that says "error" means one.
                if self._data or self._name == b"error":
                    whole.append((self._name, b"\n".join(self._data)))
                self._name, self._data = b"", []
        return whole

    def _with_one_line_end(self, received: bytes) -> bytes:
        """Return what was received with LF for CRLF, between which it may be cut, and for CR."""
        if self._ended_in_cr and received:
            received = received.removeprefix(b"\n")
            self._ended_in_cr = False
        if b"\r" in received:
            self._ended_in_cr = received.endswith(b"\r")
            received = received.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return received
