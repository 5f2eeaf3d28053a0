"""The requests to one scope: those that wait, in the order of reservation, and those in flight."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import takewhile
from typing import TypeAlias

from .charges import Charge
from .limits import Limit, Unit

#: How much of each unit one request takes; a unit that is not named is not taken.
Demand: TypeAlias = Mapping[Unit, float]


@dataclass(eq=False)
class Reservation:
    """Room for one request in every limit of its scope, from the time `at` on.

    `wake` is completed once, when `at` becomes earlier; `Quota.start` replaces it by a new one.
    """

    scope: str
    demand: Demand
    at: float
    sequence: int
    charges: list[tuple[Limit, Charge]]
    #: Whether a thread is about to complete `wake`.
    is_waking: bool = False
    is_started: bool = False
    #: Whether the parent process made it; only there it counts.
    is_inherited: bool = False

    @property
    def wake(self) -> Future[None]:
        """The future, which is made when somebody asks for it: most requests go at once."""
        known: Future[None] | None = vars(self).get("_wake")
        # One step, since several threads may ask for it first.
        return vars(self).setdefault("_wake", Future()) if known is None else known

    @wake.setter
    def wake(self, wake: Future[None]) -> None:
        vars(self)["_wake"] = wake


@dataclass(eq=False)
class ScopeQueue:
    """The limits, the pause and the reservations of one scope; shared limits are among them."""

    limits: Sequence[Limit]
    paused_until: float = -math.inf
    waiting: dict[Reservation, None] = field(default_factory=dict)
    in_flight: set[Reservation] = field(default_factory=set)
    _start_times: list[float] = field(default_factory=list, repr=False)

    def amount_by_limit(self, demand: Demand) -> Iterator[tuple[Limit, float]]:
        """Yield each limit that *demand* takes something of, and how much."""
        for limit in self.limits:
            if amount := demand.get(limit.unit, 0.0):
                yield limit, amount

    def last_start(self) -> float:
        """Return the latest start time of all who wait; minus infinity if nobody does."""
        return self._start_times[-1] if self._start_times else -math.inf

    def last_start_before(self, reservation: Reservation) -> float:
        """Return the latest start time of those who reserved earlier than *reservation*."""
        earlier = takewhile(lambda other: other is not reservation, self.waiting)
        return max((other.at for other in earlier), default=-math.inf)

    def next_after(self, now: float) -> Reservation | None:
        """Return the earliest reservation whose start time is still to come."""
        return next((reservation for reservation in self.waiting if reservation.at > now), None)

    def add(self, reservation: Reservation) -> None:
        """Append a reservation and reserve its charges."""
        self.waiting[reservation] = None
        self._reserve_charges(reservation)

    def reschedule(self, reservation: Reservation, at: float) -> None:
        """Move a reservation to another start time; it keeps its place in the order."""
        self._remove_start_time(reservation)
        for limit, charge in reservation.charges:
            limit.pending.cancel(charge)
            charge.at = at
        reservation.at = at
        self._reserve_charges(reservation)

    def cancel(self, reservation: Reservation) -> None:
        """Remove a reservation that waits, and its charges."""
        self._remove(reservation)
        for limit, charge in reservation.charges:
            limit.pending.cancel(charge)

    def start(self, reservation: Reservation, now: float) -> None:
        """Move a reservation and its charges from waiting to in flight."""
        reservation.is_started = True
        self._remove(reservation)
        self.in_flight.add(reservation)
        for limit, charge in reservation.charges:
            limit.pending.start(charge, now)

    def _reserve_charges(self, reservation: Reservation) -> None:
        insort(self._start_times, reservation.at)
        for limit, charge in reservation.charges:
            limit.pending.reserve(charge)

    def _remove(self, reservation: Reservation) -> None:
        del self.waiting[reservation]
        self._remove_start_time(reservation)

    def _remove_start_time(self, reservation: Reservation) -> None:
        del self._start_times[bisect_left(self._start_times, reservation.at)]
