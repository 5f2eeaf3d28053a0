"""A stream's reader gives back what the stream holds, wherever its driver was interrupted."""

from __future__ import annotations

import asyncio
import gc
import os
import time
import warnings
from typing import Any

import pytest

from services.llm.call.stream import AsyncStream, Stream
from services.llm.call.stream_reader import StreamReader
from services.llm.effects import Close, Effects, Open, emit, open_stream, sleep
from services.llm.stream_types import TextPiece
from services.llm.types import Reply, Request
from tests.call.scripted import says

REQUEST = Request("m", ({"role": "user", "content": "hi"},))
CHANNEL: Any = "channel"


def streamed(steps: list[str]) -> Effects[Reply]:
    """Two pieces; *steps* is told of the end."""
    try:
        yield from open_stream(REQUEST, 1.0)
        yield from emit((TextPiece("a"),))
        yield from sleep(1.0, "retry")
        yield from emit((TextPiece("b"),))
        return says("ab")
    finally:
        steps.append("given back")


@pytest.fixture
def steps() -> list[str]:
    return []


@pytest.fixture
def reader(steps: list[str]) -> StreamReader:
    return StreamReader(streamed(steps))


def test_a_reader_whose_driver_was_interrupted_ends_there_and_can_be_closed(
    reader: StreamReader, steps: list[str]
) -> None:
    reading = reader.next_event()
    assert Open(REQUEST, 1.0) == next(reading)
    with pytest.raises(StopIteration):
        reading.send(CHANNEL)
    reading = reader.next_event()
    next(reading)
    reading.close()
    assert ([], True) == (list(reader.next_event()), reader.is_open)
    assert [Close(CHANNEL)] == list(reader.close())
    assert (["given back"], False) == (steps, reader.is_open)


def test_a_reader_that_is_closed_before_it_began_holds_nothing(
    reader: StreamReader, steps: list[str]
) -> None:
    assert ([], []) == (list(reader.close()), list(reader.next_event()))
    assert [] == steps


def test_a_forked_child_is_told_that_the_stream_is_its_parents(
    reader: StreamReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = reader.next_event()
    next(reading)
    with pytest.raises(StopIteration):
        reading.send(CHANNEL)
    monkeypatch.setattr(os, "getpid", lambda: -1)
    with pytest.raises(RuntimeError, match="forked"):
        next(reader.next_event())


class Channel:
    """A stream that its transport has opened."""

    def close(self) -> None:
        """Do nothing."""

    async def aclose(self) -> None:
        """Do nothing."""


class Transport:
    """One that opens."""

    def open(self, request: Request, timeout: float) -> Channel:
        return Channel()

    async def aopen(self, request: Request, timeout: float) -> Channel:
        return Channel()


def test_a_stream_whose_loop_is_closed_gives_back_its_permit_all_the_same(
    steps: list[str],
) -> None:
    def drop() -> None:
        stream = AsyncStream(streamed(steps), Transport())
        assert "a" == asyncio.run(stream.__anext__())
        del stream
        gc.collect()

    with pytest.warns(ResourceWarning, match="dropped before its end"):
        drop()
    while not steps:
        time.sleep(0.001)
    assert ["given back"] == steps


@pytest.mark.parametrize("is_handed_over", [True, False])
def test_whoever_drops_a_stream_is_warned_unless_a_server_was_to_close_it(
    steps: list[str], is_handed_over: bool
) -> None:
    def drop() -> None:
        stream = Stream(streamed(steps), Transport())
        assert "a" == next(stream)
        if is_handed_over:
            stream.sse()
        del stream
        gc.collect()

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        drop()
    expected = [] if is_handed_over else [ResourceWarning]
    assert expected == [each.category for each in told]
    while not steps:
        time.sleep(0.001)
    assert ["given back"] == steps


def test_a_stream_that_was_closed_or_never_begun_is_dropped_without_a_word(
    steps: list[str],
) -> None:
    closed, unread = (Stream(streamed(steps), Transport()) for _ in range(2))
    assert "a" == next(closed)
    closed.close()
    assert ["given back"] == steps
    del closed, unread
    gc.collect()
    assert ["given back"] == steps


@pytest.mark.parametrize("is_handed_over", [True, False])
def test_a_stream_that_is_dropped_on_its_loop_is_closed_by_its_loop(
    steps: list[str], is_handed_over: bool
) -> None:
    async def scene() -> None:
        stream = AsyncStream(streamed(steps), Transport())
        assert "a" == await anext(stream)
        stream._reader.is_handed_over = is_handed_over
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            del stream
            gc.collect()
        expected = [] if is_handed_over else [ResourceWarning]
        assert expected == [each.category for each in told]
        while not steps:
            await asyncio.sleep(0)

    asyncio.run(scene())
    assert ["given back"] == steps
