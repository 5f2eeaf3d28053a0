"""A cache must never fail a call: whatever a store does, the worst is a miss and a warning."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ..runtime.fork import ForkLock
from .protocol import Store, StoreError

R = TypeVar("R")

_log = logging.getLogger(__name__)

#: Seconds for which a store that failed is left alone, so that calls stay fast.
REST = 10.0
#: Seconds until the same kind of failure is worth another warning.
QUIET = 300.0


class FaultTolerantStore:
    """A `Store` around another that turns each StoreError into a miss; other errors are bugs."""

    def __init__(self, store: Store, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._mutex = ForkLock()  # guards the two below
        self._rests_until = float("-inf")
        self._warned: dict[str, float] = {}

    def __repr__(self) -> str:
        return f"Forgiving({self._store!r})"

    @property
    def blocking(self) -> bool:
        """Whether the store inside may wait for a disk, a lock or a network."""
        return self._store.blocking

    def get(self, key: str) -> dict[str, Any] | None:
        """Return the object last put under *key*, or None, also when the store fails or rests."""
        return self._attempt(lambda: self._store.get(key))

    def put(self, key: str, value: Mapping[str, Any]) -> None:
        """Keep *value* if the store can."""
        self._attempt(lambda: self._store.put(key, value))

    def close(self) -> None:
        """Close the store inside."""
        self._store.close()

    @property
    def rests(self) -> bool:
        """Whether it is left alone for now: all is a miss, and nothing is waited for."""
        with self._mutex:
            return self._clock() < self._rests_until

    def leave_out(self, error: Exception) -> None:
        """Leave the store alone for `REST` seconds, with one warning in `QUIET` seconds."""
        now = self._clock()
        kind = type(error.__cause__ or error).__name__
        # By kind, so that a full disk is not kept quiet by an earlier refused connection.
        with self._mutex:
            # What was asked before may fail later, of the same cause in other words.
            rests, self._rests_until = now < self._rests_until, now + REST
            due = not rests and now >= self._warned.get(kind, float("-inf")) + QUIET
            if due:
                self._warned[kind] = now
        if due:
            _log.warning("the cache is left out for now, calls go on without it: %s", error)

    def _attempt(self, action: Callable[[], R]) -> R | None:
        if self.rests:
            return None
        try:
            return action()
        except StoreError as error:
            self.leave_out(error)
            return None
