"""What the calls of this process hold of a budget, and the calls that wait for some of it."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future

from ..runtime.fork import ForkLock, on_fork_in_child
from ..runtime.waking import complete


class BudgetQueue:
    """Calls that hold a part of a budget until they end, and those that wait for an end.

    Each end wakes the call that has waited longest, one of a batch only where no other waits; it
    tries again and then wakes the next. A wake-up can be lost to an interrupt: who waits tries
    again after some seconds in any case.
    """

    def __init__(self) -> None:
        self._lock = ForkLock(leaf=True)  # guards the three below
        #: What each holder has reserved, or tries to.
        self._held: dict[object, int] = {}
        self._waiting: deque[Future[None]] = deque()
        #: Those of batches, which wait behind all others.
        self._batch: deque[Future[None]] = deque()
        on_fork_in_child(self, BudgetQueue._reset_in_child)

    def add(self, holder: object, amount: int) -> None:
        """Count *amount* as held from now on."""
        with self._lock:
            self._held[holder] = amount

    def remove(self, holder: object, *, gives_back: bool) -> None:
        """Count it no more; one that *gives_back* something, or is the last, wakes the next."""
        with self._lock:
            self._held.pop(holder, None)
            is_last = not self._held
        if gives_back or is_last:
            self.wake_next()

    def held_beside(self, holder: object) -> int:
        """Return what all others hold."""
        with self._lock:
            return sum(amount for each, amount in self._held.items() if each is not holder)

    def has_waiting(self, *, is_batch: bool) -> bool:
        """Whether a call that comes now, of a batch or not, would overtake one that waits."""
        with self._lock:
            return bool(self._waiting or (is_batch and self._batch))

    def wait(self, *, first: bool, is_batch: bool = False) -> Future[None]:
        """Return what is done once an end wakes the caller, or already where nobody will.

        *first*: before all others of its kind that wait, as a call that was woken in vain.
        """
        waiting: Future[None] = Future()
        with self._lock:
            # Where others wait, the last end has woken one of them, who wakes the next.
            if not (self._held or self._waiting or self._batch):
                waiting.set_result(None)
            else:
                queue = self._batch if is_batch else self._waiting
                (queue.appendleft if first else queue.append)(waiting)
        return waiting

    def leave(self, waiting: Future[None]) -> None:
        """Wait no more."""
        with self._lock:
            for queue in (self._waiting, self._batch):
                if waiting in queue:
                    queue.remove(waiting)

    def wake_next(self) -> None:
        """Wake the call that has waited longest, if there is one."""
        with self._lock:
            queue = self._waiting or self._batch
            waiting = queue.popleft() if queue else None
        if waiting is not None:
            complete(waiting)

    def _reset_in_child(self) -> None:
        """In a child, no call of the parent's ends."""
        self._held.clear()
        self._waiting.clear()
        self._batch.clear()
