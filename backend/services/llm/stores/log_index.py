"""An index of a log of entries, built from its lines; pure, without a file or a clock.

A log is one header line, then one line per put, in the order of the puts; a later line for a key
replaces the earlier ones. The random part of the header tells a log from the one that replaced it,
even where the file system gives both the same inode number.
"""

from __future__ import annotations

import heapq
import os
import re

from .entry import has_valid_checksum, peek

_HEADER = re.compile(rb'\{"format":"llm-answers","version":1,"log":"[0-9a-f]{16}"\}\n')
#: Bytes of the header line, newline included.
HEADER_SIZE = 62


def new_header() -> bytes:
    """Return the first line of a new log."""
    return b'{"format":"llm-answers","version":1,"log":"%s"}\n' % os.urandom(8).hex().encode()


def is_current_header(line: bytes) -> bool:
    """Whether *line* is the header of a log of this format and version."""
    return _HEADER.fullmatch(line) is not None


#: An entry's expiry, its line's offset in the log and its size without newline, and its key.
#: A plain tuple, which the garbage collector stops tracking: 100,000 objects would slow it.
Slot = tuple[float, int, int, str]


class LogIndex:
    """The newest line of each key; `position` is the offset of the first line not yet indexed."""

    def __init__(self, header: bytes = b"") -> None:
        self.header = header
        self.position = len(header)
        self.live = 0
        self.damaged = 0
        #: Whether a line had already expired when it was indexed.
        self.has_expired = False
        self._slots: dict[str, Slot] = {}
        self._by_expiry: list[Slot] = []

    @property
    def garbage(self) -> int:
        """Bytes of the log that hold no live entry: replaced, expired and damaged lines."""
        return self.position - len(self.header) - self.live

    def index_lines(self, data: bytes, now: float) -> int:
        """Index the complete lines of *data*, which begins at `position`; return their bytes.

        A last line without newline is left for later: it may still be being written.
        """
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            self._index_line(data, start, end, now)
            start = end + 1
        self.position += start
        return start

    def find(self, key: str, now: float) -> Slot | None:
        """Return the slot of the live entry of *key*, or None."""
        slot = self._slots.get(key)
        return slot if slot is not None and _is_live(slot, now) else None

    def drop(self, slot: Slot) -> None:
        """Forget *slot*, unless a newer line has replaced it."""
        _, _, size, key = slot
        if self._slots.get(key) is slot:
            del self._slots[key]
            self.live -= size + 1

    def expire(self, now: float, *, at_most: int) -> None:
        """Forget up to *at_most* entries that have expired at *now*, the oldest first."""
        for _ in range(at_most):
            if not self._by_expiry or _is_live(self._by_expiry[0], now):
                return
            self.drop(heapq.heappop(self._by_expiry))

    def slots(self, now: float) -> list[Slot]:
        """Return the slots of the live entries in the order of the log."""
        live = [slot for slot in self._slots.values() if _is_live(slot, now)]
        return sorted(live, key=_offset)

    def _index_line(self, data: bytes, start: int, end: int, now: float) -> None:
        found = peek(data, start)
        if found is None:
            self.damaged += 1
            return
        key, expires = found
        replaced = self._slots.get(key)
        if replaced is not None:
            # A lone line is verified when it is read; here a torn one must not replace a good one.
            if not has_valid_checksum(data[start:end]):
                self.damaged += 1
                return
            self.drop(replaced)
        if expires > now:
            slot = (expires, self.position + start, end - start, key)
            self._slots[key] = slot
            self.live += end + 1 - start
            heapq.heappush(self._by_expiry, slot)
        else:
            self.has_expired = True


def _is_live(slot: Slot, now: float) -> bool:
    expires, _, _, _ = slot
    return expires > now


def _offset(slot: Slot) -> int:
    _, offset, _, _ = slot
    return offset
