"""A store that never fails a call: its errors become misses, and a warning."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ..redaction.printable import words_of
from ..runtime.fork import ForkLock
from .protocol import Store, StoreError

R = TypeVar("R")

_log = logging.getLogger(__name__)

#: Seconds for which a store that failed is not used, so that calls stay fast.
SUSPENSION = 10.0
#: Seconds between two warnings of the same kind of failure.
WARNING_INTERVAL = 300.0


class FaultTolerantStore:
    """A `Store` around another that turns each StoreError into a miss; other errors are bugs."""

    def __init__(self, store: Store, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._mutex = ForkLock()  # guards the two below
        self._suspended_until = float("-inf")
        self._warned: dict[str, float] = {}

    def __repr__(self) -> str:
        return f"FaultTolerantStore({self._store!r})"

    @property
    def is_blocking(self) -> bool:
        """Whether the store inside may wait for a disk, a lock or a network."""
        return self._store.is_blocking

    def get(self, key: str) -> dict[str, Any] | None:
        """Return the object last put under *key*; None while the store fails or is suspended."""
        return self._attempt(lambda: self._store.get(key))

    def put(self, key: str, value: Mapping[str, Any]) -> None:
        """Keep *value*, unless the store fails or is suspended."""
        self._attempt(lambda: self._store.put(key, value))

    def close(self) -> None:
        """Close the store inside."""
        self._store.close()

    @property
    def is_suspended(self) -> bool:
        """Whether the store is not used for now: each get is a miss, and no call waits for it."""
        with self._mutex:
            return self._clock() < self._suspended_until

    def suspend(self, error: Exception) -> None:
        """Do not use the store for `SUSPENSION` s; warn at most once in `WARNING_INTERVAL` s."""
        now = self._clock()
        kind = type(error.__cause__ or error).__name__
        # By kind, so that an earlier refused connection does not silence a full disk.
        with self._mutex:
            # A call that began before the suspension may fail later, for the same cause.
            was_suspended, self._suspended_until = now < self._suspended_until, now + SUSPENSION
            due = (
                not was_suspended
                and now >= self._warned.get(kind, float("-inf")) + WARNING_INTERVAL
            )
            if due:
                self._warned[kind] = now
        if due:
            words = words_of(error)
            _log.warning("the cache is left out for now, calls go on without it: %s", words)

    def _attempt(self, action: Callable[[], R]) -> R | None:
        if self.is_suspended:
            return None
        try:
            return action()
        except StoreError as error:
            self.suspend(error)
            return None
