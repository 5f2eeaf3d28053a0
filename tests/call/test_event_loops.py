"""One thing per event loop, closed before its loop is."""

from __future__ import annotations

import asyncio
import gc
import sys
from itertools import count

import pytest

from services.llm.runtime.event_loops import PerEventLoop


class Things:
    """Numbers, and those that were closed, each with whether its loop still ran."""

    def __init__(self) -> None:
        self.numbers = count(1)
        self.closed: list[tuple[int, bool]] = []
        self.kept = PerEventLoop(lambda: next(self.numbers), self._close)

    async def used(self) -> int:
        """The running loop's number, in a call."""
        async with await self.kept.get() as number:
            return number

    async def _close(self, number: int) -> None:
        await asyncio.sleep(0)
        self.closed.append((number, asyncio.get_running_loop().is_running()))


def test_a_loop_has_one_thing_and_another_loop_another() -> None:
    things = Things()

    async def scene() -> list[int]:
        return list(await asyncio.gather(*(things.used() for _ in range(5))))

    assert [[1] * 5, [2] * 5] == [asyncio.run(scene()), asyncio.run(scene())]


def test_a_thing_is_closed_with_its_loop() -> None:
    things = Things()
    for _ in range(3):
        asyncio.run(things.used())
    assert [(1, True), (2, True), (3, True)] == things.closed
    assert {} == things.kept._resources


def test_a_thing_that_was_closed_by_hand_is_made_anew() -> None:
    things = Things()

    async def scene() -> list[int]:
        first = await things.used()
        await things.kept.aclose()
        await things.kept.aclose()
        return [first, await things.used()]

    assert [1, 2] == asyncio.run(scene())
    assert [(1, True), (2, True)] == things.closed


def test_a_thing_that_is_closed_while_it_is_used_is_closed_after_its_last_use() -> None:
    things = Things()

    async def scene() -> list[int]:
        async with await things.kept.get() as first, await things.kept.get():
            await things.kept.aclose()
            seen = [first, await things.used(), len(things.closed)]
        return [*seen, len(things.closed)]

    assert [1, 2, 0, 1] == asyncio.run(scene())
    assert [(1, True), (2, True)] == things.closed


def test_the_end_of_an_older_thing_leaves_the_newer_in_its_place() -> None:
    things = Things()

    async def scene() -> list[int]:
        async with await things.kept.get() as first:
            await things.kept.aclose()
            second = await things.used()
        # The first was closed just now, after its last use, and the second is still the loop's.
        assert [(1, True)] == things.closed
        return [first, second, await things.used()]

    assert [1, 2, 2] == asyncio.run(scene())
    assert [(1, True), (2, True)] == things.closed


def test_what_belongs_to_another_process_is_dropped_and_not_closed() -> None:
    things = Things()

    async def scene() -> int:
        await things.used()
        things.kept.reset_in_child()
        return await things.used()

    assert 2 == asyncio.run(scene())


def test_loops_that_were_closed_without_ending_their_generators_are_let_go() -> None:
    things = Things()
    for _ in range(4):
        loop = asyncio.new_event_loop()
        loop.run_until_complete(things.used())
        loop.close()
    gc.collect()
    assert ([], 1) == (things.closed, len(things.kept._resources))
    assert 5 == asyncio.run(things.used())
    assert [(5, True)] == things.closed
    assert {} == things.kept._resources


@pytest.mark.parametrize("is_closed", [True, False])
def test_a_loop_that_is_left_without_ending_its_generators_is_left_quietly(
    is_closed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def close(thing: object) -> None:
        closed.append(thing)
        await asyncio.sleep(0)

    async def get() -> None:
        # As `nest_asyncio` leaves them to a coroutine that is run within another.
        sys.set_asyncgen_hooks(firstiter=None, finalizer=None)
        await per_loop.get()

    closed: list[object] = []
    told: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    loop, per_loop = asyncio.new_event_loop(), PerEventLoop(object, close)
    loop.run_until_complete(get())
    if is_closed:
        loop.close()
    per_loop.reset_in_child()
    gc.collect()
    loop.close()
    assert ([], []) == (closed, told)
