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
from ..errors import LLMTimeoutError
from ..events import Hooks, call_hooks
from ..ledger.store import MemoryUsageStore, UsageBatch, UsageStore
from ..providers.batch_types import BatchStatus
from ..redaction.printable import words_of
from ..redaction.secrets import redacted
from ..stores import utc_day
from .api import BatchApi
from .batch_note import BatchNote
from .batch_sums import BatchSums
from .result_files import ResultFile

R = TypeVar("R")

if TYPE_CHECKING:
    from .batch_events import BatchEvents

log = logging.getLogger(__name__)

#: Seconds that the ledger may take, and adding up the results of one batch.
_TIMEOUT, _LONGEST = 60.0, 3600.0

#: Where there is no ledger, or where it fails: what this process knows of its batches.
_in_memory = MemoryUsageStore(most_keys=1_000)


class BatchBookkeeper:
    """Enters batches into the ledger and the budgets of *account*, and tells *hooks* of them.

    They are those of the provider that make up one of ours. *endpoint* returns the URL that is
    called, *tags* name them to hooks.
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
            text = note.encode()
            keep = partial(self._keep_note, batch_id, text)
            if not (yield from _on_ledger(batch_id, keep)):
                _in_memory.keep_note(self._identity(batch_id), self._today(), text)
        if call_hooks(self._hooks) is not None:
            self._events.submitted(batch_id, note.prompts)

    def polled(self, status: BatchStatus) -> None:
        """Tell that the batch was looked at."""
        if call_hooks(self._hooks) is not None:
            self._events.polled(status)

    def ended(self, file: ResultFile, api: BatchApi) -> Effects[None]:
        """Enter what a batch has used, unless that was done before, and tell that it has ended."""
        has_hooks = call_hooks(self._hooks) is not None
        if not (self._is_counted or has_hooks):
            return
        note = yield from _on_ledger(file.batch_id, partial(self._note_of, file.batch_id))
        sums = yield from _sums_of(file, api, note or BatchNote())
        is_new = False
        if note is not None:
            enter = partial(self._enter, file.batch_id, sums, note)
            is_new = bool((yield from _on_ledger(file.batch_id, enter)))
        if has_hooks:
            by_model = sums.by_model()
            self._events.ended(file.batch_id, file.state, is_new=is_new, sums=by_model)

    def ended_without_results(self, batch_id: str, api: BatchApi) -> Effects[None]:
        """Give back what was reserved for a batch that has no results.

        To read them would do so too, but hardly anybody does.
        """
        if not self._is_counted:
            return
        note = yield from _on_ledger(batch_id, partial(self._note_of, batch_id))
        if note is not None and note.day:
            nothing = BatchSums((), api, note)
            yield from _on_ledger(batch_id, partial(self._enter, batch_id, nothing, note))

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

    def _keep_note(self, batch_id: str, text: str) -> bool:
        self._store.keep_note(self._identity(batch_id), self._today(), text)
        return True

    def _note_of(self, batch_id: str) -> BatchNote:
        identity = self._identity(batch_id)
        return BatchNote.decode(self._store.note_of(identity) or _in_memory.note_of(identity))

    def _enter(self, batch_id: str, sums: BatchSums, note: BatchNote) -> bool:
        """Enter the *sums*, and settle what the *note* says was reserved; False if done before."""
        day = self._today()
        entries = tuple(sums.entries(self._account.provider, day))
        is_new = self._store.add_once(UsageBatch(entries, self._identity(batch_id)), day)
        if is_new and note.day:
            self._settle(note, sums)
        return is_new

    def _today(self) -> str:
        return utc_day(self._account.wall())

    def _settle(self, note: BatchNote, sums: BatchSums) -> None:
        """Correct the budgets by what was spent of what the note says was reserved."""
        account, now = self._account, self._account.wall()
        if account.budget is not None:
            account.budget.correct(sums.tokens - note.tokens, note.day, now)
        if account.money is not None:
            for name, reserved in note.money.items():
                account.money.correct(name, sums.spent[name] - reserved, note.day, now)


def _on_ledger(batch_id: str, operation: Callable[[], R]) -> Effects[R | None]:
    """Return what *operation* does on the ledger, or None: one that fails fails no batch."""
    try:
        return (yield from run_blocking(partial(_or_warn, batch_id, operation), _TIMEOUT, "batch"))
    except Overdue:
        _warn(batch_id, f"it has not answered within {_TIMEOUT:g} seconds")
        return None


def _or_warn(batch_id: str, operation: Callable[[], R]) -> R | None:
    """Return what *operation* does, or warn of its error and return None."""
    try:
        return operation()
    except Exception as error:
        _warn(batch_id, redacted(words_of(error)))
        return None


def _warn(batch_id: str, words: str) -> None:
    log.warning(
        "the ledger does not know all of the batch %s, until its results are read again: %s",
        *(batch_id, words),
    )


def _sums_of(file: ResultFile, api: BatchApi, note: BatchNote) -> Effects[BatchSums]:
    # By itself: no thread that hangs on a ledger reads the file while others do.
    try:
        add_up = partial(BatchSums, file.answered(), api, note)
        return (yield from run_blocking(add_up, _LONGEST, "batch"))
    except Overdue:
        raise LLMTimeoutError(f"The results were not read within {_LONGEST:g} seconds") from None
