"""A worker of the simulated fleet: its callers, its quota and its fleet, all of the product."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial

from services.llm.account.fleet import LINGER, Fleet
from services.llm.account.transit_time import (
    ASSUME_RECEIVED_AFTER,
    MAX_FIRST_ANSWER_WAIT,
    TransitTime,
)
from services.llm.account.what_counts import STILL_FULL, full_limits
from services.llm.limit_types import LimitReport
from services.llm.quota import NEVER, Demand, LearnedLimit, Quota, Reservation
from services.llm.quota.answers import amount_used
from services.llm.quota.memory_shared_quota import MemorySharedQuota
from services.llm.quota.shared import (
    Decision,
    Granted,
    Operation,
    Outcome,
    SetCounting,
    Settle,
    Take,
)

from .fleet_world import Plan, Provider, World

MODEL = "m"
#: Seconds after which what a killed worker took counts as spent for good.
LEASE_TTL = 120.0


class SharedQuotaServer:
    """The quota that all share, which may be away, or be replaced by one that knows nothing."""

    def __init__(self, world: World, plan: Plan) -> None:
        self._world, self._plan = world, plan
        self.exchanges = 0
        self._epoch = 0
        self._shared_quota = self._new()
        for time in plan.failovers:
            world.at(time, self._fail_over)

    def exchange(self, operations: Sequence[Operation], epoch: str = "") -> Outcome:
        """Perform *operations*, as `SharedQuota.exchange`; raise ConnectionError while away."""
        if any(begin <= self._world.now < end for begin, end in self._plan.outages):
            raise ConnectionError("nobody can reach it")
        self.exchanges += 1
        return self._shared_quota.exchange(operations, epoch)

    def _new(self) -> MemorySharedQuota:
        return MemorySharedQuota(lambda: self._world.now, f"epoch {self._epoch}")

    def _fail_over(self) -> None:
        self._epoch += 1
        self._shared_quota = self._new()


class VirtualThread:
    """The thread in which a fleet sends, and the event that it waits for, in virtual time."""

    def __init__(self, world: World, plan: Plan) -> None:
        self._world, self._plan = world, plan
        self._is_urgent = False
        self._due: tuple[Callable[[], None], Future[None]] | None = None

    def submit(self, call: Callable[[], None]) -> Future[None]:
        """Run *call* as soon as a round trip is over, or something urgent has come up."""
        done: Future[None] = Future()
        self._due = call, done
        self._world.after(
            self._plan.round_trip if self._is_urgent else LINGER, self._run(self._due)
        )
        return done

    def stop(self) -> None:
        """Run nothing more."""
        if self._due is not None:
            self._due[1].set_result(None)
            self._due = None

    # The event.

    def set(self) -> None:
        """Let what waits to be sent be sent now."""
        if not self._is_urgent and self._due is not None:
            self._world.after(self._plan.round_trip, self._run(self._due))
        self._is_urgent = True

    def clear(self) -> None:
        """Note that all that was urgent is being sent."""
        self._is_urgent = False

    def wait(self, seconds: float) -> bool:
        """Return at once: the time has passed before the call was run."""
        return True

    def _run(self, due: tuple[Callable[[], None], Future[None]]) -> Callable[[], None]:
        def run() -> None:
            if self._due is due:
                self._due = None
                call, done = due
                call()
                done.set_result(None)

        return run


class Worker:
    """One process with its callers; *server* is None where nothing is shared.

    *share* is the part of the limit that it takes for itself where it shares nothing, or while
    the shared quota is away.
    """

    def __init__(
        self,
        world: World,
        plan: Plan,
        provider: Provider,
        server: SharedQuotaServer | None,
        share: float,
    ) -> None:
        self.answered = 0
        self.callers = plan.callers[0]
        self._world, self._plan, self._provider, self._server = world, plan, provider, server
        self._share = share
        self._offset = world.luck.uniform(-1, 1) * plan.clock_offset
        self._pace = 1 + world.luck.uniform(-1, 1) * plan.clock_drift
        self._life = 0

    def start(self) -> None:
        """Begin a life, in which nothing of an earlier one is known."""
        self._life += 1
        amount = self._plan.limit * (self._share if self._server is None else 1.0)
        limit = LearnedLimit(amount, 60.0, "tokens", configured=amount, is_ceiling=True)
        self._limit, self._quota = limit, Quota((), lambda: (limit,))
        self._asking: set[Reservation] = set()
        self._reserved_at: dict[Reservation, float] = {}
        self._transit_time = TransitTime()
        self._quota.assume_received_after = ASSUME_RECEIVED_AFTER
        self._quota.max_first_answer_wait = MAX_FIRST_ANSWER_WAIT
        self._quota.max_transit = self._transit_time.seconds
        if self._server is not None:
            self._thread = VirtualThread(self._world, self._plan)
            self._fleet = Fleet(self._server, self._share, self._now, self._learn, self._thread)
            self._fleet._is_urgent = self._thread  # type: ignore[assignment]  # a stand-in
            self._quota.fleet_used = self._fleet.used
        for _ in range(self.callers):
            self._after(self._world.luck.random(), self._ask)

    def kill(self) -> None:
        """End at once: what was sent is on its way, and nobody hears of the answers."""
        self._life += 1
        if self._server is not None:
            self._thread.stop()

    def _now(self) -> float:
        return self._world.now * self._pace + self._offset

    def _after(self, seconds: float, what: Callable[[], None]) -> None:
        life = self._life

        def happen() -> None:
            if life == self._life:
                what()

        # At least what both clocks can tell, so that nobody comes too early for good.
        self._world.after(max(1e-6, seconds / self._pace), happen)

    # A call.

    def _ask(self) -> None:
        demand: Demand = {"requests": 1.0, "tokens": self._plan.declared}
        got = self._quota.reserve(MODEL, demand, self._now(), NEVER)
        assert isinstance(got, Reservation)
        self._reserved_at[got] = self._now()
        self._wait_for(got)

    def _wait_for(self, got: Reservation) -> None:
        wake = got.wake

        def look() -> None:
            if not got.is_started and wake is got.wake:
                self._come(got)

        self._after(got.starts_at - self._now(), look)
        wake.add_done_callback(lambda _: self._after(0.0, look))

    def _come(self, got: Reservation) -> None:
        now = self._now()
        if self._server is None:
            self._go(got, None, None)
        elif got in self._asking:
            return
        elif self._quota.seconds_until_due(got, now):
            self._wait_for(got)
        else:
            self._asking.add(got)
            _, charges = self._fleet.charges(got)
            take = Take(
                self._fleet.new_lease(),
                MODEL,
                charges,
                self._quota.max_transit,
                NEVER,
                LEASE_TTL,
                self._quota.max_first_answer_wait,
                now - self._reserved_at[got],
            )
            answer = self._fleet.take(take)
            answer.add_done_callback(
                lambda done: self._after(0.0, partial(self._decide, got, take, done.result()))
            )

    def _decide(self, got: Reservation, take: Take, decision: Decision) -> None:
        if isinstance(decision, Granted):
            got.is_granted = True
            return self._after(decision.wait, partial(self._go, got, take, decision))
        self._asking.discard(got)
        until = self._now() + decision.again
        self._quota.hold(got, until, self._now())
        return self._wait_for(got)

    def _go(self, got: Reservation, take: Take | None, granted: Granted | None) -> None:
        self._asking.discard(got)
        if not self._quota.try_start(got, self._now()):
            return self._send(got, take, granted)
        if take is not None and granted is not None:
            nothing = (0.0,) * len(take.charges)
            self._fleet.settle(Settle(take, nothing, (None,) * len(nothing)))
        got.is_granted = False
        return self._wait_for(got)

    def _send(self, got: Reservation, take: Take | None, granted: Granted | None) -> None:
        sent, life = self._now(), self._life
        del self._reserved_at[got]
        there, back = (self._world.luck.random() * self._plan.path / 2 for _ in range(2))
        work = self._plan.answer * self._world.luck.uniform(0.5, 1.5)
        spent = self._plan.spent * self._world.luck.uniform(0.75, 1.25)

        def arrive() -> None:
            wait = self._provider.arrive(self._plan.declared, self._world.now)
            self._world.after(0.0 if wait else work, partial(answer, wait))

        def answer(wait: float) -> None:
            if not wait:
                self._provider.finish(self._plan.declared, spent, self._world.now)
            if life == self._life:
                self._after(back, partial(self._end, got, take, granted, sent, work, spent, wait))

        self._world.after(there, arrive)

    def _end(
        self,
        got: Reservation,
        take: Take | None,
        granted: Granted | None,
        sent: float,
        work: float,
        spent: float,
        wait: float,
    ) -> None:
        now, level = self._now(), self._provider.level
        if wait:
            spent, work = 0.0, 0.0
            said = LimitReport("tokens", 60.0, self._plan.limit, level, None, True, wait)
        else:
            said = LimitReport("tokens", 60.0, self._plan.limit, level)
            self.answered += 1
        self._transit_time.observe(now - sent, work)
        self._quota.max_transit = self._transit_time.seconds
        self._quota.settle(got, {"tokens": spent}, now - work, now, (said,))
        if take is not None and granted is not None:
            charge, counts = take.charges[0], self._fleet.what_counts
            amount = counts.amount_spent(self._limit, charge, {"tokens": spent})
            used = amount_used(self._limit, said, got.demand)
            self._fleet.settle(Settle(take, (amount,), (used,)))
            is_alone = granted.is_first and now - sent < take.first_alone
            in_use = self._fleet.used(MODEL, self._limit, now)
            is_full = full_limits(take, granted)[0] and in_use >= STILL_FULL * self._limit.amount
            counts_declared = counts.newly_shown(
                self._limit, charge, (said,), now, is_alone=is_alone, is_full=is_full
            )
            if counts_declared is not None:
                self._fleet.tell_what_counts(SetCounting(MODEL, charge.limit, counts_declared))
        self._ask()

    def _learn(self, outcome: Outcome) -> None:
        self._fleet.what_counts.learn(outcome.counting)
