"""Adds what one call has used to its account's ledger, as each attempt ends."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future

from ..account.account import Account
from ..effects import Effects, sleep
from ..ledger.ledger import Ledger
from ..ledger.usage import UsageEntry, UsageKey, UsageSums, sums_of_attempt, tags_of
from ..stores import utc_day
from ..types import Attempt, Reply, Usage

#: Seconds for which a call that has its outcome waits for the ledger, at most, and those for
#: which it waits even past its deadline.
_LONGEST, _GRACE = 2.0, 0.2
#: The tiers that cost what the default one does.
_DEFAULT_TIERS = (None, "default", "on_demand", "auto")


class UsageRecorder:
    """What one call adds to a *ledger*; a call without a ledger has none of this."""

    def __init__(self, ledger: Ledger, account: Account, tags: Mapping[str, str]) -> None:
        self._ledger = ledger
        self._account = account
        self._tags = tags_of(tags)
        #: The model that has answered or was asked last, and the service tier that it named.
        self.model = ""
        self._tier: str | None = None
        self._written: Future[None] | None = None

    def attempt_ended(self, attempt: Attempt, reply: Reply | None) -> None:
        """Add an attempt that was sent; *reply* is what came, of a failed one too."""
        self.model, self._tier = attempt.model, None
        if reply is not None:
            self.model, self._tier = reply.model or attempt.model, reply.service_tier
        self._add(sums_of_attempt(attempt.usage, attempt.cost))

    def attempt_interrupted(self, model: str) -> None:
        """Add an attempt that was sent, and of which nobody knows what it used."""
        self.model, self._tier = model, None
        self._add(sums_of_attempt(Usage(), None))

    def call_ended(self, reply: Reply | None) -> None:
        """Add the call itself, which has ended in its *reply* or without one."""
        # Not as bools: a store writes them as they are, and does not read `true` as a number.
        failed, cached = int(reply is None), int(reply is not None and reply.cached)
        if reply is not None:
            self.model, self._tier = reply.model, reply.service_tier
        self._add(UsageSums(calls=1, failed=failed, cached=cached))

    def wait_until_written(self, time_left: float) -> Effects[None]:
        """Wait until all that was added is written, until the call's deadline."""
        if self._written is not None:
            yield from sleep(min(_LONGEST, max(_GRACE, time_left)), "ledger", self._written)

    def _add(self, sums: UsageSums) -> None:
        account, tier = self._account, self._tier
        known_tier = "" if tier in _DEFAULT_TIERS else tier or ""
        day = utc_day(account.wall())
        key = UsageKey(day, account.provider, self.model, known_tier, self._tags)
        self._written = self._ledger.add(UsageEntry(key, sums))
