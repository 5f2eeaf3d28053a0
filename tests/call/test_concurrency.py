from __future__ import annotations

import threading
from concurrent.futures import Future

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.llm.account.concurrency import ConcurrencyLimiter, Permit
from services.llm.runtime import fork


def test_a_free_limiter_gives_a_permit_at_once() -> None:
    assert ConcurrencyLimiter(1).acquire().done()


def test_who_finds_no_place_waits_and_comes_in_in_order() -> None:
    concurrency = ConcurrencyLimiter(1)
    inside, first, second = concurrency.acquire(), concurrency.acquire(), concurrency.acquire()
    concurrency.release(inside)
    assert (True, False) == (first.done(), second.done())


def test_who_gives_up_waiting_is_passed_over() -> None:
    concurrency = ConcurrencyLimiter(1)
    inside, first, second = concurrency.acquire(), concurrency.acquire(), concurrency.acquire()
    concurrency.release(first)
    concurrency.release(inside)
    assert second.done()


def test_a_place_that_nobody_waits_for_is_free_again() -> None:
    concurrency = ConcurrencyLimiter(1)
    concurrency.release(concurrency.acquire())
    assert concurrency.acquire().done()


def test_nobody_is_inside_in_a_child() -> None:
    concurrency = ConcurrencyLimiter(1)
    concurrency.acquire()
    concurrency._reset_in_child()
    assert concurrency.acquire().done()


def test_a_child_gives_up_a_place_of_its_parents_once() -> None:
    concurrency = ConcurrencyLimiter(1)
    parents = concurrency.acquire()
    concurrency._reset_in_child()
    concurrency.release(parents)
    with pytest.raises(RuntimeError, match="released twice"):
        concurrency.release(parents)


def test_threads_never_share_a_place() -> None:
    concurrency, inside, most = ConcurrencyLimiter(3), 0, 0
    counting = threading.Lock()

    def visit() -> None:
        nonlocal inside, most
        for _ in range(50):
            place = concurrency.acquire()
            if isinstance(place, Future):
                place.result(timeout=10)
            with counting:
                inside += 1
                most = max(most, inside)
            with counting:
                inside -= 1
            concurrency.release(place)

    threads = [threading.Thread(target=visit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= most <= 3
    assert [True] * 3 == [concurrency.acquire().done() for _ in range(3)]


class LimiterMachine(RuleBasedStateMachine):
    """Any order of coming, leaving and giving up, against a queue kept by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.concurrency = ConcurrencyLimiter(2)
        self.inside: list[Permit] = []
        self.queue: list[Permit] = []

    @rule()
    def come(self) -> None:
        (self.inside if len(self.inside) < 2 else self.queue).append(self.concurrency.acquire())

    @precondition(lambda self: self.inside)
    @rule(which=st.integers(0, 1))
    def leave(self, which: int) -> None:
        self.concurrency.release(self.inside.pop(which % len(self.inside)))
        if self.queue:
            self.inside.append(self.queue.pop(0))

    @precondition(lambda self: self.queue)
    @rule(which=st.integers(0, 9))
    def give_up(self, which: int) -> None:
        self.concurrency.release(self.queue.pop(which % len(self.queue)))

    @invariant()
    def the_first_to_come_are_inside(self) -> None:
        assert all(place.done() for place in self.inside)
        assert not any(place.done() for place in self.queue)


TestLimiterMachine = LimiterMachine.TestCase


@pytest.mark.parametrize("size", [1, 2, 7])
def test_as_many_as_its_size_are_inside(size: int) -> None:
    concurrency = ConcurrencyLimiter(size)
    assert [True] * size + [False] == [concurrency.acquire().done() for _ in range(size + 1)]


@pytest.mark.parametrize("waits", [True, False])
def test_a_place_that_is_given_up_twice_is_an_error(waits: bool) -> None:
    concurrency = ConcurrencyLimiter(1)
    place = concurrency.acquire()
    if waits:
        place = concurrency.acquire()
    concurrency.release(place)
    with pytest.raises(RuntimeError, match="released twice"):
        concurrency.release(place)
    assert (0 if waits else 1) == concurrency.free


def test_a_place_of_the_parents_is_left_alone_in_a_child() -> None:
    concurrency = ConcurrencyLimiter(1)
    inside, waiting = concurrency.acquire(), concurrency.acquire()
    concurrency._reset_in_child()
    own = concurrency.acquire()
    for parents in (inside, waiting):
        concurrency.release(parents)
    assert (True, 0) == (own.done(), concurrency.free)


def test_what_a_child_releases_is_free_whoever_waited_in_its_parent() -> None:
    concurrency = ConcurrencyLimiter(1)
    concurrency.acquire()
    waiting = concurrency.acquire()
    fork._resets[concurrency](concurrency)
    own = concurrency.acquire()
    concurrency.release(own)
    assert (1, False) == (concurrency.free, waiting.done())


def test_a_fork_waits_until_the_permits_are_whole() -> None:
    assert ConcurrencyLimiter(1)._lock in fork._pauses
