"""The requests to one scope: those that wait, in the order of reservation, and those in flight."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from heapq import merge
from itertools import takewhile
from typing import Protocol, TypeAlias

from ..limit_types import Priority
from .charges import Charge
from .learned_limit import LearnedLimit
from .learning import ScopeLearning
from .limits import Limit, Unit

#: How much of each unit one request takes; a unit that is not named is not taken.
Demand: TypeAlias = Mapping[Unit, float]

#: Limits, and how much one request takes of each.
Amounts: TypeAlias = "list[tuple[Limit, float]]"


@dataclass(eq=False)
class Reservation:
    """Room for one request in every limit of its scope, from the time `starts_at` on.

    `wake` is completed once, when that becomes earlier; `Quota.try_start` replaces it by a new one.
    """

    scope: str
    demand: Demand
    starts_at: float
    #: Whose turn it is: a lower one is served first.
    sequence: float
    charges: list[tuple[Limit, Charge]]
    priority: Priority = "interactive"
    #: The unit of the limit that had room last; None where it could start at once.
    full_unit: Unit | None = None
    #: Whether a thread is about to complete `wake`.
    is_waking: bool = False
    is_started: bool = False
    #: Whether it waits or is in flight: it has been added, and neither cancelled nor settled.
    is_pending: bool = False
    #: Whether the shared quota has granted it a moment, which is its place in the order.
    is_granted: bool = False
    #: Whether the parent process made it, before a fork: only there it counts.
    is_from_parent_process: bool = False
    #: The group of scopes whose limits it takes of as well; "" is none.
    group: str = ""

    @property
    def amounts(self) -> Amounts:
        """How much it takes of each limit."""
        return [(limit, charge.amount) for limit, charge in self.charges]

    @property
    def wake(self) -> Future[None]:
        """The future, which is made when somebody asks for it: most requests go at once."""
        known: Future[None] | None = vars(self).get("_wake")
        # One step, since several threads may ask for it first.
        return vars(self).setdefault("_wake", Future()) if known is None else known

    @wake.setter
    def wake(self, wake: Future[None]) -> None:
        vars(self)["_wake"] = wake

    def renew_wake(self) -> None:
        """Wait to be woken again, where it was, or is about to be."""
        if self.is_waking or self.wake.done():
            self.is_waking, self.wake = False, Future()


class ReservationHolder(Protocol):
    """Who is to cancel or settle a reservation that `is_pending`, and has it before it counts."""

    reservation: Reservation | None


#: Of thousands of scopes in which nobody waits. Nothing is ever put into these.
_NOBODY: dict[Reservation, None] = {}
_NO_TIMES: list[float] = []


@dataclass(eq=False, slots=True)
class ScopeQueue:
    """The limits, the pause and the reservations of one scope; shared limits are among them."""

    limits: tuple[Limit, ...]
    paused_until: float = -math.inf
    #: Until when the shared quota has no room.
    held_until: float = -math.inf
    in_flight: dict[Reservation, None] = field(default_factory=dict)
    #: What the provider's answers have taught about the limits; None before the first.
    learning: ScopeLearning | None = None
    #: What bounds the requests in flight while their limit is not known; None before it is asked.
    slow_start: Limit | None = None
    #: When the first request was reserved.
    first_reserved_at: float | None = None
    #: Those who wait, by their priority and in the order of their sequence.
    _interactive: dict[Reservation, None] = field(default_factory=lambda: _NOBODY, repr=False)
    _batch: dict[Reservation, None] = field(default_factory=lambda: _NOBODY, repr=False)
    #: Their start times, in order.
    _interactive_starts: list[float] = field(default_factory=lambda: _NO_TIMES, repr=False)
    _batch_starts: list[float] = field(default_factory=lambda: _NO_TIMES, repr=False)

    @property
    def waiting(self) -> Sequence[Reservation]:
        """All who wait, in the order in which they are served."""
        return tuple(self._in_order())

    @property
    def has_waiting(self) -> bool:
        """Whether anybody waits."""
        return bool(self._interactive or self._batch)

    def is_waiting(self, reservation: Reservation) -> bool:
        """Whether the reservation is neither started nor cancelled."""
        return reservation in self._interactive or reservation in self._batch

    def check_is_waiting(self, reservation: Reservation) -> None:
        """Raise RuntimeError for a reservation that does not wait."""
        if not self.is_waiting(reservation):
            raise RuntimeError(
                f"the reservation for {reservation.scope!r} does not wait to be started"
            )

    def first_answer_deadline(self, timeout: float, now: float) -> float:
        """Return until when the first answer on a scope is waited for."""
        if self.first_reserved_at is None:
            self.first_reserved_at = now
            return now
        return self.first_reserved_at + timeout

    def pause(self, until: float, now: float) -> None:
        """Start nothing before the time *until*; a longer pause stays."""
        self.paused_until = max(self.paused_until, until)
        if self.learning is not None and self.learning.guess is not None and until > now:
            self.learning.guess.postpone(until - now, now)

    def amounts(self, demand: Demand, *, can_wait: bool) -> Amounts:
        """Return each limit that *demand* takes something of, and how much.

        A guess holds back those who can wait: who cannot is not refused because of one.
        """
        guess = self.learning.guess if self.learning is not None and not can_wait else None
        return [
            (limit, amount)
            for limit in self.limits
            if (amount := demand.get(limit.unit, 0.0)) and limit is not guess
        ]

    def is_overtaking(self, priority: Priority) -> bool:
        """Whether a reservation of this priority goes before some that wait."""
        return priority == "interactive" and bool(self._batch)

    def last_start(self) -> float:
        """Return the latest start time of all who wait; minus infinity if nobody does."""
        interactive = self._interactive_starts[-1] if self._interactive_starts else -math.inf
        return max(interactive, self._batch_starts[-1]) if self._batch_starts else interactive

    def last_start_before(self, sequence: float) -> float:
        """Return the latest start time of those who are served before *sequence*."""
        latest = -math.inf
        for line, times in (
            (self._interactive, self._interactive_starts),
            (self._batch, self._batch_starts),
        ):
            if line and next(reversed(line)).sequence < sequence:
                latest = max(latest, times[-1])  # all of them, as most often
                continue
            earlier = takewhile(lambda each: each.sequence < sequence, line)
            latest = max(latest, max((each.starts_at for each in earlier), default=-math.inf))
        return latest

    def next_waiting(self, now: float) -> Reservation | None:
        """Return who is served first of those whose start time is still to come."""
        if self.last_start() <= now:
            return None
        return next((each for each in self._in_order() if each.starts_at > now), None)

    def add(self, reservation: Reservation) -> None:
        """Append a reservation and reserve its charges."""
        if reservation.priority == "batch":
            if not self._batch:
                self._batch, self._batch_starts = {}, []
            self._batch[reservation], reservation.is_pending = None, True
        else:
            if not self._interactive:
                self._interactive, self._interactive_starts = {}, []
            self._interactive[reservation], reservation.is_pending = None, True
        self._reserve_charges(reservation)

    def add_limit(self, limit: Limit) -> None:
        """Let a limit count too that was not known before, also for who waits or is in flight."""
        for reservation in (*self.in_flight, *self._in_order()):
            amount = reservation.demand.get(limit.unit, 0.0)
            if not amount:
                continue
            charge = Charge(amount, reservation.starts_at, reservation.sequence)
            reservation.charges.append((limit, charge))
            limit.pending.reserve(charge)
            if reservation.is_started:
                limit.pending.start(charge, reservation.starts_at)
        self.limits = (*self.limits, limit)  # last, so that an interrupt leaves no half of it

    def reschedule(self, reservation: Reservation, at: float) -> None:
        """Move a reservation to another start time; it keeps its place in the order."""
        self._remove_start_time(reservation)
        for limit, charge in reservation.charges:
            limit.pending.cancel(charge)
            charge.at = at
        reservation.starts_at = at
        self._reserve_charges(reservation)

    def cancel(self, reservation: Reservation) -> None:
        """Remove a reservation that waits, and its charges."""
        reservation.is_pending = False
        self._remove_start_time(reservation)
        self._remove(reservation)
        for limit, charge in reservation.charges:
            limit.pending.cancel(charge)

    def start(self, reservation: Reservation, now: float) -> None:
        """Move a reservation and its charges from waiting to in flight."""
        self._remove_start_time(reservation)
        for limit, charge in reservation.charges:
            limit.pending.start(charge, now)
        # Until here it waits, as `restore` has it after an interrupt.
        self.in_flight[reservation] = None
        reservation.is_started, reservation.starts_at = True, now
        self._remove(reservation)

    def reset_in_child(self) -> list[tuple[Limit, Charge]]:
        """In a forked child, cancel who waits, and return the parent's charges in flight."""
        for reservation in self.waiting:
            self.cancel(reservation)
            reservation.is_from_parent_process = True
        for reservation in self.in_flight:
            reservation.is_from_parent_process = True
        charges = [each for reservation in self.in_flight for each in reservation.charges]
        self.in_flight.clear()
        return charges

    def restore(self) -> tuple[list[Reservation], list[Reservation]]:
        """Derive from the reservations again who waits and who is in flight; return both."""
        pending = [each for each in (*self._in_order(), *self.in_flight) if each.is_pending]
        self.in_flight = dict.fromkeys(each for each in pending if each.is_started)
        waiting = [each for each in pending if each not in self.in_flight]
        batch = [each for each in waiting if each.priority == "batch"]
        interactive = [each for each in waiting if each.priority != "batch"]
        self._interactive = dict.fromkeys(interactive) or _NOBODY
        self._interactive_starts = sorted(each.starts_at for each in interactive)
        self._batch = dict.fromkeys(batch) or _NOBODY
        self._batch_starts = sorted(each.starts_at for each in batch)
        return waiting, list(self.in_flight)

    def forget(self) -> None:
        """Drop what was learnt of the limits."""
        for limit in self.limits:
            if isinstance(limit, LearnedLimit):
                limit.until = -math.inf
        if self.learning is not None:
            self.limits = self.learning.expire(self.limits, math.inf)

    def _in_order(self) -> Iterator[Reservation]:
        """Yield who waits, in the order in which they are served."""
        if not self._batch:
            return iter(self._interactive)
        return merge(self._interactive, self._batch, key=_sequence)

    def _start_times_of(self, priority: Priority) -> list[float]:
        return self._batch_starts if priority == "batch" else self._interactive_starts

    def _reserve_charges(self, reservation: Reservation) -> None:
        insort(self._start_times_of(reservation.priority), reservation.starts_at)
        for limit, charge in reservation.charges:
            limit.pending.reserve(charge)

    def _remove(self, reservation: Reservation) -> None:
        if reservation.priority == "batch":
            del self._batch[reservation]
            if not self._batch:
                self._batch, self._batch_starts = _NOBODY, _NO_TIMES
        else:
            del self._interactive[reservation]
            if not self._interactive:
                self._interactive, self._interactive_starts = _NOBODY, _NO_TIMES

    def _remove_start_time(self, reservation: Reservation) -> None:
        times = self._start_times_of(reservation.priority)
        del times[bisect_left(times, reservation.starts_at)]


def _sequence(reservation: Reservation) -> float:
    return reservation.sequence
