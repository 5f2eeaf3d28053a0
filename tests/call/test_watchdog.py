"""One thread aborts what runs beyond its deadline, and nothing else."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from services.llm.runtime import watchdog
from services.llm.runtime.watchdog import Watchdog, abort_after


class Still(Watchdog):
    """A watchdog without a thread, whose clock a test moves."""

    def __init__(self) -> None:
        self.now = 100.0
        super().__init__(lambda: self.now)

    def _work(self) -> None:
        """The test asks for what is due itself."""


def test_what_ends_in_time_is_not_aborted() -> None:
    dog, aborted = Still(), list[str]()
    with dog.abort_after(5, lambda: aborted.append("first")) as watched:
        dog.now += 4
        assert 1 == dog.abort_due()
    dog.now += 10
    dog.abort_due()
    assert ([], False) == (aborted, watched.is_aborted)


def test_each_is_aborted_at_its_own_deadline() -> None:
    dog, aborted = Still(), list[str]()
    with (
        dog.abort_after(9, lambda: aborted.append("later")),
        dog.abort_after(5, lambda: aborted.append("wake")) as wake,
    ):
        dog.now += 5
        assert 4 == dog.abort_due()
        assert (["wake"], True) == (aborted, wake.is_aborted)
        dog.now += 4
        dog.abort_due()
        assert ["wake", "later"] == aborted


def test_an_error_of_the_block_ends_the_watch() -> None:
    dog, aborted = Still(), list[str]()
    with pytest.raises(ValueError, match="mine"), dog.abort_after(5, lambda: aborted.append("x")):
        raise ValueError("mine")
    dog.now += 6
    dog.abort_due()
    assert [] == aborted


def test_what_has_ended_is_not_kept_until_its_deadline() -> None:
    dog = Still()
    for _ in range(10_000):
        with dog.abort_after(3600, lambda: None):
            pass
    assert len(dog._heap) < 200


def test_what_runs_is_kept_while_others_are_swept() -> None:
    dog, aborted = Still(), list[str]()
    with dog.abort_after(50, lambda: aborted.append("x")):
        for _ in range(1000):
            with dog.abort_after(3600, lambda: None):
                pass
        dog.now += 50
        dog.abort_due()
    assert ["x"] == aborted


def test_a_blocked_read_ends_at_its_deadline() -> None:
    left, right = socket.socketpair()
    with (
        left,
        right,
        abort_after(0.02, lambda: left.shutdown(socket.SHUT_RDWR)) as watched,
    ):
        assert b"" == left.recv(1)
    assert watched.is_aborted


def test_a_nearer_deadline_wakes_the_thread_that_waits_for_a_farther_one() -> None:
    wake = threading.Event()
    with abort_after(3600, lambda: None), abort_after(0.02, wake.set):
        assert wake.wait(20)


def test_one_thread_watches_everything() -> None:
    dog, before = Watchdog(), set(threading.enumerate())  # with those of other tests' watchdogs
    with dog.abort_after(60, lambda: None), dog.abort_after(60, lambda: None):
        started = set(threading.enumerate()) - before
        assert ["llm-watchdog"] == [each.name for each in started if "watchdog" in each.name]


def test_who_ends_waits_for_an_abort_under_way() -> None:
    dog, order = Still(), list[str]()
    begun, go_on = threading.Event(), threading.Event()

    def abort() -> None:
        begun.set()
        go_on.wait(20)
        order.append("aborted")

    def leave() -> None:
        with dog.abort_after(1, abort):
            dog.now += 2
            threading.Thread(target=dog.abort_due).start()
            begun.wait(20)
        order.append("left")

    leaving = threading.Thread(target=leave)
    leaving.start()
    begun.wait(20)
    go_on.set()
    leaving.join()
    assert ["aborted", "left"] == order


def test_where_no_thread_can_be_started_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    dog = Watchdog()

    def refuse(_: Any) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="can't start"), dog.abort_after(1, lambda: None):
            pytest.fail("the block must not begin")
    assert [] == dog._heap
    done = threading.Event()
    with dog.abort_after(0.01, done.set):
        assert done.wait(20), "the next one starts the thread"


def in_child(check: Callable[[], bool]) -> bool:
    """What *check* says in a forked child."""
    child = os.fork()
    if child == 0:
        os._exit(0 if check() else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only where processes fork")
def test_a_child_has_a_watchdog_of_its_own() -> None:
    def check() -> bool:
        done = threading.Event()
        with watchdog.abort_after(0.01, done.set):
            return done.wait(20)

    with watchdog.abort_after(60, lambda: None):
        assert in_child(check)
