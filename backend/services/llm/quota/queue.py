"""The requests of one model: those that wait, in the order they booked, and those in flight."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import takewhile
from typing import TypeAlias

from .limits import Limit, Unit
from .uses import Use

#: How much of each unit one request takes; a unit that is not named is not taken.
Demand: TypeAlias = Mapping[Unit, float]


@dataclass(eq=False)
class Reservation:
    """A booked request: when it may go (`at`), and what wakes it if that moment comes nearer.

    `wake` is completed then, once: `Quota.start` puts a new one in its place.
    """

    scope: str
    demand: Demand
    at: float
    turn: int
    uses: list[tuple[Limit, Use]]
    wake: Future[None] = field(default_factory=Future)
    #: Whether somebody is about to complete `wake`.
    is_waking: bool = False
    is_started: bool = False
    #: Whether it is of the parent of this process, where alone it counts.
    is_inherited: bool = False


@dataclass(eq=False)
class ScopeQueue:
    """One model's limits, with those that it shares, its pause and its tickets."""

    limits: Sequence[Limit]
    paused_until: float = -math.inf
    waiting: dict[Reservation, None] = field(default_factory=dict)
    in_flight: set[Reservation] = field(default_factory=set)
    _moments: list[float] = field(default_factory=list, repr=False)

    def asked_of(self, demand: Demand) -> Iterator[tuple[Limit, float]]:
        """Every limit that *demand* takes something of, and how much."""
        for limit in self.limits:
            if amount := demand.get(limit.unit, 0.0):
                yield limit, amount

    def last(self) -> float:
        """The latest moment that anyone here waits for."""
        return self._moments[-1] if self._moments else -math.inf

    def join(self, reservation: Reservation) -> None:
        """Book the ticket's uses; who books later waits behind it."""
        self.waiting[reservation] = None
        self._book(reservation)

    def move(self, reservation: Reservation, at: float) -> None:
        """Book the ticket for another moment; it keeps its place among those who wait."""
        self._leave_moment(reservation)
        for limit, use in reservation.uses:
            limit.uses.cancel(use)
            use.at = at
        reservation.at = at
        self._book(reservation)

    def leave(self, reservation: Reservation) -> None:
        """Give back what the ticket has booked."""
        self._leave(reservation)
        for limit, use in reservation.uses:
            limit.uses.cancel(use)

    def send(self, reservation: Reservation, now: float) -> None:
        """Let the ticket go: its uses are in flight."""
        reservation.is_started = True
        self._leave(reservation)
        self.in_flight.add(reservation)
        for limit, use in reservation.uses:
            limit.uses.send(use, now)

    def ahead_of(self, reservation: Reservation) -> float:
        """The latest moment that anyone who booked before *reservation* waits for."""
        before = takewhile(lambda other: other is not reservation, self.waiting)
        return max((other.at for other in before), default=-math.inf)

    def next_after(self, now: float) -> Reservation | None:
        """The first of those whose moment has not come."""
        return next((reservation for reservation in self.waiting if reservation.at > now), None)

    def _book(self, reservation: Reservation) -> None:
        insort(self._moments, reservation.at)
        for limit, use in reservation.uses:
            limit.uses.book(use)

    def _leave(self, reservation: Reservation) -> None:
        del self.waiting[reservation]
        self._leave_moment(reservation)

    def _leave_moment(self, reservation: Reservation) -> None:
        del self._moments[bisect_left(self._moments, reservation.at)]
