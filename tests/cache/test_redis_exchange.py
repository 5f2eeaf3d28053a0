"""An exchange with a Redis server ends, whatever the server sends."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import partial
from types import SimpleNamespace

import pytest

from services.llm.account.redis_shared_quota import RedisSharedQuota
from services.llm.stores import StoreError, redis_exchange
from services.llm.stores.redis_exchange import BoundedSocket, bound_connections, bounded_exchange
from services.llm.stores.redis_server import RedisServer
from tests.http.servers import Server, serving

#: Bytes that a server sends before it gives up: more than a few reads take.
_ENDLESS = 1_000_000


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which tests move."""
    time = [100.0]
    monkeypatch.setattr(redis_exchange, "monotonic", lambda: time[0])
    return time


@pytest.fixture
def ends() -> Iterator[tuple[BoundedSocket, socket.socket]]:
    """A connection's two ends; what the one reads is bounded."""
    near, far = socket.socketpair()
    with near, far:
        yield BoundedSocket(near), far


def test_an_exchange_reads_until_its_time_is_over(
    ends: tuple[BoundedSocket, socket.socket], now: list[float]
) -> None:
    near, far = ends
    far.sendall(b"abcdef")
    buffer = bytearray(1)
    with bounded_exchange(3.0, 100):
        assert b"a" == near.recv(1, socket.MSG_PEEK)
        now[0] += 3.0
        assert (b"a", 1, b"b") == (near.recv(1), near.recv_into(buffer), bytes(buffer))
        now[0] += 0.1
        with pytest.raises(TimeoutError, match="takes too long"):
            near.recv(1)
        with pytest.raises(TimeoutError, match="takes too long"):
            near.recv_into(buffer)
        # A signal's handler may make an exchange of its own.
        with bounded_exchange(3.0, 100):
            assert b"c" == near.recv(1)
        with pytest.raises(TimeoutError, match="takes too long"):
            near.recv(1)
    assert b"def" == near.recv(9)


def test_an_exchange_reads_so_many_bytes_and_then_the_next_one_as_many(
    ends: tuple[BoundedSocket, socket.socket],
) -> None:
    near, far = ends
    far.sendall(b"abcdef")
    for expected in (b"ab", b"de"):
        with bounded_exchange(3.0, 2):
            assert (expected, 1) == (near.recv(2), near.recv_into(bytearray(1)))
            with pytest.raises(OSError, match="larger than any"):
                near.recv(1)


def endless(piece: bytes) -> AbstractContextManager[Server]:
    """A server that sends *piece* again and again to each who connects."""

    def send(_server: Server, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(_ENDLESS // len(piece)):
            connection.sendall(piece)

    return serving(send)


@pytest.mark.parametrize(
    ("url", "is_cluster"),
    [
        ("redis://127.0.0.1:{}", False),
        ("redis://127.0.0.1:{}", True),
        ("redis+sentinel://127.0.0.1:{}/main", False),
    ],
)
def test_a_server_that_sends_one_byte_at_a_time_holds_nobody_for_ever(
    monkeypatch: pytest.MonkeyPatch, url: str, is_cluster: bool
) -> None:
    seconds = itertools.count()
    monkeypatch.setattr(redis_exchange, "monotonic", lambda: next(seconds))
    with endless(b"x") as dripping:
        server = RedisServer(url.format(dripping.port), 1.0)
        ask = server.use_cluster if is_cluster else partial(server.client.get, "a")
        with pytest.raises(StoreError) as caught, server.errors():
            ask()
        server.close()
    assert "Timeout" in str(caught.value)
    # Each read takes a second of this clock: they are no more than the exchange has.
    assert next(seconds) < 20


def test_an_answer_without_an_end_is_not_read_into_memory() -> None:
    with endless(b"x" * 1_000) as sending:
        server = RedisServer(f"redis://127.0.0.1:{sending.port}", 5.0, 2_000)
        with pytest.raises(StoreError, match="larger than any that was asked"), server.errors():
            server.client.get("a")
        server.close()


def test_connections_of_a_release_that_opens_sockets_otherwise_stay_as_they_are() -> None:
    pool = SimpleNamespace(connection_class=object)
    assert object is bound_connections(pool).connection_class


@pytest.mark.parametrize(("query", "seconds"), [("", 6.0), ("?socket_timeout=10", 30.0)])
def test_an_exchange_has_three_timeouts_also_of_a_url(query: str, seconds: float) -> None:
    assert (seconds, 512 * 2**20) == RedisServer(f"redis://h{query}")._bounds


def test_the_shared_quota_of_a_fleet_has_three_seconds() -> None:
    assert (3.0, 16 * 2**20) == RedisSharedQuota("redis://h")._server._bounds
