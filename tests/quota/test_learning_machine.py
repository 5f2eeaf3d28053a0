"""Whatever happens in whatever order, a provider that tells of its limits never sees more.

The provider keeps its own bucket. Its limit is what it says, and may be lower than ours, or change.
It has to refuse only what was sent before it had told. Callers vanish with a request in flight, and
a child process goes on with what its parent knew. Who may go earlier is told of it.
"""

from __future__ import annotations

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

from services.llm.limit_types import LimitReport, Priority
from services.llm.quota import NEVER, LearnedLimit, NoCapacity, Quota, Reservation, SlidingWindow
from tests.conftest import FEWER

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

    def has_room(self, amount: float, now: float) -> bool:
        self.take(0.0, now)
        return self.level + amount <= self.amount + 1e-6

    def says(self, now: float) -> LimitReport:
        self.take(0.0, now)
        return LimitReport("tokens", WINDOW, self.amount, self.level)

    def refuses(self, requested: float, now: float) -> LimitReport:
        self.take(0.0, now)
        wait = (self.level + requested - self.amount) * WINDOW / self.amount
        used = min(self.level, self.amount)
        return LimitReport("tokens", WINDOW, self.amount, used, requested, True, wait)


class LearningMachine(RuleBasedStateMachine):
    @initialize(amount=st.integers(40, 90).map(float), stated=st.booleans())
    def begin(self, amount: float, stated: bool) -> None:
        self.now = 1_000.0
        self.provider = TellingProvider(amount)
        known = LearnedLimit(amount, WINDOW, "tokens", configured=amount)
        self.quota = Quota((SlidingWindow(9, WINDOW),), lambda: (known,) if stated else ())
        self.quota.assume_received_after, self.quota.max_transit = 5.0, 0.0
        self.quota.max_first_answer_wait = 1.0
        self.waiting: dict[Reservation, float] = {}  # the time that each was told last
        self.has_told = True
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
        self.waiting[got] = got.starts_at

    @precondition(lambda self: self.waiting)
    @rule(pick=st.integers(0, 99))
    def start(self, pick: int) -> None:
        one = list(self.waiting)[pick % len(self.waiting)]
        if self.quota.try_start(one, self.now):
            self.waiting[one] = one.starts_at
            return
        del self.waiting[one]
        declared = one.demand["tokens"]
        if self.provider.has_room(declared, self.now):
            self.provider.take(declared, self.now)
            self.in_flight.append(one)
            return
        assert not self.has_told
        nothing = dict.fromkeys(one.demand, 0.0)
        said = [self.provider.refuses(declared, self.now)]
        self.has_told = True
        self.quota.settle(one, nothing, self.now, self.now, said)

    @precondition(lambda self: self.in_flight)
    @rule(pick=st.integers(0, 99), part=st.sampled_from([0.0, 0.5, 1.0]))
    def settle(self, pick: int, part: float) -> None:
        one = self.in_flight.pop(pick % len(self.in_flight))
        declared = one.demand["tokens"]
        self.provider.take(part * declared - declared, self.now)
        said = [self.provider.says(self.now)]
        self.has_told = True
        self.quota.settle(one, {"tokens": part * declared}, self.now, self.now, said)

    @precondition(lambda self: self.waiting)
    @rule(pick=st.integers(0, 99))
    def cancel(self, pick: int) -> None:
        one = list(self.waiting)[pick % len(self.waiting)]
        del self.waiting[one]
        self.quota.cancel(one, self.now)

    @precondition(lambda self: self.in_flight)
    @rule(pick=st.integers(0, 99))
    def a_caller_vanishes_with_its_request_in_flight(self, pick: int) -> None:
        self.in_flight.pop(pick % len(self.in_flight))

    @rule()
    def the_process_is_forked_and_the_child_goes_on(self) -> None:
        self.quota._reset_in_child()
        self.waiting.clear()
        self.in_flight.clear()

    @precondition(lambda self: self.provider.amount > 35)
    @rule(by=st.integers(1, 30))
    def the_provider_lowers_its_limit(self, by: int) -> None:
        self.provider.amount = max(35.0, self.provider.amount - by)
        self.has_told = False

    @rule(by=st.integers(1, 30))
    def the_provider_raises_its_limit(self, by: int) -> None:
        self.provider.take(0.0, self.now)
        self.provider.amount += by

    @rule(by=st.sampled_from([0.25, 1.0, 6.0, 30.0]))
    def time_passes(self, by: float) -> None:
        self.now += by

    @rule(amount=st.integers(1, 20))
    def somebody_else_uses_the_account_and_it_is_told(self, amount: int) -> None:
        room = self.provider.amount - self.provider.says(self.now).used  # type: ignore[operator]  # it is told
        if not self.in_flight and room > 1:
            self.reserve(1, "interactive")
            one = list(self.waiting)[-1]
            if self.quota.try_start(one, self.now) == 0.0:
                del self.waiting[one]
                self.has_told = True
                self.provider.take(1.0, self.now)
                self.provider.take(min(float(amount), max(0.0, room - 1.0)), self.now)
                said = [self.provider.says(self.now)]
                self.quota.settle(one, {"tokens": 1.0}, self.now, self.now, said)
            else:
                self.waiting[one] = one.starts_at

    @rule(by=st.sampled_from([0.5, 5.0]))
    def a_pause(self, by: float) -> None:
        self.quota.pause("m", self.now + by)

    @invariant()
    def who_may_go_earlier_is_told(self) -> None:
        for reservation, time in getattr(self, "waiting", {}).items():
            assert reservation.wake.done() or reservation.starts_at >= time

    def teardown(self) -> None:
        """Everybody gets through, and nothing is left."""
        if not hasattr(self, "quota"):
            return
        looks = 0
        while self.waiting or self.in_flight:
            while self.in_flight:
                self.settle(0, 1.0)
            if self.waiting:
                one = min(self.waiting, key=lambda each: (each.starts_at, each.sequence))
                self.now = max(self.now, one.starts_at)
                self.start(list(self.waiting).index(one))
            looks += 1
            assert looks < 2_000
        self.quota.headroom("m", self.now)  # what a parent had in flight counts as received now
        self.now += 10 * WINDOW
        assert [limit.amount for limit in self.quota.headroom("m", self.now)] == [
            limit.left for limit in self.quota.headroom("m", self.now)
        ]


def test_a_provider_that_tells_of_its_limits_refuses_nothing() -> None:
    run_state_machine_as_test(
        LearningMachine,
        settings=settings(
            max_examples=20 // FEWER,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
