"""What calls have used and cost, written to a store before the call that used it returns.

All that comes while one write runs is written by the next, together. A store that fails or hangs
fails no call: what could not be written is kept in memory and written later, and meanwhile no call
waits.
"""

from __future__ import annotations

import atexit
import logging
import time
import weakref
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from concurrent.futures import wait as wait_for

from ..redaction.printable import words_of
from ..redaction.secrets import redacted
from ..runtime.fork import ForkLock, on_fork_in_child
from ..runtime.workers import Workers
from .store import UsageBatch, UsageStore
from .usage import UsageEntry, UsageKey, UsageSums, add_to, combined

log = logging.getLogger(__name__)

#: Seconds after a failure in which no call waits for the store, and between two log lines.
_PAUSE, _LOG_EVERY = 5.0, 60.0
#: Seconds after which a write counts as hanging, as one does whose lock another process holds.
SLOW = 2.0
#: Keys that are kept in memory while the store fails; of what comes then, tags are left out.
MOST_KEYS = 10_000
#: Seconds for which the interpreter's exit waits for what is not written yet.
_EXIT_TIMEOUT = 2.0


class Ledger:
    """Adds usage to a *store*, in a thread of its own where the store may block."""

    def __init__(self, store: UsageStore, *, now: Callable[[], float] = time.monotonic) -> None:
        self.store = store
        self._now = now
        self._thread = Workers(1, "llm-ledger")
        #: Held while a batch is written, and while sums are read: so each batch is in them once.
        self._storing = ForkLock()
        self._lock = ForkLock(leaf=True)  # guards the seven below
        self._sums: dict[UsageKey, UsageSums] = {}
        #: Done once what is in the sums is written.
        self._written: Future[None] = Future()
        self._is_writing = False
        #: When the write that runs began; infinite between two.
        self._write_began = float("inf")
        #: What is being written; after a failure it is tried again as it was.
        self._unwritten: UsageBatch | None = None
        self._pause_until = self._log_at = float("-inf")
        on_fork_in_child(self, Ledger._reset_in_child)
        _ledgers.add(self)

    def add(self, entry: UsageEntry) -> Future[None] | None:
        """Add *entry*; the future is done once that is written. None: the store fails or hangs."""
        with self._lock:
            key = entry.key
            if key not in self._sums and len(self._sums) >= MOST_KEYS:
                key = UsageKey(key.day, key.provider, key.model, key.tier)
            add_to(self._sums, key, entry.sums)
            now = self._now()
            if now < self._pause_until:
                return None
            hangs = now - self._write_began > SLOW
            must_log, written = hangs and self._must_log(now), self._written
        if must_log:
            _warn(f"a write has not ended in {SLOW:g} s")
        self._start()
        return None if hangs else written

    def read(self, first_day: str, last_day: str) -> list[UsageEntry]:
        """Return the sums of these days, with what is not written yet; raises StoreError."""
        self.flush()
        with self._storing:
            with self._lock:
                waiting = _entries(self._sums)
                if self._unwritten is not None:
                    waiting += self._unwritten.entries
            kept = self.store.read(first_day, last_day)
        waiting = [each for each in waiting if first_day <= each.key.day <= last_day]
        return _entries(combined([*kept, *waiting]))

    def flush(self, timeout: float = _EXIT_TIMEOUT) -> None:
        """Write what is not written yet, waiting at most *timeout* seconds."""
        with self._lock:
            written = self._written if self._sums or self._unwritten or self._is_writing else None
        if written is not None:
            self._start()
            wait_for([written], timeout)

    def close(self) -> None:
        """Write what is not written yet, and close the store until its next use."""
        self.flush()
        self.store.close()

    def _start(self) -> None:
        """Have a thread write, unless one does already."""
        try:
            with self._lock:
                if self._is_writing:
                    return
                self._is_writing = True
            self._thread.submit(self._write)
        except RuntimeError:
            self._write()  # no thread can be started, as at the exit
        except BaseException:
            # An interrupt, perhaps before the thread was asked to write: the next call asks again.
            # If the thread was asked, it writes twice, one after the other.
            with self._lock:
                self._is_writing = False
            raise

    def _write(self) -> None:
        """Write batch after batch, and tell those who wait, until there is nothing left."""
        while (taken := self._take()) is not None:
            batch, written = taken
            try:
                self._add(batch)
            except Exception as error:
                self._note_failure(error)
                written.set_result(None)
                return
            written.set_result(None)

    def _add(self, batch: UsageBatch) -> None:
        with self._lock:
            self._write_began = self._now()
        try:
            with self._storing:
                self.store.add(batch)
                with self._lock:
                    self._unwritten = None
        finally:
            with self._lock:
                self._write_began = float("inf")

    def _take(self) -> tuple[UsageBatch, Future[None]] | None:
        """Return what is to be written next, and what says that it is; None ends the writing."""
        with self._lock:
            if self._unwritten is not None:
                return self._unwritten, Future()
            written, self._written = self._written, Future()
            if not self._sums:
                self._is_writing = False
                written.set_result(None)
                return None
            self._unwritten = UsageBatch(tuple(_entries(self._sums)))
            self._sums = {}
            return self._unwritten, written

    def _note_failure(self, error: Exception) -> None:
        with self._lock:
            self._is_writing = False
            now = self._now()
            self._pause_until = now + _PAUSE
            must_log = self._must_log(now)
            # Those who came meanwhile go on as well.
            waiting, self._written = self._written, Future()
        if must_log:
            _warn(redacted(words_of(error)))
        waiting.set_result(None)

    def _must_log(self, now: float) -> bool:
        """Whether it is time for another line; called with the lock."""
        is_due = now >= self._log_at
        if is_due:
            self._log_at = now + _LOG_EVERY
        return is_due

    def _reset_in_child(self) -> None:
        """Leave the parent's usage to the parent."""
        self._sums, self._unwritten, self._is_writing = {}, None, False
        self._write_began = float("inf")
        self._written = Future()


def _warn(reason: str) -> None:
    log.warning("usage is kept in memory until it can be written: %s", reason)


def _entries(sums: dict[UsageKey, UsageSums]) -> list[UsageEntry]:
    return [UsageEntry(key, each) for key, each in sums.items()]


#: All that there are, to be written at the exit.
_ledgers: weakref.WeakSet[Ledger] = weakref.WeakSet()


@atexit.register
def _flush_all(ledgers: Iterable[Ledger] = _ledgers) -> None:
    """Let nothing be lost to the end of the program, unless it takes too long."""
    for ledger in list(ledgers):
        ledger.flush()
