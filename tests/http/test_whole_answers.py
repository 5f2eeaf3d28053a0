"""Whole answers over our own connections: anew where that is proven harmless, and as httpx's."""

from __future__ import annotations

import socket
import time
from typing import Any
from unittest.mock import patch

import h11
import httpx
import pytest

from services.llm.http.exchange import BLOCKING
from services.llm.http.http1 import encode
from services.llm.http.http1_connections import Connection
from services.llm.http.httpx_parts import expect_whole_answers
from services.llm.http.idle import IdleStack
from services.llm.http.idle_pools import close
from services.llm.http.origin import Origin
from services.llm.providers.groq.request_templates import RequestTemplate, TemplatedRequest
from services.llm.runtime.coroutines import run_without_loop
from tests.http.faces import KINDS, Face
from tests.http.servers import Server, answer, forever, once, serving

HANG = 30.0


class Asking:
    """A small request."""

    def __init__(self, target: str = "/") -> None:
        self.target = target

    def encode(self) -> memoryview | None:
        """What is sent."""
        return encode("POST", self.target, [("host", "a"), ("content-length", "0")], b"")


def ask(idle: IdleStack[Connection], port: int, request: Asking) -> int:
    until = time.monotonic() + HANG
    origin = Origin("localhost", port, None)
    return run_without_loop(BLOCKING.whole(idle, origin, request, until, 1024)).status


def test_what_a_thread_sends_as_the_server_closes_is_sent_anew() -> None:
    idle = IdleStack[Connection](2)
    with serving(once) as server:
        assert 200 == ask(idle, server.port, Asking())
        server.wait_until_closed()
        with patch.object(Connection, "is_alive", lambda _: True):
            assert 200 == ask(idle, server.port, Asking())
        assert 2 == len(server.taken)
    close(idle.drain())


def test_what_cannot_be_sent_leaves_no_connection() -> None:
    idle = IdleStack[Connection](2)
    with serving(forever) as server:
        assert 200 == ask(idle, server.port, Asking())
        with pytest.raises(h11.LocalProtocolError, match="cannot be sent"):
            ask(idle, server.port, Asking("/a b"))
        assert (None, []) == (idle.take(), server.requests[1:])


@pytest.fixture(params=KINDS)
def face(request: pytest.FixtureRequest) -> Any:
    made = Face(request.param)
    yield made
    made.close()


def post(face: Face, url: str, **options: Any) -> httpx.Response:
    with expect_whole_answers():
        return face.post(url, **options)


def test_a_whole_answer_is_one_of_httpxs(face: Face) -> None:
    with serving(forever) as server:
        response = post(face, server.url)
        assert ({"ok": True}, b"HTTP/1.1") == (
            response.json(),
            response.extensions["http_version"],
        )
        assert 0 < response.elapsed.total_seconds() < HANG


def test_a_header_that_cannot_be_sent_is_httpxs_error(face: Face) -> None:
    with serving(forever) as server, pytest.raises(httpx.LocalProtocolError) as caught:
        post(face, server.url, headers={"x-mine": "a\nb"})
    assert "POST" == caught.value.request.method


def test_what_is_none_of_httpxs_errors_stays_what_it_is(face: Face) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("mine")

    with (
        patch.object(face.client.original_transport, "exchange", broken),
        pytest.raises(RuntimeError, match="mine"),
    ):
        post(face, "http://a.test")


def test_a_client_that_is_closed_meanwhile_keeps_no_connection(face: Face) -> None:
    pool = face.client.original_transport.pool

    def closing(server: Server, connection: socket.socket) -> None:
        server.read_request(connection)
        pool.shut_down()
        connection.sendall(answer())

    with serving(closing) as server:
        assert 200 == post(face, server.url).status_code
        assert pool.idle.take() is None


def test_an_sdk_that_sends_no_timeout_gets_none_added_and_no_header_becomes_two() -> None:
    face = Face("Client")
    sdk: Any = type("Sdk", (), {"base_url": "", "default_headers": {}, "default_query": {}})()
    sdk._client = face.client
    request = httpx.Request("POST", "http://a.test/b?c=d", headers={"x-mine": "1"})
    templated = TemplatedRequest(
        RequestTemplate(sdk, Origin("a.test", 80, None), request), {"a": 1}, 5.0
    )
    head, _, body = bytes(templated.encode() or b"").partition(b"\r\n\r\n")
    lines = [b"POST /b?c=d HTTP/1.1", b"Host: a.test", b"x-mine: 1", b"Content-Length: 7"]
    assert (lines, b'{"a":1}') == (head.split(b"\r\n"), body)
    request.headers["x-mine"] = "1\r\nx-other: 2"
    template = RequestTemplate(sdk, Origin("a.test", 80, None), request)
    assert TemplatedRequest(template, {"a": 1}, 5.0).encode() is None
    face.close()
