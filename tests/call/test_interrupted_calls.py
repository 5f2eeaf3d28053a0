"""A signal's handler may raise at any call that Python makes: all is given back, and goes on."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from inspect import CO_GENERATOR
from types import FrameType
from typing import Any, TypeAlias

import pytest

from services.llm.account.concurrency import ConcurrencyLimiter, Permit
from services.llm.account.daily_budget import (
    BudgetReservation,
    DailyBudget,
    DayCounter,
    MemoryDayCounter,
)
from services.llm.account.single_flight import Follower, Leader, SingleFlight
from services.llm.errors import LLMError
from services.llm.quota import Demand, LearnedLimit, Quota, Reservation, SlidingWindow
from services.llm.runtime.waking import wake
from services.llm.types import Reply
from tests.call.test_release import Day, Scene, drive, many_keys, plain, wait_for_corrections
from tests.quota.support import reserved, sent

#: What is traced: where something is taken, given back or woken.
ROOMS = (
    "/llm/quota/",
    "/llm/account/concurrency",
    "/llm/account/single_flight",
    "/llm/account/outages",
    "/llm/account/daily_budget",
    "/llm/account/budget_queue",
    "/llm/call/admission",
    "/llm/call/budget_reservations",
    "/llm/client/window",
    "/groq_compliant/pacing",
    "/llm/runtime/waking",
    "/concurrent/futures/_base",
)
NOON = 1_795_694_400.0
DEMAND: Demand = {"requests": 1.0, "tokens": 100.0}
Change: TypeAlias = "Callable[[], object]"


class Interrupt:
    """Raises KeyboardInterrupt at the n-th moment at which a signal's handler may run.

    That is where a function begins, and where a call has returned, of a function in C too. The
    profiler tells of both, and leaves the tracer alone, with which coverage counts lines.
    """

    def __init__(self, at: int) -> None:
        self.moments_left = at

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        # What is raised while a generator is dropped goes nowhere.
        is_dropped = code.co_name == "<genexpr>" or (
            event == "return" and code.co_flags & CO_GENERATOR
        )
        if event == "c_call" or is_dropped:
            return
        if any(room in code.co_filename for room in ROOMS):
            self.moments_left -= 1
            if self.moments_left < 0:
                sys.setprofile(None)
                raise KeyboardInterrupt


def is_interrupted(change: Change, at: int) -> bool:
    """Make *change*, with an interrupt at its moment number *at*; return whether it has so many."""
    before, interrupt = sys.getprofile(), Interrupt(at)
    gc.disable()  # what is raised as garbage of other tests is collected goes nowhere
    sys.setprofile(interrupt)
    try:
        change()
    except KeyboardInterrupt:
        return True
    finally:
        sys.setprofile(before)
        gc.enable()
    assert interrupt.moments_left >= 0, "the interrupt was swallowed"
    return False


class Moments:
    """Every *step*-th moment of a change, which is made anew for each, until there is none."""

    def __init__(self, step: int = 1) -> None:
        self.at, self._step, self._has_more = 0, step, True

    def __iter__(self) -> Iterator[int]:
        while self._has_more:
            self._has_more = False
            yield self.at
            self.at += self._step

    def interrupt(self, change: Change) -> None:
        """Make *change*, and interrupt it at the moment whose turn it is."""
        self._has_more |= is_interrupted(change, self.at)


@pytest.mark.parametrize(("scene_of", "step"), [(plain, 23), (many_keys, 47)])
def test_a_call_that_is_interrupted_anywhere_gives_all_back(
    scene_of: Callable[[], Scene], step: int
) -> None:
    moments = Moments(step)
    for _ in moments:
        scene = scene_of()

        def call(scene: Scene = scene) -> None:
            with suppress(LLMError):
                drive(scene, -1, None)

        moments.interrupt(call)
        scene.assert_nothing_is_held(spent=(0, 10, 20))
    assert moments.at > 1000


def a_quota() -> Quota:
    """A quota whose window is full soon, and whose bucket has known what a provider said."""
    bucket = LearnedLimit(1000.0, 60.0, "tokens", configured=1000.0)
    return Quota((SlidingWindow(4, 60.0),), lambda: (bucket,))


class Holder:
    """Who reserves, and gives back what is pending."""

    reservation: Reservation | None = None
    permit: Permit | None = None
    claim: Leader[Reply] | Follower[Reply] | None = None


def state_of(quota: Quota) -> list[Any]:
    """All that is derived from the reservations, and what is left of the limits."""
    queue = quota._state.queues["m"]
    kept: list[Any] = [len(queue.waiting), len(queue.in_flight), [*queue._interactive_starts]]
    kept += [quota._state.in_flight_count, quota._state.in_flight_since]
    for limit in queue.limits:
        pending = limit.pending
        kept += [len(pending), pending.reserved_amount(), pending.in_flight_amount]
        kept += [pending.received_amount, pending.times(-1.0, 1e9), len(pending.in_flight)]
    return [*kept, quota.headroom("m", 50.0)]


def of_a_start() -> tuple[Quota, Change]:
    quota = a_quota()
    sent(quota, 0.0, DEMAND)
    waiting = reserved(quota, 1.0, DEMAND)
    reserved(quota, 2.0, DEMAND)
    return quota, lambda: quota.try_start(waiting, 3.0)


def of_a_settlement(spent: float) -> tuple[Quota, Change]:
    quota = a_quota()
    started = [sent(quota, 0.0, DEMAND) for _ in range(4)]
    reserved(quota, 1.0, DEMAND)
    return quota, lambda: quota.settle(started[0], {"tokens": spent}, 1.0, 2.0)


def of_a_late_settlement(spent: float) -> tuple[Quota, Change]:
    quota, change = of_a_settlement(spent)
    quota.assume_received_after, quota.max_transit = 0.5, 0.1
    quota.headroom("m", 1.5)  # counts all as received
    return quota, change


def of_a_receipt() -> tuple[Quota, Change]:
    quota, _ = of_a_settlement(0.0)
    quota.assume_received_after, quota.max_transit = 0.5, 0.1

    def receive() -> None:
        quota.headroom("m", 2.0)
        quota.forget(2.0)

    return quota, receive


def of_a_cancellation() -> tuple[Quota, Change]:
    quota = a_quota()
    for _ in range(4):
        sent(quota, 0.0, DEMAND)
    waiting = [reserved(quota, 1.0, DEMAND) for _ in range(2)]
    return quota, lambda: quota.cancel(waiting[0], 2.0)


def of_a_hold() -> tuple[Quota, Change]:
    quota, _ = of_a_start()
    return quota, lambda: quota.hold(quota._state.queues["m"].waiting[0], 40.0, 3.0)


CHANGES = {
    "start": of_a_start,
    "settle less": lambda: of_a_settlement(40.0),
    "settle more": lambda: of_a_settlement(140.0),
    "settle nothing": lambda: of_a_settlement(0.0),
    "settle late": lambda: of_a_late_settlement(140.0),
    "settle late nothing": lambda: of_a_late_settlement(0.0),
    "receive": of_a_receipt,
    "cancel": of_a_cancellation,
    "hold": of_a_hold,
}


@pytest.mark.parametrize("change_of", CHANGES.values(), ids=CHANGES)
def test_a_change_of_the_quota_that_is_interrupted_anywhere_is_made_once_when_repeated(
    change_of: Callable[[], tuple[Quota, Change]],
) -> None:
    quota, change = change_of()
    change()
    made = state_of(quota)
    at = 0
    while True:
        quota, change = change_of()
        if not is_interrupted(change, at):
            break
        # One that was made before the interrupt is refused: it is over.
        with suppress(RuntimeError):
            change()
        assert made == state_of(quota), at
        at += 1
    assert at > 10


def test_a_reservation_whose_making_is_interrupted_is_known_to_its_holder() -> None:
    moments = Moments()
    for at in moments:
        quota, holder = a_quota(), Holder()
        sent(quota, 0.0, DEMAND)
        before = state_of(quota)

        def reserve(quota: Quota = quota, holder: Holder = holder) -> None:
            quota.reserve("m", DEMAND, 1.0, 60.0, holder=holder)

        moments.interrupt(reserve)
        if holder.reservation is not None and holder.reservation.is_pending:
            quota.cancel(holder.reservation, 1.0)
        assert before == state_of(quota), at
    assert moments.at > 10


def test_a_permit_is_never_lost_to_an_interrupt_nor_the_next_waiter() -> None:
    moments = Moments()
    for at in moments:
        limiter, first, second = ConcurrencyLimiter(1), Holder(), Holder()

        def use(
            limiter: ConcurrencyLimiter = limiter, one: Holder = first, two: Holder = second
        ) -> None:
            limiter.acquire(one)
            limiter.acquire(two)
            assert one.permit is not None
            limiter.release(one.permit, one)

        moments.interrupt(use)
        if first.permit is not None:
            limiter.release(first.permit, first)
        if second.permit is not None:
            assert second.permit.done(), at
            limiter.release(second.permit, second)
        assert (1, 0) == (limiter.free, len(limiter._waiting)), at
    assert moments.at > 10


def test_a_wait_for_a_permit_is_ended_however_often_that_is_interrupted() -> None:
    moments = Moments()
    for at in moments:
        limiter, holder = ConcurrencyLimiter(1), Holder()
        other = limiter.acquire()
        waiting = limiter.acquire(holder)
        moments.interrupt(partial(limiter.release, waiting, holder))
        if holder.permit is not None:
            limiter.release(holder.permit, holder)
        limiter.release(other)
        assert (1, 0) == (limiter.free, len(limiter._waiting)), at
    assert moments.at > 3


@pytest.mark.parametrize("end", ["resign", "set_result"])
def test_followers_of_a_leader_that_is_interrupted_anywhere_are_told_or_lead(end: str) -> None:
    moments = Moments()
    for at in moments:
        flight: SingleFlight[Any] = SingleFlight()
        holders = [Holder() for _ in range(3)]

        def lead(flight: SingleFlight[Any] = flight, holders: list[Holder] = holders) -> None:
            leader, *_ = [flight.claim("key", each) for each in holders]
            assert isinstance(leader, Leader)
            leader.resign() if end == "resign" else leader.set_result("Yes.")

        moments.interrupt(lead)
        for holder in holders:
            if holder.claim is not None:
                holder.claim.release()
        assert 0 == len(flight), at
        followers = [each.claim for each in holders if isinstance(each.claim, Follower)]
        assert all(each._outcome.done() for each in followers), at
    assert moments.at > 10


def test_all_are_woken_but_who_has_cancelled_even_if_that_is_interrupted() -> None:
    moments = Moments()
    for at in moments:
        futures: list[Future[None]] = [Future() for _ in range(3)]
        futures[1].cancel()
        moments.interrupt(partial(wake, futures))
        if at:  # before that, it had not begun
            assert [True, True, True] == [each.done() for each in futures], at
    assert moments.at > 3


@pytest.mark.parametrize("counter_of", [MemoryDayCounter, Day])
def test_a_budget_counts_once_what_was_spent_however_it_is_interrupted(
    counter_of: Callable[[], DayCounter],
) -> None:
    moments = Moments()
    for at in moments:
        budget, reservation = DailyBudget(100, counter_of()), BudgetReservation(10)
        if budget.is_blocking:  # in a thread, where no handler of a signal runs
            budget.reserve(reservation, NOON)
        else:
            moments.interrupt(partial(budget.reserve, reservation, NOON))
        settle = partial(budget.settle, reservation, 4, NOON)
        moments.interrupt(settle)
        if not reservation.is_over:
            settle()
        wait_for_corrections()
        expected = 0 if reservation.day is None else 4
        assert expected == budget._counter.add(0, NOON), at
    assert moments.at > 5
