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

from services.llm.quota import NEVER, Bucket, Demand, Quota, Refusal, SlidingWindow, Ticket
from tests.quota.oracle import Provider, Sight, overfull

LANES = ("slow", "fast", "wide")
BUCKETS = {"slow": (8.0, 8.0), "fast": (16.0, 4.0), "wide": (64.0, 8.0)}
SHARED_TOKENS = (16.0, 8.0)

eighths = st.integers(0, 40).map(lambda steps: steps / 8)
shares = st.sampled_from([0.0, 0.5, 1.0])
lanes = st.sampled_from(LANES)
picks = st.integers(0, 1_000)


@dataclass
class Flight:
    """A request in flight or answered, as the provider may have seen it."""

    lane: str
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
            (self.requests, Bucket(*SHARED_TOKENS)), lambda: (Bucket(*next(amounts)),)
        )
        for lane in LANES:
            self.quota.pause(lane, base)
        self.paused = dict.fromkeys(LANES, base)
        self.told: dict[Ticket, float] = {}  # the moment that each who waits was told last
        self.flying: dict[Ticket, Flight] = {}
        self.done: list[Flight] = []

    def now(self) -> float:
        """The time that a caller tells: some read the clock before others and come after them."""
        self.quota.paused_for("slow", self.clock)
        told, self.late = self.clock - self.late, 0.0
        return told

    def tick(self) -> int:
        self.count += 1
        return self.count

    # Callers.

    @rule(lane=lanes, tokens=st.integers(0, 8), max_wait=st.sampled_from([0.0, 2.0, 30.0, NEVER]))
    def reserve(self, lane: str, tokens: int, max_wait: float) -> None:
        got = self.quota.reserve(lane, {"requests": 1, "tokens": tokens}, self.now(), max_wait)
        if isinstance(got, Refusal):
            assert got.wait > max_wait or got.wait == NEVER
        else:
            assert 0 <= got.at - self.clock <= max_wait
            self.told[got] = got.at

    @rule(lane=lanes, tokens=st.integers(0, 8))
    def go_at_once_or_not_at_all(self, lane: str, tokens: int) -> None:
        now = self.now()
        got = self.quota.reserve(lane, {"requests": 1, "tokens": tokens}, now)
        if isinstance(got, Ticket):
            self.told[got] = got.at
            assert self.quota.start(got, now) == 0.0
            self.sent(got)

    @precondition(lambda self: self.told)
    @rule(pick=picks)
    def start(self, pick: int) -> None:
        self.come(list(self.told)[pick % len(self.told)])

    @precondition(lambda self: any(ticket.at <= self.clock for ticket in self.told))
    @rule(pick=picks)
    def start_one_that_is_due(self, pick: int) -> None:
        due = [ticket for ticket in self.told if ticket.at <= self.clock]
        self.come(due[pick % len(due)])

    @precondition(lambda self: self.flying)
    @rule(pick=picks, spent=shares, seen=shares, arrived=shares, trued_up=shares)
    def settle(self, pick: int, spent: float, seen: float, arrived: float, trued_up: float) -> None:
        ticket = list(self.flying)[pick % len(self.flying)]
        flight = self.flying.pop(ticket)
        latest = flight.started + seen * (self.clock - flight.started)
        arrival = flight.started + arrived * (latest - flight.started)
        flight.latest = latest
        flight.sight = Sight(
            flight.reserved,
            flight.reserved * spent,
            arrival,
            arrival + trued_up * (self.clock - arrival),
            flight.order,
            self.tick(),
        )
        self.done.append(flight)
        self.quota.settle(ticket, {"tokens": flight.reserved * spent}, latest, self.now())

    @precondition(lambda self: self.told)
    @rule(pick=picks)
    def refund(self, pick: int) -> None:
        ticket = list(self.told)[pick % len(self.told)]
        del self.told[ticket]
        self.quota.refund(ticket, self.now())

    # The world.

    @rule(by=eighths)
    def time_passes(self, by: float) -> None:
        self.clock += by

    @rule(by=eighths)
    def somebody_read_the_clock_before(self, by: float) -> None:
        self.late = by

    @rule(lane=lanes, by=eighths)
    def pause(self, lane: str, by: float) -> None:
        self.paused[lane] = max(self.paused[lane], self.clock + by)
        self.quota.pause(lane, self.clock + by)
        assert self.quota.paused_for(lane, self.clock) == self.paused[lane] - self.clock

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

    @precondition(lambda self: not self.flying)
    @rule(lane=lanes, tokens=st.integers(0, 8))
    def a_refusal_is_exact(self, lane: str, tokens: int) -> None:
        demand: Demand = {"requests": 1, "tokens": tokens}
        refusal = self.quota.reserve(lane, demand, self.now())
        if isinstance(refusal, Ticket):
            self.quota.refund(refusal, self.clock)
        elif refusal.wait != NEVER:
            self.clock += refusal.wait - 1 / 64
            early = self.quota.reserve(lane, demand, self.clock)
            assert isinstance(early, Refusal)
            assert early.wait == 1 / 64
            self.clock += 1 / 64
            ticket = self.quota.reserve(lane, demand, self.clock)
            assert isinstance(ticket, Ticket)
            self.told[ticket] = ticket.at

    # What is to be.

    def come(self, ticket: Ticket) -> float:
        wait = self.quota.start(ticket, self.now())
        if wait == 0.0:
            self.sent(ticket)
        else:
            assert not ticket.moved.done()
            assert wait in (ticket.at - self.clock, NEVER)
            self.told[ticket] = ticket.at
        return wait

    def sent(self, ticket: Ticket) -> None:
        """Check the moment, the order and the window of what has just been sent."""
        del self.told[ticket]
        lane, tokens = ticket.lane, ticket.demand.get("tokens", 0.0)
        assert self.clock >= self.paused[lane]
        ahead = [one for one in self.told if one.lane == lane and one.turn < ticket.turn]
        assert [one.at for one in ahead if one.at > self.clock] == []
        window = self.requests.window
        counted = [one for one in self.done if self.clock < (one.latest or 0.0) + window]
        assert len(counted) + len(self.flying) < self.requests.amount
        self.flying[ticket] = Flight(lane, tokens, self.clock, self.tick())

    @invariant()
    def who_may_go_earlier_is_told(self) -> None:
        for ticket, moment in self.told.items():
            assert ticket.moved.done() == (ticket.at < moment)

    def teardown(self) -> None:
        """Let all through, and ask the provider."""
        if not hasattr(self, "quota"):
            return
        self.requests.amount = max(1, self.requests.amount)
        while self.flying:
            self.settle(0, 1.0, 1.0, 0.0, 1.0)
        self.everybody_gets_through()
        self.the_provider_never_refused()

    def everybody_gets_through(self) -> None:
        """Whoever is alone left waits for his moment, and few are told twice to wait."""
        looks = 4 * len(self.told)
        while self.told:
            looks -= 1
            assert looks >= 0
            ticket = min(self.told, key=lambda one: (one.at, one.turn))
            self.clock = max(self.clock, ticket.at)
            if self.come(ticket) == 0.0:
                self.settle(0, 1.0, 1.0, 1.0, 1.0)

    def the_provider_never_refused(self) -> None:
        saw = [flight for flight in self.done if flight.sight is not None]
        if not self.resized:
            arrivals = [flight.sight.arrived for flight in saw if flight.sight is not None]
            assert not overfull(arrivals, int(self.requests.amount), self.requests.window)
        for lane, (amount, window) in (*BUCKETS.items(), (None, SHARED_TOKENS)):
            mine = [one.sight for one in saw if one.sight is not None and lane in (one.lane, None)]
            assert Provider(amount, amount / window, mine).overflows() == []


@pytest.mark.parametrize("steps", [30, 80])
def test_no_window_ever_holds_more_than_its_limit(steps: int) -> None:
    run_state_machine_as_test(
        QuotaMachine,
        settings=settings(
            max_examples=60,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
