"""What an answer changes: what its request spent, and what the provider said of its limits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from ..limit_types import LimitReport
from .charges import Charge
from .learned_limit import LearnedLimit, limit_of, new_limit
from .learning import LEAST_SHARE, ScopeLearning
from .limits import Limit
from .queue import Demand, Reservation, ScopeQueue

#: By what part and by how many tokens an estimate may grow that a refusal has corrected.
_REESTIMATED, _FEW_TOKENS = 0.12, 64.0
#: The part of a request for which a wait leaves room at least, as a provider's figures are rounded.
_ROUNDED = 0.9
#: The most that can be used of a limit, as a part of it: others may have overrun it.
_MOST_USED = 2.0


def settle_charges(
    queue: ScopeQueue, reservation: Reservation, spent: Demand, latest_receipt: float, now: float
) -> None:
    """Replace each charge by what was spent, received when the provider has seen it at latest."""
    received = max(reservation.starts_at, min(now, latest_receipt))
    for limit, charge in reservation.charges:
        if charge.is_settled:
            continue  # before an interrupt
        amount = amount_spent(limit, charge.amount, spent)
        seen = received if charge.received_at is None else min(received, charge.received_at)
        limit.settle(charge, amount, seen, now)
    reservation.is_pending = False
    del queue.in_flight[reservation]
    if not queue.in_flight:
        queue.in_flight.clear()  # of the table too, for thousands of scopes that rest


def amount_spent(limit: Limit, declared: float, spent: Demand) -> float:
    """Return what counts of a request that had *declared* so much, and *spent* so much."""
    amount = spent.get(limit.unit, declared)
    if not 0 <= amount < math.inf:
        return declared
    if 0 < amount < declared and isinstance(limit, LearnedLimit):
        return limit.counted(spent=amount, declared=declared)
    return amount


class _Answer(NamedTuple):
    """The answer to a request that is settled *now*, and what the request has spent."""

    reservation: Reservation
    spent: Demand
    now: float

    def charge_of(self, limit: Limit) -> Charge | None:
        """Return what the request took of *limit*; None where that was not known then."""
        charges = self.reservation.charges
        return next((charge for known, charge in charges if known is limit), None)

    def settled_before(self, limit: Limit) -> float:
        """Return how much of *limit* had been settled in all when the request was sent."""
        charge = self.charge_of(limit)
        return charge.settled_before if charge is not None else 0.0

    def settled_since(self, limit: Limit) -> float:
        """Return how much of *limit* was settled after the request was sent, its own included."""
        return limit.pending.settled_in_all - self.settled_before(limit)


def learn_from_reports(
    queue: ScopeQueue,
    reports: Sequence[LimitReport],
    reservation: Reservation,
    spent: Demand,
    now: float,
) -> None:
    """Believe what the provider said of its limits with its answer to a request, now settled."""
    if queue.learning is None:
        queue.learning = ScopeLearning()
    if not any(report.is_refusal for report in reports):
        queue.learning.count_answer(reservation.starts_at, now)
    if reports:
        answer = _Answer(reservation, spent, now)
        for report in reports:
            _believe(report, answer, queue, queue.learning)
        queue.learning.note_expiry(queue.limits)


def _believe(
    report: LimitReport, answer: _Answer, queue: ScopeQueue, learning: ScopeLearning
) -> None:
    """Correct the limit that *report* is about; guess one after a refusal that names none."""
    reservation = answer.reservation
    limit = limit_of(report, queue.limits)
    if limit is None and (limit := new_limit(report, queue.limits)) is not None:
        queue.add_limit(limit)
    if limit is not None:
        not_stated = _learn_what_counts(limit, report, answer, is_alone=not queue.in_flight)
        _correct(limit, report, answer, learning, not_stated)
        # A fleet is told what the request took of a limit that was unknown when it was sent.
        if answer.charge_of(limit) is None:
            amount = reservation.demand.get(limit.unit, 0.0)
            reservation.charges.append((limit, Charge(amount, reservation.starts_at)))
    is_unknown = limit is None or learning.is_shared(limit, answer.now)
    if (
        report.is_minute_refusal  # one of a day says nothing of a minute
        and is_unknown
        and learning.was_sent_after_refusal(reservation.starts_at)
    ):
        at_least = 0.0 if limit is None else LEAST_SHARE * limit.amount
        guess = learning.note_refusal(report.wait or 0.0, answer.now, at_least)
        if guess is not None:
            queue.add_limit(guess)


def _learn_what_counts(
    limit: LearnedLimit, report: LimitReport, answer: _Answer, *, is_alone: bool
) -> float:
    """Learn what the provider counts from the answer to a request that was in flight *alone*.

    Return how much of what was settled after the request was sent the report may not include.
    """
    declared = answer.reservation.demand.get(limit.unit, 0.0)
    spent = answer.spent.get(limit.unit, 0.0)
    settled_since = answer.settled_since(limit)
    if report.used is None or report.is_refusal or not spent:
        return settled_since
    if report.amount is not None and report.amount > limit.amount:
        return settled_since
    if answer.charge_of(limit) is None:
        limit.correct(spent, answer.now, settled_since=0.0)  # it was not known when this was sent
        own = 0.0
    else:
        own = limit.counted(spent=spent, declared=declared) if spent < declared else spent
    # Nothing else was settled since it was sent, but for what floats cannot tell.
    if is_alone and settled_since - own < 0.5:
        limit.learn_what_counts(
            stated=report.used,
            spent=spent,
            declared=declared,
            now=answer.now,
            settled_before=answer.settled_before(limit),
        )
        # The report includes all that this request declared, or at least a part of what it spent.
        settled_since = max(0.0, spent - declared) if limit.counts_declared else min(own, spent)
    limit.is_reported = True
    return settled_since


def _correct(
    limit: LearnedLimit,
    report: LimitReport,
    answer: _Answer,
    learning: ScopeLearning,
    not_stated: float,
) -> None:
    """Believe the amount that is stated, and what is used of it, but for what is *not_stated*."""
    if report.amount is not None:
        limit.learn(report.amount, answer.now)
        if report.amount > limit.amount and not report.is_refusal:
            return  # what is used of a larger limit, by others too, says nothing of our share
    used = amount_used(limit, report, answer.reservation.demand)
    if used is not None:
        if not report.is_refusal:
            learning.note_others(limit, used, answer.now)
        limit.correct(used, answer.now, settled_since=not_stated)


def adopt(queue: ScopeQueue, report: LimitReport, now: float) -> bool:
    """Let a limit count that nobody knew here, for as long as a stated one; return whether it does.

    It is dropped where the limit is known, or too many are.
    """
    if limit_of(report, queue.limits) is not None:
        return False
    limit = new_limit(report, queue.limits)
    if limit is None:
        return False
    if queue.learning is None:
        queue.learning = ScopeLearning()
    limit.learn(limit.amount, now)
    queue.add_limit(limit)
    queue.learning.note_expiry(queue.limits)
    return True


def amount_used(limit: Limit, report: LimitReport, demand: Demand) -> float | None:
    """Return how much of *limit* is used by the provider's word, None where it says nothing."""
    used = None if report.used is None else min(report.used, _MOST_USED * limit.amount)
    if report.is_refusal and report.wait is not None:
        # After the wait one request fits, then as many as are refilled. It may be estimated anew.
        one = max(report.requested or 0.0, demand.get(limit.unit, 0.0))
        more = 0.0 if limit.unit == "requests" else _REESTIMATED * one + _FEW_TOKENS
        refilled = report.wait * limit.amount / limit.window
        at_wait = max(0.0, limit.amount - one - more) + refilled
        # A figure of which the wait would not leave room for the request is contradicted by it.
        at_most = max(0.0, limit.amount - _ROUNDED * one) + refilled
        return at_wait if used is None or used > at_most else max(at_wait, used)
    return limit.amount if report.is_refusal and used is None else used
