from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from collections.abc import Callable

import pytest

from services.llm.account.concurrency import ConcurrencyLimiter
from services.llm.account.single_flight import Leader, SingleFlight
from services.llm.quota import (
    NEVER,
    NoCapacity,
    Quota,
    Reservation,
    SlidingWindow,
    TokenBucketLimit,
)
from services.llm.runtime import fork
from services.llm.runtime.fork import ForkLock, around_fork, on_fork_in_child
from services.llm.runtime.workers import Workers
from tests.guarding import is_held

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
# Python 3.12 and later warn of what these tests are about.
pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")

SAFETY_NET = 30


def told_by_child(report: Callable[[], object], in_parent: Callable[[], object] = bool) -> str:
    """Fork; what the child's *report* returns, as a string. Call *in_parent* meanwhile."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(SAFETY_NET)  # a child that hangs dies
        try:
            told = repr(report())
        except BaseException as failure:  # told to the parent, which asserts on it
            told = f"failed: {failure!r}"
        os.write(writer, told.encode())
        os._exit(0)
    in_parent()
    os.close(writer)
    with os.fdopen(reader) as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    return told


def told_amid(
    work: Callable[[], None], report: Callable[[], object], *, threads: int, forks: int
) -> list[str]:
    """Fork again and again while *threads* do this *work*; what the children's *report* returns.

    They rest while a child starts and ends, which takes far longer than the fork.
    """
    busy, at_work, stop = threading.Event(), threading.Event(), threading.Event()

    def repeat() -> None:
        while not stop.is_set():
            busy.wait(SAFETY_NET)
            work()
            at_work.set()

    running = [threading.Thread(target=repeat) for _ in range(threads)]
    for thread in running:
        thread.start()
    told = []
    for _ in range(forks):
        at_work.clear()
        busy.set()
        at_work.wait(SAFETY_NET)
        told.append(told_by_child(report, in_parent=busy.clear))
    stop.set()
    busy.set()
    for thread in running:
        thread.join(SAFETY_NET)
    return told


class Thing:
    """Counts how often it has been told of a fork."""

    def __init__(self) -> None:
        self.forks = 0
        on_fork_in_child(self, Thing._reset_in_child)

    def _reset_in_child(self) -> None:
        self.forks += 1


@needs_fork
def test_a_child_resets_what_lives_and_the_parent_does_not() -> None:
    thing = Thing()
    assert told_by_child(lambda: thing.forks) == "1"
    assert thing.forks == 0


def test_what_no_longer_lives_is_not_kept_for_a_child() -> None:
    def kept() -> int:
        # Not all that is registered: what earlier tests left may go meanwhile.
        return sum(isinstance(each, Thing) for each in fork._resets)

    gc.collect()
    before = kept()
    thing = Thing()
    assert kept() == before + 1
    del thing
    gc.collect()
    assert kept() == before


@needs_fork
def test_a_lock_that_another_thread_holds_is_free_in_the_child() -> None:
    lock, held, done = ForkLock(), threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            held.set()
            done.wait(SAFETY_NET)

    def take() -> str:
        with lock:
            return "taken"

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(SAFETY_NET)
    told = told_by_child(take)
    done.set()
    thread.join(SAFETY_NET)
    assert told == "'taken'"


@needs_fork
def test_a_fork_waits_for_what_a_leaf_guards_to_be_whole() -> None:
    leaf, pair = ForkLock(leaf=True), [0, 0]

    def change() -> None:
        with leaf:
            pair[0] += 1
            sys.intern(str(pair[0]))  # time for the other thread to fork, were it let
            pair[1] += 1

    def look() -> bool:
        with leaf:
            return pair[0] == pair[1]

    told = told_amid(change, look, threads=1, forks=8)
    assert told == ["True"] * 8


@pytest.mark.usefixtures("forks_of_its_own")
def test_around_a_fork_every_leaf_is_held_and_then_free_again() -> None:
    leaf, other = ForkLock(leaf=True), ForkLock()
    fork._before_fork()
    taken = [is_held(lock) for lock in (leaf, other)]
    fork._after_fork_in_parent()
    assert (taken, is_held(leaf)) == ([True, False], False)


@pytest.mark.usefixtures("forks_of_its_own")
def test_in_a_child_every_lock_is_new_and_free() -> None:
    leaf = ForkLock(leaf=True)
    fork._before_fork()
    fork._after_fork_in_child()
    assert (is_held(leaf), is_held(fork._forking)) == (False, False)


class Worker:
    """Work that is waited for by a fork, and may need a leaf to end."""

    def __init__(self, leaf: ForkLock) -> None:
        self.leaf = leaf
        self.told: list[str] = []
        around_fork(self, pause=Worker._pause, resume=Worker._resume, reset=Worker._reset_in_child)

    def _pause(self) -> None:
        self.told.append("held" if is_held(self.leaf) else "free")

    def _resume(self) -> None:
        self.told.append("after")

    def _reset_in_child(self) -> None:
        self.told.append("in the child")


@needs_fork
def test_work_is_waited_for_before_the_leaves_that_it_may_need() -> None:
    leaves = [ForkLock(leaf=True) for _ in range(5)]
    workers = [Worker(leaf) for leaf in leaves]
    assert told_by_child(lambda: [worker.told for worker in workers]) == repr(
        [["free", "in the child"]] * 5
    )
    assert [["free", "after"]] * 5 == [worker.told for worker in workers]


# The quota of a child.


def quota_amid_work() -> tuple[Quota, Reservation, Reservation]:
    """One request in flight, one answered and one that waits, of three a minute."""
    quota = Quota((SlidingWindow(3, 60.0),), lambda: (TokenBucketLimit(10, 10.0),))
    reservations = []
    for tokens in (4, 2, 8):
        reservation = quota.reserve("m", {"requests": 1, "tokens": tokens}, 100.0, NEVER)
        assert isinstance(reservation, Reservation)
        quota.try_start(reservation, 100.0)
        reservations.append(reservation)
    in_flight, answered, waiting = reservations
    quota.settle(answered, {}, 100.0, 100.0)
    return quota, in_flight, waiting


def test_a_child_counts_what_was_in_flight_and_drops_who_waited() -> None:
    quota, in_flight, waiting = quota_amid_work()
    quota._reset_in_child()
    # Two of three requests, and 6 of 10 tokens, of which 2 are refilled at 102; the 4 were in
    # flight and count from the child's first look.
    assert quota.reserve("m", {"requests": 1, "tokens": 8}, 102.0) == NoCapacity(2.0, "tokens")
    assert isinstance(quota.reserve("m", {"requests": 1}, 102.0), Reservation)
    assert quota.reserve("m", {"requests": 1}, 102.0) == NoCapacity(58.0, "requests")
    quota.settle(in_flight, {}, 103.0, 103.0)
    quota.cancel(waiting, 103.0)
    assert quota.reserve("m", {"requests": 1}, 103.0) == NoCapacity(57.0, "requests")
    with pytest.raises(RuntimeError, match="does not wait"):
        quota.try_start(waiting, 103.0)


@needs_fork
def test_a_childs_quota_goes_on_from_the_parents_and_leaves_that_alone() -> None:
    quota, in_flight, waiting = quota_amid_work()
    told = told_by_child(lambda: quota.reserve("m", {"requests": 1, "tokens": 8}, 102.0))
    assert told == "NoCapacity(wait=2.0, unit='tokens')"
    quota.settle(in_flight, {}, 100.0, 104.0)
    assert quota.try_start(waiting, 104.0) == 0.0


@needs_fork
def test_a_child_of_busy_threads_has_a_quota_that_works() -> None:
    quota = Quota((SlidingWindow(1_000_000, 60.0),))

    def work() -> None:
        reservation = quota.reserve("m", {"requests": 1}, 100.0)
        assert isinstance(reservation, Reservation)
        assert quota.try_start(reservation, 100.0) == 0.0
        quota.settle(reservation, {}, 100.0, 100.0)

    def look() -> float:
        reservation = quota.reserve("m", {"requests": 1}, 100.0)
        assert isinstance(reservation, Reservation)
        return quota.try_start(reservation, 100.0)

    assert quota._lock in fork._pauses  # or the race below would be won most of the time
    told = told_amid(work, look, threads=3, forks=10)
    assert told == ["0.0"] * 10


# The concurrency limiter of a child.


@needs_fork
def test_a_child_of_a_process_whose_limiter_is_full_has_a_free_one() -> None:
    concurrency = ConcurrencyLimiter(1)
    inside, waiting = concurrency.acquire(), concurrency.acquire()

    def use() -> tuple[int, bool, bool]:
        before = concurrency.free
        for parents in (inside, waiting):
            concurrency.release(parents)  # which the child's copy of a call does as it is dropped
        own = concurrency.acquire()
        return before, own.done(), concurrency.acquire().done()

    assert told_by_child(use) == "(1, True, False)"
    assert (concurrency.free, waiting.done()) == (0, False)
    concurrency.release(inside)
    assert waiting.done()


@needs_fork
def test_a_child_leads_what_its_parent_leads_and_gets_threads_of_its_own() -> None:
    single_flight: SingleFlight[str] = SingleFlight()
    leader, workers = single_flight.claim("k"), Workers(1, "forked")
    busy = threading.Event()
    running = workers.submit(busy.wait)

    def use() -> tuple[bool, int]:
        assert isinstance(leader, Leader)
        own = single_flight.claim("k")
        leader.set_result("of the parent")
        return isinstance(own, Leader) and len(single_flight) == 1, workers.submit(
            lambda: 7
        ).result(SAFETY_NET)

    assert told_by_child(use) == "(True, 7)"
    assert len(single_flight) == 1
    busy.set()
    assert running.result(SAFETY_NET)
    workers.close()


def test_what_the_parent_has_in_flight_counts_in_a_child_from_its_first_time_on() -> None:
    quota = Quota((SlidingWindow(1, 60.0),))
    in_flight = quota.reserve("m", {"requests": 1.0}, 100.0)
    assert isinstance(in_flight, Reservation)
    quota.try_start(in_flight, 100.0)
    quota._reset_in_child()
    assert quota.reserve("m", {"requests": 1.0}, 110.0) == NoCapacity(60.0, "requests")
    assert isinstance(quota.reserve("m", {"requests": 1.0}, 170.0), Reservation)
