"""The JSON store: a log of JSON lines, which is appended to or replaced as a whole.

A put appends one line, whatever the file's size. Once replaced and expired lines take more bytes
than live ones, the live lines are copied to a new file that replaces the old one. Writers hold a
lock; readers need none, because a line counts only with its newline. An answered put is in the
kernel's page cache: it survives `kill -9` at any instant, and a power cut only as far as the kernel
had written it back.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from io import FileIO
from typing import Any

from ..runtime.fork import on_fork_in_child
from .entry import check_key, decode_entry, encode_entry
from .file_formats import OLDER_CACHE_SIZE, START_SIZE, resembles_log, resembles_older_cache
from .files import (
    absolute_path,
    file_errors,
    foreign_file_error,
    move_aside,
    open_nonblocking,
    replace_file,
)
from .locks import lock_on
from .log_index import HEADER_SIZE, LogIndex, Slot, is_current_header, new_header
from .protocol import checked_ttl

_log = logging.getLogger(__name__)

_CHUNK = 1 << 20
_LEAST_GARBAGE = 1 << 16  # below it, compacting gains less than its fsync costs
_EXPIRE_PER_PUT = 16


class _NotCurrentLogError(OSError):
    """The file at our path does not begin as a log does."""


class JsonStore:
    """A `Store` in one append-only file of JSON lines, shared safely by several processes."""

    is_blocking = True

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        ttl: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path = absolute_path(path)
        self._ttl = checked_ttl(ttl)
        self._clock = clock
        self._file_lock = lock_on(self.path)  # guards the file; taken before the mutex
        self._mutex = threading.Lock()  # guards the index
        self._index = LogIndex()
        self._retry_compaction_above = 0  # bytes; raised after a compaction has failed
        self._is_first_use = True  # until expired lines were compacted once
        on_fork_in_child(self, JsonStore._reset_in_child)

    def __repr__(self) -> str:
        return f"JsonStore({str(self.path)!r})"

    def get(self, key: str) -> dict[str, Any] | None:
        """Return the object last put under *key*, by whichever process, or None."""
        check_key(key)
        with file_errors(self.path):
            try:
                value = self._read(key)
                self._compact_at_first_use()
                return value
            except FileNotFoundError:  # nothing was put yet, or the file was removed
                self._forget_index()
            except _NotCurrentLogError:
                with self._file_lock.held():
                    self._ensure_log()
            return None

    def put(self, key: str, value: Mapping[str, Any]) -> None:
        """Append *value* to the log; StoreError if the disk or the lock refuses."""
        now = self._clock()
        line = encode_entry(key, value, now + self._ttl) + b"\n"
        with file_errors(self.path), self._file_lock.held(), self._mutex:
            try:
                self._append(line, now)
            except (FileNotFoundError, _NotCurrentLogError):
                self._ensure_log()
                self._append(line, now)
            self._index.expire(now, at_most=_EXPIRE_PER_PUT)
            self._compact_if_worthwhile(now)

    def close(self) -> None:
        """Forget what was read; the file, which is open during an operation alone, stays."""
        self._forget_index()

    def _forget_index(self) -> None:
        with self._mutex:
            self._index = LogIndex()
            self._is_first_use = True

    def _reset_in_child(self) -> None:
        """Begin with a free lock and no index: the parent's may be half changed."""
        self._mutex = threading.Lock()
        self._index = LogIndex()

    def _read(self, key: str) -> dict[str, Any] | None:
        # Opened for each read: an open handle would stay on a log that was replaced meanwhile.
        with self._mutex, FileIO(self.path, "rb", opener=open_nonblocking) as log:
            now = self._clock()
            self._index_new_lines(log, now)
            slot = self._index.find(key, now)
            if slot is None:
                return None
            value = decode_entry(_read_line(log, slot), key)
            if value is None:
                self._index.drop(slot)
            return value

    def _append(self, line: bytes, now: float) -> None:
        with FileIO(self.path, "rb+", opener=_open_for_append) as log:
            # We hold the lock, so a last line without newline is of a writer that was killed.
            is_torn = self._index_new_lines(log, now)
            _write_all(log, b"\n" + line if is_torn else line)
            self._index_new_lines(log, now)

    def _index_new_lines(self, log: FileIO, now: float) -> bool:
        """Index the new lines, or all if the log was replaced; return whether the last is torn."""
        log.seek(0)
        header = log.read(HEADER_SIZE)
        if not is_current_header(header):
            raise _NotCurrentLogError
        size = os.fstat(log.fileno()).st_size
        index = self._index
        if header != index.header or size < index.position:
            index = self._index = LogIndex(header)
        damaged_before = index.damaged
        chunk = _CHUNK
        while index.position < size:
            log.seek(index.position)
            data = log.read(min(chunk, size - index.position))
            if index.index_lines(data, now):
                chunk = _CHUNK
            elif len(data) < chunk:  # the last line is incomplete
                break
            else:
                chunk *= 2
        damaged = index.damaged - damaged_before
        if damaged:
            _log.warning("%s: damaged lines skipped: %d", self.path, damaged)
        return index.position < size

    def _ensure_log(self) -> None:
        """Create the log if there is none; move aside a damaged one, or a cache of an older form.

        OSError for any other file, which is left unchanged.
        """
        try:
            with FileIO(self.path, "rb", opener=open_nonblocking) as file:
                start = file.read(START_SIZE)
                if is_current_header(start[:HEADER_SIZE]):
                    return
                older = start + file.read(OLDER_CACHE_SIZE)
            if not start:
                pass  # an empty file, which the host may have made: a log begins in it
            elif resembles_log(start):
                move_aside(self.path, "is a damaged cache of answers, or another version's")
            elif resembles_older_cache(older):
                move_aside(self.path, "is a cache of an older form", mark="older")
            else:
                raise foreign_file_error(self.path, "a cache of answers")
        except FileNotFoundError:
            pass  # the usual start
        replace_file(self.path, [new_header()])

    def _compact_at_first_use(self) -> None:
        """Compact once, if lines had expired when the log was first read."""
        if not self._is_first_use:
            return
        if not self._index.has_expired:
            self._is_first_use = False
            return
        try:
            # Not waited for: whoever holds the lock is putting, and a put compacts too.
            with self._file_lock.held(timeout=0.0), self._mutex:
                self._compact_if_worthwhile(self._clock())
        except OSError as error:
            _log.info("%s is compacted later: %s", self.path, error)

    def _compact_if_worthwhile(self, now: float) -> None:
        garbage = self._index.garbage
        is_first_use = self._is_first_use
        self._is_first_use = False
        is_due = garbage > max(self._index.live, self._retry_compaction_above, _LEAST_GARBAGE)
        if not is_due and not (is_first_use and self._index.has_expired):
            return
        try:
            with FileIO(self.path, "rb", opener=open_nonblocking) as log:
                replace_file(self.path, self._live_lines(log, now), durable=True)
        except OSError as error:
            # Nothing is lost but disk space, so the next attempt can wait.
            self._retry_compaction_above = 2 * garbage
            _log.warning("%s could not be compacted: %s", self.path, error)
        else:
            self._retry_compaction_above = 0
            self._index = LogIndex()

    def _live_lines(self, log: FileIO, now: float) -> Iterator[bytes]:
        yield new_header()
        for slot in self._index.slots(now):
            _, _, _, key = slot
            line = _read_line(log, slot)
            if decode_entry(line, key) is not None:
                yield line + b"\n"


def _open_for_append(path: str, flags: int) -> int:
    return open_nonblocking(path, flags | os.O_APPEND)


def _read_line(log: FileIO, slot: Slot) -> bytes:
    _, offset, size, _ = slot
    log.seek(offset)
    return log.read(size)


def _write_all(log: FileIO, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[log.write(left) :]
