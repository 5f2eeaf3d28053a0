"""Slow start: how many requests may be in flight to a scope whose limit is not known.

All that is in flight when a provider's limit is reached is refused. As long as the limit is not
known, that is kept to a small part of what was answered: many calls that begin at the same time
would otherwise all be refused. What this costs is bounded in time, however slow the answers are.
"""

from __future__ import annotations

import math

from ..limit_types import MINUTE
from .charges import Charge, PendingCharges, PriorityFilter
from .learned_limit import LearnedLimit
from .limits import Unit
from .queue import Amounts, Demand, ScopeQueue

#: One more may be in flight for each so many answers; or, of those after the first *MANY*, for each
#: so many: they show that a larger number of refusals is a small part of what was answered.
ANSWERS_EACH, MANY, LATER_EACH = 50, 200, 20
#: Seconds in which the number that may be in flight doubles, whatever was answered, and seconds
#: after which it is no longer limited.
DOUBLING, LONGEST = 2.0, 30.0
#: Seconds with nothing in flight after which the slow start begins anew.
IDLE = 60.0
#: Requests a minute: a limit of the host's that is no larger is taken for the provider's own.
SMALL_HOST_LIMIT = 300.0


class SlowStart:
    """A `Limit` of the requests in flight, which ends after `LONGEST` seconds."""

    __slots__ = ("_answered", "_begun", "_settled_at", "amount", "pending", "unit", "window")

    def __init__(self) -> None:
        self.amount, self.window = math.inf, MINUTE
        self.unit: Unit = "requests"
        self.pending = PendingCharges()
        self._begun = self._settled_at = -math.inf
        #: What was answered since it began.
        self._answered = 0

    def restart_if_idle(self, now: float) -> None:
        """Begin anew where nothing was in flight or reserved for `IDLE` seconds, or ever."""
        if not len(self.pending) and now - self._settled_at >= IDLE:
            self._begun, self._answered = now, 0

    def mark_received(self, sent_until: float, max_transit: float) -> None:
        """Do nothing: what was received is in flight until it is answered."""

    def used(self, now: float) -> float:
        """Return how many requests are in flight or reserved."""
        return float(len(self.pending))

    def full_at(self, now: float) -> float:
        """Return *now*: nothing is refilled."""
        return now

    def earliest(
        self, amount: float, start: float, now: float, priority: PriorityFilter | None = None
    ) -> float:
        """Return when one more may be in flight than there are, if none of those is answered.

        All in flight count, and all that are reserved; of these only those of *priority*, if given.
        """
        if priority is None:
            number = len(self.pending) + 1
        else:
            reserved = self.pending.times(-math.inf, math.inf, priority)
            number = len(self.pending.in_flight) + len(reserved) + 1
        answered = self._answered
        if number <= max(1, answered // ANSWERS_EACH, (answered - MANY) // LATER_EACH):
            return start
        return max(start, self._begun + min(LONGEST, DOUBLING * math.log2(number)))

    def earliest_after_all(self, amount: float, now: float) -> float:
        """Return when one more may be in flight."""
        return self.earliest(amount, now, now)

    def settle(self, charge: Charge, amount: float, latest_receipt: float, now: float) -> None:
        """Count an answer; an *amount* of 0 says that the provider has answered nothing."""
        self.pending.settle(charge)
        self._settled_at = now
        self._answered += amount > 0
        charge.is_settled = True

    def blocked_since(self, amount: float) -> float | None:
        """Return None: time makes room too."""
        return None


def slow_start_amounts(queue: ScopeQueue, demand: Demand, now: float, max_wait: float) -> Amounts:
    """Return the slow start of a scope, and what *demand* takes of it; [] where there is none.

    Where the scope's requests a minute are not known, a caller who can wait until the slow start
    is over takes part in it: one who waits *max_wait* seconds at most.
    """
    requests = demand.get("requests", 0.0)
    if not requests or max_wait < LONGEST or _are_known(queue, now):
        return []
    if not isinstance(slow_start := queue.slow_start, SlowStart):
        slow_start = queue.slow_start = SlowStart()
    slow_start.restart_if_idle(now)
    return [(slow_start, requests)]


def _are_known(queue: ScopeQueue, now: float) -> bool:
    """Whether a limit of requests a minute is known: of a plan, the provider, a guess, or the host.

    One of the host's that is large, and one that others use too, do not count.
    """
    learning = queue.learning
    for limit in queue.limits:
        if limit.unit != "requests" or limit.window > MINUTE:
            continue
        if not isinstance(limit, LearnedLimit):
            is_known = limit.amount <= SMALL_HOST_LIMIT
        else:
            is_known = learning is None or not learning.is_shared(limit, now)
        if is_known:
            return True
    return False
