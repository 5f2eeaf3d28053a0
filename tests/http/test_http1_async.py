"""A connection of an event loop by itself: what asyncio tells it, with no socket below."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from services.llm.http.http1_async import AsyncConnection
from services.llm.http.origin import Origin

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
FAR = 10**6


class Transport:
    """A transport that keeps what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *_: self.asked.append(name)

    def get_extra_info(self, name: str) -> Any:
        class Reset:
            def getsockopt(self, *_: int) -> int:
                return 32  # EPIPE

        return Reset()


class Sent:
    """A request, of which these pieces follow."""

    def __init__(self, *rest: bytes) -> None:
        self.rest = rest

    def encode(self) -> memoryview:
        return memoryview(b"POST / HTTP/1.1\r\n\r\n")


def until(seconds: float = FAR) -> float:
    return time.monotonic() + seconds


def connected() -> tuple[AsyncConnection, Any]:
    connection, transport = AsyncConnection(Origin("a.test", 1, None), FAR), Transport()
    connection.connection_made(transport)  # type: ignore[arg-type] # as much of one as is used
    return connection, transport


Scene = Callable[[AsyncConnection, Any], Coroutine[Any, Any, None]]


def played(scene: Scene) -> None:
    async def play() -> None:
        await scene(*connected())

    asyncio.run(play())


async def begun(connection: AsyncConnection, head: bytes = HEAD) -> None:
    beginning = asyncio.ensure_future(connection.begin(Sent(), until()))
    await asyncio.sleep(0)
    connection.data_received(head)
    assert 200 == (await beginning).status


async def assert_resumed_by_the_third_read(connection: AsyncConnection, transport: Any) -> None:
    for _ in range(2):
        await connection.read(until())
    assert ["write", "pause_reading"] == transport.asked
    await connection.read(until())
    assert ["write", "pause_reading", "resume_reading"] == transport.asked


def test_who_reads_slowly_lets_the_server_wait() -> None:
    async def scene(connection: AsyncConnection, transport: Any) -> None:
        await begun(connection)
        for _ in range(3):
            connection.data_received(bytes(200 * 1024))
        assert ["write", "pause_reading"] == transport.asked
        await assert_resumed_by_the_third_read(connection, transport)
        connection.close()

    played(scene)


def test_a_wait_that_is_shorter_than_the_timers_ends_at_its_own_moment() -> None:
    async def scene(connection: AsyncConnection, _: Any) -> None:
        await begun(connection)
        with pytest.raises(TimeoutError, match="timed out"):
            await connection.read(until(0.001))

    played(scene)


def test_a_wait_that_is_longer_than_the_timers_goes_on_after_it() -> None:
    async def scene(connection: AsyncConnection, transport: Any) -> None:
        beginning = asyncio.ensure_future(connection.begin(Sent(), until()))
        await asyncio.sleep(0)
        timer = connection._timer
        connection._on_time()  # as if its moment had come, but not that of the wait
        assert connection._timer is not None
        assert timer is not connection._timer
        connection.data_received(HEAD)
        connection._on_time()  # what waits is awake already
        await beginning
        connection._on_time()  # nobody waits
        assert vars(connection)["_timer"] is None
        connection.close()
        assert ["write", "abort"] == transport.asked

    played(scene)


def test_after_its_moment_nothing_is_waited_for() -> None:
    async def scene(connection: AsyncConnection, transport: Any) -> None:
        await begun(connection)
        with pytest.raises(TimeoutError):
            await connection.read(until(-1))
        assert "abort" in transport.asked

    played(scene)


def test_what_has_come_is_read_though_its_moment_has_passed() -> None:
    async def scene(connection: AsyncConnection, _: Any) -> None:
        await begun(connection, OK)
        assert (b"ok", b"") == (await connection.read(-1.0), await connection.read(-1.0))
        assert connection.is_alive()

    played(scene)


def test_what_came_before_the_connection_was_lost_is_read() -> None:
    async def scene(connection: AsyncConnection, _: Any) -> None:
        await begun(connection, HEAD + b"some")
        connection.connection_lost(ConnectionResetError("gone"))
        assert b"some" == await connection.read(until())
        with pytest.raises(ConnectionResetError, match="gone"):
            await connection.read(until())
        assert (False, False) == (connection.is_reusable, connection.was_refused)

    played(scene)


@pytest.mark.parametrize(
    ("tell", "error"),
    [
        (lambda each: each.eof_received(), "disconnected"),
        (lambda each: each.connection_lost(BrokenPipeError("closed")), "closed"),
    ],
)
def test_a_server_that_closed_before_it_read_the_request_refused_it(
    tell: Callable[[AsyncConnection], None], error: str
) -> None:
    async def scene(connection: AsyncConnection, _: Any) -> None:
        beginning = asyncio.ensure_future(connection.begin(Sent(), until()))
        await asyncio.sleep(0)
        tell(connection)
        with pytest.raises(Exception, match=error):
            await beginning
        assert connection.was_refused

    played(scene)


def test_one_that_has_begun_to_answer_did_not() -> None:
    async def scene(connection: AsyncConnection, _: Any) -> None:
        await begun(connection)
        connection.eof_received()
        connection.connection_lost(BrokenPipeError())
        with pytest.raises(Exception, match="whole"):
            await connection.read(until())
        assert not connection.was_refused

    played(scene)


def test_a_connection_that_is_closed_sends_nothing() -> None:
    async def scene(connection: AsyncConnection, transport: Any) -> None:
        connection.close()
        with pytest.raises(ConnectionResetError, match="lost"):
            await connection.begin(Sent(), until())
        assert connection.was_refused
        assert "write" not in transport.asked

    played(scene)


def test_what_nobody_asked_for_ends_a_connection() -> None:
    async def scene(connection: AsyncConnection, transport: Any) -> None:
        connection.data_received(b"HTTP/1.1 408 Late\r\n\r\n")
        assert (["abort"], False) == (transport.asked, connection.is_alive())

    played(scene)


@pytest.mark.parametrize(
    "tell", [lambda each: each.eof_received(), lambda each: each.connection_lost(None)]
)
def test_the_end_of_a_connection_that_waits_is_no_news(
    tell: Callable[[AsyncConnection], None],
) -> None:
    async def scene(connection: AsyncConnection, _: Any) -> None:
        assert connection.is_alive()
        tell(connection)
        assert (False, False) == (connection.is_alive(), connection.was_refused)

    played(scene)


def test_a_connection_that_was_never_made_has_nothing_to_close() -> None:
    connection = AsyncConnection(Origin("a.test", 1, None), FAR)
    connection.close()
    assert not connection.is_alive()


def test_a_large_request_leaves_as_fast_as_it_is_taken() -> None:
    async def scene(connection: AsyncConnection, transport: Any) -> None:
        connection.pause_writing()
        asked = connection.begin(Sent(b"one", b"two"), until())
        beginning = asyncio.ensure_future(asked)
        await asyncio.sleep(0)
        assert ["write"] == transport.asked
        connection.resume_writing()
        await asyncio.sleep(0)
        assert ["write"] * 3 == transport.asked
        connection.data_received(OK)
        await beginning

    played(scene)


@pytest.mark.parametrize("is_lost", [True, False])
def test_a_server_that_has_answered_is_sent_no_more(is_lost: bool) -> None:
    async def scene(connection: AsyncConnection, transport: Any) -> None:
        connection.pause_writing()
        beginning = asyncio.ensure_future(connection.begin(Sent(b"one"), until()))
        await asyncio.sleep(0)
        if is_lost:
            connection.connection_lost(None)
            with pytest.raises(ConnectionResetError):
                await beginning
        else:
            connection.data_received(OK)
            await beginning
        assert 1 == transport.asked.count("write")

    played(scene)


def test_a_connection_that_is_not_made_yet_knows_where_it_leads_and_is_of_no_use() -> None:
    origin = Origin("a.test", 1, None)
    connection = AsyncConnection(origin, FAR)
    assert (origin, False) == (connection.origin, connection.is_reusable)


def test_a_request_in_pieces_leaves_at_once_where_nothing_holds_it_up() -> None:
    async def scene(connection: AsyncConnection, transport: Any) -> None:
        beginning = asyncio.ensure_future(connection.begin(Sent(b"one", b"two"), until()))
        await asyncio.sleep(0)
        assert ["write"] * 3 == transport.asked
        connection.data_received(OK)
        await beginning

    played(scene)


def test_one_timer_serves_all_the_pieces_of_an_answer_and_none_is_left_at_its_end() -> None:
    async def scene(connection: AsyncConnection, _: Any) -> None:
        end = until()
        beginning = asyncio.ensure_future(connection.begin(Sent(), end))
        await asyncio.sleep(0)
        timer = connection._timer
        connection.data_received(OK.replace(b"ok", b""))
        await beginning
        reading = asyncio.ensure_future(connection.read(end))
        await asyncio.sleep(0)
        for letter in (b"o", b"k"):
            connection.data_received(letter)
        assert b"o" == await reading
        assert None is not connection._timer is timer
        assert (b"k", b"") == (await connection.read(end), await connection.read(end))
        assert vars(connection)["_timer"] is None

    played(scene)


def test_as_much_as_may_wait_to_be_read_stops_nobody_and_more_does_once() -> None:
    async def scene(connection: AsyncConnection, transport: Any) -> None:
        await begun(connection)
        connection.data_received(bytes(256 * 1024))
        assert ["write"] == transport.asked
        for _ in range(2):
            connection.data_received(b"x")
        assert ["write", "pause_reading"] == transport.asked
        await assert_resumed_by_the_third_read(connection, transport)
        connection.close()

    played(scene)
