"""Connections that wait for their next request: last in, first out, bounded and expiring."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

#: Seconds for which a connection is kept without a request, as httpx keeps it.
KEEP_ALIVE = 5.0


class IdleStack(Generic[T]):
    """At most *size* things; one that nobody took for *expiry* seconds is to be closed.

    The one used last is taken first, so that those which a smaller load does not need expire.
    Taking and putting are O(1) and need no lock: a deque's ends are atomic.
    """

    def __init__(
        self,
        size: int,
        expiry: float = KEEP_ALIVE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._size = size
        self._expiry = expiry
        self._clock = clock
        self._idle: deque[tuple[float, T]] = deque()

    def take(self) -> T | None:
        """Return the one used last, or None."""
        try:
            return self._idle.pop()[1]
        except IndexError:
            return None

    def put(self, thing: T) -> list[T]:
        """Keep *thing*, and return those that are now to be closed."""
        self._idle.append((self._clock(), thing))
        return self.surplus()

    def surplus(self) -> list[T]:
        """Return those that are too many, or have waited too long, and are now to be closed."""
        now = self._clock()
        surplus = []
        while (oldest := self._oldest()) is not None and (
            len(self._idle) > self._size or oldest <= now - self._expiry
        ):
            surplus += self._drop()
        return surplus

    def drain(self) -> list[T]:
        """Keep nothing, and return what is now to be closed."""
        drained = []
        while dropped := self._drop():
            drained += dropped
        return drained

    def shut(self) -> list[T]:
        """Keep nothing from now on, and return what is now to be closed."""
        self._size = 0
        return self.drain()

    def _oldest(self) -> float | None:
        try:
            return self._idle[0][0]
        except IndexError:  # another thread took the last one
            return None

    def _drop(self) -> list[T]:
        # Where another thread was faster this is a younger one: closing it is no harm.
        try:
            return [self._idle.popleft()[1]]
        except IndexError:
            return []
