"""The ledger as JSON lines: each is what one write has added, and reading adds them up.

A line is written by one call of the system, so that a kill leaves it whole or torn at the end; a
torn line is left out. A power cut may undo the latest lines. The file is rewritten, one line a
key, where it has grown to twice what that left.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from ..stores.files import (
    absolute_path,
    file_errors,
    foreign_file_error,
    open_nonblocking,
    open_private,
    replace_file,
)
from ..stores.locks import lock_on
from .store import UsageBatch
from .usage import UsageEntry, checked_key, checked_sums, combined, encode_tags

log = logging.getLogger(__name__)

#: How every line begins.
_START = b'{"llm_usage":'
#: Bytes below which the file is never rewritten.
_SMALL = 1 << 20


class JsonUsage:
    """A `UsageStore` in a file of JSON lines that the processes of a machine share."""

    blocking = True

    def __init__(self, path: str | os.PathLike[str], *, small: int = _SMALL) -> None:
        self.path = absolute_path(path)
        self._file_lock = lock_on(self.path)
        self._small = small
        #: The size above which the file is rewritten; unknown until it was read once.
        self._rewrite_above: int | None = None

    def __repr__(self) -> str:
        return f"JsonUsage({str(self.path)!r})"

    def add(self, batch: UsageBatch) -> None:
        """Append the entries; StoreError for a file that was never ours."""
        lines = b"".join(map(_line, batch.entries))
        with file_errors(self.path), self._file_lock.held():
            size = self._append(lines)
            if self._rewrite_above is None:
                self._rewrite_above = max(self._small, 2 * size)
            if size > self._rewrite_above:
                self._rewrite()

    def read(self, first_day: str, last_day: str) -> list[UsageEntry]:
        """Return the sums of these days."""
        with file_errors(self.path), self._file_lock.held():
            sums = combined(
                each for each in _entries(self.path) if first_day <= each.key.day <= last_day
            )
        return [UsageEntry(key, each) for key, each in sums.items()]

    def close(self) -> None:
        """Nothing is open between two writes."""

    def _append(self, lines: bytes) -> int:
        """Append *lines*, after whatever was torn, and return the size of the file."""
        _check_ours(self.path)
        with open(self.path, "ab", buffering=0, opener=open_private) as file:
            end = file.tell()
            if end and not _ends_a_line(self.path, end):
                lines = b"\n" + lines
            written = file.write(lines)
            if written != len(lines):
                file.truncate(end)
                raise OSError(f"{written} of {len(lines)} bytes could be written")
            return end + len(lines)

    def _rewrite(self) -> None:
        sums = combined(_entries(self.path))
        lines = [_line(UsageEntry(key, each)) for key, each in sums.items()]
        replace_file(self.path, lines, durable=True)
        self._rewrite_above = max(self._small, 2 * sum(map(len, lines)))


def _line(entry: UsageEntry) -> bytes:
    key = entry.key
    names = [key.day, key.provider, key.model, key.tier, encode_tags(key.tags)]
    record = {"llm_usage": names, **entry.sums.counts()}
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"


def _entries(path: Path) -> Iterator[UsageEntry]:
    """The entries in the file, without lines that are none: one warning for them all."""
    _check_ours(path)
    try:
        file = open(path, "rb", opener=open_nonblocking)  # noqa: SIM115  closed by the next `with`
    except FileNotFoundError:
        return
    unreadable = 0
    with file:
        for line in file:
            try:
                record = json.loads(line)
                key = checked_key(*record.pop("llm_usage"))
                yield UsageEntry(key, checked_sums(record))
            except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
                unreadable += bool(line.strip(b"\0\n"))
    if unreadable:
        log.warning("%s: %d line(s) that hold no usage are left out", path, unreadable)


def _check_ours(path: Path) -> None:
    """Raise OSError for a file that does not begin as ours, nor as one that a crash has left."""
    try:
        with open(path, "rb", opener=open_nonblocking) as file:
            start = file.read(len(_START)).lstrip(b"\0\n")
    except FileNotFoundError:
        return
    if not _START.startswith(start):
        raise foreign_file_error(path, "a ledger of usage")


def _ends_a_line(path: Path, end: int) -> bool:
    with open(path, "rb", opener=open_nonblocking) as file:
        file.seek(end - 1)
        return file.read(1) == b"\n"
