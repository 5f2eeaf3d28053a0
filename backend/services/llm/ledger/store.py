"""Where a ledger's sums are kept."""

from __future__ import annotations

from dataclasses import field
from typing import Protocol
from uuid import uuid4

from ..frozen import dataclass
from .usage import UsageEntry, UsageKey, UsageSums, add_to


@dataclass(frozen=True)
class UsageBatch:
    """Entries that are written together, and the id by which they are written once."""

    entries: tuple[UsageEntry, ...]
    id: str = field(default_factory=lambda: uuid4().hex)


class UsageStore(Protocol):
    """Sums by key, which several processes may add to. Each method raises StoreError."""

    def add(self, batch: UsageBatch) -> None:
        """Add all entries of *batch* or none; what is added outlives the process."""

    def read(self, first_day: str, last_day: str) -> list[UsageEntry]:
        """Return the sums of the days from *first_day* to *last_day*, both included."""
        ...

    def close(self) -> None:
        """Close what is open; the next use opens it again."""


class MemoryUsageStore:
    """The sums of this process alone: of at most *most_keys* keys, the latest days first."""

    def __init__(self, most_keys: int = 10_000) -> None:
        self._most_keys = most_keys
        self._sums: dict[UsageKey, UsageSums] = {}

    def add(self, batch: UsageBatch) -> None:
        """Add the entries; where there are too many keys, drop those of the earliest days."""
        for entry in batch.entries:
            add_to(self._sums, entry.key, entry.sums)
        if (surplus := len(self._sums) - self._most_keys) > 0:
            for key in sorted(self._sums)[:surplus]:
                del self._sums[key]

    def read(self, first_day: str, last_day: str) -> list[UsageEntry]:
        """Return the sums of these days."""
        kept = list(self._sums.items())  # at once: the ledger's thread may be adding
        return [UsageEntry(key, sums) for key, sums in kept if first_day <= key.day <= last_day]

    def close(self) -> None:
        """Nothing is open."""
