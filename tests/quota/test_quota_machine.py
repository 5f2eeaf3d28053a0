"""Whatever callers do in whatever order, the provider never sees more than its limits allow.

All moments are multiples of 1/8 s and all refills are too, so that the oracle may be strict.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from services.llm.quota import (
    NEVER,
    Demand,
    NoCapacity,
    Quota,
    Reservation,
    SlidingWindow,
    TokenBucketLimit,
)
from tests.conftest import FEWER
from tests.quota.oracle import Provider, Sight, overfull

LANES = ("slow", "fast", "wide")
BUCKETS = {"slow": (8.0, 8.0), "fast": (16.0, 4.0), "wide": (64.0, 8.0)}
SHARED_TOKENS = (16.0, 8.0)

eighths = st.integers(0, 40).map(lambda steps: steps / 8)
shares = st.sampled_from([0.0, 0.5, 1.0])
scopes = st.sampled_from(LANES)
picks = st.integers(0, 1_000)


@dataclass
class Follower:
    """A request in flight or answered, as the provider may have seen it."""

    scope: str
    reserved: float
    started: float
    order: int
    #: The latest moment at which it can have been seen; None while it is in flight.
    latest: float | None = None
    sight: Sight | None = None


class QuotaMachine(RuleBasedStateMachine):
    """Three models with token buckets of their own; requests and tokens that they share."""

    @initialize(
        base=st.sampled_from([0.0, 1_800_000_000.0]),
        requests=st.sampled_from([1, 2, 3, 64]),
        window=st.sampled_from([1.0, 2.0, 4.0]),
    )
    def begin(self, base: float, requests: int, window: float) -> None:
        self.clock = base
        self.late = 0.0
        self.count = 0
        self.requests = SlidingWindow(requests, window)
        self.resized = False
        amounts = iter(BUCKETS.values())
        self.quota = Quota(
            (self.requests, TokenBucketLimit(*SHARED_TOKENS)),
            lambda: (TokenBucketLimit(*next(amounts)),),
        )
        for scope in LANES:
            self.quota.pause(scope, base)
        self.paused = dict.fromkeys(LANES, base)
        self.told: dict[Reservation, float] = {}  # the moment that each who waits was told last
        self.in_flight: dict[Reservation, Follower] = {}
        self.done: list[Follower] = []

    def now(self) -> float:
        """The time that a caller tells: some read the clock before others and come after them."""
        self.quota.paused_for("slow", self.clock)
        told, self.late = self.clock - self.late, 0.0
        return told

    def tick(self) -> int:
        self.count += 1
        return self.count

    # Callers.

    @rule(scope=scopes, tokens=st.integers(0, 8), max_wait=st.sampled_from([0.0, 2.0, 30.0, NEVER]))
    def reserve(self, scope: str, tokens: int, max_wait: float) -> None:
        got = self.quota.reserve(scope, {"requests": 1, "tokens": tokens}, self.now(), max_wait)
        if isinstance(got, NoCapacity):
            assert got.wait > max_wait or got.wait == NEVER
        else:
            assert 0 <= got.starts_at - self.clock <= max_wait
            self.told[got] = got.starts_at

    @rule(scope=scopes, tokens=st.integers(0, 8))
    def go_at_once_or_not_at_all(self, scope: str, tokens: int) -> None:
        now = self.now()
        got = self.quota.reserve(scope, {"requests": 1, "tokens": tokens}, now)
        if isinstance(got, Reservation):
            self.told[got] = got.starts_at
            assert self.quota.try_start(got, now) == 0.0
            self.sent(got)

    @precondition(lambda self: self.told)
    @rule(pick=picks)
    def start(self, pick: int) -> None:
        self.come(list(self.told)[pick % len(self.told)])

    @precondition(
        lambda self: any(reservation.starts_at <= self.clock for reservation in self.told)
    )
    @rule(pick=picks)
    def start_one_that_is_due(self, pick: int) -> None:
        due = [reservation for reservation in self.told if reservation.starts_at <= self.clock]
        self.come(due[pick % len(due)])

    @precondition(lambda self: self.in_flight)
    @rule(pick=picks, spent=shares, seen=shares, arrived=shares, settled=shares)
    def settle(self, pick: int, spent: float, seen: float, arrived: float, settled: float) -> None:
        reservation = list(self.in_flight)[pick % len(self.in_flight)]
        one = self.in_flight.pop(reservation)
        latest = one.started + seen * (self.clock - one.started)
        arrival = one.started + arrived * (latest - one.started)
        one.latest = latest
        one.sight = Sight(
            one.reserved,
            one.reserved * spent,
            arrival,
            arrival + settled * (self.clock - arrival),
            one.order,
            self.tick(),
        )
        self.done.append(one)
        self.quota.settle(reservation, {"tokens": one.reserved * spent}, latest, self.now())

    @precondition(lambda self: self.told)
    @rule(pick=picks)
    def cancel(self, pick: int) -> None:
        reservation = list(self.told)[pick % len(self.told)]
        del self.told[reservation]
        self.quota.cancel(reservation, self.now())

    # The world.

    @rule(by=eighths)
    def time_passes(self, by: float) -> None:
        self.clock += by

    @rule(by=eighths)
    def somebody_read_the_clock_before(self, by: float) -> None:
        self.late = by

    @rule(scope=scopes, by=eighths)
    def pause(self, scope: str, by: float) -> None:
        self.paused[scope] = max(self.paused[scope], self.clock + by)
        self.quota.pause(scope, self.clock + by)
        assert self.quota.paused_for(scope, self.clock) == self.paused[scope] - self.clock

    @rule(requests=st.integers(0, 4))
    def a_host_changes_the_limit(self, requests: int) -> None:
        self.requests.amount = requests
        self.resized = True

    @rule(window=st.sampled_from([0.5, 1.0, 2.0, 4.0]))
    def a_host_changes_the_window(self, window: float) -> None:
        if window > self.requests.window:  # what had left the shorter one may be forgotten
            gone = self.clock - self.requests.window
            self.done = [one for one in self.done if one.latest is None or one.latest > gone]
        self.requests.window = window
        self.resized = True

    @precondition(lambda self: not self.in_flight)
    @rule(scope=scopes, tokens=st.integers(0, 8))
    def a_refusal_is_exact(self, scope: str, tokens: int) -> None:
        demand: Demand = {"requests": 1, "tokens": tokens}
        refusal = self.quota.reserve(scope, demand, self.now())
        if isinstance(refusal, Reservation):
            self.quota.cancel(refusal, self.clock)
        elif refusal.wait != NEVER:
            self.clock += refusal.wait - 1 / 64
            early = self.quota.reserve(scope, demand, self.clock)
            assert isinstance(early, NoCapacity)
            assert early.wait == 1 / 64
            self.clock += 1 / 64
            reservation = self.quota.reserve(scope, demand, self.clock)
            assert isinstance(reservation, Reservation)
            self.told[reservation] = reservation.starts_at

    # What is to be.

    def come(self, reservation: Reservation) -> float:
        wait = self.quota.try_start(reservation, self.now())
        if wait == 0.0:
            self.sent(reservation)
        else:
            assert not reservation.wake.done()
            assert wait in (reservation.starts_at - self.clock, NEVER)
            self.told[reservation] = reservation.starts_at
        return wait

    def sent(self, reservation: Reservation) -> None:
        """Check the moment, the order and the window of what has just been sent."""
        del self.told[reservation]
        scope, tokens = reservation.scope, reservation.demand.get("tokens", 0.0)
        assert self.clock >= self.paused[scope]
        ahead = [
            one for one in self.told if one.scope == scope and one.sequence < reservation.sequence
        ]
        assert [one.starts_at for one in ahead if one.starts_at > self.clock] == []
        window = self.requests.window
        counted = [one for one in self.done if self.clock < (one.latest or 0.0) + window]
        assert len(counted) + len(self.in_flight) < self.requests.amount
        self.in_flight[reservation] = Follower(scope, tokens, self.clock, self.tick())

    @invariant()
    def who_may_go_earlier_is_told(self) -> None:
        for reservation, moment in self.told.items():
            assert reservation.wake.done() == (reservation.starts_at < moment)

    def teardown(self) -> None:
        """Let all through, and ask the provider."""
        if not hasattr(self, "quota"):
            return
        self.requests.amount = max(1, self.requests.amount)
        while self.in_flight:
            self.settle(0, 1.0, 1.0, 0.0, 1.0)
        self.everybody_gets_through()
        self.the_provider_never_refused()

    def everybody_gets_through(self) -> None:
        """Whoever is alone left waits for his moment, and few are told twice to wait."""
        looks = 4 * len(self.told)
        while self.told:
            looks -= 1
            assert looks >= 0
            reservation = min(self.told, key=lambda one: (one.starts_at, one.sequence))
            self.clock = max(self.clock, reservation.starts_at)
            if self.come(reservation) == 0.0:
                self.settle(0, 1.0, 1.0, 1.0, 1.0)

    def the_provider_never_refused(self) -> None:
        saw = [one for one in self.done if one.sight is not None]
        if not self.resized:
            arrivals = [one.sight.arrived for one in saw if one.sight is not None]
            assert not overfull(arrivals, int(self.requests.amount), self.requests.window)
        for scope, (amount, window) in (*BUCKETS.items(), (None, SHARED_TOKENS)):
            mine = [
                one.sight for one in saw if one.sight is not None and scope in (one.scope, None)
            ]
            assert Provider(amount, amount / window, mine).overflows() == []


@pytest.mark.parametrize("steps", [30, 80])
def test_no_window_ever_holds_more_than_its_limit(steps: int) -> None:
    run_state_machine_as_test(
        QuotaMachine,
        settings=settings(
            max_examples=60 // FEWER,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
