"""A stream's reader gives back what the stream holds, wherever its driver was interrupted."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from services.llm.call.stream import AsyncStream, Stream
from services.llm.call.stream_ends import close_all_left_open
from services.llm.call.stream_reader import PATIENCE, StreamReader
from services.llm.effects import (
    Close,
    Effect,
    Effects,
    Join,
    Open,
    Pull,
    Sleep,
    emit,
    open_stream,
    sleep,
)
from services.llm.errors import LLMError
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
    with pytest.raises(RuntimeError, match="has not come to its end"):
        next(reader.next_event())
    assert reader.is_open
    assert [Close(CHANNEL)] == list(reader.close())
    assert (["given back"], False) == (steps, reader.is_open)
    assert [] == list(reader.next_event())


@pytest.mark.parametrize(
    ("error", "is_cut"),
    [(KeyboardInterrupt(), True), (asyncio.CancelledError(), True), (LLMError("no"), False)],
)
def test_what_was_cut_by_an_interrupted_read_has_no_quiet_end(
    reader: StreamReader, steps: list[str], error: BaseException, is_cut: bool
) -> None:
    reading = reader.next_event()
    next(reading)
    with pytest.raises(type(error)):
        reading.throw(error)
    assert ["given back"] == steps
    if is_cut:
        with pytest.raises(RuntimeError, match="a read was interrupted or cancelled"):
            next(reader.next_event())
    else:
        assert [] == list(reader.next_event())


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

    def __init__(self) -> None:
        self.calls: list[str] = []

    def close(self) -> None:
        self.calls.append("closed")

    async def aclose(self) -> None:
        self.calls.append("closed")

    def abort(self) -> None:
        self.calls.append("aborted")

    join = ajoin = None


class Transport:
    """One that opens."""

    def open(self, request: Request, timeout: float) -> Channel:
        return Channel()

    async def aopen(self, request: Request, timeout: float) -> Channel:
        return Channel()


def waiting(effect: Effect, steps: list[str]) -> Effects[Reply]:
    """What waits for *effect* alone; *steps* is told of the end."""
    try:
        yield effect
        raise AssertionError("a stream that was closed goes on")
    finally:
        steps.append("given back")


CLOSED = "the stream was closed while its next piece was waited for"


def begun(effect: Effect, steps: list[str], thread: int = 0) -> tuple[StreamReader, Any]:
    """A reader that waits for *effect*, as if in this *thread*."""
    reader = StreamReader(waiting(effect, steps))
    reading = reader.next_event()
    seen = next(reading)
    assert effect == (replace(seen, wake=None) if isinstance(seen, Sleep) else seen)
    reader._thread = thread
    return reader, reading


@pytest.mark.parametrize("kind", [Open, Sleep, Pull, Join])
def test_a_reader_in_another_thread_is_told_that_the_stream_was_closed(
    kind: type[Effect], steps: list[str]
) -> None:
    channel: Any = Channel()
    effects = (Open(REQUEST, 1.0), Sleep(60.0, "retry"), Pull(channel, 60.0), Join(channel))
    effect = next(each for each in effects if isinstance(each, kind))
    reader, reading = begun(effect, steps)
    closing = reader.close()
    wait: Any = next(closing)
    assert (Sleep, PATIENCE, False) == (type(wait), wait.seconds, wait.wake.done())
    # Where it is, the wait ends at once; what it ends in is no matter.
    assert (["aborted"] if kind in (Pull, Join) else []) == channel.calls
    with pytest.raises(RuntimeError, match=CLOSED):
        reading.throw(ConnectionError("cut off"))
    assert (["given back"], False) == (steps, reader.is_open)
    assert wait.wake.done()
    assert [] == [*closing, *reader.close()]


def test_a_wait_for_a_moment_or_a_permit_ends_with_the_stream(steps: list[str]) -> None:
    permit: Future[None] = Future()
    for effect in (Sleep(60.0, "quota"), Sleep(60.0, "concurrency", permit)):
        reader = StreamReader(waiting(effect, steps))
        reading: Any = reader.next_event()
        wake = next(reading).wake
        assert not wake.done()
        reader._thread = 0
        next(reader.close())
        assert wake.done()
        with pytest.raises(RuntimeError, match=CLOSED):
            reading.send(None)
    permit.set_result(None)


def test_what_was_opened_as_its_stream_was_closed_is_closed(steps: list[str]) -> None:
    reader, reading = begun(Open(REQUEST, 1.0), steps)
    closing = reader.close()
    next(closing)
    assert Close(CHANNEL) == reading.send(CHANNEL)
    with pytest.raises(RuntimeError, match=CLOSED):
        reading.send(None)
    assert [] == list(closing)


def test_a_reader_that_has_just_been_given_a_piece_is_not_told(steps: list[str]) -> None:
    reader = StreamReader(streamed(steps))
    reading: Any = reader.next_event()
    next(reading)
    with pytest.raises(StopIteration):
        reading.send(CHANNEL)
    reader._is_busy = True  # it is about to return the piece
    reader._thread = 0
    closing = reader.close()
    next(closing)
    reader._is_busy = False
    assert [Close(CHANNEL)] == list(closing)
    assert ["given back"] == steps


def test_who_closes_a_stream_that_ends_by_itself_lets_it_end(steps: list[str]) -> None:
    reader = StreamReader(streamed(steps))
    reading: Any = reader.next_event()
    next(reading)
    with pytest.raises(StopIteration):
        reading.send(CHANNEL)
    reading = reader.next_event()
    next(reading)
    assert Close(CHANNEL) == reading.throw(ValueError("the stream's own"))
    reader._thread = 0
    closing = reader.close()
    next(closing)
    with pytest.raises(ValueError, match="the stream's own"):
        reading.send(None)
    assert [] == list(closing)


def test_a_signals_handler_closes_the_stream_that_its_thread_reads(steps: list[str]) -> None:
    reader, reading = begun(Sleep(60.0, "retry"), steps, threading.get_ident())
    assert [] == list(reader.close())
    with pytest.raises(RuntimeError, match=CLOSED):
        reading.send(None)


def test_an_identical_calls_outcome_reaches_the_flow_of_a_stream_that_was_closed() -> None:
    given: list[Any] = []
    follower: Any = Channel()

    def flow() -> Effects[Reply]:
        given.append((yield Join(follower)))
        yield Open(REQUEST, 1.0)
        raise AssertionError("a stream that was closed goes on")

    reader = StreamReader(flow())
    reading: Any = reader.next_event()
    next(reading)
    reader._thread = 0
    next(reader.close())
    with pytest.raises(RuntimeError, match=CLOSED):
        reading.send("a leader")
    assert (["a leader"], ["aborted"]) == (given, follower.calls)


def test_a_stream_whose_loop_is_closed_gives_back_its_permit_all_the_same(
    steps: list[str],
) -> None:
    def drop() -> None:
        stream = AsyncStream(streamed(steps), Transport())
        loop = asyncio.new_event_loop()
        assert "a" == loop.run_until_complete(stream.__anext__())
        loop.close()  # without the end of its generators, at which it would close the stream
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


def test_a_process_that_ends_closes_its_own_streams_that_nobody_waits_for(
    steps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = Stream(streamed(steps), Transport())
    assert "a" == next(stream)
    with monkeypatch.context() as in_child:
        in_child.setattr(os, "getpid", lambda: -1)
        close_all_left_open()
    assert [] == steps
    close_all_left_open()
    assert ["given back"] == steps
    assert [] == list(stream)


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


class Silent(Transport):
    """One at which whoever asks waits for ever."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def aopen(self, request: Request, timeout: float) -> Channel:
        self.asked.set()
        await asyncio.Event().wait()
        raise AssertionError("it never goes on")


def test_a_task_is_told_that_another_has_closed_its_stream(steps: list[str]) -> None:
    async def scene() -> int:
        transport = Silent()
        stream = AsyncStream(streamed(steps), transport)
        reading = asyncio.ensure_future(anext(stream))
        await transport.asked.wait()
        await stream.aclose()
        assert ["given back"] == steps
        with pytest.raises(RuntimeError, match=CLOSED):
            await reading
        assert [] == [piece async for piece in stream]
        # Whoever catches it goes on in a task that nobody cancels.
        return int(getattr(reading, "cancelling", int)())

    assert 0 == asyncio.run(scene())


@pytest.mark.skipif(sys.version_info < (3, 11), reason="it does not count who cancels a task")
def test_a_task_that_is_cancelled_while_its_stream_is_closed_is_cancelled(
    steps: list[str],
) -> None:
    async def scene() -> bool:
        transport = Silent()
        stream = AsyncStream(streamed(steps), transport)
        reading = asyncio.ensure_future(anext(stream))
        await transport.asked.wait()
        reading.cancel()
        await stream.aclose()
        await asyncio.wait({reading})
        return reading.cancelled()

    assert asyncio.run(scene())
    assert ["given back"] == steps


FOREIGN = "belongs to the event loop in which it was begun"


@pytest.fixture
def own_loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    if not loop.is_closed():
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


async def read_elsewhere(stream: AsyncStream) -> None:
    with pytest.raises(RuntimeError, match=FOREIGN):
        await anext(stream)


def test_a_stream_ends_with_its_loop_and_is_read_in_no_other(steps: list[str]) -> None:
    stream = AsyncStream(streamed(steps), Transport())
    assert "a" == asyncio.run(stream.__anext__())
    assert ["given back"] == steps
    asyncio.run(read_elsewhere(stream))
    asyncio.run(stream.aclose())
    assert ["given back"] == steps


def test_a_stream_whose_loop_was_closed_by_hand_gives_back_what_it_holds_once_it_is_read(
    steps: list[str], own_loop: asyncio.AbstractEventLoop
) -> None:
    stream = AsyncStream(streamed(steps), Transport())
    assert "a" == own_loop.run_until_complete(stream.__anext__())
    own_loop.close()
    assert [] == steps
    asyncio.run(read_elsewhere(stream))
    assert ["given back"] == steps


def test_a_stream_goes_on_in_its_own_loop_after_another_has_tried_to_read_it(
    steps: list[str], own_loop: asyncio.AbstractEventLoop
) -> None:
    stream = AsyncStream(streamed(steps), Transport())
    assert "a" == own_loop.run_until_complete(stream.__anext__())
    asyncio.run(read_elsewhere(stream))
    assert [] == steps
    asyncio.run(stream.aclose())
    assert (["given back"], False) == (steps, stream._reader.is_open)
    # Its connection is closed once the loop runs again.
    channel: Any = stream._reader._channel
    own_loop.run_until_complete(asyncio.sleep(0))
    assert ["closed"] == channel.calls


def test_a_stream_is_closed_from_another_loop_in_its_own(
    steps: list[str], own_loop: asyncio.AbstractEventLoop
) -> None:
    stream = AsyncStream(streamed(steps), Transport())
    running = threading.Thread(target=own_loop.run_forever)
    running.start()
    try:
        reading = asyncio.run_coroutine_threadsafe(stream.__anext__(), own_loop)
        assert "a" == reading.result(30)
        channel: Any = stream._reader._channel
        asyncio.run(stream.aclose())
        assert (["closed"], ["given back"]) == (channel.calls, steps)
    finally:
        own_loop.call_soon_threadsafe(own_loop.stop)
        running.join()


def test_a_stream_whose_connection_has_gone_is_given_back_and_asks_for_nothing_more(
    reader: StreamReader, steps: list[str]
) -> None:
    reading = reader.next_event()
    next(reading)
    with pytest.raises(StopIteration):
        reading.send(CHANNEL)
    reader.give_back()
    assert (["given back"], False) == (steps, reader.is_open)
    assert [] == list(reader.next_event())


def test_a_stream_is_read_by_one_at_a_time(reader: StreamReader, steps: list[str]) -> None:
    reading = reader.next_event()
    assert Open(REQUEST, 1.0) == next(reading)
    with pytest.raises(RuntimeError, match="one thread or task at a time"):
        next(reader.next_event())
    with pytest.raises(StopIteration) as first:
        reading.send(CHANNEL)
    assert (TextPiece("a"), []) == (first.value.value, steps)


def test_at_its_end_a_stream_has_its_reply_and_holds_nothing(
    reader: StreamReader, steps: list[str]
) -> None:
    closed: list[Effect] = []
    for _ in range(3):
        reading, answer = reader.next_event(), None
        with suppress(StopIteration):
            while True:
                effect = reading.send(answer)
                closed += [effect] if isinstance(effect, Close) else []
                answer = CHANNEL if isinstance(effect, Open) else None
    assert says("ab") == reader.reply
    assert ([Close(CHANNEL)], ["given back"], False) == (closed, steps, reader.is_open)
