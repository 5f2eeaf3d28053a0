"""What is used of a limit that a fleet shares: levels of buckets, and how far ahead they are taken.

The script on a Redis server goes by the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from .shared import Operation, SharedCharge, Take

#: Seconds for which the lowest amount holds that a worker has named for a limit.
AGREED_FOR = 300.0
#: Seconds ahead for which a call may be granted: at least, at most, and as calls of its size.
LEAST_AHEAD, MOST_AHEAD, CALLS_AHEAD = 6.0, 15.0, 4.0
#: The part of a limit's window that it may be ahead at most.
WINDOW_AHEAD = 0.25
#: Nothing is reserved further ahead than this: what is, was written before the clock was set back.
CREDIBLE_AHEAD = 30.0
#: Seconds after which a call that waits for the first answer asks again.
FIRST_AGAIN = 0.1
#: Seconds for which an `Add` is remembered.
ADD_KNOWN_FOR = 600.0


class Level(NamedTuple):
    """What is missing of a full bucket at a time; more before it, less after it.

    *taken* is all that was ever taken.
    """

    missing: float = 0.0
    at: float = 0.0
    taken: float = 0.0

    def used(self, time: float, rate: float) -> float:
        """Return what is missing at *time*, where *rate* is refilled each second."""
        # Before `at` something may be missing though nothing is at it: a call that was granted for
        # a later moment, and cancelled, has moved it there.
        left = self.missing - (time - self.at) * rate
        return left if left > 0 else 0.0

    def take(self, amount: float, at: float, rate: float) -> Level:
        """Return the level after *amount* was taken by what is seen *at* a time at latest."""
        return Level(self.used(at, rate) + amount, at, self.taken + amount)

    def add(self, amount: float, now: float, rate: float) -> Level:
        """Return the level after *amount* more was used."""
        at = max(now, self.at)
        return Level(self.used(at, rate) + amount, at, self.taken)

    def give_back(self, amount: float, mark: float, now: float, rate: float) -> Level:
        """Return the level after *amount* was not spent by a call that had this *mark*.

        What was taken since stays: the provider may have seen it after its own correction.
        """
        at = max(now, self.at)
        used = self.used(at, rate)
        left = used - min(amount, max(0.0, used - (self.taken - mark)))
        return Level(left, at, self.taken)


EMPTY = Level()


def scopes_of(operations: Iterable[Operation]) -> Iterable[str]:
    """Return the scopes that something is taken in."""
    return dict.fromkeys(each.scope for each in operations if isinstance(each, Take))


def look_ahead(charge: SharedCharge, amount: float) -> float:
    """Return for how many seconds ahead a call may be granted that *charge* holds back."""
    each = charge.window / amount if charge.is_log else charge.taken * charge.window / amount
    ahead = min(MOST_AHEAD, max(LEAST_AHEAD, CALLS_AHEAD * each))
    return min(ahead, WINDOW_AHEAD * charge.window)
