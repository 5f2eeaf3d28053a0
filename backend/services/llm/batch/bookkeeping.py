"""Enters what a provider's batch has used into ledger and budgets, once, and tells the hooks of it.

It is entered as a whole when its results are first downloaded, by whoever does that: the ledger
remembers the provider's id. Without a ledger, this process does.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import TYPE_CHECKING, TypeVar

from ..account.account import Account
from ..effects import Effects, Overdue, run_blocking
from ..events import Hooks, registered_hooks
from ..ledger.store import MemoryUsageStore, UsageBatch, UsageStore
from ..ledger.usage import UsageSums
from ..providers.batch_types import BatchStatus
from ..redaction.printable import words_of
from ..redaction.secrets import redacted
from ..stores import StoreError, utc_day
from .api import BatchApi
from .batch_note import BatchNote
from .batch_sums import BatchSums
from .result_files import ResultFile

R = TypeVar("R")

if TYPE_CHECKING:
    from .batch_events import BatchEvents

log = logging.getLogger(__name__)

#: Seconds that keeping a note, or adding up the results of one batch, may take.
_TIMEOUT = 300.0

#: Where there is no ledger, or where it fails: what this process knows of its batches.
_in_memory = MemoryUsageStore(most_keys=1_000)


class BatchBookkeeper:
    """Enters batches that are read as one into the ledger and budgets of *account*; tells *hooks*.

    *endpoint* returns the URL that is called, *tags* name them to hooks.
    """

    def __init__(
        self,
        account: Account,
        hooks: Hooks,
        endpoint: Callable[[], str] = str,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        self._account = account
        self._hooks = hooks
        self._endpoint = endpoint
        self._tags = tags or {}

    def submitted(self, batch_id: str, note: BatchNote) -> Effects[None]:
        """Keep the *note* of a batch that the provider has taken, and tell of it."""
        if self._is_counted:
            keep = partial(self._keep_note, batch_id, note.encode())
            yield from _in_thread(batch_id, keep)
        if registered_hooks(self._hooks):
            self._events.submitted(batch_id, note.prompts)

    def polled(self, status: BatchStatus) -> None:
        """Tell that the batch was looked at."""
        if registered_hooks(self._hooks):
            self._events.polled(status)

    def ended(self, file: ResultFile, api: BatchApi) -> Effects[None]:
        """Enter what a batch has used, unless that was done before, and tell that it has ended."""
        is_followed = bool(registered_hooks(self._hooks))
        if not (self._is_counted or is_followed):
            return
        enter = partial(self._enter, file, api)
        entered = yield from _in_thread(file.batch_id, enter)
        if is_followed:
            is_new, by_model = (False, {}) if entered is None else entered
            self._events.ended(file.batch_id, file.state, is_new=is_new, sums=by_model)

    @property
    def _is_counted(self) -> bool:
        account = self._account
        return not (account.ledger is None and account.money is None and account.budget is None)

    @property
    def _store(self) -> UsageStore:
        ledger = self._account.ledger
        return _in_memory if ledger is None else ledger.store

    @cached_property
    def _events(self) -> BatchEvents:
        from .batch_events import BatchEvents  # most hosts have no hooks

        return BatchEvents(self._account, self._hooks, self._endpoint(), self._tags)

    def _identity(self, batch_id: str) -> str:
        return f"{self._account.provider}:{batch_id}"

    def _keep_note(self, batch_id: str, text: str) -> None:
        identity, day = self._identity(batch_id), utc_day(self._account.wall())
        try:
            self._store.keep_note(identity, day, text)
        except StoreError as error:
            _warn(batch_id, words_of(error))
            _in_memory.keep_note(identity, day, text)

    def _enter(self, file: ResultFile, api: BatchApi) -> tuple[bool, dict[str, UsageSums]]:
        """Add up the results; return whether they were entered now, and the sums by model."""
        identity, now = self._identity(file.batch_id), self._account.wall()
        note, is_new = BatchNote(), False
        day = utc_day(now)
        try:
            note = BatchNote.decode(self._store.note_of(identity) or _in_memory.note_of(identity))
            sums = BatchSums(file.answered(), api, note)
            entries = tuple(sums.entries(self._account.provider, day))
            is_new = self._store.add_once(UsageBatch(entries, identity), day)
        except StoreError as error:
            _warn(file.batch_id, words_of(error))
            sums = BatchSums(file.answered(), api, note)
        if is_new and note.day:
            self._settle(note, sums, now)
        return is_new, sums.by_model()

    def _settle(self, note: BatchNote, sums: BatchSums, now: float) -> None:
        """Correct the budgets by what was spent of what the note says was reserved."""
        account = self._account
        if account.budget is not None:
            account.budget.correct(sums.tokens - note.tokens, note.day, now)
        if account.money is not None:
            for name, reserved in note.money.items():
                account.money.correct(name, sums.spent[name] - reserved, note.day, now)


def _in_thread(batch_id: str, operation: Callable[[], R]) -> Effects[R | None]:
    try:
        return (yield from run_blocking(operation, _TIMEOUT, "batch"))
    except Overdue:
        _warn(batch_id, f"it has not answered within {_TIMEOUT:g} seconds")
        return None


def _warn(batch_id: str, words: str) -> None:
    """Tell of a ledger that fails: it fails no batch, whose results can be read again."""
    log.warning(
        "the ledger does not know all of the batch %s, until its results are read again: %s",
        *(batch_id, redacted(words)),
    )
