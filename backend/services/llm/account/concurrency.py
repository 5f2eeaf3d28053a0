"""How many requests may be in flight at once, across threads and event loops."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from typing import TypeAlias

from ..runtime.fork import ForkLock, on_fork_in_child


class HeldPermit:
    """A permit that was free when it was asked for: it needs none of a future's locks."""

    __slots__ = ()

    def done(self) -> bool:
        """Yes, as a future that is done."""
        return True


Permit: TypeAlias = "Future[None] | HeldPermit"


class ConcurrencyLimiter:
    """A semaphore of *size* permits, which are given in the order in which they were asked for.

    Nothing blocks here: a permit that is not free is a future, and is held once that is done.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = ForkLock(leaf=True)  # guards the three below
        self._held: set[Permit] = set()
        self._waiting: deque[Future[None]] = deque()
        self._parent_permits: set[Permit] = set()
        on_fork_in_child(self, ConcurrencyLimiter._reset_in_child)

    @property
    def free(self) -> int:
        """How many permits nobody holds."""
        with self._lock:
            return self._size - len(self._held)

    def acquire(self) -> Permit:
        """Return a permit: one that is done is held, one that is not waits for its turn."""
        with self._lock:
            if len(self._held) < self._size:
                held = HeldPermit()
                self._held.add(held)
                return held
            waiting: Future[None] = Future()
            self._waiting.append(waiting)
            return waiting

    def release(self, permit: Permit) -> None:
        """Release a permit, or end the wait for it; RuntimeError where that was done before.

        A child process releases its parent's permits to no effect: it holds none of them.
        """
        with self._lock:
            if permit in self._parent_permits:
                self._parent_permits.discard(permit)
            elif permit in self._held:
                self._held.discard(permit)
                self._give_to_next()
            elif isinstance(permit, HeldPermit) or permit.cancelled() or not permit.cancel():
                raise RuntimeError("a permit was released twice")

    def _reset_in_child(self) -> None:
        """In a child, no permit is held, and nobody waits."""
        self._parent_permits |= {*self._held, *self._waiting}
        self._held.clear()
        self._waiting.clear()

    def _give_to_next(self) -> None:
        while self._waiting and len(self._held) < self._size:
            permit = self._waiting.popleft()
            # One that was released while it waited has stayed in the queue.
            if permit.set_running_or_notify_cancel():
                self._held.add(permit)
                permit.set_result(None)
