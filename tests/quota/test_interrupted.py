"""Steps that a signal's handler interrupts, as any of their functions begins."""

from __future__ import annotations

import gc
import itertools
import sys
from collections.abc import Callable
from functools import partial
from threading import Thread
from types import FrameType

import pytest

from services.llm.quota import NEVER, Quota, Reservation, SlidingWindow, TokenBucketLimit
from services.llm.runtime.fork import ForkLock
from tests.quota.support import a_minute, reserved, tokens


class TimeLimit(BaseException):
    """What a host's handler raises."""


def is_interrupted(action: Callable[[], object], number: int) -> bool:
    """Carry out *action* with an interrupt as the function of that *number* begins, if any is."""
    numbers = itertools.count()

    def handle(_: FrameType, event: str, __: object) -> None:
        if event == "call" and next(numbers) == number:
            raise TimeLimit

    profile = sys.getprofile()
    gc.disable()  # what is raised as garbage of other tests is collected goes nowhere
    sys.setprofile(handle)
    try:
        action()
    except TimeLimit:
        return True
    finally:
        sys.setprofile(profile)
        gc.enable()
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
        first = reserved(quota, 0.0, tokens(10))
        rest = [reserved(quota, 0.0, tokens(10)) for _ in range(others)]
        was_interrupted = is_interrupted(partial(quota.try_start, first, 0.0), number)
        give_back(quota, first)
        for each in rest:
            quota.cancel(each, 0.0)
        assert [0, 0] == [len(limit.pending) for limit in limits]
        assert [100, 1000] == [each.left for each in quota.headroom("m", 0.0)]
        if not was_interrupted:
            break
    assert number > 10


def test_a_reservation_that_never_came_back_is_none_of_its_group() -> None:
    quota, left = a_minute(100), []
    for number in range(200):
        reserve = partial(quota.reserve, "m", tokens(10), 0.0, NEVER, "interactive", "group")
        left.append(is_interrupted(reserve, number))
    (group,) = quota._state.groups
    assert 100 > left.index(False) > 10
    assert len(group.in_flight) == len(quota._state.queues["m"].waiting)


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
