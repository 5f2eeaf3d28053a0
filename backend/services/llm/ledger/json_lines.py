"""A ledger's JSON lines: each is usage under a key, or what is known of a provider's batch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from .store import first_remembered
from .usage import UsageEntry, UsageKey, UsageSums, add_to, checked_key, checked_sums, encode_tags

#: How every line begins.
START = b'{"llm_usage":'


@dataclass(frozen=True)
class BatchRecord:
    """What is known of a provider's batch: its note, or that its usage was added, on a day."""

    day: str
    note: str
    is_added: bool


@dataclass
class JsonContent:
    """What the lines of a file say, read one after the other."""

    sums: dict[UsageKey, UsageSums] = field(default_factory=dict)
    batches: dict[str, BatchRecord] = field(default_factory=dict)
    #: How many lines this version cannot read; and those of them that another version has written.
    unreadable: int = 0
    of_other_versions: list[bytes] = field(default_factory=list)

    def add(self, line: bytes) -> None:
        """Add what *line* says."""
        try:
            record = json.loads(line)
            name = record.pop("llm_usage")
            if isinstance(name, str):
                self._add_batch(name, **record)
            else:
                add_to(self.sums, checked_key(*name), checked_sums(record))
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
            self.unreadable += bool(line.strip(b"\0\n"))
            if line.startswith(START) and line.endswith(b"}\n"):
                self.of_other_versions.append(line)

    def lines(self) -> Iterator[bytes]:
        """The fewest lines that say the same, without the batches of long ago."""
        for key, sums in self.sums.items():
            yield usage_line(UsageEntry(key, sums))
        latest = max((each.day for each in self.batches.values()), default="")
        for identity, each in self.batches.items():
            if each.day >= first_remembered(latest):
                yield batch_line(identity, each.day, each.note, [] if each.is_added else None)
        yield from self.of_other_versions

    def _add_batch(self, identity: str, day: Any, note: Any = "", entries: Any = None) -> None:
        first_remembered(day)  # for its ValueError
        if not isinstance(note, str):
            raise ValueError("the note is no text")
        known = self.batches.get(identity)
        if known is not None and known.is_added:
            return
        # All are checked before the first is added.
        added = [(checked_key(*key), checked_sums(counts)) for key, counts in entries or []]
        for key, sums in added:
            add_to(self.sums, key, sums)
        self.batches[identity] = BatchRecord(day, note, entries is not None)


def usage_line(entry: UsageEntry) -> bytes:
    """Return the line that adds *entry*."""
    return _line({"llm_usage": _names(entry.key), **entry.sums.counts()})


def batch_line(
    identity: str, day: str, note: str = "", entries: Sequence[UsageEntry] | None = None
) -> bytes:
    """Return the line that keeps the *note* of a provider's batch, or that adds its *entries*."""
    record: dict[str, Any] = {"llm_usage": identity, "day": day}
    if note:
        record["note"] = note
    if entries is not None:
        record["entries"] = [[_names(each.key), each.sums.counts()] for each in entries]
    return _line(record)


def _names(key: UsageKey) -> list[str]:
    return [key.day, key.provider, key.model, key.tier, encode_tags(key.tags)]


def _line(record: dict[str, Any]) -> bytes:
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"
