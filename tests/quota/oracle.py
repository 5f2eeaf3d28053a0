"""What the limits must do, told by brute force: every moment, every window, every step."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from services.llm.quota.charges import Charge


def overfull(moments: Iterable[float], size: int, window: float) -> bool:
    """Whether any half-open window holds more than *size* of the *moments*."""
    log = sorted(moments)
    return any(last < first + window for first, last in zip(log, log[size:], strict=False))


def crowds(log: Sequence[float], at: float, size: int, window: float) -> bool:
    """Whether *at*, added to *log*, is in a window of more than *size*."""
    near = sorted([at, *(one for one in log if abs(one - at) < window)])
    mine = near.index(at)
    return any(
        near[first + size] < near[first] + window
        for first in range(max(0, mine - size), min(mine + 1, len(near) - size))
    )


def first_without_a_crowd(log: Sequence[float], start: float, size: int, window: float) -> float:
    """The first moment from *start* on that can be added to *log*; none is between these."""
    candidates = {start, *log, *(one + window for one in log)}
    return min(at for at in candidates if at >= start and not crowds(log, at, size, window))


def full_at(arrivals: Iterable[tuple[float, float]], pace: float) -> list[float]:
    """When a bucket is full again after each (moment, amount), taken in the order given."""
    full, after = -math.inf, []
    for moment, amount in arrivals:
        full = max(full, moment) + amount * pace
        after.append(full)
    return after


@dataclass(frozen=True)
class Refill:
    """A bucket's size and pace (seconds per unit), what it gave out, and what is reserved of it.

    What is reserved for *now* or before was taken before what is in flight, which arrives now.
    """

    size: float
    pace: float
    answered: Sequence[tuple[float, float]]
    in_flight: Sequence[float]
    reserved: Sequence[Charge]
    now: float

    def fits(self, amount: float, at: float, *, keeping: bool) -> bool:
        """Whether *amount* fits at *at*, *keeping* what is reserved for later its room."""
        order = sorted(self.reserved, key=lambda charge: charge.sort_key)
        due = [(charge.at, charge.amount) for charge in order if charge.at <= self.now]
        in_flight = [(self.now, one) for one in self.in_flight]
        until = [(charge.at, charge.amount) for charge in order if self.now < charge.at <= at]
        later = [(charge.at, charge.amount) for charge in order if charge.at > max(at, self.now)]
        before = [*self.answered, *due, *in_flight, *until]
        full = full_at([*before, (at, amount), *later], self.pace)[len(before) :]
        without = full_at([*before, *later], self.pace)[len(before) :]
        room = self.size * self.pace
        if full[0] > at + room + 1e-5:
            return False
        return not keeping or all(
            mine <= moment + room + 1e-5 or mine <= unspoilt + 1e-5
            for (moment, _), mine, unspoilt in zip(later, full[1:], without, strict=True)
        )


@dataclass(frozen=True)
class Sight:
    """One request as the provider saw it: moments in seconds, and our steps they came after."""

    reserved: float
    spent: float
    arrived: float
    settled: float
    started_as: float
    settled_as: float


@dataclass
class Provider:
    """A provider's own bucket, refilled continuously, fed with what really arrived."""

    size: float
    rate: float
    seen: list[Sight] = field(default_factory=list)

    def overflows(self) -> list[float]:
        """By how much each arrival that did not fit overflowed the bucket."""
        steps = [(one.arrived, one.started_as, one.reserved, True) for one in self.seen]
        steps += [
            (one.settled, one.settled_as, one.spent - one.reserved, False) for one in self.seen
        ]
        level, before, excess = 0.0, 0.0, []
        for moment, _, amount, arrives in sorted(steps):
            level = max(0.0, max(0.0, level - (moment - before) * self.rate) + amount)
            before = moment
            # What a microsecond refills is noise at the precision of a clock that tells Unix time.
            if arrives and level > self.size * (1 + 1e-9) + 1e-6 * self.rate:
                excess.append(level - self.size)
        return excess
