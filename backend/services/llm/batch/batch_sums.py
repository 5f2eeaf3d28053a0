"""What the lines of one file of a provider's batch have used, added up; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..ledger.usage import NANO, UsageEntry, UsageKey, UsageSums, add_to, sums_of_attempt, tags_of
from ..providers.batch_types import BatchLine
from ..types import Provider, Reply
from .api import BatchApi
from .batch_note import BatchNote
from .pricing import attempt_of

#: The service tier under which a ledger keeps what batches have used.
TIER = "batch"


class BatchSums:
    """The usage of *lines* by model and tags, of which the *note* knows more than they do.

    A line without an answer is a failed call. A prompt that has no line was never asked.
    """

    def __init__(self, lines: Iterable[BatchLine], api: BatchApi, note: BatchNote) -> None:
        self._api = api
        self._note = note
        #: By a key without day and provider.
        self._sums: dict[UsageKey, UsageSums] = {}
        #: What counts against each budget in money, in nano-dollars, by its name.
        self.spent: dict[str, int] = dict.fromkeys(note.money, 0)
        #: What counts against the day's tokens.
        self.tokens = 0
        for line in lines:
            self._add(line)

    def entries(self, provider: Provider, day: str) -> Iterator[UsageEntry]:
        """Yield what a ledger is to add, on *day*."""
        for key, sums in self._sums.items():
            yield UsageEntry(UsageKey(day, provider, key.model, TIER, key.tags), sums)

    def by_model(self) -> dict[str, UsageSums]:
        """Return what each model has used."""
        models: dict[str, UsageSums] = {}
        for key, sums in self._sums.items():
            models[key.model] = models.get(key.model, UsageSums()) + sums
        return models

    def _add(self, line: BatchLine) -> None:
        attempt, note = attempt_of(line, self._api), self._note
        is_answered = isinstance(line.outcome, Reply)
        model, tags = note.kind_of(line.id.index)
        key = UsageKey("", "", attempt.model or model, TIER, tags_of(tags))
        add_to(self._sums, key, sums_of_attempt(attempt.usage, attempt.cost))
        add_to(self._sums, key, UsageSums(calls=1, failed=int(not is_answered)))
        # An answer without a count has spent its part of what was reserved.
        parts = max(1, note.prompts)
        nano = None if attempt.cost is None else round(attempt.cost * NANO)
        for name in ("", *(f"{name}={value}" for name, value in tags.items())):
            if name in self.spent:
                share = note.money[name] // parts if is_answered else 0
                self.spent[name] += share if nano is None else nano
        share = note.tokens // parts if is_answered else 0
        self.tokens += attempt.usage.total_tokens if attempt.usage.reported else share
