"""A fleet in virtual time: its clock, the provider's bucket, and the quota that workers share."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count

#: Seconds of one point of the picture.
STEP = 10.0


@dataclass(frozen=True)
class Plan:
    """What is simulated; all times in seconds, and all of it repeats by its *seed*."""

    workers: int = 1_000
    #: Callers of most workers, and of each fifth, who all ask again as soon as they are answered.
    callers: tuple[int, int] = (1, 6)
    #: Tokens a minute, and those of a call: declared, and spent on the average.
    limit: float = 6_000_000.0
    declared: float = 500.0
    spent: float = 400.0
    answer: float = 0.6
    #: The most that a request takes to the provider and back, and to the shared quota and back.
    path: float = 0.2
    round_trip: float = 0.002
    #: How far the workers' clocks are apart, and by what part they run fast or slow.
    clock_offset: float = 30.0
    clock_drift: float = 1e-4
    seconds: float = 420.0
    #: When so many workers are killed, and how long each is away.
    killed_at: tuple[float, ...] = (90.0, 150.0)
    killed: float = 0.2
    restart: float = 5.0
    #: When the shared quota cannot be reached, and when another takes its place that knows nothing.
    outages: tuple[tuple[float, float], ...] = ((210.0, 220.0),)
    failovers: tuple[float, ...] = (300.0,)
    seed: int = 1

    @property
    def rate(self) -> float:
        """The tokens that the provider refills in a second."""
        return self.limit / 60.0


class World:
    """One clock, and what is to happen when."""

    def __init__(self, seed: int) -> None:
        self.now = 0.0
        self.luck = random.Random(seed)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._number = count()

    def at(self, time: float, what: Callable[[], None]) -> None:
        """Let *what* happen at *time*, or now if that is over."""
        heapq.heappush(self._events, (max(time, self.now), next(self._number), what))

    def after(self, seconds: float, what: Callable[[], None]) -> None:
        """Let *what* happen in so many *seconds*."""
        self.at(self.now + seconds, what)

    def run(self, until: float) -> None:
        """Let happen what is to happen by *until*."""
        while self._events and self._events[0][0] <= until:
            self.now, _, what = heapq.heappop(self._events)
            what()


@dataclass
class Provider:
    """A bucket that is refilled continuously, and refuses what does not fit when it arrives."""

    amount: float
    window: float = 60.0
    level: float = 0.0
    at: float = 0.0
    #: Of each step: the tokens that were spent, and how many requests were answered and refused.
    spent: dict[int, float] = field(default_factory=dict)
    answered: dict[int, int] = field(default_factory=dict)
    refused: dict[int, int] = field(default_factory=dict)

    def arrive(self, declared: float, now: float) -> float:
        """Return 0.0 for a request that is answered, or the seconds to wait of one that is not."""
        self._refill(now)
        step = int(now / STEP)
        over = self.level + declared - self.amount
        if over > 1e-6 * self.amount:
            self.refused[step] = self.refused.get(step, 0) + 1
            return over * self.window / self.amount
        self.level += declared
        self.answered[step] = self.answered.get(step, 0) + 1
        return 0.0

    def finish(self, declared: float, spent: float, now: float) -> None:
        """Give back what a request has declared and not *spent*."""
        self._refill(now)
        self.level = max(0.0, self.level - (declared - spent))
        step = int(now / STEP)
        self.spent[step] = self.spent.get(step, 0.0) + spent

    def part_refused(self, step: int) -> float:
        """Return the part of the requests of a *step* that was refused."""
        refused = self.refused.get(step, 0)
        return refused / max(1, refused + self.answered.get(step, 0))

    def _refill(self, now: float) -> None:
        self.level = max(0.0, self.level - (now - self.at) * self.amount / self.window)
        self.at = now


def jain(shares: Sequence[float]) -> float:
    """Return Jain's index of fairness: 1 where all have the same, 1/n where one has all."""
    squares = sum(each * each for each in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares else 1.0
