"""A bounded map whose entries expire."""

from __future__ import annotations

from typing import Generic, TypeVar

from .fork import ForkLock

K = TypeVar("K")
V = TypeVar("V")


class TTLMap(Generic[K, V]):
    """A map of at most *size* entries, each with its own expiry.

    If it is full, the entry that expires first is dropped. Every method is given the time
    *now* in seconds; nothing here reads a clock.
    """

    def __init__(self, size: int = 1024) -> None:
        self._size = size
        self._lock = ForkLock(leaf=True)  # guards the entries
        self._entries: dict[K, tuple[float, V]] = {}

    @property
    def has_any(self) -> bool:
        """Whether anything is kept, expired or not; mostly nothing is."""
        return bool(self._entries)

    def get(self, key: K, now: float) -> V | None:
        """Return the value of *key*, or None."""
        with self._lock:
            until, value = self._entries.get(key, (now, None))
            return value if until > now else None

    def put(self, key: K, value: V, now: float, ttl: float) -> bool:
        """Keep *value* under *key* for *ttl* seconds; return whether it is new there."""
        with self._lock:
            until, known = self._entries.pop(key, (now, None))
            if len(self._entries) >= self._size:
                del self._entries[min(self._entries, key=lambda each: self._entries[each][0])]
            self._entries[key] = (now + ttl, value)
            return until <= now or known != value

    def drop(self, key: K) -> None:
        """Forget *key*, if it is there."""
        with self._lock:
            self._entries.pop(key, None)

    def items(self, now: float) -> dict[K, V]:
        """Return all entries that have not expired."""
        with self._lock:
            return {key: value for key, (until, value) in self._entries.items() if until > now}

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()
