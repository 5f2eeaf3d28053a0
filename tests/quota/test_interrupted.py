"""Steps that a signal's handler interrupts, as any of their functions begins."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from functools import partial
from threading import Thread
from types import FrameType

import pytest

from services.llm.limit_types import Priority
from services.llm.quota import NEVER, Limit, Quota, Reservation, SlidingWindow, TokenBucketLimit
from services.llm.quota.charges import Charge
from services.llm.quota.queue import ScopeQueue
from services.llm.runtime.fork import ForkLock
from tests.quota.support import a_minute, booked, tokens


class TimeLimit(BaseException):
    """What a host's handler raises."""


def is_interrupted(action: Callable[[], object], number: int) -> bool:
    """Carry out *action* with an interrupt as the function of that *number* begins, if any is."""
    numbers = itertools.count()

    def handle(_: FrameType, event: str, __: object) -> None:
        if event == "call" and next(numbers) == number:
            raise TimeLimit

    profile = sys.getprofile()
    sys.setprofile(handle)
    try:
        action()
    except TimeLimit:
        return True
    finally:
        sys.setprofile(profile)
    return False


def give_back(quota: Quota, reservation: Reservation) -> None:
    """Do what a call does that was not sent."""
    if reservation.is_started:
        quota.settle(reservation, dict.fromkeys(reservation.demand, 0.0), 0.0, 0.0)
    else:
        quota.cancel(reservation, 0.0)


@pytest.mark.parametrize("others", [0, 2])
def test_all_is_given_back_of_a_start_that_was_interrupted(others: int) -> None:
    for number in itertools.count():
        limits = SlidingWindow(100, 60.0), TokenBucketLimit(1000, 60.0)
        quota = Quota(limits)
        first = booked(quota, 0.0, tokens(10))
        rest = [booked(quota, 0.0, tokens(10)) for _ in range(others)]
        was_interrupted = is_interrupted(partial(quota.try_start, first, 0.0), number)
        give_back(quota, first)
        for each in rest:
            quota.cancel(each, 0.0)
        assert [0, 0] == [len(limit.pending) for limit in limits]
        assert [100, 1000] == [each.left for each in quota.headroom("m", 0.0)]
        if not was_interrupted:
            break
    assert number > 10


@pytest.mark.parametrize("others", [0, 2])
@pytest.mark.parametrize("priority", ["interactive", "batch"])
def test_nothing_is_reserved_where_that_was_interrupted(others: int, priority: Priority) -> None:
    for number in itertools.count():
        limits: tuple[Limit, ...] = SlidingWindow(100, 60.0), TokenBucketLimit(1000, 60.0)
        queue, reserved = ScopeQueue(limits), []
        for sequence in range(others + 1):
            charges = [(limit, Charge(10.0, 0.0, sequence)) for limit in limits]
            reserved.append(Reservation("m", tokens(10), 0.0, sequence, charges, priority))
        for each in reserved[1:]:
            queue.add(each)
        was_interrupted = is_interrupted(partial(queue.add, reserved[0]), number)
        for each in reserved[int(was_interrupted) :]:
            queue.cancel(each)
        assert [0, 0] == [len(limit.pending) for limit in limits]
        assert not queue.has_waiting
        if not was_interrupted:
            break
    assert number > 1


def test_a_reservation_that_never_came_back_is_none_of_its_group() -> None:
    quota, left = a_minute(100), []
    for number in range(200):
        reserve = partial(quota.reserve, "m", tokens(10), 0.0, NEVER, "interactive", "group")
        left.append(is_interrupted(reserve, number))
    (group,) = quota._groups
    assert 100 > left.index(False) > 10
    assert len(group.in_flight) == len(quota._queues["m"].waiting)


def test_a_reservation_that_was_interrupted_as_it_moved_is_moved_and_cancelled_later() -> None:
    for number in range(30):
        limit = SlidingWindow(100, 60.0)
        queue = ScopeQueue((limit,))
        first, second = (
            Reservation("m", tokens(10), 0.0, sequence, [(limit, Charge(1.0, 0.0, sequence))])
            for sequence in (1, 2)
        )
        queue.add(first)
        queue.add(second)
        is_interrupted(partial(queue.reschedule, first, 5.0), number)
        queue.reschedule(first, 7.0)
        queue.cancel(second)
        assert [first.charges[0][1].at] == limit.pending.times(-1.0, 10.0)
        queue.cancel(first)
        assert (0, False) == (len(limit.pending), queue.has_waiting)


def test_an_interrupt_leaves_no_lock_taken() -> None:
    def hold() -> None:
        with lock:
            pass

    for number in range(4):
        lock, taken = ForkLock(), list[bool]()
        is_interrupted(hold, number)
        thread = Thread(target=lambda lock=lock, taken=taken: taken.append(lock.acquire(False)))
        thread.start()
        thread.join()
        assert [True] == taken
