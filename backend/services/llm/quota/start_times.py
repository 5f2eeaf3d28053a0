"""When a request of one scope can start: the first time at which every limit has room."""

from __future__ import annotations

import math
from collections.abc import Iterable
from concurrent.futures import Future
from itertools import cycle

from ..limit_types import Priority
from .charges import PriorityFilter
from .fair_scheduler import FairScheduler
from .limits import NEVER, Unit, float_tolerance, seconds_until
from .queue import Amounts, Reservation, ScopeQueue

#: Of one whose place in the order the shared quota has set.
_NOBODY = PriorityFilter(sequence=-math.inf)


def earliest(
    queue: ScopeQueue,
    amounts: Amounts,
    start: float,
    now: float,
    priority: PriorityFilter | None = None,
    before: float = NEVER,
) -> tuple[float, Unit | None]:
    """Return the first time from *start* on at which every limit has room.

    With it, return the unit of the limit that has room last. Each limit in turn may put the time
    off; they are asked in turn until all of them have agreed to it. A time that is not *before* the
    given one may be too early.
    """
    at, unit = max(start, queue.paused_until), None
    agreed = 0
    for limit, amount in cycle(amounts):
        free = limit.earliest(amount, at, now, priority)
        at, unit, agreed = (free, limit.unit, 1) if free > at else (at, unit, agreed + 1)
        if agreed == len(amounts) or at >= before:
            break
    return at, unit


def start_time_of_new(
    queue: ScopeQueue,
    scheduler: FairScheduler,
    amounts: Amounts,
    now: float,
    priority: Priority,
    max_wait: float,
) -> tuple[float, Unit | None]:
    """Return when a new request can start, with the unit of the limit that has room last.

    Where others spend less than they declare, only the next who waits is rescheduled, and so all
    may start earlier than they are reserved for. A caller who can wait until then, *max_wait*
    seconds at most, is not refused because of their times.
    """
    start = max(now, queue.held_until, queue.last_start())
    if queue.is_overtaking(priority):
        sequence = scheduler.peek_sequence(priority)
        start = max(now, queue.held_until, queue.last_start_before(sequence))
        at, unit = earliest(queue, amounts, start, now, PriorityFilter(sequence, due=now))
    else:
        at, unit = earliest(queue, amounts, start, now)
    if 0 < max_wait < at - now and at < NEVER:
        after_all, last_unit = _earliest_after_all(queue, amounts, now)
        if after_all < at:
            return after_all, last_unit
    return at, unit


def _earliest_after_all(
    queue: ScopeQueue, amounts: Amounts, now: float
) -> tuple[float, Unit | None]:
    """Return when every limit has room after all who wait, if each goes as early as it can."""
    at, unit = max(now, queue.held_until, queue.paused_until), None
    for limit, amount in amounts:
        free = limit.earliest_after_all(amount, now)
        at, unit = (free, limit.unit) if free > at else (at, unit)
    return at, unit


def counts_in_flight(queue: ScopeQueue, unit: Unit | None) -> bool:
    """Whether a limit of *unit* counts requests in flight."""
    return any(limit.unit == unit and limit.pending.in_flight for limit in queue.limits)


def start_time_of_due(queue: ScopeQueue, reservation: Reservation, now: float) -> float:
    """Return when a due reservation may start, and reschedule it if earlier ones are late."""
    start = max(now, queue.held_until)
    if queue.last_start() > now:
        start = max(start, queue.last_start_before(reservation.sequence))
    priority, amounts = PriorityFilter(reservation.sequence), reservation.amounts
    if reservation.is_granted:
        start, priority = now, _NOBODY
    at, unit = earliest(queue, amounts, start, now, priority)
    if at == NEVER:
        reservation.full_unit = unit  # of the limit that was lowered below the demand
    if not now < at < NEVER:
        return at
    for limit, amount in amounts:
        # Only an answer makes room here, and it wakes us. As a fallback, look again after a
        # quarter of the time that the oldest request has taken: that is a few looks in all.
        if (since := limit.blocked_since(amount)) is not None:
            at = max(at, now + (now - since) / 4)
    queue.reschedule(reservation, at)
    return at


def seconds_until_due(queue: ScopeQueue, reservation: Reservation, now: float) -> float:
    """Return the seconds to wait before a reservation may start, and wake it if they become fewer.

    Raises RuntimeError for one that does not wait.
    """
    queue.check_is_waiting(reservation)
    at = reservation.starts_at
    if at <= now:
        at = start_time_of_due(queue, reservation, now)
    if at <= now:
        return 0.0
    reservation.renew_wake()
    return seconds_until(at, now)


def reschedule_earlier(queue: ScopeQueue, reservation: Reservation, now: float) -> bool:
    """Move a reservation to an earlier time if that takes no room from who is due; tell if so."""
    priority = PriorityFilter(reservation.sequence, due=now)
    before = reservation.starts_at - float_tolerance(reservation.starts_at)
    start = max(now, queue.held_until)
    if max(queue.paused_until, start) >= before:
        return False
    at, _ = earliest(queue, reservation.amounts, start, now, priority, before)
    if at < before:
        queue.reschedule(reservation, at)
    return at < before


def reschedule_next(queues: Iterable[ScopeQueue], now: float) -> list[Future[None]]:
    """Reschedule the next of each scope if it can start earlier; return whom to wake."""
    futures_to_wake = []
    for queue in queues:
        reservation = queue.next_waiting(now)
        if (
            reservation is not None
            and reschedule_earlier(queue, reservation, now)
            and not reservation.is_waking
        ):
            reservation.is_waking = True
            futures_to_wake.append(reservation.wake)
    return futures_to_wake
