"""Where a ledger's sums are kept."""

from __future__ import annotations

from dataclasses import field
from datetime import date, timedelta
from typing import Any, Protocol
from uuid import uuid4

from ..frozen import dataclass
from ..runtime.fork import ForkLock
from .usage import UsageEntry, UsageKey, UsageSums, add_to


@dataclass(frozen=True)
class UsageBatch:
    """Entries that are written together, and the id by which they are written once."""

    entries: tuple[UsageEntry, ...]
    id: str = field(default_factory=lambda: uuid4().hex)


#: Days for which a provider's batch is known to have been added.
REMEMBERED_DAYS = 400


def first_remembered(day: str) -> str:
    """Return the earliest day whose batches are remembered on *day*."""
    return (date.fromisoformat(day) - timedelta(REMEMBERED_DAYS)).isoformat()


class UsageStore(Protocol):
    """Sums by key, which several processes may add to. Each method raises StoreError."""

    def add(self, batch: UsageBatch) -> None:
        """Add all entries of *batch* or none; what is added outlives the process."""

    def read(self, first_day: str, last_day: str) -> list[UsageEntry]:
        """Return the sums of the days from *first_day* to *last_day*, both included."""
        ...

    def keep_note(self, identity: str, day: str, note: str) -> None:
        """Keep what is to be known of a provider's batch, submitted on *day*, until it is read."""

    def note_of(self, identity: str) -> str:
        """Return the note of a provider's batch; "" where there is none."""
        ...

    def add_once(self, batch: UsageBatch, day: str) -> bool:
        """Add what a provider's batch has used, on *day*; False where it was added before.

        `batch.id` is that of the provider. It is remembered for `REMEMBERED_DAYS` days.
        """
        ...

    def close(self) -> None:
        """Close what is open; the next use opens it again."""


class MemoryUsageStore:
    """The sums of this process alone: of at most *most_keys* keys, the latest days first."""

    def __init__(self, most_keys: int = 10_000) -> None:
        self._most_keys = most_keys
        self._lock = ForkLock(leaf=True)  # guards the three below
        self._sums: dict[UsageKey, UsageSums] = {}
        self._notes: dict[str, str] = {}
        #: The batches that were added, in their order.
        self._added: dict[str, None] = {}

    def add(self, batch: UsageBatch) -> None:
        """Add the entries; where there are too many keys, drop those of the earliest days."""
        with self._lock:
            self._add(batch)

    def read(self, first_day: str, last_day: str) -> list[UsageEntry]:
        """Return the sums of these days."""
        with self._lock:
            kept = list(self._sums.items())
        return [UsageEntry(key, sums) for key, sums in kept if first_day <= key.day <= last_day]

    def keep_note(self, identity: str, day: str, note: str) -> None:
        """Keep the note; of too many, the latest."""
        with self._lock:
            self._notes[identity] = note
            _drop_first(self._notes, self._most_keys)

    def note_of(self, identity: str) -> str:
        """Return the note, or ""."""
        with self._lock:
            return self._notes.get(identity, "")

    def add_once(self, batch: UsageBatch, day: str) -> bool:
        """Add the entries, once for each id of a batch."""
        with self._lock:
            if batch.id in self._added:
                return False
            self._add(batch)
            self._added[batch.id] = None
            self._notes.pop(batch.id, None)
            _drop_first(self._added, self._most_keys)
            return True

    def _add(self, batch: UsageBatch) -> None:
        for entry in batch.entries:
            add_to(self._sums, entry.key, entry.sums)
        if (surplus := len(self._sums) - self._most_keys) > 0:
            for key in sorted(self._sums)[:surplus]:
                del self._sums[key]

    def close(self) -> None:
        """Nothing is open."""


def _drop_first(kept: dict[str, Any], most: int) -> None:
    while len(kept) > most:
        del kept[next(iter(kept))]
