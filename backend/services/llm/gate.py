"""How many calls may be on the wire at once, across threads and event loops."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from threading import Lock

from .forks import reset_in_child


class Gate:
    """At most *size* inside; those who wait outside come in in the order they came.

    Nobody blocks here: who has to wait gets a future that is done once it has a place.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self.after_fork()
        reset_in_child(self)

    def enter(self) -> Future[None]:
        """Take a place, or stand in the queue for one: the future is done when it is yours."""
        place: Future[None] = Future()
        with self._lock:  # guards the count and the queue
            if self._free:
                self._free -= 1
                place.set_result(None)
            else:
                self._queue.append(place)
        return place

    def leave(self, place: Future[None]) -> None:
        """Give up a place, or the wait for it."""
        if place.cancel():
            return  # it stays in the queue until its turn, and is passed over then
        with self._lock:
            heir = self._next()
            if heir is None:
                self._free += 1
        if heir is not None:
            heir.set_result(None)

    def after_fork(self) -> None:
        """In a child, nobody is inside."""
        self._lock = Lock()
        self._free = self._size
        self._queue: deque[Future[None]] = deque()

    def _next(self) -> Future[None] | None:
        while self._queue:
            place = self._queue.popleft()
            # One that runs can no longer be given up: it is about to be inside.
            if place.set_running_or_notify_cancel():
                return place
        return None
