"""The ledger as JSON lines: each is what one write has added, and reading adds them up.

A line of a provider's batch holds all that it has used, or a note of it until it is read, so that
it is added once. A line is written by one call of the system, so that a kill leaves it whole or
torn at the end; a torn line is left out. A power cut may undo the latest lines. The file is
rewritten, one line a key, where it has grown to twice what that left.
"""

from __future__ import annotations

import logging
import os

from ..stores.appended_file import AppendedFile
from ..stores.files import (
    absolute_path,
    describe_os_error,
    file_errors,
    open_nonblocking,
    replace_file,
)
from ..stores.locks import lock_on
from .json_lines import START, JsonContent, batch_line, usage_line
from .store import UsageBatch
from .usage import UsageEntry

log = logging.getLogger(__name__)

#: Bytes below which the file is never rewritten.
_SMALL = 1 << 20


class JsonUsage:
    """A `UsageStore` in a file of JSON lines that the processes of a machine share."""

    is_blocking = True

    def __init__(self, path: str | os.PathLike[str], *, small: int = _SMALL) -> None:
        self.path = absolute_path(path)
        self._file_lock = lock_on(self.path)  # guards the file, and that it is open
        self._file = AppendedFile(self.path, START, "a ledger of usage")
        self._small = small
        #: The size above which the file is rewritten; unknown until it was read once.
        self._rewrite_above: int | None = None

    def __repr__(self) -> str:
        return f"JsonUsage({str(self.path)!r})"

    def add(self, batch: UsageBatch) -> None:
        """Append the entries; StoreError for a file that was never ours."""
        lines = b"".join(map(usage_line, batch.entries))
        with file_errors(self.path), self._file_lock.held():
            self._append(lines)

    def read(self, first_day: str, last_day: str) -> list[UsageEntry]:
        """Return the sums of these days."""
        with file_errors(self.path), self._file_lock.held():
            kept = self._content()
        return [
            UsageEntry(key, sums)
            for key, sums in kept.sums.items()
            if first_day <= key.day <= last_day
        ]

    def keep_note(self, identity: str, day: str, note: str) -> None:
        """Append the note."""
        with file_errors(self.path), self._file_lock.held():
            self._append(batch_line(identity, day, note=note))

    def note_of(self, identity: str) -> str:
        """Return the note, or ""."""
        with file_errors(self.path), self._file_lock.held():
            known = self._content().batches.get(identity)
        return "" if known is None else known.note

    def add_once(self, batch: UsageBatch, day: str) -> bool:
        """Append the entries as one line, unless there is one of the same batch."""
        with file_errors(self.path), self._file_lock.held():
            known = self._content().batches.get(batch.id)
            if known is not None and known.is_added:
                return False
            self._append(batch_line(batch.id, day, entries=batch.entries))
            return True

    def close(self) -> None:
        """Close the file until its next use."""
        with file_errors(self.path), self._file_lock.held():
            self._file.close()

    def _append(self, lines: bytes) -> None:
        size = self._file.append(lines)
        if self._rewrite_above is None:
            self._rewrite_above = max(self._small, 2 * size)
        if size > self._rewrite_above:
            try:
                self._rewrite()
            except OSError as error:
                # No failure of the addition, which is there and would be repeated.
                self._rewrite_above = 2 * size
                log.warning(
                    "%s is not written anew, and grows: %s", self.path, describe_os_error(error)
                )

    def _rewrite(self) -> None:
        lines = list(self._content().lines())
        self._file.close()
        replace_file(self.path, lines, durable=True)
        self._rewrite_above = max(self._small, 2 * sum(map(len, lines)))

    def _content(self) -> JsonContent:
        """Read the file, without lines that hold nothing of ours: one warning for them all."""
        content = JsonContent()
        try:
            file = open(self.path, "rb", opener=open_nonblocking)  # noqa: SIM115  closed by the next `with`
        except FileNotFoundError:
            return content
        with file:
            self._file.check(file)
            for line in file:
                content.add(line)
        if content.unreadable:
            log.warning(
                "%s: %d line(s) that hold no usage are left out", self.path, content.unreadable
            )
        return content
