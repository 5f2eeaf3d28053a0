"""What an operation costs, counted in lines of code run, whatever the machine."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import services.llm.quota
from services.llm.quota import NEVER, Demand, Quota, Reservation, SlidingWindow, TokenBucketLimit
from services.llm.quota.charges import Charge

CODE = str(Path(services.llm.quota.__file__).parent)
ONE: Demand = {"requests": 1, "tokens": 100}


class Lines:
    """How many lines of the quota have run."""

    count = 0


@contextmanager
def counted() -> Iterator[Lines]:
    lines, outer = Lines(), sys.gettrace()

    def local(_: FrameType, event: str, __: Any) -> Any:
        lines.count += event == "line"
        return local

    def trace(frame: FrameType, _: str, __: Any) -> Any:
        return local if frame.f_code.co_filename.startswith(CODE) else None

    sys.settrace(trace)
    try:
        yield lines
    finally:
        sys.settrace(outer)


class Callers:
    """Many who wait in one scope for one window and one bucket, and all that they do."""

    def __init__(self, waiting: int, requests: int) -> None:
        self.now = 1_000.0
        # The window binds, and yet not all who wait fit the bucket at once.
        tokens = 120 * requests
        self.quota = Quota(
            (SlidingWindow(requests, 60.0),), lambda: (TokenBucketLimit(tokens, 60.0),)
        )
        for at in range(requests):
            self.quota.settle(self.sent(self.reserved()), {}, self.now, self.now + at * 1e-6)
        self.reservations = [self.reserved() for _ in range(waiting)]

    def reserved(self) -> Reservation:
        reservation = self.quota.reserve("m", ONE, self.now, NEVER)
        assert isinstance(reservation, Reservation)
        return reservation

    def sent(self, reservation: Reservation) -> Reservation:
        self.now = max(self.now, reservation.starts_at)
        assert self.quota.try_start(reservation, self.now) == 0.0
        return reservation


def costs(waiting: int, requests: int) -> dict[str, int]:
    """The dearest of some runs of each operation."""
    callers = Callers(waiting, requests)
    steps: dict[str, Callable[[], object]] = {
        "reserve": callers.reserved,
        "refuse": lambda: callers.quota.reserve("m", ONE, callers.now),
        "wait": lambda: callers.quota.try_start(callers.reservations[waiting // 2], callers.now),
        "cancel": lambda: callers.quota.cancel(callers.reservations.pop(waiting // 2), callers.now),
        "start and settle": lambda: callers.quota.settle(
            callers.sent(callers.reservations.pop(0)), {"tokens": 90}, callers.now, callers.now
        ),
    }
    cost = {}
    for name, step in steps.items():
        runs = []
        for _ in range(5):
            with counted() as lines:
                step()
            runs.append(lines.count)
        cost[name] = max(runs)
    return cost


@pytest.mark.parametrize(("requests", "few"), [(10, 400), (1_000, 1_500)])
def test_the_cost_does_not_grow_with_the_queue_but_with_the_window(requests: int, few: int) -> None:
    short, long = costs(few, requests), costs(4_000, requests)
    dearer = {name: (short[name], long[name]) for name in long if long[name] > 2 * short[name]}
    assert dearer == {}
    assert max(long.values()) < 1_500 + requests


def test_who_waits_for_one_limit_costs_little_of_another_that_all_of_them_fit() -> None:
    cost = {}
    for tokens in (10_000, 1_000_000):
        quota = Quota((SlidingWindow(10, 60.0), TokenBucketLimit(tokens, 60.0)))
        for _ in range(400):
            quota.reserve("m", ONE, 0.0, NEVER)
        with counted() as lines:
            quota.reserve("m", ONE, 0.0, NEVER)
        cost[tokens] = lines.count
    assert cost[1_000_000] < 0.6 * cost[10_000]


def test_who_are_all_due_start_at_the_cost_of_one() -> None:
    """After a pause, say: nobody looks through those behind him."""
    cost = {}
    for waiting in (40, 2_000):
        quota = Quota((), lambda: (TokenBucketLimit(10_000_000, 60.0),))
        quota.pause("m", 10.0)
        reservations = [quota.reserve("m", ONE, 0.0, NEVER) for _ in range(waiting)]
        with counted() as lines:
            for reservation in reservations[:5]:
                assert isinstance(reservation, Reservation)
                assert quota.try_start(reservation, 10.0) == 0.0
        cost[waiting] = lines.count
    assert cost[2_000] < 2 * cost[40]


def test_a_person_among_those_of_a_batch_costs_little_more_than_alone() -> None:
    cost = {}
    for waiting in (40, 2_000):
        quota = Quota((), lambda: (TokenBucketLimit(1_000, 60.0),))
        quota.reserve("m", {"tokens": 1_000}, 0.0, NEVER)
        for number in range(waiting):
            quota.reserve("m", ONE, 0.0, NEVER, "interactive" if number % 5 else "batch")
        with counted() as lines:
            quota.reserve("m", ONE, 0.0, NEVER)
        cost[waiting] = lines.count
    assert cost[2_000] < 8 * cost[40]


class Moment(float):
    """A moment that counts how often it is compared."""

    compared = 0

    def __lt__(self, other: float) -> bool:
        Moment.compared += 1
        return float(self) < other

    def __le__(self, other: float) -> bool:
        Moment.compared += 1
        return float(self) <= other


def test_a_long_log_is_put_in_order_once_and_not_looked_through_for_each_request() -> None:
    limit = SlidingWindow(1_000_000, 60.0)
    limit.times[:] = [Moment(at) for at in range(20_000, 0, -1)]
    assert limit.earliest(1.0, 30.0, 30.0) == 30.0
    assert limit.times == sorted(limit.times)
    Moment.compared = 0
    assert limit.earliest(1.0, 31.0, 31.0) == 31.0
    assert Moment.compared < 40


def test_a_long_log_that_a_host_has_added_to_is_put_in_order_again() -> None:
    limit = SlidingWindow(300, 60.0, times=[float(at) for at in range(1, 300)])
    assert limit.earliest(1.0, 299.0, 10.0) == 299.0
    limit.times.append(0.5)
    charge = Charge(1.0, 20.0)
    limit.pending.reserve(charge)
    limit.pending.start(charge, 20.0)
    limit.settle(charge, 1.0, 20.0, 20.0)
    assert limit.times == sorted(limit.times)
