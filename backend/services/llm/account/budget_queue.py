"""What the calls of this process hold of a budget, and the calls that wait for some of it."""

from __future__ import annotations

from bisect import insort
from concurrent.futures import Future
from itertools import count
from typing import TypeAlias

from ..runtime.fork import ForkLock, on_fork_in_child
from ..runtime.waking import complete

#: Whether a call is one of a batch, and its number: those with a lower turn go first.
Turn: TypeAlias = tuple[bool, int]
_numbers = count()


def new_turn(*, is_batch: bool) -> Turn:
    """Return the turn of a call that comes now; those of a batch come after all others."""
    return is_batch, next(_numbers)


class BudgetQueue:
    """Calls that hold a part of a budget until they end, and those that wait for an end.

    Each end wakes the call with the lowest turn, which tries again and then wakes the next. An end
    that comes just before a call waits does not wake it, and an interrupt may keep one from being
    woken: who waits tries again after some seconds in any case.
    """

    def __init__(self) -> None:
        self._lock = ForkLock(leaf=True)  # guards the two below
        #: What each holder has reserved, or tries to.
        self._held: dict[object, int] = {}
        #: The turn of each call that waits, and what wakes it, in the order of the turns.
        self._waiting: list[tuple[Turn, Future[None]]] = []
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

    def has_before(self, turn: Turn) -> bool:
        """Whether a call waits that a call of this *turn* is not to overtake."""
        with self._lock:
            return bool(self._waiting) and self._waiting[0][0] < turn

    def wait(self, turn: Turn) -> Future[None]:
        """Return what is done once an end wakes the caller, or already where nobody will.

        One that waits again, as it was woken in vain, keeps its *turn*.
        """
        waiting: Future[None] = Future()
        with self._lock:
            # Where others wait, the last end has woken one of them, who wakes the next.
            if self._held or self._waiting:
                insort(self._waiting, (turn, waiting))
            else:
                waiting.set_result(None)
        return waiting

    def leave(self, waiting: Future[None]) -> None:
        """Wait no more."""
        with self._lock:
            self._waiting = [each for each in self._waiting if each[1] is not waiting]

    def wake_next(self) -> None:
        """Wake the call with the lowest turn of those that wait, if there is one."""
        with self._lock:
            woken = self._waiting.pop(0) if self._waiting else None
        if woken is not None:
            complete(woken[1])

    def _reset_in_child(self) -> None:
        """In a child, no call of the parent's ends."""
        self._held.clear()
        self._waiting.clear()
