"""Exchanges over connections of an event loop, whatever comes first; and what is asked again."""

from __future__ import annotations

import asyncio
import socket
import time
from errno import EPIPE
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import patch

import h11
import httpx
import pytest

from services.llm.errors import ResponseTooLargeError
from services.llm.http import tunnel
from services.llm.http.exchange import Exchanges
from services.llm.http.http1 import Answer
from services.llm.http.http1_async import AsyncConnection
from services.llm.http.http1_connections import _WRITE, Connection, UnconnectedError
from services.llm.http.idle import IdleStack
from services.llm.http.idle_pools import IdlePools
from services.llm.http.origin import Origin
from services.llm.http.pool import Pool
from services.llm.runtime.coroutines import run_without_loop
from tests.http.servers import answer

ORIGIN = Origin("a.test", 80, None)
URL = httpx.URL("http://a.test")
LIMIT = 2**20


class Sent:
    """A request as it is sent."""

    def encode(self) -> memoryview:
        return memoryview(b"POST / HTTP/1.1\r\n\r\n")


def until() -> float:
    return time.monotonic() + 30.0


class LoopTransport:
    """A loop's transport, over a socket in the state that *code* tells."""

    def __init__(self, code: int = 0) -> None:
        self.asked: list[str] = []
        self._code = code

    def write(self, _: object) -> None:
        self.asked.append("write")

    def abort(self) -> None:
        self.asked.append("abort")

    def get_extra_info(self, _: str) -> Any:
        return SimpleNamespace(getsockopt=lambda *_: self._code)


def awaiting(code: int = 0, limit: int = LIMIT) -> tuple[AsyncConnection, LoopTransport]:
    connection, transport = AsyncConnection(ORIGIN, limit), LoopTransport(code)
    connection.connection_made(transport)  # type: ignore[arg-type] # as much of one as is used
    return connection, transport


def asked(connection: AsyncConnection, *happens: Any, at: float = 30.0) -> Answer:
    """What an exchange comes to where each of *happens* is called with the connection."""

    async def scene() -> Answer:
        sent = connection.exchange(Sent(), time.monotonic() + at)
        exchange = asyncio.ensure_future(sent)
        await asyncio.sleep(0)
        for each in happens:
            each(connection)
        return await exchange

    return asyncio.run(scene())


def test_an_answer_may_come_in_pieces() -> None:
    connection, transport = awaiting()
    whole = answer(b"body")
    got = asked(
        connection,
        lambda each: each.data_received(whole[:-2]),
        lambda each: each.data_received(whole[-2:]),
    )
    assert (200, b"body", ["write"]) == (got.status, got.body, transport.asked)
    assert connection.is_alive()


def test_what_comes_unasked_ends_the_connection() -> None:
    connection, transport = awaiting()
    connection.data_received(b"HTTP/1.1 408 Timeout\r\n\r\n")
    assert (["abort"], False) == (transport.asked, connection.is_alive())


def test_what_follows_an_answer_before_it_is_taken_ends_the_connection() -> None:
    connection, transport = awaiting()
    got = asked(
        connection,
        lambda each: each.data_received(answer(b"body")),
        lambda each: each.data_received(b"more"),
        lambda each: each.connection_lost(None),
    )
    assert (b"body", ["write", "abort"]) == (got.body, transport.asked)


@pytest.mark.parametrize(
    ("happens", "expected"),
    [
        (lambda each: each.data_received(b"no HTTP\r\n\r\n"), h11.RemoteProtocolError),
        (lambda each: each.data_received(answer(b"body")), ResponseTooLargeError),
        (lambda each: each.eof_received(), h11.RemoteProtocolError),
        (lambda each: each.connection_lost(None), ConnectionResetError),
        (lambda each: each.connection_lost(BrokenPipeError()), BrokenPipeError),
    ],
)
def test_what_is_no_answer_closes_the_connection(happens: Any, expected: type[Exception]) -> None:
    connection, transport = awaiting(limit=3)
    with pytest.raises(expected):
        asked(connection, happens, lambda each: each.connection_lost(None))
    assert ["write", "abort"] == transport.asked
    assert connection.was_refused is (expected is BrokenPipeError)


def test_one_that_was_reset_after_its_end_has_not_read_the_request() -> None:
    connection, _ = awaiting(EPIPE)
    with pytest.raises(h11.RemoteProtocolError):
        asked(connection, lambda each: each.eof_received())
    assert connection.was_refused


def test_on_one_that_ended_while_it_waited_nothing_is_sent() -> None:
    connection, transport = awaiting()
    connection.connection_lost(None)
    with pytest.raises(ConnectionResetError):
        asked(connection)
    assert (["abort"], True) == (transport.asked, connection.was_refused)


def test_an_answer_that_does_not_come_is_a_timeout() -> None:
    connection, transport = awaiting()
    with pytest.raises(TimeoutError):
        asked(connection, at=0.001)
    assert ["write", "abort"] == transport.asked
    with pytest.raises(TimeoutError):  # without a moment left
        asked(awaiting()[0], at=-1.0)


class Socket:
    """A socket in the state that *code* tells, which *fails* as it is written to."""

    def __init__(self, *data: bytes, code: int = 0, fails: Exception | None = None) -> None:
        self._data = list(data)
        self._code = code
        self._fails = fails
        self.is_closed = False

    def settimeout(self, seconds: float) -> None:
        assert seconds > 0

    def sendall(self, _: object) -> None:
        if self._fails is not None:
            raise self._fails

    def recv(self, _: int) -> bytes:
        return self._data.pop(0)

    def getsockopt(self, level: int, option: int) -> int:
        assert (socket.SOL_SOCKET, socket.SO_ERROR) == (level, option)
        return self._code

    def close(self) -> None:
        self.is_closed = True


def blocking(below: Socket) -> Connection:
    """A connection over *below*, instead of one that it made."""
    made = Connection.__new__(Connection)
    vars(made).update(_socket=below, _http=awaiting()[0]._http, was_refused=False, origin=ORIGIN)
    return made


@pytest.mark.parametrize(
    ("data", "how", "was_refused"),
    [
        ([b""], {}, False),
        ([b""], {"code": EPIPE}, True),
        ([b""], {"fails": BrokenPipeError()}, True),
        ([b""], {"fails": ConnectionResetError()}, False),
        ([answer(b"body")[:-2], b""], {"code": EPIPE}, False),
    ],
)
def test_a_thread_knows_whether_the_server_can_have_read_its_request(
    data: list[bytes], how: dict[str, Any], was_refused: bool
) -> None:
    below = Socket(*data, **how)
    connection = blocking(below)
    with pytest.raises(h11.RemoteProtocolError):
        connection.exchange(Sent(), until())
    assert (was_refused, True) == (connection.was_refused, below.is_closed)


def test_a_connection_carries_nothing_else_while_an_answer_is_awaited() -> None:
    states: list[bool] = []

    class Asked(Socket):
        def recv(self, size: int) -> bytes:
            states.append(connection.is_reusable)
            return super().recv(size)

    connection = blocking(Asked(answer(b"body")[:-2], answer(b"body")[-2:]))
    assert b"body" == connection.exchange(Sent(), until()).body
    assert ([False, False], True) == (states, connection.is_reusable)


def test_no_part_of_a_long_request_is_sent_after_its_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    class Slow(Socket):
        def sendall(self, data: Any) -> None:
            now[0] += 1.0
            parts.append(len(data))

    class Long:
        def encode(self) -> memoryview:
            return memoryview(bytes(5 * _WRITE))

    parts, below = list[int](), Slow()
    with pytest.raises(TimeoutError):
        blocking(below).exchange(Long(), 3.0)
    assert ([_WRITE] * 3, True) == (parts, below.is_closed)


class Context:
    """What secures a socket, or fails to."""

    def __init__(self, fails: bool) -> None:
        self._fails = fails
        self.secured: list[Any] = []

    def wrap_socket(self, below: Any, server_hostname: str) -> Any:
        self.secured.append((below, server_hostname))
        if self._fails:
            raise OSError("not to be trusted")
        return "secured"


@pytest.mark.parametrize("fails", [False, True])
def test_a_connection_that_is_to_be_secured_is_so_or_is_none(
    fails: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    below, context = Socket(), Context(fails)
    monkeypatch.setattr(tunnel, "dial", lambda *_: below)
    origin = Origin("a.test", 80, cast("Any", context))
    if fails:
        with pytest.raises(OSError, match="not to be trusted"):
            Connection(origin, LIMIT, until())
    else:
        connection: Any = Connection(origin, LIMIT, until())
        assert ("secured", False) == (connection._socket, connection.was_refused)
    assert ([(below, "a.test")], fails) == (context.secured, below.is_closed)


def test_the_timer_of_an_exchange_ends_with_it() -> None:
    connection, _ = awaiting()
    timers: list[asyncio.TimerHandle] = []

    async def scene() -> None:
        loop = asyncio.get_running_loop()
        later = loop.call_later

        def noting(*arguments: Any, **more: Any) -> asyncio.TimerHandle:
            timers.append(later(*arguments, **more))
            return timers[-1]

        with patch.object(loop, "call_later", noting):
            exchange = asyncio.ensure_future(connection.exchange(Sent(), until()))
            await asyncio.sleep(0)
            connection.data_received(answer(b"body"))
            await exchange

    asyncio.run(scene())
    assert [True] == [timer.cancelled() for timer in timers]


class Kept:
    """A connection that fails or answers, in a thread or a task."""

    origin = ORIGIN
    is_reusable = True

    def __init__(
        self, error: Exception | None = None, *, refused: bool = False, alive: bool = True
    ) -> None:
        self._error = error
        self._alive = alive
        self.was_refused = refused
        self.is_closed = False

    def is_alive(self) -> bool:
        return self._alive

    async def answer(self, *_: object) -> Kept:
        if self._error is not None:
            raise self._error
        return self

    def close(self) -> None:
        self.is_closed = True


LOST = ConnectionResetError("lost")


def exchanged(*kept: Kept, fresh: Kept | Exception) -> Kept:
    """What answers where *kept* connections wait and a *fresh* one is made."""
    idle = IdleStack[Any](8)
    for each in kept:
        idle.put(each)

    async def connect(*_: object) -> Any:
        if isinstance(fresh, Exception):
            raise fresh
        return fresh

    send: Any = Kept.answer
    begun = Exchanges[Any](connect, send, send).begin(idle, ORIGIN, Sent(), until(), LIMIT)
    used, answered = run_without_loop(begun)
    assert used is answered
    found: Kept = answered
    return found


def test_one_that_the_server_had_closed_is_replaced_by_a_fresh_one() -> None:
    fresh = Kept()
    assert fresh is exchanged(Kept(LOST, refused=True), fresh=fresh)


def test_one_that_may_have_been_read_is_not_asked_twice() -> None:
    with pytest.raises(ConnectionResetError):
        exchanged(Kept(LOST), fresh=Kept())


def test_a_fresh_connection_that_fails_is_not_replaced() -> None:
    with pytest.raises(ConnectionResetError):
        exchanged(fresh=Kept(LOST, refused=True))


@pytest.mark.parametrize("reason", [ConnectionRefusedError("no"), TimeoutError("late")])
def test_where_none_can_be_made_it_is_told(reason: OSError) -> None:
    with pytest.raises(UnconnectedError) as caught:
        exchanged(fresh=reason)
    assert reason is caught.value.__cause__


def test_those_that_have_expired_are_closed_and_the_next_is_taken() -> None:
    waits, old = Kept(), [Kept(alive=False), Kept(alive=False)]
    assert waits is exchanged(waits, *old, fresh=Kept())
    assert [True, True] == [each.is_closed for each in old]


class Waiting:
    """A connection that waits for its next exchange."""

    origin = ORIGIN
    is_reusable = True

    def __init__(self) -> None:
        self.is_closed = False

    def is_alive(self) -> bool:
        return True

    def close(self) -> None:
        self.is_closed = True


def test_a_child_closes_its_copies_of_the_connections_that_threads_used() -> None:
    pools, waits, of_a_loop = IdlePools[Any, Any](8), Waiting(), Waiting()

    async def scene() -> None:
        async with await pools.of_this_loop() as idle:
            idle.put(of_a_loop)
            pools._reset_in_child()
            async with await pools.of_this_loop() as another:
                assert another is not idle

    pools.of_threads.put(waits)
    asyncio.run(scene())
    assert (True, []) == (waits.is_closed, pools.of_threads.drain())


@pytest.mark.parametrize(("mode", "is_closed"), [("Client", True), ("AsyncClient", False)])
def test_a_child_leaves_the_connections_of_its_parents_loops_alone(
    mode: Any, is_closed: bool
) -> None:
    pool, waits = Pool(mode, 8, LIMIT, str(URL)), Waiting()
    pool.idle.put(waits)
    pool._reset_in_child()
    assert (is_closed, []) == (waits.is_closed, pool.idle.drain())
