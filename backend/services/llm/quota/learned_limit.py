"""A limit whose amount a provider's answers may correct: tightened at once, loosened slowly.

What is learnt is bounded in number and in time; what a host has configured comes back afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from ..limit_types import LimitReport, Unit
from .limits import Limit
from .token_bucket import TokenBucketLimit

#: Seconds for which an amount holds that the provider has stated.
STATED_FOR = 3_600.0
#: How often in a row an amount must be stated before more is sent because of it.
CONFIRMATIONS = 3
#: Limits of one scope that are learnt, beside those that are configured.
MOST_LEARNED = 8

#: Less than so many tokens, or than this part of what is declared, tells nothing; and how near to
#: none or all of it the provider's figure must be.
_FEW, _PART, _NEAR = 16.0, 0.05, 0.35
#: Windows that differ by less than this part are one: a provider's figures are rounded.
_SAME_WINDOW = 0.2


class LearnedLimit(TokenBucketLimit):
    """A bucket whose amount the provider may correct.

    *configured* is the amount without the provider's word, None where there was no limit at all.
    Where it *is_ceiling*, a host has set it, and no more than that is ever used.
    """

    __slots__ = (
        *("_higher", "configured", "is_ceiling", "is_reported", "counts_declared"),
        *("settled_when_stated_alone", "until"),
    )

    def __init__(
        self,
        amount: float,
        window: float,
        unit: Unit,
        *,
        configured: float | None = None,
        is_ceiling: bool = False,
    ) -> None:
        super().__init__(amount, window, unit)
        self.configured = configured
        self.is_ceiling = is_ceiling
        #: Until when what was learnt holds.
        self.until = math.inf if configured == amount else -math.inf
        #: Whether the provider tells what is used, and whether it counts all that a request has
        #: declared rather than what it spent; None where that is not known.
        self.is_reported = False
        self.counts_declared: bool | None = None
        #: What had been settled in all when the use was last stated to a request alone in flight.
        self.settled_when_stated_alone = 0.0
        #: How often in a row more was stated than the amount.
        self._higher = 0

    @property
    def is_learned(self) -> bool:
        """Whether the amount is the provider's word rather than the configuration's."""
        return self.amount != self.configured

    def is_of(self, unit: Unit, window: float) -> bool:
        """Whether it is this limit that a report is about."""
        return self.unit == unit and abs(self.window - window) <= _SAME_WINDOW * self.window

    def learn(self, amount: float, now: float) -> None:
        """Believe an *amount* that the provider states: less at once, more when it is confirmed."""
        if self.is_ceiling and self.configured is not None:
            amount = min(amount, self.configured)
        self._higher = self._higher + 1 if amount > self.amount else 0
        if amount < self.amount or self._higher >= CONFIRMATIONS:
            self.amount, self._higher = amount, 0
        self.until = now + STATED_FOR if self.is_learned else math.inf

    def counted_at(self, now: float) -> float:
        """Return how much of it counts as used or in flight."""
        return self._missing_after(now) + self.pending.in_flight_amount

    def counted(self, *, spent: float, declared: float) -> float:
        """Return what counts of a request that has *spent* less than it *declared*.

        As long as the provider's own figures have not shown it, all of it.
        """
        return declared if self.is_reported and self.counts_declared is not False else spent

    def learn_what_counts(
        self, *, stated: float, spent: float, declared: float, now: float, settled_before: float
    ) -> None:
        """Learn whether a request that *spent* less than it *declared* is charged for the rest.

        *stated* is what the provider says is used after this request alone, which has been settled;
        *settled_before* is what had been settled in all when it was sent.
        """
        # Where others were settled in between, too much may have counted as used before this one,
        # and a low figure shows nothing. A high one does: only use can add to it.
        is_exact = settled_before == self.settled_when_stated_alone
        self.settled_when_stated_alone = self.pending.settled_in_all
        unspent = declared - spent
        if unspent < max(_FEW, _PART * declared):
            return
        settled = self._missing_after(now) - (self.counted(spent=spent, declared=declared) - spent)
        more = stated - settled
        # Anything else says that others use the account too.
        if abs(more - unspent) < _NEAR * unspent:
            self.counts_declared = True
        # A figure from before the answer was generated has less than all that was spent.
        elif is_exact and -spent - _NEAR * unspent < more < _NEAR * unspent:
            self.counts_declared = False

    def expire(self, now: float) -> bool:
        """Return to the configured amount when the time has come; True where there is none."""
        if now < self.until:
            return False
        self.until = math.inf
        if self.configured is None:
            return True
        self.amount = self.configured
        return False


def limit_of(report: LimitReport, limits: Iterable[Limit]) -> LearnedLimit | None:
    """Return the limit that *report* is about, if it is known."""
    known = (limit for limit in limits if isinstance(limit, LearnedLimit))
    return next((one for one in known if one.is_of(report.unit, report.window)), None)


def new_limit(report: LimitReport, limits: Iterable[Limit]) -> LearnedLimit | None:
    """Return a new limit for a *report* of one that nobody knew; None where it states none."""
    learned = [one for one in limits if isinstance(one, LearnedLimit) and one.configured is None]
    if report.amount is None or len(learned) >= MOST_LEARNED:
        return None
    return LearnedLimit(report.amount, report.window, report.unit)
