"""In whatever order workers ask, the provider never sees more than its limits allow."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from services.llm.account.what_counts import full_limits
from services.llm.quota.memory_shared_quota import MemorySharedQuota
from services.llm.quota.shared import Granted, Pause, RestoreUse, Settle, SharedCharge, Take
from tests.conftest import FEWER
from tests.fleet.shared_quotas import Clock, requests, take, tokens
from tests.quota.oracle import Provider, Sight, overfull

TOKENS, REQUESTS, WINDOW, TRANSIT = 16.0, 5.0, 8.0, 0.5

eighths = st.integers(0, 40).map(lambda steps: steps / 8)
parts = st.sampled_from([0.0, 0.5, 1.0])
picks = st.integers(0, 1_000)


@dataclass
class Sent:
    """A call that was granted, and when it is sent and seen."""

    asked: Take
    granted: Granted
    at: float
    arrives: float
    order: int


class FleetMachine(RuleBasedStateMachine):
    """Workers that share two limits; some of them die, and some learn that one is lower."""

    @initialize(counts_declared=st.booleans())
    def begin(self, counts_declared: bool) -> None:
        #: Whether the provider counts all that is declared, and its figure tells so.
        self.counts_declared = counts_declared
        self.sent: list[Sent] = []
        self.clock = Clock(0.0)
        self.shared_quota = MemorySharedQuota(self.clock)
        self.amount = TOKENS
        self.count = 0
        self.waiting: list[Sent] = []
        self.seen: list[Sight] = []
        self.arrivals: list[float] = []
        self.paused_until = 0.0

    @rule(max_wait=eighths, jitters=st.lists(parts, min_size=2, max_size=6))
    def ask_for_requests(self, max_wait: float, jitters: list[float]) -> None:
        for jitter in jitters:
            self.ask(max_wait, jitter, requests(REQUESTS, WINDOW))

    @rule(amount=st.integers(1, 16), max_wait=eighths, jitter=parts)
    def ask_for_tokens(self, amount: int, max_wait: float, jitter: float) -> None:
        self.ask(max_wait, jitter, tokens(float(amount), self.amount, WINDOW))

    @rule(amount=st.integers(1, 16), max_wait=eighths, jitter=parts)
    def ask_for_both(self, amount: int, max_wait: float, jitter: float) -> None:
        charge = tokens(float(amount), self.amount, WINDOW)
        self.ask(max_wait, jitter, charge, requests(REQUESTS, WINDOW))

    def ask(self, max_wait: float, jitter: float, *charges: SharedCharge) -> None:
        self.count += 1
        asked = take(f"{self.count}", *charges, max_transit=TRANSIT, max_wait=max_wait)
        (decision,) = self.shared_quota.exchange([asked]).decisions
        if isinstance(decision, Granted):
            assert decision.wait <= max_wait
            at = self.clock.now + decision.wait
            assert at >= self.paused_until
            sent = Sent(asked, decision, at, at + jitter * TRANSIT, self.count)
            self.waiting.append(sent)
            self.sent.append(sent)
        else:
            assert decision.wait > 0
            assert decision.again <= decision.wait

    @rule(by=eighths)
    def time_passes(self, by: float) -> None:
        self.clock.now += by

    @rule(by=eighths)
    def pause(self, by: float) -> None:
        self.shared_quota.exchange([Pause(take("").scope, by)])
        # What was granted before the pause is sent all the same.
        self.paused_until = max(self.paused_until, self.clock.now + by)

    @precondition(lambda self: any(one.arrives <= self.clock.now for one in self.waiting))
    @rule(pick=picks, part=parts, used=parts)
    def answer(self, pick: int, part: float, used: float) -> None:
        there = [one for one in self.waiting if one.arrives <= self.clock.now]
        one = there[pick % len(there)]
        self.waiting.remove(one)
        part = 1.0 if self.counts_declared else part
        self.see(one, part)
        charges = one.asked.charges
        spent = tuple(1.0 if each.is_log else part * each.taken for each in charges)
        said = tuple(None if each.is_log else used * self.amount for each in charges)
        settle = Settle(one.asked, spent, said, self.at_most(one))
        self.shared_quota.exchange([settle] * 2)

    def at_most(self, one: Sent) -> tuple[float | None, ...]:
        """What is in use at most, by what the provider states as it receives a call."""
        if not self.counts_declared:
            return ()
        used, before = 0.0, 0.0
        for each in sorted(self.sent, key=lambda sent: sent.arrives):
            if each.arrives <= one.arrives:
                used = max(0.0, used - (each.arrives - before) * TOKENS / WINDOW)
                used += sum(charge.taken for charge in each.asked.charges if not charge.is_log)
                before = each.arrives
        return tuple(
            used + TRANSIT * TOKENS / WINDOW + charge.taken if is_full else None
            for charge, is_full in zip(
                one.asked.charges, full_limits(one.asked, one.granted), strict=True
            )
        )

    @precondition(lambda self: any(one.at > self.clock.now for one in self.waiting))
    @rule(pick=picks)
    def cancel(self, pick: int) -> None:
        early = [one for one in self.waiting if one.at > self.clock.now]
        one = early[pick % len(early)]
        self.waiting.remove(one)
        self.sent.remove(one)
        nothing = (0.0,) * len(one.asked.charges)
        self.shared_quota.exchange([Settle(one.asked, nothing, (None,) * len(nothing))])

    @precondition(lambda self: any(one.at > self.clock.now for one in self.waiting))
    @rule(pick=picks)
    def kill_early(self, pick: int) -> None:
        """A worker dies before it has sent what it was granted."""
        early = [one for one in self.waiting if one.at > self.clock.now]
        one = early[pick % len(early)]
        self.waiting.remove(one)
        self.sent.remove(one)

    @rule()
    def restore(self) -> None:
        """A shared quota that has lost its state counts all as used."""
        self.shared_quota.exchange([RestoreUse((tokens(TOKENS, self.amount, WINDOW),))])

    @precondition(lambda self: any(one.arrives <= self.clock.now for one in self.waiting))
    @rule(pick=picks, part=parts)
    def kill(self, pick: int, part: float) -> None:
        there = [one for one in self.waiting if one.arrives <= self.clock.now]
        one = there[pick % len(there)]
        self.waiting.remove(one)
        self.see(one, 1.0 if self.counts_declared else part)

    def see(self, one: Sent, part: float) -> None:
        """Let the provider have seen a call that spent *part* of what it took."""
        self.count += 1
        for charge in one.asked.charges:
            if charge.is_log:
                self.arrivals.append(one.arrives)
                continue
            spent = part * charge.taken
            sight = Sight(charge.taken, spent, one.arrives, self.clock.now, one.order, self.count)
            self.seen.append(sight)

    def teardown(self) -> None:
        """Ask the provider."""
        if not hasattr(self, "shared_quota"):
            return
        self.clock.now += 100.0
        for one in self.waiting:
            self.see(one, 1.0)
        assert not overfull(self.arrivals, int(REQUESTS), WINDOW)
        assert Provider(TOKENS, TOKENS / WINDOW, self.seen).overflows() == []
        free = take("last", tokens(TOKENS, TOKENS, WINDOW), requests(REQUESTS, WINDOW))
        (decision,) = self.shared_quota.exchange([free]).decisions
        assert (0.0, (0.0, 0.0)) == (decision.wait, decision.used)


def test_no_interleaving_lets_the_provider_see_more_than_its_limits() -> None:
    run_state_machine_as_test(
        FleetMachine,
        settings=settings(
            max_examples=60 // FEWER,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
