"""The memory store: answers of one process, for as long as it runs."""

from __future__ import annotations

import json
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from ..runtime.fork import on_fork_in_child
from .entry import check_key
from .protocol import checked_ttl

#: Entries kept at most; the oldest is dropped for a new one.
CAPACITY = 10_000


class MemoryStore:
    """A `Store` in a dict of JSON texts, so that no caller can change what another reads."""

    is_blocking = False

    def __init__(
        self, *, ttl: float, clock: Callable[[], float] = time.time, capacity: int = CAPACITY
    ) -> None:
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1 entry, not {capacity!r}")
        self._ttl = checked_ttl(ttl)
        self._clock = clock
        self._capacity = capacity
        self._mutex = threading.RLock()  # guards the entries; a signal handler may close
        self._entries: OrderedDict[str, tuple[float, str]] = OrderedDict()  # in order of puts
        on_fork_in_child(self, MemoryStore._reset_in_child)

    def __repr__(self) -> str:
        return f"MemoryStore(capacity={self._capacity})"

    def get(self, key: str) -> dict[str, Any] | None:
        """Return a fresh copy of the object last put under *key*, or None."""
        check_key(key)
        with self._mutex:
            expires, text = self._entries.get(key, (0.0, ""))
        if not text or expires <= self._clock():
            return None
        value: dict[str, Any] = json.loads(text)
        return value

    def put(self, key: str, value: Mapping[str, Any]) -> None:
        """Keep *value* for the ttl, or until `capacity` newer entries have come."""
        check_key(key)
        text = json.dumps(dict(value), allow_nan=False)
        now = self._clock()
        with self._mutex:
            self._entries.pop(key, None)
            self._entries[key] = (now + self._ttl, text)
            self._prune(now)

    def close(self) -> None:
        """Drop every entry: memory is all that they had."""
        with self._mutex:
            self._entries.clear()

    def _reset_in_child(self) -> None:
        """Begin with a free lock and no entries: the parent's may be half changed."""
        self._mutex = threading.RLock()
        self._entries = OrderedDict()

    def _prune(self, now: float) -> None:
        # With one ttl the oldest entry expires first. Dropping two per put outruns one put each.
        for _ in range(2):
            expires, _text = next(iter(self._entries.values()), (math.inf, ""))
            if expires > now and len(self._entries) <= self._capacity:
                return
            self._entries.popitem(last=False)
