"""In virtual time, against a provider that tells nothing of its limit but by refusing."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

import pytest

from services.llm.account.transit_time import ASSUME_RECEIVED_AFTER, TransitTime
from services.llm.limit_types import LimitReport
from services.llm.quota import NEVER, LearnedLimit, Quota, Reservation, SlidingWindow
from services.llm.quota.charges import Charge, PriorityFilter
from services.llm.quota.slow_start import (
    ANSWERS_EACH,
    DOUBLING,
    IDLE,
    LATER_EACH,
    LONGEST,
    MANY,
    SlowStart,
)

MINUTE = 60.0


@dataclass
class Provider:
    """Refuses what exceeds *amount* requests a minute, which it counts in one of three ways."""

    kind: str
    amount: int
    rounds_waits: bool = False
    seen: list[float] = field(default_factory=list)
    level: float = 0.0
    at: float = 0.0
    answered: int = 0
    refused: int = 0

    def arrive(self, now: float) -> float:
        """Return 0.0, or the seconds after which a request that is refused may come again."""
        wait = getattr(self, f"_{self.kind}")(now)
        if wait <= 0:
            self.answered += 1
            return 0.0
        self.refused += 1
        return float(math.ceil(wait)) if self.rounds_waits else wait

    def _bucket(self, now: float) -> float:
        rate = self.amount / MINUTE
        self.level, self.at = max(0.0, self.level - (now - self.at) * rate), now
        over = self.level + 1 - self.amount
        if over <= 0:
            self.level += 1
        return over / rate

    def _sliding(self, now: float) -> float:
        self.seen = [each for each in self.seen if now - each < MINUTE]
        if len(self.seen) >= self.amount:
            return self.seen[0] + MINUTE - now
        self.seen.append(now)
        return 0.0

    def _fixed(self, now: float) -> float:
        begin = now - now % MINUTE
        self.seen = [each for each in self.seen if each >= begin]
        if len(self.seen) >= self.amount:
            return begin + MINUTE - now
        self.seen.append(now)
        return 0.0


@dataclass
class World:
    """Processes that share nothing but a provider; their callers ask again once answered."""

    provider: Provider
    answer_time: float
    #: Whether answers tell of the bucket.
    tells: bool = False
    luck: random.Random = field(default_factory=lambda: random.Random(7))
    now: float = 0.0
    _events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _number: count[int] = field(default_factory=count)

    def at(self, time: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._events, (max(time, self.now), next(self._number), what))

    def run(self, until: float) -> None:
        while self._events and self._events[0][0] <= until:
            self.now, _, what = heapq.heappop(self._events)
            what()


class Process:
    """One process with its quota, and its callers."""

    def __init__(self, world: World, callers: int, known: float = 1e6) -> None:
        self.world = world
        self.quota = Quota((SlidingWindow(known, MINUTE),))
        self.quota.assume_received_after, self.quota.max_transit = ASSUME_RECEIVED_AFTER, 1.0
        self.quota.max_first_answer_wait = 1.0
        self.transit_time = TransitTime()
        for _ in range(callers):
            world.at(world.luck.random() * 0.01, self.ask)

    def ask(self) -> None:
        got = self.quota.reserve("m", {"requests": 1.0}, self.world.now, NEVER)
        assert isinstance(got, Reservation)
        self.wait_for(got)

    def wait_for(self, got: Reservation) -> None:
        wake = got.wake

        def look() -> None:
            if not got.is_started and wake is got.wake:
                self.come(got)

        self.world.at(got.starts_at, look)
        wake.add_done_callback(lambda _: self.world.at(self.world.now, look))

    def come(self, got: Reservation) -> None:
        if self.quota.try_start(got, self.world.now):
            self.wait_for(got)
            return
        there = self.world.now + 0.001 * (1 + self.world.luck.random())
        self.world.at(there, lambda: self.arrive(got))

    def arrive(self, got: Reservation) -> None:
        wait = self.world.provider.arrive(self.world.now)
        back = 0.001 * (1 + self.world.luck.random())
        took = back if wait else back + self.world.answer_time * (0.5 + self.world.luck.random())
        self.world.at(self.world.now + took, lambda: self.end(got, wait))

    def end(self, got: Reservation, wait: float) -> None:
        now = self.world.now
        self.transit_time.observe(now - got.starts_at, None)
        self.quota.max_transit = self.transit_time.seconds
        if wait:
            report = LimitReport("requests", MINUTE, is_refusal=True, wait=wait)
            self.quota.pause("m", now + wait)
            self.quota.settle(got, {"requests": 0.0}, now, now, [report])
        else:
            self.quota.settle(got, {}, now, now, self.told())
        self.ask()

    def told(self) -> list[LimitReport]:
        """Return what an answer tells of the limit."""
        if not self.world.tells:
            return []
        seen = self.world.provider
        return [LimitReport("requests", MINUTE, seen.amount, math.ceil(seen.level))]


def refused_and_used(
    kind: str,
    amount: int,
    *,
    processes: int = 1,
    answer_time: float = 0.005,
    seconds: float = 30.0,
    rounds_waits: bool = False,
    tells: bool = False,
) -> tuple[int, float]:
    """Return how many requests of 64 callers were refused, and what part of the limit was used."""
    world = World(Provider(kind, amount, rounds_waits), answer_time, tells)
    crowds = [Process(world, 64 // processes) for _ in range(processes)]
    world.run(seconds)
    assert processes == len(crowds)
    refills = seconds / MINUTE if kind == "bucket" else math.ceil(seconds / MINUTE) - 1
    return world.provider.refused, world.provider.answered / (amount * (1 + refills))


@pytest.mark.parametrize("rounds_waits", [False, True])
@pytest.mark.parametrize("kind", ["bucket", "sliding", "fixed"])
@pytest.mark.parametrize("processes", [1, 4])
def test_of_a_crowd_that_begins_cold_each_process_is_refused_about_once(
    kind: str, processes: int, rounds_waits: bool
) -> None:
    refused, used = refused_and_used(kind, 120, processes=processes, rounds_waits=rounds_waits)
    # A process that shares nothing learns of the limit by a refusal of its own; while one has two
    # in flight, both are refused.
    assert processes <= refused <= max(2, processes)
    assert used >= 0.95


@pytest.mark.parametrize("kind", ["bucket", "sliding", "fixed"])
def test_few_are_refused_of_many_minutes_and_the_limit_is_used(kind: str) -> None:
    refused, used = refused_and_used(kind, 60, seconds=600.0)
    assert refused <= 0.01 * 60 * 10
    assert used >= 0.95


@pytest.mark.parametrize(("amount", "minutes"), [(60, 3), (300, 4)])
def test_a_limit_that_is_met_at_once_is_used_within_minutes(amount: int, minutes: int) -> None:
    """Others have used all of it just before: the first request is refused, and tells nothing."""
    world = World(Provider("bucket", amount, level=amount), 0.1)
    Process(world, 8)
    world.run((minutes - 1) * MINUTE)
    before = world.provider.answered
    world.run((minutes - 0.5) * MINUTE)
    assert world.provider.answered - before >= 0.9 * amount / 2
    world.run(minutes * MINUTE)
    assert world.provider.refused <= 0.03 * world.provider.answered


def test_the_slower_the_answers_the_more_are_in_flight_when_the_limit_is_met() -> None:
    refused = [refused_and_used("bucket", 120, answer_time=time)[0] for time in (0.05, 0.3)]
    assert refused[0] <= 4 <= 0.03 * 180
    assert refused[1] <= 5


def test_processes_that_are_told_of_a_limit_but_not_of_one_another_find_their_parts() -> None:
    refused, used = refused_and_used("bucket", 120, processes=4, tells=True)
    assert refused <= 0.035 * 180
    assert used >= 0.85


def test_a_known_limit_is_used_at_once() -> None:
    world = World(Provider("bucket", 120), 1.0)
    known = Process(world, 64, known=120)
    world.run(2.0)
    assert known.quota.headroom("m", 2.0)[0].left < 60


def test_who_cannot_wait_for_the_end_of_the_slow_start_is_not_held_back() -> None:
    quota = Process(World(Provider("bucket", 9), 1.0), 0).quota
    quota.settle(go(quota, 0.0), {}, 0.0, 0.0)
    assert [0.0] * 9 == [go(quota, 0.0, LONGEST - 1).starts_at for _ in range(9)]
    held = [reserve(quota, 0.0).starts_at for _ in range(3)]
    assert [0.0, DOUBLING, DOUBLING * math.log2(3)] == held


def test_limits_of_tokens_and_of_a_day_tell_nothing_of_requests_a_minute() -> None:
    others = [
        LearnedLimit(8_000, MINUTE, "tokens", configured=8_000),
        LearnedLimit(1_000, 86_400.0, "requests", configured=1_000),
    ]
    quota = Quota((), lambda: others)
    quota.max_first_answer_wait = 1.0
    quota.settle(go(quota, 0.0), {}, 0.0, 0.0)
    go(quota, 0.0)
    assert DOUBLING == reserve(quota, 0.0).starts_at


def test_a_slow_start_ends_in_time_and_begins_anew_after_an_idle_minute() -> None:
    quota = Process(World(Provider("bucket", 9), 1.0), 0).quota
    quota.settle(go(quota, 0.0), {}, 0.0, 0.0)
    go(quota, 0.0)
    held = [reserve(quota, 0.0) for _ in range(3)]
    assert [LONGEST] == [reserve(quota, LONGEST).starts_at]
    quota.cancel(held.pop(), LONGEST)
    slow = SlowStart()
    charge = Charge(1.0, 0.0)
    for now, start in ((0.0, 0.0), (IDLE - 1, IDLE - 1), (3 * IDLE, 3 * IDLE)):
        slow.restart_if_idle(now)
        assert start == slow.earliest(1.0, now, now)
        slow.pending.reserve(charge)
        slow.pending.start(charge, now)
        if now != IDLE - 1:
            assert now + DOUBLING == slow.earliest(1.0, now, now)
        else:
            assert now == slow.earliest(1.0, now, now)
        slow.settle(charge, 1.0, now, now)


def test_one_more_may_be_in_flight_for_each_fifty_answers() -> None:
    slow, asked = SlowStart(), PriorityFilter(sequence=1.0)
    for number in range(2 * ANSWERS_EACH):
        charge = Charge(1.0, 0.0)
        slow.restart_if_idle(0.0)
        slow.pending.reserve(charge)
        slow.pending.start(charge, 0.0)
        # What the provider has refused is no answer.
        slow.settle(charge, float(number > 0), 0.0, 0.0)
    waiting = Charge(1.0, 0.0, 0.5)
    slow.pending.reserve(waiting)
    assert [DOUBLING, DOUBLING] == [slow.earliest(1.0, 0.0, 0.0, each) for each in (None, asked)]
    slow._answered += 1
    assert [0.0, 0.0] == [slow.earliest(1.0, 0.0, 0.0, each) for each in (None, asked)]


def test_after_two_hundred_answers_one_more_may_be_in_flight_for_each_twenty() -> None:
    slow = SlowStart()
    slow.restart_if_idle(0.0)
    for number in range(12):
        charge = Charge(1.0, 0.0)
        slow.pending.reserve(charge)
        slow.pending.start(charge, 0.0)
        if number == 6:
            slow._answered = MANY + 8 * LATER_EACH
            assert 0.0 == slow.earliest(1.0, 0.0, 0.0)
    slow._answered = MANY + 13 * LATER_EACH - 1
    assert DOUBLING * math.log2(13) == slow.earliest(1.0, 0.0, 0.0)
    slow._answered += 1
    assert 0.0 == slow.earliest(1.0, 0.0, 0.0)


def test_a_slow_start_is_a_limit_like_any_other() -> None:
    slow, charge = SlowStart(), Charge(1.0, 5.0)
    slow.pending.reserve(charge)
    slow.pending.start(charge, 5.0)
    slow.mark_received(9.0, 1.0)
    assert (1.0, 9.0, None) == (slow.used(9.0), slow.full_at(9.0), slow.blocked_since(1.0))


def reserve(quota: Quota, now: float, max_wait: float = LONGEST) -> Reservation:
    got = quota.reserve("m", {"requests": 1.0}, now, max_wait)
    assert isinstance(got, Reservation)
    return got


def go(quota: Quota, now: float, max_wait: float = LONGEST) -> Reservation:
    got = reserve(quota, now, max_wait)
    assert quota.try_start(got, now) == 0.0
    return got
