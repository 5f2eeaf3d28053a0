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

from ..stores.appended_file import AppendedFile
from ..stores.files import absolute_path, file_errors, open_nonblocking, replace_file
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

    is_blocking = True

    def __init__(self, path: str | os.PathLike[str], *, small: int = _SMALL) -> None:
        self.path = absolute_path(path)
        self._file_lock = lock_on(self.path)  # guards the file, and that it is open
        self._file = AppendedFile(self.path, _START, "a ledger of usage")
        self._small = small
        #: The size above which the file is rewritten; unknown until it was read once.
        self._rewrite_above: int | None = None

    def __repr__(self) -> str:
        return f"JsonUsage({str(self.path)!r})"

    def add(self, batch: UsageBatch) -> None:
        """Append the entries; StoreError for a file that was never ours."""
        lines = b"".join(map(_line, batch.entries))
        with file_errors(self.path), self._file_lock.held():
            size = self._file.append(lines)
            if self._rewrite_above is None:
                self._rewrite_above = max(self._small, 2 * size)
            if size > self._rewrite_above:
                self._rewrite()

    def read(self, first_day: str, last_day: str) -> list[UsageEntry]:
        """Return the sums of these days."""
        with file_errors(self.path), self._file_lock.held():
            sums = combined(
                each for each in self._entries() if first_day <= each.key.day <= last_day
            )
        return [UsageEntry(key, each) for key, each in sums.items()]

    def close(self) -> None:
        """Close the file until its next use."""
        with file_errors(self.path), self._file_lock.held():
            self._file.close()

    def _rewrite(self) -> None:
        sums = combined(self._entries())
        lines = [_line(UsageEntry(key, each)) for key, each in sums.items()]
        self._file.close()
        replace_file(self.path, lines, durable=True)
        self._rewrite_above = max(self._small, 2 * sum(map(len, lines)))

    def _entries(self) -> Iterator[UsageEntry]:
        """The entries in the file, without lines that are none: one warning for them all."""
        try:
            file = open(self.path, "rb", opener=open_nonblocking)  # noqa: SIM115  closed by the next `with`
        except FileNotFoundError:
            return
        unreadable = 0
        with file:
            self._file.check(file)
            for line in file:
                try:
                    record = json.loads(line)
                    key = checked_key(*record.pop("llm_usage"))
                    yield UsageEntry(key, checked_sums(record))
                except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
                    unreadable += bool(line.strip(b"\0\n"))
        if unreadable:
            log.warning("%s: %d line(s) that hold no usage are left out", self.path, unreadable)


def _line(entry: UsageEntry) -> bytes:
    key = entry.key
    names = [key.day, key.provider, key.model, key.tier, encode_tags(key.tags)]
    record = {"llm_usage": names, **entry.sums.counts()}
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"
