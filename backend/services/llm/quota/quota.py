"""The limits of one account: a request reserves all of its limits, or none."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import count

from ..runtime.fork import ForkLock, reset_in_child
from .limits import NEVER, Limit, Unit, grain, wait_until
from .queue import Demand, Reservation, ScopeQueue
from .uses import Ahead, Use


@dataclass(frozen=True)
class Refusal:
    """Nothing was booked: the seconds after which there is room (`NEVER`: there never is).

    `unit` is that of the limit which has room last; it is None where the lane's pause, or those
    who wait in it, are what there is to wait for.
    """

    wait: float
    unit: Unit | None


class Quota:
    """Limits that a whole account shares (`shared`), and further ones that each model has.

    Requests to one model form a lane and go in the order they booked. A booking is moved when its
    turn or its moment has come, not before: one who never comes for it delays the others by no
    more than what it booked. Between the lanes of one account, who booked first is served first
    where both can go, and nobody waits for one whose own limits or pause hold it back.

    Nothing here sleeps or reads a clock: every method is told the time *now*, in seconds. Times
    that step back are taken as the latest seen. The lock guards all state and is held for
    arithmetic only.
    """

    def __init__(
        self,
        shared: Sequence[Limit] = (),
        per_model: Callable[[], Sequence[Limit]] = tuple,
    ) -> None:
        self._answer_once = tuple(shared)
        self._per_model = per_model
        self._scopes: dict[str, ScopeQueue] = {}
        self._latest = -math.inf
        self._turns = count()
        self._inherited: list[tuple[Limit, Use]] = []
        self._lock = ForkLock(leaf=True)
        reset_in_child(self)

    def reserve(
        self, scope: str, demand: Demand, now: float, max_wait: float = 0.0
    ) -> Reservation | Refusal:
        """Book the first moment that suits every limit, if it is at most *max_wait* s away.

        A refusal's wait is exact as long as nothing else happens; what is in flight counts as
        answered now. Raises ValueError for an amount that is negative or no number.
        """
        for asked, amount in demand.items():
            if not amount >= 0:
                raise ValueError(f"demand[{asked!r}] = {amount!r}: must be 0 or more")
        with self._lock:
            now, line = self._now(now), self._scope(scope)
            at, unit = _earliest(line, demand, max(now, line.last()), now)
            wait = wait_until(at, now)
            if wait > max_wait or at == NEVER:
                return Refusal(wait, unit)
            turn = next(self._turns)
            uses = [(limit, Use(amount, at, turn)) for limit, amount in line.asked_of(demand)]
            reservation = Reservation(scope, demand, at, turn, uses)
            line.join(reservation)
            return reservation

    def start(self, reservation: Reservation, now: float) -> float:
        """Let the request go (0.0: it counts as sent from now on), or say how long to wait.

        While it waits, `reservation.wake` is completed when the moment has come nearer. `NEVER`
        says that a limit has been lowered below the demand. Raises RuntimeError for a reservation
        that does not wait: one that was started or cancelled, or made before a fork.
        """
        with self._lock:
            now, line = self._now(now), self._scopes[reservation.scope]
            if reservation not in line.waiting:
                raise RuntimeError(
                    f"the ticket for {reservation.scope!r} does not wait to be started"
                )
            at = reservation.at if reservation.at > now else _turn(line, reservation, now)
            if at > now:
                if reservation.is_waking or reservation.wake.done():
                    reservation.is_waking, reservation.wake = False, Future()
                return wait_until(at, now)
            line.send(reservation, now)
            nearer = self._nearer(now)
        _wake(nearer)
        return 0.0

    def settle(self, reservation: Reservation, spent: Demand, seen_by: float, now: float) -> None:
        """True a sent request up to what it *spent*.

        A unit that is not named, or not as a finite amount from 0 up, keeps its estimate. *seen_by*
        is the latest moment at which the provider can have received the request. Raises
        RuntimeError for a ticket that is not in flight; after a fork, one of the parent's is
        left alone.
        """
        with self._lock:
            now, line = self._now(now), self._scopes[reservation.scope]
            if reservation.is_inherited:
                return
            if reservation not in line.in_flight:
                raise RuntimeError(f"the ticket for {reservation.scope!r} is not in flight")
            line.in_flight.remove(reservation)
            for limit, use in reservation.uses:
                amount = spent.get(limit.unit, use.amount)
                believed = amount if 0 <= amount < math.inf else use.amount
                limit.settle(use, believed, max(use.at, min(now, seen_by)), now)
            nearer = self._nearer(now)
        _wake(nearer)

    def cancel(self, reservation: Reservation, now: float) -> None:
        """Give back a booking that was not started; RuntimeError for one that was, or is over."""
        with self._lock:
            now, line = self._now(now), self._scopes[reservation.scope]
            if reservation.is_inherited:
                return
            if reservation not in line.waiting:
                raise RuntimeError(
                    f"the ticket for {reservation.scope!r} does not wait to be started"
                )
            line.leave(reservation)
            nearer = self._nearer(now)
        _wake(nearer)

    def pause(self, scope: str, until: float) -> None:
        """Let nothing more go to *scope* before the moment *until*; a longer pause stays."""
        with self._lock:
            line = self._scope(scope)
            line.paused_until = max(line.paused_until, until)

    def paused_for(self, scope: str, now: float) -> float:
        """Seconds that the lane's pause still lasts, 0.0 without one."""
        with self._lock:
            now = self._now(now)
            return max(0.0, wait_until(self._scope(scope).paused_until, now))

    def pauses(self, now: float) -> dict[str, float]:
        """Return the lanes that pause, each with the seconds that are left of it."""
        with self._lock:
            now = self._now(now)
            left = {scope: line.paused_until - now for scope, line in self._scopes.items()}
        return {scope: seconds for scope, seconds in left.items() if seconds > 0}

    def resume(self, now: float) -> None:
        """End all pauses; those who wait for one go as soon as their limits allow."""
        with self._lock:
            now = self._now(now)
            for line in self._scopes.values():
                line.paused_until = -math.inf
            nearer = self._nearer(now)
        _wake(nearer)

    def after_fork(self) -> None:
        """In a child, drop those who wait; what the parent has in flight counts as seen next."""
        for line in self._scopes.values():
            for reservation in list(line.waiting):
                line.leave(reservation)
                reservation.is_inherited = True
            for reservation in line.in_flight:
                self._inherited += reservation.uses
                reservation.is_inherited = True
            line.in_flight.clear()

    def _now(self, now: float) -> float:
        self._latest = now = max(self._latest, now)
        while self._inherited:
            limit, use = self._inherited.pop()
            limit.settle(use, use.amount, now, now)
        return now

    def _scope(self, scope: str) -> ScopeQueue:
        if scope not in self._scopes:
            self._scopes[scope] = ScopeQueue((*self._answer_once, *self._per_model()))
        return self._scopes[scope]

    def _nearer(self, now: float) -> list[Future[None]]:
        """Let the next of every lane use what room there is now; those told later must wake."""
        nearer = []
        for line in self._scopes.values():
            reservation = line.next_after(now)
            if (
                reservation is not None
                and _moved_nearer(line, reservation, now)
                and not reservation.is_waking
            ):
                reservation.is_waking = True
                nearer.append(reservation.wake)
        return nearer


def _earliest(
    line: ScopeQueue, demand: Demand, start: float, now: float, ahead: Ahead | None = None
) -> tuple[float, Unit | None]:
    """When every limit has room, and the unit that is last to have it.

    Each limit names the first moment that suits it, and then the others are asked again: so the
    first moment that nobody moves suits all.
    """
    at, unit = max(start, line.paused_until), None
    before = None
    while at not in (before, NEVER):
        before = at
        for limit, amount in line.asked_of(demand):
            fits = limit.earliest(amount, at, now, ahead)
            at, unit = (fits, limit.unit) if fits > at else (at, unit)
    return at, unit


def _turn(line: ScopeQueue, reservation: Reservation, now: float) -> float:
    """When a ticket whose moment has come may really go: those ahead of it may have been late."""
    start = max(now, line.ahead_of(reservation))
    at, _ = _earliest(line, reservation.demand, start, now, Ahead(reservation.turn))
    if not now < at < NEVER:
        return at
    for limit, amount in line.asked_of(reservation.demand):
        # Just an answer can make room, and wakes us. Looking again after a part of the time that
        # it has taken so far makes that a few looks, however long it takes.
        if (since := limit.held_since(amount)) is not None:
            at = max(at, now + (now - since) / 4)
    line.move(reservation, at)
    return at


def _moved_nearer(line: ScopeQueue, reservation: Reservation, now: float) -> bool:
    """Book the ticket for an earlier moment, if there is one that nobody who is due needs."""
    at, _ = _earliest(line, reservation.demand, now, now, Ahead(reservation.turn, now))
    nearer = at < reservation.at - grain(reservation.at)
    if nearer:
        line.move(reservation, at)
    return nearer


def _wake(nearer: list[Future[None]]) -> None:
    # Outside the lock: whoever is woken comes straight back for it. One who has stopped waiting
    # may have cancelled the future.
    for wake in nearer:
        if wake.set_running_or_notify_cancel():
            wake.set_result(None)
