"""What an answer changes: what its request spent, and what the provider said of its limits."""

from __future__ import annotations

import math
from collections.abc import Sequence

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
    learning = queue.learning
    if not any(report.is_refusal for report in reports):
        learning.count_answer(reservation.starts_at, now)
    for report in reports:
        limit = limit_of(report, queue.limits)
        if limit is None and (limit := new_limit(report, queue.limits)) is not None:
            queue.add_limit(limit)
        if limit is not None:
            is_alone = not queue.in_flight
            not_stated = _learn_what_counts(
                limit, report, reservation, spent, now, is_alone=is_alone
            )
            _correct(learning, limit, report, reservation, now, not_stated)
            # A fleet is told what the request took of a limit that was unknown when it was sent.
            if _charge_of(limit, reservation) is None:
                amount = reservation.demand.get(limit.unit, 0.0)
                reservation.charges.append((limit, Charge(amount, reservation.starts_at)))
        is_unknown = limit is None or learning.is_shared(limit, now)
        if (
            report.is_minute_refusal  # one of a day says nothing of a minute
            and is_unknown
            and learning.was_sent_after_refusal(reservation.starts_at)
        ):
            at_least = 0.0 if limit is None else LEAST_SHARE * limit.amount
            guess = learning.note_refusal(report.wait or 0.0, now, at_least)
            if guess is not None:
                queue.add_limit(guess)
    if reports:
        learning.note_expiry(queue.limits)


def _learn_what_counts(
    limit: LearnedLimit,
    report: LimitReport,
    reservation: Reservation,
    spent: Demand,
    now: float,
    *,
    is_alone: bool,
) -> float:
    """Learn what the provider counts from the answer to a request that was in flight *alone*.

    Return how much of what was settled after the request was sent the report may not include.
    """
    declared, counted = reservation.demand.get(limit.unit, 0.0), spent.get(limit.unit, 0.0)
    settled_since = _settled_since(limit, reservation)
    if report.used is None or report.is_refusal or not counted:
        return settled_since
    if report.amount is not None and report.amount > limit.amount:
        return settled_since
    if _charge_of(limit, reservation) is None:
        limit.correct(counted, now, settled_since=0.0)  # it was not known when this was sent
        own = 0.0
    else:
        own = limit.counted(spent=counted, declared=declared) if counted < declared else counted
    # Nothing else was settled since it was sent, but for what floats cannot tell.
    if is_alone and settled_since - own < 0.5:
        limit.learn_what_counts(
            stated=report.used,
            spent=counted,
            declared=declared,
            now=now,
            settled_before=_settled_before(limit, reservation),
        )
        # The report includes all that this request declared, or at least a part of what it spent.
        settled_since = max(0.0, counted - declared) if limit.counts_declared else min(own, counted)
    limit.is_reported = True
    return settled_since


def _correct(
    learning: ScopeLearning,
    limit: LearnedLimit,
    report: LimitReport,
    reservation: Reservation,
    now: float,
    not_stated: float,
) -> None:
    if report.amount is not None:
        limit.learn(report.amount, now)
        if report.amount > limit.amount and not report.is_refusal:
            return  # what is used of a larger limit, by others too, says nothing of our share
    used = amount_used(limit, report, reservation.demand)
    if used is not None:
        if not report.is_refusal:
            learning.note_others(limit, used, now)
        limit.correct(used, now, settled_since=not_stated)


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


def _settled_since(limit: LearnedLimit, reservation: Reservation) -> float:
    """Return how much of *limit* was settled after the request was sent, its own included."""
    return limit.pending.settled_in_all - _settled_before(limit, reservation)


def _settled_before(limit: LearnedLimit, reservation: Reservation) -> float:
    """Return how much of *limit* had been settled in all when the request was sent."""
    charge = _charge_of(limit, reservation)
    return charge.settled_before if charge is not None else 0.0


def _charge_of(limit: LearnedLimit, reservation: Reservation) -> Charge | None:
    return next((charge for known, charge in reservation.charges if known is limit), None)
