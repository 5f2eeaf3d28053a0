"""How many calls may be on the wire at once, across threads and event loops."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future

from ..runtime.fork import ForkLock, reset_in_child


class ConcurrencyLimiter:
    """At most *size* inside; those who wait outside come in in the order they came.

    Nobody blocks here: who has to wait gets a future that is done once it has a place.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = ForkLock(leaf=True)  # guards the three below
        self._inside: set[Future[None]] = set()
        self._queue: deque[Future[None]] = deque()
        self._inherited: set[Future[None]] = set()
        reset_in_child(self)

    @property
    def free(self) -> int:
        """How many places nobody has."""
        with self._lock:
            return self._size - len(self._inside)

    def enter(self) -> Future[None]:
        """Take a place, or stand in the queue for one: the future is done when it is yours."""
        place: Future[None] = Future()
        with self._lock:
            if len(self._inside) < self._size:
                self._inside.add(place)
                place.set_result(None)
            else:
                self._queue.append(place)
        return place

    def leave(self, place: Future[None]) -> None:
        """Give up a place, or the wait for it, once; a RuntimeError the second time.

        One that a child has from its parent is left alone: here nobody was inside.
        """
        with self._lock:
            if place in self._inherited:
                self._inherited.discard(place)
            elif place in self._inside:
                self._inside.discard(place)
                self._let_in()
            elif place.cancelled() or not place.cancel():
                raise RuntimeError("a place on the wire was given up twice")

    def after_fork(self) -> None:
        """In a child, nobody is inside, and nobody waits."""
        self._inherited |= {*self._inside, *self._queue}
        self._inside.clear()
        self._queue.clear()

    def _let_in(self) -> None:
        """Give the place that is free now to the first who still waits."""
        while self._queue and len(self._inside) < self._size:
            place = self._queue.popleft()
            # One that was given up stayed in the queue until its turn.
            if place.set_running_or_notify_cancel():
                self._inside.add(place)
                place.set_result(None)
