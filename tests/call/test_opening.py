"""A thread's wait for what it opens ends when another thread says so, whichever comes first."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from services.llm.http.dial import dial
from services.llm.http.idle import IdleStack
from services.llm.http.idle_pools import take_idle
from services.llm.runtime.opening import (
    Opening,
    abortable_by,
    check_aborted,
    is_abortable,
    opening,
)


def test_each_wait_is_ended_by_its_own_means_and_let_go_of() -> None:
    steps: list[str] = []
    current = Opening()
    with opening(current):
        assert is_abortable()
        abortable_by(lambda: steps.append("first"), lambda: steps.append("first let go"))
        abortable_by(lambda: steps.append("second"), lambda: steps.append("second let go"))
        check_aborted()
        current.abort()
        with pytest.raises(ConnectionAbortedError):
            check_aborted()
    assert ["first let go", "second", "second let go"] == steps
    current.abort()
    assert 3 == len(steps)


def test_a_wait_that_begins_after_it_was_ended_does_not_begin() -> None:
    current, steps = Opening(), list[str]()
    current.abort()
    with opening(current), pytest.raises(ConnectionAbortedError):
        abortable_by(lambda: steps.append("aborted"))
    assert [] == steps


def test_where_no_other_thread_may_end_it_nothing_is_noted() -> None:
    assert not is_abortable()
    abortable_by(lambda: None)
    check_aborted()


def test_a_connect_is_shut_down_by_a_socket_of_its_own() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        current = Opening()
        with opening(current), dial("127.0.0.1", server.getsockname()[1], 1e9) as made:
            current.abort()
            assert b"" == made.recv(1)


class Kept:
    """A connection that waits for its next exchange."""

    origin: Any = "origin"

    def __init__(self) -> None:
        self.is_aborted = self.is_closed = False

    def is_alive(self) -> bool:
        return True

    def abort(self) -> None:
        self.is_aborted = True

    def close(self) -> None:
        self.is_closed = True


def test_a_kept_connection_is_aborted_by_itself() -> None:
    idle, current = IdleStack[Any](2, 60.0), Opening()
    for kept in (Kept(), Kept()):
        idle.put(kept)
    with opening(current):
        taken: Any = take_idle(idle, Kept.origin)
        assert not taken.is_aborted
        current.abort()
        assert taken.is_aborted
    other: Any = take_idle(idle, Kept.origin)
    assert not other.is_aborted


def test_a_kept_connection_that_nobody_waits_for_is_closed() -> None:
    idle, current, kept = IdleStack[Any](2, 60.0), Opening(), Kept()
    idle.put(kept)
    current.abort()
    with opening(current), pytest.raises(ConnectionAbortedError):
        take_idle(idle, Kept.origin)
    assert kept.is_closed
