"""A start that a signal's handler interrupts, as any of its functions begins."""

from __future__ import annotations

import itertools
import sys
from types import FrameType

import pytest

from services.llm.quota import Quota, Reservation, SlidingWindow, TokenBucketLimit
from tests.quota.support import booked, tokens


class TimeLimit(BaseException):
    """What a host's handler raises."""


def is_interrupted(quota: Quota, reservation: Reservation, number: int) -> bool:
    """Start *reservation* with an interrupt as the function of that *number* begins, if any is."""
    numbers = itertools.count()

    def handle(_: FrameType, event: str, __: object) -> None:
        if event == "call" and next(numbers) == number:
            raise TimeLimit

    profile = sys.getprofile()
    sys.setprofile(handle)
    try:
        quota.try_start(reservation, 0.0)
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
        was_interrupted = is_interrupted(quota, first, number)
        give_back(quota, first)
        for each in rest:
            quota.cancel(each, 0.0)
        assert [0, 0] == [len(limit.pending) for limit in limits]
        assert [100, 1000] == [each.left for each in quota.headroom("m", 0.0)]
        if not was_interrupted:
            break
    assert number > 10
