"""In virtual time, against a provider's bucket: the whole quota is used, and none is refused.

What counts for the provider is when it sees a request, which is a jitter after its sending.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

import pytest

from services.llm.account.transit_time import ASSUME_RECEIVED_AFTER, TransitTime
from services.llm.quota import NEVER, LearnedLimit, Quota, Reservation, SlidingWindow

CALLERS = 64
JITTER = 0.3


@dataclass
class Bucket:
    """The provider's own: it refuses what does not fit when it arrives."""

    amount: float
    window: float
    level: float = 0.0
    at: float = 0.0
    taken: float = 0.0
    refused: int = 0

    def arrive(self, amount: float, now: float) -> None:
        self.level = max(0.0, self.level - (now - self.at) * self.amount / self.window)
        self.at = now
        # What a microsecond refills is noise.
        if self.level + amount > self.amount * (1 + 1e-6):
            self.refused += 1
        else:
            self.level, self.taken = self.level + amount, self.taken + amount


@dataclass
class World:
    """Callers who ask again as soon as they are answered, on one clock."""

    quota: Quota
    bucket: Bucket
    answer_time: float
    amount: float
    luck: random.Random = field(default_factory=lambda: random.Random(5))
    transit_time: TransitTime = field(default_factory=TransitTime)
    now: float = 0.0
    starts: int = 0
    looks: int = 0
    _events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _number: count[int] = field(default_factory=count)

    def at(self, time: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._events, (time, next(self._number), what))

    def run(self, until: float) -> None:
        while self._events and self._events[0][0] <= until:
            self.now, _, what = heapq.heappop(self._events)
            what()

    def ask(self) -> None:
        demand = {"requests": 1.0, "tokens": self.amount}
        got = self.quota.reserve("m", demand, self.now, NEVER)  # type: ignore[arg-type]  # the units are literals
        assert isinstance(got, Reservation)
        self.wait_for(got)

    def wait_for(self, got: Reservation) -> None:
        due, wake = got.starts_at, got.wake

        def look() -> None:
            if not got.is_started and wake is got.wake:
                self.come(got)

        self.at(max(due, self.now), look)
        wake.add_done_callback(lambda _: self.at(self.now, look))

    def come(self, got: Reservation) -> None:
        self.looks += 1
        if self.quota.try_start(got, self.now):
            self.wait_for(got)
            return
        self.starts += 1
        sent, there, back = self.now, *(self.luck.random() * JITTER for _ in range(2))
        self.at(sent + there, lambda: self.bucket.arrive(self.amount, self.now))
        self.at(sent + there + self.answer_time + back, lambda: self.answered(got, sent))

    def answered(self, got: Reservation, sent: float) -> None:
        self.quota.settle(got, {"tokens": self.amount}, self.now, self.now)
        self.transit_time.observe(self.now - sent, None)
        self.quota.max_transit = self.transit_time.seconds
        self.ask()


@pytest.mark.parametrize("answer_time", [0.05, 5.0, 60.0])
@pytest.mark.parametrize(
    ("unit", "limit", "amount"), [("requests", 30.0, 1.0), ("tokens", 8_000.0, 400.0)]
)
def test_the_whole_quota_is_used_and_none_is_refused(
    answer_time: float, unit: str, limit: float, amount: float
) -> None:
    known = LearnedLimit(limit, 60.0, unit, configured=limit)  # type: ignore[arg-type]  # it is a unit
    quota = Quota((known,))
    quota.assume_received_after, quota.max_transit = ASSUME_RECEIVED_AFTER, 1.0
    world = World(quota, Bucket(limit, 60.0), answer_time, amount)
    for _ in range(CALLERS):
        world.ask()
    minutes = 8
    world.run(minutes * 60.0)
    # A full bucket at the beginning, and then what is refilled.
    entitled = limit * (minutes + 1) - limit / 60.0 * (1.0 + 2 * JITTER) - amount
    assert 0 == world.bucket.refused
    assert world.bucket.taken >= 0.95 * entitled
    assert world.looks <= 1.3 * world.starts


@pytest.mark.parametrize("answer_time", [0.05, 3.0, 5.0, 60.0])
def test_a_window_is_as_full_as_it_may_be_in_any_minute(answer_time: float) -> None:
    """What a knob sets holds in any minute, so that so many go each minute, and none is refused."""
    quota = Quota((SlidingWindow(30, 60.0),))
    quota.assume_received_after, quota.max_transit = ASSUME_RECEIVED_AFTER, 1.0
    world = World(quota, Bucket(30.0, 60.0), answer_time, 1.0)
    for _ in range(CALLERS):
        world.ask()
    minutes = 8
    world.run(minutes * 60.0)
    assert 0 == world.bucket.refused
    assert world.bucket.taken >= 0.95 * 30 * minutes
