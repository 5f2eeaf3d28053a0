"""What a provider counts of a call that declared more than it spent, as a fleet's workers learn it.

As long as no answer has shown it, all that was declared counts. Three kinds of answers show it:

    one that was alone in flight in the whole fleet, the first of a scope
    one that was alone in its worker, where the provider states no more than was spent
    those whose calls had to wait for a full shared quota, where the provider states far less use
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..limit_types import LimitReport
from ..quota import Demand, LearnedLimit, Limit
from ..quota.answers import amount_spent
from ..quota.shared import Granted, SetCounting, SharedCharge, Take
from ..runtime.fork import ForkLock
from .transit_time import FIRST_GUESS

#: Limits that are remembered.
_MOST_LIMITS = 1_000
#: The part of a limit that is in use at least where it is full, and at most where that is far less.
STILL_FULL, _FAR_LESS = 0.75, 0.5


class WhatCounts:
    """Whether limits count all that was declared, as all workers were told."""

    def __init__(self) -> None:
        #: By limit, whether it does.
        self._counts_declared: dict[str, bool] = {}
        #: By limit: when far less than the shared quota's use was stated first, and last.
        self._far_less: dict[str, tuple[float, float]] = {}
        self._lock = ForkLock(leaf=True)  # guards both

    def learn(self, countings: Iterable[SetCounting]) -> None:
        """Believe *countings*.

        Once less than all is known to count, that stays: others' use can only hide it.
        """
        with self._lock:
            for each in countings:
                key = f"{each.scope}\n{each.limit}"
                before = self._counts_declared.pop(key, True)
                self._counts_declared[key] = each.counts_declared and before
            _bound(self._counts_declared)

    def all_known(self) -> list[SetCounting]:
        """Return all that is known, for a shared quota that has lost it."""
        with self._lock:
            known = [(key.rpartition("\n"), each) for key, each in self._counts_declared.items()]
        return [SetCounting(scope, limit, each) for (scope, _, limit), each in known]

    def amount_spent(self, limit: Limit, charge: SharedCharge, spent: Demand) -> float:
        """Return what counts of a call, as far as all were told, or its worker has seen."""
        counts_declared = self._known(charge)
        if counts_declared is None:
            return amount_spent(limit, charge.taken, spent)
        amount = spent.get(limit.unit, charge.taken)
        return charge.taken if counts_declared and 0 < amount < charge.taken else amount

    def at_most(
        self,
        limit: Limit,
        charge: SharedCharge,
        reports: Sequence[LimitReport],
        max_transit: float,
    ) -> float | None:
        """Return the most that the provider can have in use, by the answer to a call that waited.

        None where that is not known. Where all that is declared counts at once, the stated figure
        lacks only what was on its way then: as much as is refilled in the transit time, which is
        taken for a second at least since other workers' may be longer, and one call.
        """
        if not isinstance(limit, LearnedLimit) or not self._known(charge):
            return None
        stated = _stated(limit, reports)
        if stated is None:
            return None
        rate = charge.amount / charge.window
        return stated + max(max_transit, FIRST_GUESS) * rate + charge.taken

    def newly_shown(
        self,
        limit: LearnedLimit,
        charge: SharedCharge,
        reports: Sequence[LimitReport],
        now: float,
        *,
        is_alone: bool,
        is_full: bool,
    ) -> bool | None:
        """Return whether the *limit* counts all that was declared, if an answer shows it anew.

        The call *is_alone* in flight in the fleet, or the limit *is_full* in the shared quota.
        """
        known = self._known(charge)
        if is_alone:
            # What all were told before stays: a shared quota that has lost it is told again.
            return limit.counts_declared if known is None else known
        if known is None and limit.counts_declared is False:
            return False
        if known is not False and is_full and self._is_far_less(limit, charge, reports, now):
            return False
        return None

    def _known(self, charge: SharedCharge) -> bool | None:
        with self._lock:
            return self._counts_declared.get(charge.key)

    def _is_far_less(
        self, limit: LearnedLimit, charge: SharedCharge, reports: Sequence[LimitReport], now: float
    ) -> bool:
        """Whether the provider has stated far less use of a full limit for a whole window.

        What else a shared quota counts too much, as of a worker that died, is refilled by then.
        """
        stated = _stated(limit, reports)
        if stated is None:
            return False
        with self._lock:
            first, last = self._far_less.pop(charge.key, (now, now))
            if stated >= _FAR_LESS * limit.amount:
                return False
            if now - last > charge.window:
                first = now
            self._far_less[charge.key] = first, now
            _bound(self._far_less)
        return now - first >= charge.window


def full_limits(take: Take, granted: Granted) -> tuple[bool, ...]:
    """Return for each limit whether the call of *take* had to wait because it was full.

    It has waited so long that the calls before it have been received.
    """
    has_waited = granted.wait >= take.max_transit
    return tuple(
        has_waited and used + charge.taken > charge.amount
        for charge, used in zip(take.charges, granted.used, strict=True)
    )


def _stated(limit: LearnedLimit, reports: Sequence[LimitReport]) -> float | None:
    """Return what the provider says is used of the *limit*; None of a larger one than ours."""
    for each in reports:
        if limit.is_of(each.unit, each.window) and not each.is_refusal:
            is_ours = each.amount is None or each.amount <= limit.amount
            return each.used if is_ours else None
    return None


def _bound(known: dict[str, bool] | dict[str, tuple[float, float]]) -> None:
    while len(known) > _MOST_LIMITS:
        del known[next(iter(known))]
