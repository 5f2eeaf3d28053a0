"""The parts of a transport by themselves, where no server shows them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any
from unittest.mock import patch

import httpx
import pytest

from services.llm.http import pool as pools
from services.llm.http.deadline import TimeLeft
from services.llm.http.http1 import Head
from services.llm.http.httpx_parts import HttpxRequest
from services.llm.http.idle import IdleStack
from services.llm.http.opened import AsyncOpened, Opened
from services.llm.http.origin import Origin
from services.llm.http.pool import Pool
from services.llm.http.proxies import Proxy

HERE = Origin("a.test", 80, None)
URL = "http://a.test/b"


def test_what_is_left_is_known_as_seconds_and_as_a_moment() -> None:
    moment = time.monotonic() + 100
    left = TimeLeft(moment)
    assert 99 < left <= 100
    assert moment == left.at


def test_who_reads_a_stream_moves_its_moment_on() -> None:
    left = TimeLeft(5.0)
    request = HttpxRequest(httpx.Request("POST", URL, extensions={"timeout": {"read": left}}), HERE)
    assert 5.0 == request.until
    left.at = 7.0
    assert 7.0 == request.until


def test_plain_seconds_begin_with_the_request() -> None:
    request = HttpxRequest(httpx.Request("POST", URL, extensions={"timeout": {"read": 3.0}}), HERE)
    assert 3.0 == request.until - request.began
    forever = HttpxRequest(httpx.Request("POST", URL), HERE)
    assert forever.until - forever.began > 10**6


class Kept:
    """A connection with these pieces left to be read."""

    is_reusable = True

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = [*pieces, b""]
        self.closed = 0

    def read(self, until: float) -> bytes:
        return self.pieces.pop(0)

    def close(self) -> None:
        self.closed += 1


class AsyncKept(Kept):
    """The same for an event loop."""

    async def read(self, until: float) -> bytes:  # type: ignore[override] # it is awaited
        return self.pieces.pop(0)


def test_a_connection_is_given_back_once() -> None:
    idle, connection = IdleStack[Any](9), Kept()
    opened = Opened(connection, Head(200, []), idle, 9)  # type: ignore[arg-type] # as much as is used
    opened.close()
    opened.close()
    assert [connection] == idle.drain()


@pytest.mark.parametrize("is_done", [True, False])
def test_the_end_of_a_message_is_read_where_its_stream_is_done(is_done: bool) -> None:
    async def scene() -> None:
        connection = AsyncKept(b"rest")
        opened: Any = AsyncOpened(connection, Head(200, []), IdleStack[Any](9), 9)  # type: ignore[arg-type] # as much as is used
        await opened.aclose(is_done=is_done)
        assert ([] if is_done else [b"rest", b""]) == connection.pieces

    connection = Kept(b"rest")
    opened: Any = Opened(connection, Head(200, []), IdleStack[Any](9), 9)  # type: ignore[arg-type] # as much as is used
    opened.close(is_done=is_done)
    assert ([] if is_done else [b"rest", b""]) == connection.pieces
    asyncio.run(scene())


def test_where_nothing_is_asked_by_tls_no_certificates_are_read() -> None:
    with patch("services.llm.http.environment.trusted") as read:
        Pool("Client", 8, 9, "http://a.test")
        read.assert_not_called()
        Pool("Client", 8, 9)
        read.assert_called_once_with()


def test_a_patched_transport_is_made_once() -> None:
    pool = Pool("Client", 8, 9)
    url = httpx.URL("http://a.test")
    assert pool.patched_transport(url) is None
    with patch.object(httpx.HTTPTransport, "handle_request"):
        usual = pool.patched_transport(url)
        assert usual is not None
        assert usual is pool.patched_transport(url)


def test_a_proxy_is_what_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://me:p%40w@b.test:81")
    monkeypatch.setenv("HTTP_PROXY", "socks5://c.test")
    pool = Pool("Client", 8, 9)
    far, near = pool.origin_of(httpx.URL("https://a.test")), pool.origin_of(httpx.URL(URL))
    assert Proxy("b.test", 81, credentials=(b"me", b"p@w")) == far.proxy
    assert Proxy("c.test", 1080, is_socks=True) == near.proxy
    assert (True, True) == (far.is_tunnelled, near.is_tunnelled)
    assert "p@w" not in repr(far)


@pytest.mark.parametrize(
    ("mode", "url", "proxy", "can", "own"),
    [
        ("AsyncClient", "https://a.test", "https://b.test", False, False),
        ("AsyncClient", "https://a.test", "https://b.test", True, True),
        ("AsyncClient", "https://a.test", "http://b.test", False, True),
        ("AsyncClient", "https://a.test", None, False, True),
        ("AsyncClient", "http://a.test", "https://b.test", False, True),
        ("Client", "https://a.test", "https://b.test", False, True),
    ],
)
def test_where_asyncio_speaks_no_tls_within_tls_httpx_does(
    monkeypatch: pytest.MonkeyPatch, mode: Any, url: str, proxy: str | None, can: bool, own: bool
) -> None:
    monkeypatch.setattr(pools, "_NESTS_TLS", can)
    if proxy is not None:
        monkeypatch.setenv("ALL_PROXY", proxy)
    assert own is (Pool(mode, 8, 9).patched_transport(httpx.URL(url)) is None)


def sent(request: httpx.Request, origin: Origin = HERE) -> list[bytes]:
    made = HttpxRequest(request, origin)
    return [bytes(made.encode() or b""), *made.rest]


def test_a_request_is_sent_with_its_body_where_that_is_in_memory() -> None:
    (said,) = sent(httpx.Request("POST", URL, content=b"hi"))
    assert b"POST /b HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi" == said


def test_a_file_is_sent_as_it_is_read() -> None:
    request = httpx.Request("POST", URL, files={"file": ("one", b"x" * 9)})
    head, *rest = sent(request)
    assert head.endswith(b"\r\n\r\n")
    assert f"content-length: {len(b''.join(rest))}".encode() in head.lower()
    assert b"x" * 9 in rest


def test_a_body_whose_length_is_not_known_is_sent_with_it() -> None:
    def pieces() -> Iterator[bytes]:
        yield from (b"a", b"b")

    request = httpx.Request("POST", URL, content=pieces())
    request.read()
    (said,) = sent(request)
    assert b"POST /b HTTP/1.1\r\nHost: a.test\r\ncontent-length: 2\r\n\r\nab" == said


def test_a_body_that_awaits_is_read_before() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for each in (b"a", b"b"):
            yield each

    async def loaded() -> httpx.Request:
        request = httpx.Request("POST", URL, content=pieces())
        await request.aread()
        return request

    (said,) = sent(asyncio.run(loaded()))
    assert said.endswith(b"content-length: 2\r\n\r\nab")


@pytest.mark.parametrize(
    ("credentials", "told"),
    [(None, b""), ((b"me", b"pw"), b"Proxy-Authorization: Basic bWU6cHc=\r\n")],
)
def test_a_proxy_that_reads_a_request_is_told_where_it_goes(
    credentials: tuple[bytes, bytes] | None, told: bytes
) -> None:
    origin = HERE._replace(proxy=Proxy("b.test", 80, credentials=credentials))
    (said,) = sent(httpx.Request("GET", f"{URL}?c=d"), origin)
    assert b"GET http://a.test/b?c=d HTTP/1.1\r\nHost: a.test\r\n" + told + b"\r\n" == said
    assert [] == HERE.proxy_headers
