"""How many requests may be in flight at once, across threads and event loops."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from typing import Protocol, TypeAlias

from ..runtime.fork import ForkLock, on_fork_in_child
from ..runtime.waking import set_running


class HeldPermit:
    """A permit that was free when it was asked for: it needs none of a future's locks."""

    __slots__ = ()

    def done(self) -> bool:
        """Yes, as a future that is done."""
        return True


Permit: TypeAlias = "Future[None] | HeldPermit"


class PermitHolder(Protocol):
    """Who is to release a permit, or the wait for one.

    `acquire` sets it before the permit counts: an interrupt may keep it from returning.
    """

    permit: Permit | None


class ConcurrencyLimiter:
    """A semaphore of *size* permits, which are given in the order in which they were asked for.

    Nothing blocks here: a permit that is not free is a future, and is held once that is done. A
    *holder* has its permit set from before that is counted until it is released, since an interrupt
    may follow any call here, also one that has returned.
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

    def acquire(self, holder: PermitHolder | None = None) -> Permit:
        """Return a permit: one that is done is held, one that is not waits for its turn."""
        with self._lock:
            if len(self._held) < self._size:
                held = HeldPermit()
                if holder is not None:
                    holder.permit = held
                self._held.add(held)
                return held
            waiting: Future[None] = Future()
            if holder is not None:
                holder.permit = waiting
            self._waiting.append(waiting)
            return waiting

    def release(self, permit: Permit, holder: PermitHolder | None = None) -> None:
        """Release a permit, or end the wait for it; RuntimeError where that was done before.

        A child process releases its parent's permits to no effect: it holds none of them.
        """
        with self._lock:
            held = self._parent_permits if permit in self._parent_permits else self._held
            # A holder that still has it has been interrupted while it stopped waiting.
            if permit not in held and (
                isinstance(permit, HeldPermit)
                or (holder is None and permit.cancelled())
                or not permit.cancel()
            ):
                raise RuntimeError("a permit was released twice")
            if holder is not None:
                holder.permit = None
            try:
                held.discard(permit)
                self._give_to_next()
            except BaseException:
                self._give_to_next()
                raise

    def _reset_in_child(self) -> None:
        """In a child, no permit is held, and nobody waits."""
        self._parent_permits |= {*self._held, *self._waiting}
        self._held.clear()
        self._waiting.clear()

    def _give_to_next(self) -> None:
        """Give the permits that are free; what an interrupt has left of that is done again."""
        while self._waiting and (self._waiting[0] in self._held or len(self._held) < self._size):
            permit = self._waiting[0]
            # One that was released while it waited has stayed in the queue.
            if set_running(permit):
                self._held.add(permit)
                permit.set_result(None)
            self._waiting.popleft()
