"""The stack of connections that wait."""

from __future__ import annotations

from collections import deque
from typing import Any

from services.llm.http.idle import IdleStack


class Clock:
    """The moment it is."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_one_used_last_is_taken_first() -> None:
    stack = IdleStack[str](3)
    assert ([], []) == (stack.put("a"), stack.put("b"))
    assert ["b", "a", None] == [stack.take(), stack.take(), stack.take()]


def test_beyond_its_size_the_oldest_goes() -> None:
    stack = IdleStack[str](2)
    stack.put("a")
    stack.put("b")
    assert ["a"] == stack.put("c")


def test_what_nobody_took_in_time_goes_with_the_next_that_comes() -> None:
    clock = Clock()
    stack = IdleStack[str](9, expiry=5, clock=clock)
    stack.put("a")
    clock.now += 3
    stack.put("b")
    clock.now += 2
    assert ["a"] == stack.put("c")
    clock.now += 100
    assert ["b", "c"] == stack.put("d")


def test_a_drained_one_is_empty() -> None:
    stack = IdleStack[str](9)
    stack.put("a")
    stack.put("b")
    assert (["a", "b"], None) == (stack.drain(), stack.take())


def test_another_thread_that_takes_the_last_one_meanwhile_does_no_harm() -> None:
    class Raided(deque[Any]):
        """Loses all as soon as its length is asked for."""

        def __len__(self) -> int:
            self.clear()
            return 99

    stack = IdleStack[str](1)
    stack._idle = Raided()
    assert [] == stack.put("a")


def test_one_that_was_shut_gives_up_what_it_has_and_keeps_nothing_more() -> None:
    stack = IdleStack[str](8)
    assert [] == stack.put("a")
    assert [] == stack.put("b")
    assert ["a", "b"] == stack.shut()
    assert ["c"] == stack.put("c")
    assert stack.take() is None
