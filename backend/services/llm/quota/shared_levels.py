"""What is used of a limit that a fleet shares: levels of buckets, and how far ahead they are taken.

The script on a Redis server goes by the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from .shared import Operation, SharedCharge, Take

#: Seconds for which the lowest amount holds that a worker has named for a limit.
AGREED_FOR = 300.0
#: How far ahead a call may be granted: seconds at least, seconds at most, and between them the
#: time in which so many calls of its size are refilled.
LEAST_AHEAD, MOST_AHEAD, CALLS_AHEAD = 6.0, 10.0, 4.0
#: The part of a limit's window that it may be ahead at most.
WINDOW_AHEAD = 0.25
#: A call that has waited may be granted further ahead: up to so many times as far; half of that
#: more after so many seconds of waiting; and so many seconds ahead at most.
TIMES_AHEAD, HALF_WAIT, LONGEST_AHEAD = 3.0, 30.0, 15.0
#: The part of a limit that may lie idle because calls are granted ahead that declare more than they
#: spend; the seconds ahead that are allowed all the same; and what one call adds to the average.
MOST_IDLE, SHORT_AHEAD, PART_WEIGHT = 0.04, 1.0, 0.05
#: Nothing is reserved further ahead than this: what is, was written before the clock was set back.
CREDIBLE_AHEAD = 30.0
#: Seconds after which whatever was sent has been received.
RECEIVED_AFTER = 5.0
#: Seconds after which a call that waits for the first answer asks again.
FIRST_AGAIN = 0.1
#: Seconds for which an `Add` is remembered.
ADD_KNOWN_FOR = 600.0


class Level(NamedTuple):
    """What is missing of a full bucket at a time; more before it, less after it.

    *taken* is all that was ever taken. At *lowered_at* less was found to be used: what was granted
    before may have a later moment than what was granted after it. Lately calls have spent a
    *spent_part* of what they had declared, on the average.
    """

    missing: float = 0.0
    at: float = 0.0
    taken: float = 0.0
    lowered_at: float = 0.0
    spent_part: float = 1.0

    def used(self, time: float, rate: float) -> float:
        """Return what is missing at *time*, where *rate* is refilled each second."""
        # Before `at` something may be missing though nothing is at it: a call that was granted for
        # a later moment, and cancelled, has moved it there.
        left = self.missing - (time - self.at) * rate
        return left if left > 0 else 0.0

    def take(self, amount: float, at: float, rate: float) -> Level:
        """Return the level after *amount* was taken by what is seen *at* a time at latest."""
        missing = self.used(at, rate) + amount
        return self._replace(missing=missing, at=at, taken=self.taken + amount)

    def add(self, amount: float, now: float, rate: float) -> Level:
        """Return the level after *amount* more was used."""
        at = max(now, self.at)
        return self._replace(missing=self.used(at, rate) + amount, at=at)

    def take_late(self, amount: float, now: float, rate: float) -> Level:
        """Return the level after *amount* more was taken than had been asked for."""
        return self.add(amount, now, rate)._replace(taken=self.taken + amount)

    def lower(self, at_most: float, taken_before: float, now: float, rate: float) -> Level:
        """Return the level where no more than *at_most* is used by what was taken until a grant.

        All that was ever taken was *taken_before* then; what was taken since comes on top.
        """
        over = self.used(now, rate) - (at_most + self.taken - taken_before)
        if over <= 0:
            return self
        at = max(now, self.at)
        left = max(0.0, self.used(at, rate) - over)
        return self._replace(missing=left, at=at, lowered_at=now)

    def spend(self, part: float) -> Level:
        """Return the level after a call has spent so large a *part* of what it had declared."""
        return self._replace(spent_part=self.spent_part + PART_WEIGHT * (part - self.spent_part))

    def give_back(self, amount: float, taken_before: float, now: float, rate: float) -> Level:
        """Return the level after *amount* was not spent by a call.

        What was taken since it was granted stays: the provider may have seen it after its own
        correction. All that was ever taken was *taken_before* then.
        """
        at = max(now, self.at)
        used = self.used(at, rate)
        back = min(amount, max(0.0, used - (self.taken - taken_before)))
        lowered_at = now if back > 0 else self.lowered_at
        return self._replace(missing=used - back, at=at, lowered_at=lowered_at)


EMPTY = Level()


class Room(NamedTuple):
    """What one limit says of a charge: what it allows, what is used, and when there is room."""

    amount: float
    used: float
    free_at: float


class Lease(NamedTuple):
    """When a call may be sent, and until when that is known.

    *taken* tells how much had ever been taken of each limit then, its own charge included.
    """

    at: float
    until: float
    taken: tuple[float, ...] = ()

    def taken_of(self, index: int) -> float:
        """Return what had been taken of the limit at *index*; 0.0 where nothing was."""
        return self.taken[index] if index < len(self.taken) else 0.0


def scopes_of(operations: Iterable[Operation]) -> Iterable[str]:
    """Return the scopes that something is taken in."""
    return dict.fromkeys(each.scope for each in operations if isinstance(each, Take))


def refill_seconds(charge: SharedCharge, amount: float) -> float:
    """Return how long what *charge* takes of a limit's *amount* needs to be there again."""
    return charge.window / amount if charge.is_log else charge.taken * charge.window / amount


def look_ahead(
    charge: SharedCharge, amount: float, spent_part: float, seconds_waited: float
) -> float:
    """Return for how many seconds ahead a call may be granted that *charge* holds back.

    What calls declare and do not spend, all but *spent_part*, lies idle until they are answered.
    One that has waited longer may be further ahead: else those who ask at a better moment could
    pass it for ever.
    """
    ahead = min(MOST_AHEAD, max(LEAST_AHEAD, CALLS_AHEAD * refill_seconds(charge, amount)))
    idle = (
        math.inf if spent_part >= 1 else MOST_IDLE * charge.window * spent_part / (1 - spent_part)
    )
    ahead = min(ahead, WINDOW_AHEAD * charge.window, max(SHORT_AHEAD, idle))
    times = 1 + (TIMES_AHEAD - 1) * seconds_waited / (seconds_waited + HALF_WAIT)
    return min(LONGEST_AHEAD, ahead * times)
