"""Server-sent events of a stream that is silent, fails or is left, whatever the network does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from services.llm.call.sse import aframes
from services.llm.errors import RateLimitError
from services.llm.stream_types import AnyEvent, TextPiece
from tests.call.scripted import says

#: Seconds of silence that are over at once.
AT_ONCE = 0.0

TEXT = 'event: text\ndata: {"text":"a"}\n\n'
COMMENT = ": waiting\n\n"


class Silent:
    """A stream that brings one piece after another as the test tells it to."""

    reply = says("a")

    def __init__(self) -> None:
        self.next: asyncio.Future[AnyEvent | None] = asyncio.get_running_loop().create_future()
        self.is_closed = False

    async def read(self) -> AnyEvent | None:
        event = await self.next
        self.next = asyncio.get_running_loop().create_future()
        return event

    async def aclose(self) -> None:
        self.is_closed = True


def test_while_the_stream_is_silent_comments_come() -> None:
    async def scene() -> None:
        stream = Silent()
        frames = aframes(stream, stream.read, AT_ONCE)
        assert [COMMENT] * 3 == [await anext(frames) for _ in range(3)]
        stream.next.set_result(TextPiece("a"))
        while (frame := await anext(frames)) == COMMENT:
            pass
        assert TEXT == frame
        await frames.aclose()
        assert (True, {asyncio.current_task()}) == (stream.is_closed, asyncio.all_tasks())

    asyncio.run(scene())


async def read_of(leave: Callable[[Silent], object]) -> list[str]:
    """The names of the frames of a stream that ends as *leave* says; it is closed after them."""
    stream = Silent()
    leave(stream)
    try:
        frames = [frame async for frame in aframes(stream, stream.read, None)]
    finally:
        assert stream.is_closed
    return [frame.partition("\n")[0] for frame in frames]


@pytest.mark.parametrize(
    ("leave", "expected"),
    [
        (lambda stream: stream.next.set_exception(RateLimitError("no")), ["event: error"]),
        (lambda stream: stream.next.set_result(None), ["event: done"]),
    ],
)
def test_the_end_and_an_error_of_ours_are_the_last_frame_and_close_the_stream(
    leave: Callable[[Silent], object], expected: list[str]
) -> None:
    assert expected == asyncio.run(read_of(leave))


@pytest.mark.parametrize(
    ("leave", "expected"),
    [
        (lambda stream: stream.next.set_exception(ZeroDivisionError()), ZeroDivisionError),
        (lambda stream: stream.next.cancel(), asyncio.CancelledError),
    ],
)
def test_whatever_else_ends_a_stream_is_raised_and_closes_it(
    leave: Callable[[Silent], object], expected: type[BaseException]
) -> None:
    with pytest.raises(expected):
        asyncio.run(read_of(leave))


@pytest.mark.parametrize("ends", [True, False])
def test_a_reader_that_leaves_ends_the_read_under_way(ends: bool) -> None:
    async def scene() -> None:
        stream = Silent()
        frames = aframes(stream, stream.read, AT_ONCE)
        assert COMMENT == await anext(frames)
        if ends:  # just as its reader leaves
            stream.next.set_exception(RateLimitError("no"))
        await frames.aclose()
        assert (True, {asyncio.current_task()}) == (stream.is_closed, asyncio.all_tasks())

    asyncio.run(scene())


def cancelled(waiting: Coroutine[Any, Any, Any]) -> None:
    async def scene() -> None:
        task = asyncio.ensure_future(waiting)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scene())


def test_a_reader_that_is_cancelled_closes_the_stream() -> None:
    held: list[Silent] = []

    async def read() -> None:
        held.append(Silent())
        async for _ in aframes(held[0], held[0].read, None):
            raise AssertionError("nothing has come")

    cancelled(read())
    assert held[0].is_closed
