"""What a connection of ours does where its server does as it should not."""

from __future__ import annotations

import asyncio
import select
import socket
import time
from types import SimpleNamespace
from typing import Any

import h11
import httpx
import pytest

from services.llm.errors import ResponseTooLargeError
from services.llm.http import http1_connections
from services.llm.http.client import http_client
from services.llm.http.exchange import AWAITING, BLOCKING
from services.llm.http.http1_async import AsyncConnection
from services.llm.http.http1_connections import Connection
from services.llm.http.httpx_parts import httpx_error
from services.llm.http.idle import IdleStack
from services.llm.http.idle_pools import close
from services.llm.http.origin import Origin
from services.llm.runtime.coroutines import run_without_loop
from tests.http.servers import Server, answer, forever, once, serving

HANG = 30.0
LIMIT = 2**20


class Sent:
    """A request as it is sent."""

    def encode(self) -> memoryview:
        return memoryview(b"POST / HTTP/1.1\r\nhost: here\r\ncontent-length: 2\r\n\r\nhi")


def until() -> float:
    return time.monotonic() + HANG


def test_a_connection_that_was_closed_here_is_not_alive() -> None:
    with serving(forever) as server:
        connection = Connection(Origin("127.0.0.1", server.port, None), LIMIT, until())
        assert 200 == connection.exchange(Sent(), until()).status
        assert connection.is_alive()
        connection.close()
        assert not connection.is_alive()


@pytest.mark.parametrize("has_poll", [True, False])
def test_whatever_comes_unasked_ends_a_connection(
    has_poll: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not has_poll:
        monkeypatch.delattr(select, "poll")
    with serving(forever) as server:
        connection = Connection(Origin("127.0.0.1", server.port, None), LIMIT, until())
        connection.exchange(Sent(), until())
        assert connection.is_alive()
        server.taken[0].sendall(b"HTTP/1.1 408 Timeout\r\n\r\n")
        ends = until()
        while connection.is_alive():
            assert time.monotonic() < ends
        connection.close()


def test_an_answer_counts_though_the_server_read_no_further() -> None:
    def refuse(_: object) -> None:
        raise BrokenPipeError

    with serving(forever) as server:
        connection = Connection(Origin("127.0.0.1", server.port, None), LIMIT, until())
        connection.close()
    connection._socket = SimpleNamespace(
        settimeout=lambda _: None,
        sendall=refuse,
        recv=lambda _: answer(status="413 Too Large"),
        close=lambda: None,
    )
    assert 413 == connection.exchange(Sent(), until()).status
    assert connection.was_refused


def opened(server: Server) -> Any:
    return AsyncConnection.opened(Origin("127.0.0.1", server.port, None), LIMIT, until())


def test_a_connection_of_a_loop_ends_with_what_nobody_asked_for() -> None:
    async def scene(server: Server) -> None:
        connection = await opened(server)
        await connection.exchange(Sent(), until())
        assert connection.is_alive()
        server.taken[0].sendall(b"HTTP/1.1 408 Timeout\r\n\r\n")
        ends = until()
        while connection.is_alive():
            assert time.monotonic() < ends
            await asyncio.sleep(0.001)

    with serving(forever) as server:
        asyncio.run(scene(server))


def test_a_connection_of_a_loop_that_is_lost_was_not_asked() -> None:
    async def scene(server: Server) -> AsyncConnection:
        connection: AsyncConnection = await opened(server)
        connection.close()
        with pytest.raises(ConnectionResetError):
            await connection.exchange(Sent(), until())
        return connection

    with serving(forever) as server:
        assert asyncio.run(scene(server)).was_refused
        assert [] == server.requests


def test_the_next_address_of_a_host_is_tried_where_one_refuses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scene(port: int) -> None:
        connection = await AsyncConnection.opened(Origin("two.example", port, None), LIMIT, until())
        connection.close()

    def both(*_: object, **__: object) -> list[Any]:
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*kind, ("127.0.0.2", 0)), (*kind, ("127.0.0.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    with serving(forever) as server:
        asyncio.run(scene(server.port))
    with pytest.raises(OSError, match=r"\[Errno|connect"):
        asyncio.run(scene(server.port))


def test_a_kept_connection_that_refuses_a_request_is_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scene(server: Server) -> None:
        idle = IdleStack[AsyncConnection](8)
        for _ in range(2):
            await AWAITING.whole(idle, origin, Sent(), until(), LIMIT)
            server.wait_until_closed()
        close(idle.drain())

    for kind in (Connection, AsyncConnection):  # as where the end comes with the request
        monkeypatch.setattr(kind, "is_alive", lambda _: True)
    with serving(once) as server:
        origin, idle = Origin("127.0.0.1", server.port, None), IdleStack[Connection](8)
        for _ in range(2):
            run_without_loop(BLOCKING.whole(idle, origin, Sent(), until(), LIMIT))
            server.wait_until_closed()
        close(idle.drain())
        assert 2 == len(server.requests)
        asyncio.run(scene(server))
        assert 4 == len(server.requests)


def test_a_client_that_was_closed_meanwhile_keeps_no_connection() -> None:
    async def scene(server: Server) -> None:
        transport: Any = http_client("AsyncClient", size=8, timeout=HANG, limit=1.0)._transport
        pools.append(transport._pool)
        await transport.exchange(Origin("127.0.0.1", server.port, None), Sent(), until())
        assert [] == transport._pool.idle.drain()

    def closing(server: Server, connection: socket.socket) -> None:
        server.read_request(connection)
        pools[-1].shut_down()
        connection.sendall(answer())
        server.read_request(connection)

    pools: list[Any] = []
    with serving(closing) as server:
        transport: Any = http_client("Client", size=8, timeout=HANG, limit=1.0)._transport
        pools.append(transport._pool)
        origin = Origin("127.0.0.1", server.port, None)
        run_without_loop(transport.exchange(origin, Sent(), until()))
        assert [] == transport._pool.idle.drain()
        asyncio.run(scene(server))


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (TimeoutError(), httpx.ReadTimeout),
        (ConnectionResetError(), httpx.ReadError),
        (h11.LocalProtocolError("no"), httpx.LocalProtocolError),
        (h11.RemoteProtocolError("no"), httpx.RemoteProtocolError),
        (ResponseTooLargeError("no"), ResponseTooLargeError),
    ],
)
def test_what_fails_is_told_as_httpx_tells_it(failure: Exception, expected: type) -> None:
    assert expected is type(httpx_error(failure))


class Told:
    """A socket that notes how long it may take, and receives these pieces."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = list(pieces)
        self.timeouts: list[float] = []

    def settimeout(self, seconds: float) -> None:
        self.timeouts.append(seconds)

    def sendall(self, data: memoryview) -> None:
        """It is sent."""

    def recv(self, most: int) -> bytes:
        return self.pieces.pop(0)


def test_each_write_and_each_read_has_the_time_that_is_left_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = Told(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n", b"o", b"k")
    monkeypatch.setattr(http1_connections, "connected", lambda *_: told)
    monkeypatch.setattr(http1_connections, "left_until", lambda until: until)
    connection = Connection(Origin("a.test", 1, None), LIMIT, 9.0)
    assert 200 == connection.begin(Sent(), 7.0).status
    assert (b"o", b"k", b"") == tuple(connection.read(left) for left in (5.0, 3.0, 1.0))
    assert [7.0, 7.0, 5.0, 3.0] == told.timeouts
