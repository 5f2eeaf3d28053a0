"""The end of a stream of Bedrock's: its connection is kept or closed, and what was cut is none."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from services.llm.errors import LLMTimeoutError, ResponseTooLargeError
from services.llm.http.http1 import Head
from services.llm.http.idle import IdleStack
from services.llm.http.opened import AsyncOpened, Opened
from services.llm.providers.bedrock.stream_call import StreamCall
from services.llm.providers.bedrock.stream_transport import _InWorkers, _watched
from services.llm.providers.bedrock.transport import _in_time
from services.llm.runtime.workers import Workers

HEAD = Head(200, [])


class Connection:
    """A connection that brings *pieces*, and may carry another stream once they have ended."""

    def __init__(self, *pieces: bytes | Exception) -> None:
        self._pieces = list(pieces)
        self.is_closed = False

    @property
    def is_reusable(self) -> bool:
        return not self._pieces

    def read(self, _: float) -> bytes:
        piece = self._pieces.pop(0)
        if isinstance(piece, Exception):
            raise piece
        return piece

    def close(self) -> None:
        self.is_closed = True


class AwaitedConnection(Connection):
    """The same for an event loop."""

    async def read(self, _: float) -> bytes:  # type: ignore[override] # it is awaited
        return super().read(0.0)


def closed(
    is_async: bool, *pieces: bytes | Exception, is_done: bool
) -> tuple[bool, list[Connection]]:
    """Whether a connection of these *pieces* was closed with its stream, and what is kept."""
    idle = IdleStack[Any](8)
    connection: Any = (AwaitedConnection if is_async else Connection)(*pieces)
    if is_async:
        opened = AsyncOpened(connection, HEAD, idle, 9)
        asyncio.run(opened.aclose(is_done=is_done))
    else:
        Opened(connection, HEAD, idle, 9).close(is_done=is_done)
    return connection.is_closed, idle.drain()


EITHER = pytest.mark.parametrize("is_async", [False, True])


@EITHER
def test_what_follows_a_streams_last_event_is_read_so_that_its_connection_is_kept(
    is_async: bool,
) -> None:
    is_closed, kept = closed(is_async, b"ping", b"more", b"", is_done=True)
    assert (False, 1) == (is_closed, len(kept))


@EITHER
@pytest.mark.parametrize("error", [TimeoutError(), ConnectionResetError(), ZeroDivisionError()])
def test_an_end_that_does_not_come_costs_the_connection_alone(
    is_async: bool, error: Exception
) -> None:
    assert (True, []) == closed(is_async, b"ping", error, b"", is_done=True)


@EITHER
def test_a_stream_that_is_left_closes_its_connection(is_async: bool) -> None:
    assert (True, []) == closed(is_async, b"text", b"", is_done=False)


def aborted_in(call: StreamCall, then: Callable[[], Any]) -> Callable[[], Any]:
    """A part of *call* that is aborted while it runs, and goes on as *then* does."""

    def part() -> Any:
        call.abort()
        return then()

    return part


def _cut() -> None:
    raise OSError("cut off")


@pytest.mark.parametrize("then", [lambda: "looks like the end", _cut])
def test_what_was_aborted_is_a_timeout_whatever_comes_of_it(then: Callable[[], Any]) -> None:
    call = StreamCall(time.monotonic() + 30, 2**20)
    with pytest.raises(TimeoutError, match="aborted"):
        _watched(aborted_in(call, then), call, 30.0)
    with pytest.raises(LLMTimeoutError), _in_time(30.0, call):
        then()


@pytest.mark.parametrize("too_large", [False, True])
def test_what_was_not_aborted_is_what_it_is(too_large: bool) -> None:
    call = StreamCall(time.monotonic() + 30, 2**20)
    assert "event" == _watched(lambda: "event", call, 30.0)
    with pytest.raises(OSError, match="cut off"):
        _watched(_cut, call, 30.0)
    call.too_large = ResponseTooLargeError.over(1) if too_large else None
    expected: type[Exception] = ResponseTooLargeError if too_large else OSError
    with pytest.raises(expected) as caught, _in_time(30.0, call):
        _cut()
    assert ("bedrock" if too_large else None) == getattr(caught.value, "provider", None)


class Transport:
    """As much of a transport as a source in its threads uses."""

    def __init__(self) -> None:
        self.workers = Workers(1, "part")

    def _submit(self, call: Callable[[], Any]) -> Any:
        return self.workers.submit(call)

    async def _awaited(self, work: Any) -> Any:
        return await asyncio.wrap_future(work)


def test_a_reader_that_is_cancelled_ends_the_read_in_its_thread() -> None:
    call, transport = StreamCall(time.monotonic() + 30, 2**20), Transport()

    class Source:
        """Stands still until it is aborted."""

        def read(self, _: float) -> Any:
            return call.aborted.result(30)

        def close(self) -> None:
            """Do nothing."""

    source = _InWorkers(transport, Source(), call, AsyncExitStack())  # type: ignore[arg-type] # as much of each as is used

    async def scene() -> None:
        reading = asyncio.ensure_future(source.read(time.monotonic() + 30))
        await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert call.aborted.done()
        await source.aclose(is_done=True)

    asyncio.run(scene())
    transport.workers.close()
