"""The limits of one account: a request reserves room in all of its limits, or in none."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from itertools import count
from typing import NamedTuple

from ..runtime.fork import ForkLock, on_fork_in_child
from .charges import Charge, PriorityFilter
from .limits import NEVER, Limit, Unit, float_tolerance, wait_until
from .queue import Demand, Reservation, ScopeQueue


class Refusal(NamedTuple):
    """Nothing was reserved; `wait` is the seconds until there is room (`NEVER`: there never is).

    `unit` is the unit of the limit that has room last. It is None where the scope's pause, or an
    earlier reservation, is what there is to wait for.
    """

    wait: float
    unit: Unit | None


class Quota:
    """The limits that a whole account shares (`shared`), and those that each scope has for itself.

    A scope is what a provider limits: a model, or a key. The requests to one scope start in the
    order they were reserved. A reservation is rescheduled only once its start time has come or it
    is the next, so that a caller who never starts delays others by no more than its own charges.
    Between scopes, the earlier reservation starts first where both can, and none waits for one
    whose own limits or pause hold it back.

    One request is `reserve`, `start` until it returns 0.0, then `settle`; or `cancel` instead of a
    start. Nothing here sleeps or reads a clock: every method is given the time *now*, in seconds.
    A time before the latest one counts as the latest. The lock guards all state and is held for
    arithmetic only.
    """

    def __init__(
        self,
        shared: Sequence[Limit] = (),
        per_scope: Callable[[], Sequence[Limit]] = tuple,
    ) -> None:
        self._shared_limits = tuple(shared)
        self._per_scope = per_scope
        self._queues: dict[str, ScopeQueue] = {}
        self._latest = -math.inf
        self._sequence = count()
        self._inherited: list[tuple[Limit, Charge]] = []
        self._lock = ForkLock(leaf=True)
        on_fork_in_child(self, Quota._reset_in_child)

    def reserve(
        self, scope: str, demand: Demand, now: float, max_wait: float = 0.0
    ) -> Reservation | Refusal:
        """Reserve *demand* from the first time at which every limit has room.

        Refuse if that is more than *max_wait* seconds away. A refusal's wait is exact as long as
        nothing else happens; requests in flight count as answered now. Raises ValueError for an
        amount that is negative or no number.
        """
        for asked_unit, amount in demand.items():
            if not amount >= 0:
                raise ValueError(f"demand[{asked_unit!r}] = {amount!r}: must be 0 or more")
        with self._lock:
            now, queue = self._advance_clock(now), self._queue(scope)
            at, unit = _earliest(queue, demand, max(now, queue.last_start()), now)
            wait = wait_until(at, now)
            if wait > max_wait or at == NEVER:
                return Refusal(wait, unit)
            number = next(self._sequence)
            charges = [
                (limit, Charge(amount, at, number))
                for limit, amount in queue.amount_by_limit(demand)
            ]
            reservation = Reservation(scope, demand, at, number, charges)
            queue.add(reservation)
            return reservation

    def start(self, reservation: Reservation, now: float) -> float:
        """Count the request as sent and return 0.0, or return the seconds to wait.

        While it waits, `reservation.wake` is completed when the start time has become earlier.
        `NEVER` says that a limit has been lowered below the demand. Raises RuntimeError for a
        reservation that does not wait: one that was started or cancelled, or made before a fork.
        """
        with self._lock:
            now, queue = self._advance_clock(now), self._queues[reservation.scope]
            _check_is_waiting(queue, reservation)
            at = reservation.at
            if at <= now:
                at = _start_time(queue, reservation, now)
            if at > now:
                if reservation.is_waking or reservation.wake.done():
                    reservation.is_waking, reservation.wake = False, Future()
                return wait_until(at, now)
            queue.start(reservation, now)
            futures_to_wake = self._reschedule_next(now)
        _complete(futures_to_wake)
        return 0.0

    def settle(
        self, reservation: Reservation, spent: Demand, received_by: float, now: float
    ) -> None:
        """Replace the estimate of a started request by what it *spent*.

        A unit that is not named, or not as a finite amount from 0 up, keeps its estimate.
        *received_by* is the latest time at which the provider can have received the request.
        Raises RuntimeError for a reservation that is not in flight; in a forked child, one of the
        parent's is ignored.
        """
        with self._lock:
            now, queue = self._advance_clock(now), self._queues[reservation.scope]
            if reservation.is_inherited:
                return
            if reservation not in queue.in_flight:
                raise RuntimeError(f"the reservation for {reservation.scope!r} is not in flight")
            queue.in_flight.remove(reservation)
            for limit, charge in reservation.charges:
                amount = spent.get(limit.unit, charge.amount)
                is_plausible = 0 <= amount < math.inf
                received = max(charge.at, min(now, received_by))
                limit.settle(charge, amount if is_plausible else charge.amount, received, now)
            futures_to_wake = self._reschedule_next(now)
        _complete(futures_to_wake)

    def cancel(self, reservation: Reservation, now: float) -> None:
        """Remove a reservation that was not started; RuntimeError for one that was, or is over."""
        with self._lock:
            now, queue = self._advance_clock(now), self._queues[reservation.scope]
            if reservation.is_inherited:
                return
            _check_is_waiting(queue, reservation)
            queue.cancel(reservation)
            futures_to_wake = self._reschedule_next(now)
        _complete(futures_to_wake)

    def pause(self, scope: str, until: float) -> None:
        """Start nothing more in *scope* before the time *until*; a longer pause stays."""
        with self._lock:
            queue = self._queue(scope)
            queue.paused_until = max(queue.paused_until, until)

    def paused_for(self, scope: str, now: float) -> float:
        """Return the seconds that the pause of *scope* still lasts, 0.0 without one."""
        with self._lock:
            now = self._advance_clock(now)
            return max(0.0, wait_until(self._queue(scope).paused_until, now))

    def pauses(self, now: float) -> dict[str, float]:
        """Return the scopes that are paused, each with the seconds that are left."""
        with self._lock:
            now = self._advance_clock(now)
            left = {scope: queue.paused_until - now for scope, queue in self._queues.items()}
        return {scope: seconds for scope, seconds in left.items() if seconds > 0}

    def resume(self, now: float) -> None:
        """End all pauses; who waits for one starts as soon as the limits allow."""
        with self._lock:
            now = self._advance_clock(now)
            for queue in self._queues.values():
                queue.paused_until = -math.inf
            futures_to_wake = self._reschedule_next(now)
        _complete(futures_to_wake)

    def _reset_in_child(self) -> None:
        """In a child, cancel who waits, and keep the parent's charges in flight to settle them.

        The next time that is given counts as the time at which the provider received them.
        """
        for queue in self._queues.values():
            for reservation in list(queue.waiting):
                queue.cancel(reservation)
                reservation.is_inherited = True
            for reservation in queue.in_flight:
                self._inherited += reservation.charges
                reservation.is_inherited = True
            queue.in_flight.clear()

    def _advance_clock(self, now: float) -> float:
        """Return *now*, or the latest time given if that is later; settle inherited charges."""
        self._latest = now = max(self._latest, now)
        while self._inherited:
            limit, charge = self._inherited.pop()
            limit.settle(charge, charge.amount, now, now)
        return now

    def _queue(self, scope: str) -> ScopeQueue:
        if scope not in self._queues:
            self._queues[scope] = ScopeQueue((*self._shared_limits, *self._per_scope()))
        return self._queues[scope]

    def _reschedule_next(self, now: float) -> list[Future[None]]:
        """Reschedule the next of each scope if it can start earlier; return whom to wake."""
        futures_to_wake = []
        for queue in self._queues.values():
            reservation = queue.next_after(now)
            if (
                reservation is not None
                and _reschedule_earlier(queue, reservation, now)
                and not reservation.is_waking
            ):
                reservation.is_waking = True
                futures_to_wake.append(reservation.wake)
        return futures_to_wake


def _check_is_waiting(queue: ScopeQueue, reservation: Reservation) -> None:
    if reservation not in queue.waiting:
        raise RuntimeError(f"the reservation for {reservation.scope!r} does not wait to be started")


def _earliest(
    queue: ScopeQueue,
    demand: Demand,
    start: float,
    now: float,
    priority: PriorityFilter | None = None,
) -> tuple[float, Unit | None]:
    """Return the first time from *start* on at which every limit has room.

    With it, return the unit of the limit that has room last. Each limit in turn may put the time
    off; the limits are asked again until none of them does.
    """
    at, unit = max(start, queue.paused_until), None
    before = None
    while at not in (before, NEVER):
        before = at
        for limit, amount in queue.amount_by_limit(demand):
            earliest = limit.earliest(amount, at, now, priority)
            at, unit = (earliest, limit.unit) if earliest > at else (at, unit)
    return at, unit


def _start_time(queue: ScopeQueue, reservation: Reservation, now: float) -> float:
    """Return when a due reservation may start, and reschedule it if earlier ones are late."""
    start = max(now, queue.last_start_before(reservation))
    priority = PriorityFilter(reservation.sequence)
    at, _ = _earliest(queue, reservation.demand, start, now, priority)
    if not now < at < NEVER:
        return at
    for limit, amount in queue.amount_by_limit(reservation.demand):
        # Only an answer makes room here, and it wakes us. As a fallback, look again after a quarter
        # of the time that the oldest request has taken: that is a few looks in all.
        if (since := limit.blocked_since(amount)) is not None:
            at = max(at, now + (now - since) / 4)
    queue.reschedule(reservation, at)
    return at


def _reschedule_earlier(queue: ScopeQueue, reservation: Reservation, now: float) -> bool:
    """Move a reservation to an earlier time if that takes no room from who is due; tell if so."""
    priority = PriorityFilter(reservation.sequence, due=now)
    at, _ = _earliest(queue, reservation.demand, now, now, priority)
    is_earlier = at < reservation.at - float_tolerance(reservation.at)
    if is_earlier:
        queue.reschedule(reservation, at)
    return is_earlier


def _complete(futures_to_wake: list[Future[None]]) -> None:
    # Outside the lock: whoever is woken takes it at once. A caller that has stopped waiting may
    # have cancelled its future.
    for wake in futures_to_wake:
        if wake.set_running_or_notify_cancel():
            wake.set_result(None)
