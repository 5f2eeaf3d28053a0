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
class Ticket:
    """A booked request: when it may go (`at`), and what wakes it if that moment comes nearer.

    `moved` is completed then, once: `Quota.start` puts a new one in its place.
    """

    lane: str
    demand: Demand
    at: float
    turn: int
    uses: list[tuple[Limit, Use]]
    moved: Future[None] = field(default_factory=Future)
    #: Whether somebody is about to complete `moved`.
    called: bool = False
    is_started: bool = False
    #: Whether it is of the parent of this process, where alone it counts.
    is_inherited: bool = False


@dataclass(eq=False)
class Lane:
    """One model's limits, with those that it shares, its pause and its tickets."""

    limits: Sequence[Limit]
    paused_until: float = -math.inf
    waiting: dict[Ticket, None] = field(default_factory=dict)
    flying: set[Ticket] = field(default_factory=set)
    _moments: list[float] = field(default_factory=list, repr=False)

    def asked_of(self, demand: Demand) -> Iterator[tuple[Limit, float]]:
        """Every limit that *demand* takes something of, and how much."""
        for limit in self.limits:
            if amount := demand.get(limit.unit, 0.0):
                yield limit, amount

    def last(self) -> float:
        """The latest moment that anyone here waits for."""
        return self._moments[-1] if self._moments else -math.inf

    def join(self, ticket: Ticket) -> None:
        """Book the ticket's uses; who books later waits behind it."""
        self.waiting[ticket] = None
        self._book(ticket)

    def move(self, ticket: Ticket, at: float) -> None:
        """Book the ticket for another moment; it keeps its place among those who wait."""
        self._leave_moment(ticket)
        for limit, use in ticket.uses:
            limit.uses.unbook(use)
            use.at = at
        ticket.at = at
        self._book(ticket)

    def leave(self, ticket: Ticket) -> None:
        """Give back what the ticket has booked."""
        self._leave(ticket)
        for limit, use in ticket.uses:
            limit.uses.unbook(use)

    def send(self, ticket: Ticket, now: float) -> None:
        """Let the ticket go: its uses are in flight."""
        ticket.is_started = True
        self._leave(ticket)
        self.flying.add(ticket)
        for limit, use in ticket.uses:
            limit.uses.send(use, now)

    def ahead_of(self, ticket: Ticket) -> float:
        """The latest moment that anyone who booked before *ticket* waits for."""
        before = takewhile(lambda other: other is not ticket, self.waiting)
        return max((other.at for other in before), default=-math.inf)

    def next_after(self, now: float) -> Ticket | None:
        """The first of those whose moment has not come."""
        return next((ticket for ticket in self.waiting if ticket.at > now), None)

    def _book(self, ticket: Ticket) -> None:
        insort(self._moments, ticket.at)
        for limit, use in ticket.uses:
            limit.uses.book(use)

    def _leave(self, ticket: Ticket) -> None:
        del self.waiting[ticket]
        self._leave_moment(ticket)

    def _leave_moment(self, ticket: Ticket) -> None:
        del self._moments[bisect_left(self._moments, ticket.at)]
