"""Whatever happens in whatever order, a provider that tells of its limits never sees more.

The provider keeps its own buckets. Its limits are what it says, and may be lower than ours. All
that it does not refuse is within them by its own count; it has to refuse only what was sent before
it had told.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from services.llm.limit_types import LimitReport, Priority
from services.llm.quota import NEVER, LearnedLimit, NoCapacity, Quota, Reservation, SlidingWindow

WINDOW = 60.0


class TellingProvider:
    """A bucket that charges what is declared, gives back what is not spent, and tells of it."""

    def __init__(self, amount: float) -> None:
        self.amount = amount
        self.level, self.at = 0.0, 0.0
        self.highest = 0.0

    def take(self, amount: float, now: float) -> None:
        self.level = max(0.0, self.level - (now - self.at) * self.amount / WINDOW)
        self.at = now
        self.level = max(0.0, self.level + amount)
        self.highest = max(self.highest, self.level)

    def says(self, now: float) -> LimitReport:
        self.take(0.0, now)
        return LimitReport("tokens", WINDOW, self.amount, self.level)


class LearningMachine(RuleBasedStateMachine):
    @initialize(amount=st.integers(40, 90).map(float), stated=st.booleans())
    def begin(self, amount: float, stated: bool) -> None:
        self.now = 1_000.0
        self.provider = TellingProvider(amount)
        known = LearnedLimit(amount, WINDOW, "tokens", configured=amount)
        self.quota = Quota((SlidingWindow(9, WINDOW),), lambda: (known,) if stated else ())
        self.quota.answer_timeout, self.quota.max_transit = 5.0, 0.0
        self.quota.first_answer_timeout = 1.0
        self.waiting: list[Reservation] = []
        self.in_flight: list[Reservation] = []
        if not stated:  # the first answer tells
            self.reserve(1, "interactive")
            self.start(0)
            self.settle(0, 1.0)

    @rule(
        amount=st.integers(1, 30),
        priority=st.sampled_from(["interactive", "batch"]),
    )
    def reserve(self, amount: int, priority: Priority) -> None:
        demand = {"requests": 1.0, "tokens": float(amount)}
        got = self.quota.reserve("m", demand, self.now, NEVER, priority)  # type: ignore[arg-type]  # the units are literals
        assert not isinstance(got, NoCapacity)
        self.waiting.append(got)

    @precondition(lambda self: self.waiting)
    @rule(pick=st.integers(0, 99))
    def start(self, pick: int) -> None:
        one = self.waiting[pick % len(self.waiting)]
        if self.quota.start(one, self.now) == 0.0:
            self.waiting.remove(one)
            self.in_flight.append(one)
            self.provider.take(one.demand["tokens"], self.now)
            assert self.provider.level <= self.provider.amount + 1e-6

    @precondition(lambda self: self.in_flight)
    @rule(pick=st.integers(0, 99), part=st.sampled_from([0.0, 0.5, 1.0]))
    def settle(self, pick: int, part: float) -> None:
        one = self.in_flight.pop(pick % len(self.in_flight))
        declared = one.demand["tokens"]
        self.provider.take(part * declared - declared, self.now)
        said = [self.provider.says(self.now)]
        self.quota.settle(one, {"tokens": part * declared}, self.now, self.now, said)

    @precondition(lambda self: self.waiting)
    @rule(pick=st.integers(0, 99))
    def cancel(self, pick: int) -> None:
        self.quota.cancel(self.waiting.pop(pick % len(self.waiting)), self.now)

    @rule(by=st.sampled_from([0.25, 1.0, 6.0, 30.0]))
    def time_passes(self, by: float) -> None:
        self.now += by

    @rule(amount=st.integers(1, 20))
    def somebody_else_uses_the_account_and_it_is_told(self, amount: int) -> None:
        room = self.provider.amount - self.provider.says(self.now).used  # type: ignore[operator]  # it is told
        if not self.in_flight and room > 1:
            self.reserve(1, "interactive")
            if self.quota.start(self.waiting[-1], self.now) == 0.0:
                one = self.waiting.pop()
                self.provider.take(1.0, self.now)
                self.provider.take(min(float(amount), max(0.0, room - 1.0)), self.now)
                said = [self.provider.says(self.now)]
                self.quota.settle(one, {"tokens": 1.0}, self.now, self.now, said)

    @rule(by=st.sampled_from([0.5, 5.0]))
    def a_pause(self, by: float) -> None:
        self.quota.pause("m", self.now + by)

    def teardown(self) -> None:
        """Everybody gets through, and nothing is left."""
        if not hasattr(self, "quota"):
            return
        looks = 0
        while self.waiting or self.in_flight:
            while self.in_flight:
                self.settle(0, 1.0)
            if self.waiting:
                one = min(self.waiting, key=lambda each: (each.at, each.sequence))
                self.now = max(self.now, one.at)
                self.start(self.waiting.index(one))
            looks += 1
            assert looks < 2_000
        self.now += 10 * WINDOW
        assert [limit.amount for limit in self.quota.headroom("m", self.now)] == [
            limit.left for limit in self.quota.headroom("m", self.now)
        ]


def test_a_provider_that_tells_of_its_limits_refuses_nothing() -> None:
    run_state_machine_as_test(
        LearningMachine,
        settings=settings(
            max_examples=20,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
