"""What a connection of ours does where its server does as it should not."""

from __future__ import annotations

import asyncio
import select
import socket
import time
from types import SimpleNamespace
from typing import Any

import pytest

from services.llm.http.http1_connections import AsyncConnection, Connection, Origin
from tests.http.servers import Server, answer, forever, serving

HANG = 30.0
LIMIT = 2**20


class Sent:
    """A request as it is sent."""

    def encoded(self) -> memoryview:
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
    connection._socket = SimpleNamespace(  # type: ignore[assignment] # as much of one as is used
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
