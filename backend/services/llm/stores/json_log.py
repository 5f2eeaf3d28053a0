"""The JSON store: one file of JSON lines that only ever grows at its end, or is replaced whole.

A put appends one line, whatever the file's size. Once dead lines outweigh living ones, the living
are copied to a new file that takes the old one's name. Writers take turns by a lock; readers need
none, since a line counts from its newline on. An answered put is in the kernel's page cache: it
survives `kill -9` at any instant, and a power cut only as far as the kernel had written it back.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from io import FileIO
from typing import Any

from ..runtime.fork import reset_in_child
from .entry import checked_key, seal, unseal
from .files import absolute, file_errors, not_ours, replace, set_aside, waiting_for_nobody
from .locks import lock_on
from .log_index import HEADER_SIZE, LogIndex, Slot, is_header, new_header
from .protocol import checked_ttl
from .recognition import LONGEST_OLDER, START, is_log, is_older_cache

_log = logging.getLogger(__name__)

_CHUNK = 1 << 20
_LEAST_GARBAGE = 1 << 16  # below it, rewriting the file gains less than its fsync costs
_EXPIRE_PER_PUT = 16


class _ForeignFileError(OSError):
    """The file at our path does not begin as a log does."""


class JsonStore:
    """A `Store` in one append-only file of JSON lines, shared safely by several processes."""

    blocking = True

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        ttl: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path = absolute(path)
        self._ttl = checked_ttl(ttl)
        self._clock = clock
        self._turn = lock_on(self.path)  # guards the file; taken before the mutex
        self._mutex = threading.Lock()  # guards the index
        self._index = LogIndex()
        self._compact_above = 0  # more, where rewriting the file has failed
        self._is_opening = True  # until what expired before has left the file
        reset_in_child(self)

    def __repr__(self) -> str:
        return f"JsonStore({str(self.path)!r})"

    def get(self, key: str) -> dict[str, Any] | None:
        """Return the object last put under *key*, by whichever process, or None."""
        checked_key(key)
        with file_errors(self.path):
            try:
                value = self._read(key)
                self._prune_at_opening()
                return value
            except FileNotFoundError:  # nothing was ever put, or the file was removed
                self.close()
            except _ForeignFileError:
                with self._turn.held():
                    self._clear_the_path()
            return None

    def put(self, key: str, value: Mapping[str, Any]) -> None:
        """Append *value* to the log; StoreError if the disk or the lock refuses."""
        now = self._clock()
        line = seal(key, value, now + self._ttl) + b"\n"
        with file_errors(self.path), self._turn.held(), self._mutex:
            try:
                self._append(line, now)
            except (FileNotFoundError, _ForeignFileError):
                self._clear_the_path()
                self._append(line, now)
            self._index.expire(now, at_most=_EXPIRE_PER_PUT)
            self._compact_if_worth(now)

    def close(self) -> None:
        """Forget the index; the file stays and is read again on the next use."""
        with self._mutex:
            self._index = LogIndex()
            self._is_opening = True

    def after_fork(self) -> None:
        """Begin with a free lock and no index: the parent's may be half changed."""
        self._mutex = threading.Lock()
        self._index = LogIndex()

    def _read(self, key: str) -> dict[str, Any] | None:
        # Opened anew each time: a held handle would stay with a log that was since replaced.
        with self._mutex, FileIO(self.path, "rb", opener=waiting_for_nobody) as log:
            now = self._clock()
            self._catch_up(log, now)
            slot = self._index.find(key, now)
            if slot is None:
                return None
            value = unseal(_line(log, slot), key)
            if value is None:
                self._index.drop(slot)
            return value

    def _append(self, line: bytes, now: float) -> None:
        with FileIO(self.path, "rb+", opener=_appending) as log:
            size = self._catch_up(log, now)
            # Nobody else writes now, so what has no newline yet is of a writer that was killed.
            torn = size > self._index.position
            _write_all(log, b"\n" + line if torn else line)
            self._catch_up(log, now)

    def _catch_up(self, log: FileIO, now: float) -> int:
        """Index what is new since the last look, or all of another log; return its size."""
        log.seek(0)
        header = log.read(HEADER_SIZE)
        if not is_header(header):
            raise _ForeignFileError
        size = os.fstat(log.fileno()).st_size
        index = self._index
        if header != index.header or size < index.position:
            index = self._index = LogIndex(header)
        wanted, damaged = _CHUNK, index.damaged
        while index.position < size:
            log.seek(index.position)
            data = log.read(min(wanted, size - index.position))
            if index.absorb(data, now):
                wanted = _CHUNK
            elif len(data) < wanted:  # the end, amid a line
                break
            else:
                wanted *= 2
        if index.damaged > damaged:
            _log.warning("%s: damaged lines skipped: %d", self.path, index.damaged - damaged)
        return size

    def _clear_the_path(self) -> None:
        """Make sure that *path* is a log: new if there is none, or in place of one that was ours.

        OSError for any other file, which stays.
        """
        try:
            with FileIO(self.path, "rb", opener=waiting_for_nobody) as file:
                start = file.read(START)
                if is_header(start[:HEADER_SIZE]):
                    return
                older = start + file.read(LONGEST_OLDER)
            if is_log(start):
                set_aside(self.path, "is a damaged cache of answers, or another version's")
            elif is_older_cache(older):
                set_aside(self.path, "is a cache of an older form", mark="older")
            else:
                raise not_ours(self.path, "a cache of answers")
        except FileNotFoundError:
            pass  # the usual start
        replace(self.path, [new_header()])

    def _prune_at_opening(self) -> None:
        """Let what had expired when the log was first read leave the file."""
        if not self._is_opening:
            return
        if not self._index.has_expired:
            self._is_opening = False
            return
        try:
            # Not waited for: who holds it writes, and a put of ours prunes as well.
            with self._turn.held(timeout=0.0), self._mutex:
                self._compact_if_worth(self._clock())
        except OSError as error:
            _log.info("%s is pruned later: %s", self.path, error)

    def _compact_if_worth(self, now: float) -> None:
        garbage = self._index.garbage
        is_opening, self._is_opening = self._is_opening, False
        is_due = garbage > max(self._index.live, self._compact_above, _LEAST_GARBAGE)
        if not is_due and not (is_opening and self._index.has_expired):
            return
        try:
            with FileIO(self.path, "rb", opener=waiting_for_nobody) as log:
                replace(self.path, self._living_lines(log, now), durable=True)
        except OSError as error:
            # The log still holds all, so only its size is at stake, and the next try can wait.
            self._compact_above = 2 * garbage
            _log.warning("%s could not be compacted: %s", self.path, error)
        else:
            self._compact_above = 0
            self._index = LogIndex()

    def _living_lines(self, log: FileIO, now: float) -> Iterator[bytes]:
        yield new_header()
        for slot in self._index.slots(now):
            line = _line(log, slot)
            if unseal(line, slot[3]) is not None:
                yield line + b"\n"


def _appending(path: str, flags: int) -> int:
    return waiting_for_nobody(path, flags | os.O_APPEND)


def _line(log: FileIO, slot: Slot) -> bytes:
    _, offset, size, _ = slot
    log.seek(offset)
    return log.read(size)


def _write_all(log: FileIO, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[log.write(left) :]
