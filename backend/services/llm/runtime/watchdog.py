"""A thread that aborts calls which are still running at their deadlines.

A blocking call cannot be ended from outside, but its socket can be shut down, and the call ends
with it. One thread watches all of them, so that no call needs a thread of its own.
"""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition, Lock, Thread

from .fork import on_fork_in_child

#: Entries that have ended are swept once they are this many, and more than those that run.
_SWEEP = 64

#: The longest wait at once, in seconds: what a lock takes is bounded, and a deadline is not.
_LONGEST = 3600.0


class Watched:
    """What runs until a deadline: `is_aborted` says whether it was aborted there."""

    def __init__(self, abort: Callable[[], None]) -> None:
        self._abort = abort
        # Held while it is aborted: who ends meanwhile waits, so that nothing is aborted later,
        # when its connection carries another call.
        self._lock = Lock()
        self.has_ended = False
        self.is_aborted = False

    def abort(self) -> None:
        """Abort it unless it has ended; what `abort` raises is the aborted call's to notice."""
        with self._lock:
            if not self.has_ended:
                self.is_aborted = True
                self._abort()

    def end(self) -> None:
        """From now on it cannot be aborted any more."""
        with self._lock:
            self.has_ended = True


class Watchdog:
    """Aborts at deadlines of *clock*, a monotonic one in seconds, from a thread of its own."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._order = itertools.count()
        self._changed = Condition(Lock())  # guards the rest
        self._heap: list[tuple[float, int, Watched]] = []
        self._ended = 0
        self._thread: Thread | None = None
        on_fork_in_child(self, Watchdog._reset_in_child)

    def _reset_in_child(self) -> None:
        """Watch nothing: neither the parent's thread nor its calls are here."""
        self._changed = Condition(Lock())
        self._heap, self._ended, self._thread = [], 0, None

    @contextmanager
    def abort_after(self, seconds: float, abort: Callable[[], None]) -> Iterator[Watched]:
        """Call *abort* in the watchdog's thread if the block has not ended after *seconds*.

        *abort* must return at once and raise nothing; it does not run any more once the block
        has ended. Raises RuntimeError where no thread can be started.
        """
        watched = Watched(abort)
        self._watch(self._clock() + seconds, watched)
        try:
            yield watched
        finally:
            watched.end()
            self._sweep()

    def abort_due(self) -> float:
        """Abort what is due, and return the seconds until the next deadline."""
        now = self._clock()
        with self._changed:
            due = []
            while self._heap and self._heap[0][0] <= now:
                due.append(heapq.heappop(self._heap)[2])
        for watched in due:
            watched.abort()
        with self._changed:
            return self._left()

    def _watch(self, at: float, watched: Watched) -> None:
        with self._changed:
            if self._thread is None:
                thread = Thread(target=self._work, name="llm-watchdog", daemon=True)
                thread.start()
                self._thread = thread
            heapq.heappush(self._heap, (at, next(self._order), watched))
            if self._heap[0][2] is watched:
                self._changed.notify()

    def _sweep(self) -> None:
        """Forget what has ended long before its deadline, which may be minutes away."""
        with self._changed:
            self._ended += 1
            if self._ended > max(_SWEEP, len(self._heap) // 2):
                self._heap = [each for each in self._heap if not each[2].has_ended]
                heapq.heapify(self._heap)
                self._ended = 0

    def _left(self) -> float:
        return min(self._heap[0][0] - self._clock(), _LONGEST) if self._heap else _LONGEST

    def _work(self) -> None:
        while True:
            self.abort_due()
            with self._changed:
                # Asked anew: a nearer deadline may have come since.
                self._changed.wait(max(0.0, self._left()))


_watchdog = Watchdog()

#: `Watchdog.abort_after` of the process's one watchdog.
abort_after = _watchdog.abort_after
