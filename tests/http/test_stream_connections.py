"""Answers that are taken piece by piece, in whichever pieces the network brings them."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any

import h11
import pytest

from services.llm.http.http1 import Head, Http1
from services.llm.http.http1_async import _FULL, AsyncConnection
from services.llm.http.http1_connections import Connection
from services.llm.http.idle import IdleStack
from services.llm.http.opened import Opened
from services.llm.http.origin import Origin

LIMIT = 2**20
ORIGIN = Origin("a.test", 80, None)
CLOSING = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"
WHOLE = [Head(200, [("content-length", "4")]), b"body", b""]


class Sent:
    """A request as it is sent."""

    def encode(self) -> memoryview | None:
        return memoryview(b"POST / HTTP/1.1\r\n\r\n")


class Unsendable:
    """A request that cannot be sent."""

    def encode(self) -> memoryview | None:
        return None


def until() -> float:
    return time.monotonic() + 30.0


class Socket:
    """A socket that brings what it was given, piece by piece."""

    def __init__(self, *data: bytes | Exception) -> None:
        self._data = list(data)
        self.is_closed = False

    def settimeout(self, seconds: float) -> None:
        assert seconds > 0

    def sendall(self, data: memoryview) -> None:
        """Take it."""

    def recv(self, _: int) -> bytes:
        data = self._data.pop(0)
        if isinstance(data, Exception):
            raise data
        return data

    def close(self) -> None:
        self.is_closed = True


def blocking(*data: bytes | Exception) -> tuple[Connection, Socket]:
    connection, below = Connection.__new__(Connection), Socket(*data)
    vars(connection).update(_socket=below, _http=Http1(LIMIT), was_refused=False)
    return connection, below


def test_a_thread_reads_piece_after_piece() -> None:
    connection, _ = blocking(HEAD[:9], HEAD[9:] + b"bo", b"dy")
    assert WHOLE[0] == connection.begin(Sent(), until())
    assert not connection.is_reusable
    assert [b"bo", b"dy", b""] == [connection.read(until()) for _ in range(3)]
    assert connection.is_reusable


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (TimeoutError("timed out"), TimeoutError),
        (ConnectionResetError(), ConnectionResetError),
        (b"no HTTP\r\n\r\n", h11.RemoteProtocolError),
    ],
)
def test_a_thread_that_reads_no_answer_closes_the_connection(
    data: bytes | Exception, expected: type[Exception]
) -> None:
    connection, below = blocking(data)
    with pytest.raises(expected):
        connection.begin(Sent(), until())
    assert below.is_closed


def test_what_cannot_be_sent_closes_the_connection() -> None:
    connection, below = blocking()
    with pytest.raises(h11.LocalProtocolError):
        connection.begin(Unsendable(), until())
    assert below.is_closed


def test_a_read_in_another_thread_can_be_ended_at_once() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        connection, _ = blocking()
        vars(connection)["_socket"] = SimpleNamespace(outer=ours)  # as of TLS within TLS
        opened = Opened(connection, WHOLE[0], IdleStack[Any](9), LIMIT)  # type: ignore[arg-type] # it is the head
        assert ours is opened.get_extra_info("socket")
        assert opened.get_extra_info("ssl_object") is None
        opened.abort()
        assert b"" == ours.recv(1)
    opened.abort()  # a socket that is closed has no read to be ended


class LoopTransport:
    """A loop's transport that keeps what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *_: self.asked.append(name)

    def get_extra_info(self, _: str) -> Any:
        return SimpleNamespace(getsockopt=lambda *_: 0)


def awaiting() -> tuple[AsyncConnection, LoopTransport]:
    connection, transport = AsyncConnection(ORIGIN, LIMIT), LoopTransport()
    connection.connection_made(transport)  # type: ignore[arg-type] # as much of one as is used
    return connection, transport


async def after_a_turn(waiting: Coroutine[Any, Any, Any]) -> asyncio.Future[Any]:
    """*waiting*, as a task that waits by now."""
    task = asyncio.ensure_future(waiting)
    await asyncio.sleep(0)
    return task


def test_a_task_reads_what_is_there_and_waits_for_the_rest() -> None:
    connection, _ = awaiting()

    async def scene() -> None:
        beginning = await after_a_turn(connection.begin(Sent(), until()))
        connection.data_received(HEAD[:9])
        await asyncio.sleep(0)
        connection.data_received(HEAD[9:] + b"bo")
        assert WHOLE[0] == await beginning
        assert b"bo" == await connection.read(until())
        reading = await after_a_turn(connection.read(until()))
        connection.data_received(b"dy")
        assert [b"dy", b""] == [await reading, await connection.read(until())]
        assert connection.is_alive()

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("happens", "expected"),
    [
        (lambda each: each.data_received(b"no HTTP\r\n\r\n"), h11.RemoteProtocolError),
        (lambda each: each.eof_received(), h11.RemoteProtocolError),
        (lambda each: each.connection_lost(None), ConnectionResetError),
        (lambda each: each.connection_lost(BrokenPipeError()), BrokenPipeError),
    ],
)
def test_what_ends_a_connection_is_raised_where_it_is_read(
    happens: Any, expected: type[Exception]
) -> None:
    connection, transport = awaiting()

    async def scene() -> None:
        beginning = await after_a_turn(connection.begin(Sent(), until()))
        happens(connection)
        connection.connection_lost(OSError("which comes after"))
        await beginning

    with pytest.raises(expected):
        asyncio.run(scene())
    assert ["write", "abort"] == transport.asked
    assert not connection.is_reusable


def test_a_task_waits_no_longer_than_its_time() -> None:
    connection, transport = awaiting()
    with pytest.raises(TimeoutError):
        asyncio.run(connection.begin(Sent(), time.monotonic() + 0.001))
    assert ["write", "abort"] == transport.asked


def test_what_a_task_cannot_send_closes_the_connection() -> None:
    connection, transport = awaiting()
    with pytest.raises(h11.LocalProtocolError):
        asyncio.run(connection.begin(Unsendable(), until()))
    assert ["abort"] == transport.asked


def test_a_cancelled_reader_is_woken_by_nothing_more() -> None:
    connection, transport = awaiting()

    async def scene() -> None:
        beginning = await after_a_turn(connection.begin(Sent(), until()))
        beginning.cancel()
        connection.data_received(HEAD)
        with pytest.raises(asyncio.CancelledError):
            await beginning

    asyncio.run(scene())
    assert ["write", "abort"] == transport.asked


def test_a_connection_that_never_was_is_closed_all_the_same() -> None:
    connection = AsyncConnection(ORIGIN, LIMIT)
    connection.close()
    connection.connection_lost(None)
    assert not connection.is_reusable


def test_reading_goes_on_until_more_than_a_bound_waits_to_be_read() -> None:
    connection, transport = awaiting()

    async def scene() -> None:
        beginning = await after_a_turn(connection.begin(Sent(), until()))
        connection.data_received(CLOSING + bytes(_FULL))
        await beginning
        assert ["write"] == transport.asked
        connection.data_received(b"x")
        assert ["write", "pause_reading"] == transport.asked

    asyncio.run(scene())


def test_who_reads_on_after_the_connections_end_is_told_that_it_has_ended() -> None:
    connection, _ = awaiting()

    async def scene() -> None:
        beginning = await after_a_turn(connection.begin(Sent(), until()))
        connection.data_received(CLOSING + b"all")
        connection.eof_received()
        await beginning
        assert [b"all", b""] == [await connection.read(until()) for _ in range(2)]
        await connection.read(until())

    with pytest.raises(ConnectionResetError):
        asyncio.run(scene())
