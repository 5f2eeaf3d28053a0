"""Connections are kept, replaced, bounded and given back; over TCP and TLS, both ways."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any
from unittest.mock import patch

import httpcore
import httpx
import pytest
import trustme

from services.llm.errors import ResponseTooLargeError
from services.llm.http import addresses
from services.llm.http.refused import was_reset
from tests.http.conftest import Open
from tests.http.faces import Face
from tests.http.servers import Server, answer, forever, once, serving
from tests.timing import with_more_time

#: A hang ends here; what is expected is the deadline itself.
HANG = 30.0


@pytest.fixture(params=["tcp", "tls"])
def context(request: pytest.FixtureRequest, certificates: ssl.SSLContext) -> ssl.SSLContext | None:
    return certificates if request.param == "tls" else None


def idle(face: Face) -> list[Any]:
    """The connections that wait, the oldest first."""
    return [kept for _, kept in face.client._transport._pool.idle._idle]


def test_a_connection_carries_one_request_after_the_other(
    open_face: Open, context: ssl.SSLContext | None
) -> None:
    face = open_face()
    with serving(forever, context) as server:
        for _ in range(3):
            assert {"ok": True} == face.post(server.url).json()
        assert (1, 3) == (len(server.taken), len(server.requests))
        assert b'{"a": 1}' == server.requests[0].rpartition(b"\r\n")[2]


def test_one_that_the_server_closed_while_it_waited_is_replaced(
    open_face: Open, context: ssl.SSLContext | None
) -> None:
    face = open_face()
    with serving(once, context) as server:
        face.post(server.url)
        (kept,) = idle(face)
        _until_closed(face, kept)
        assert 200 == face.post(server.url).status_code
        assert (2, 2) == (len(server.taken), len(server.requests))


def _until_closed(face: Face, kept: Any) -> None:
    deadline = time.monotonic() + 20
    while kept.is_alive():
        assert time.monotonic() < deadline
        face.run(lambda: asyncio.sleep(0.001) if face.is_async else time.sleep(0.001))


def test_one_that_it_closes_just_before_the_request_comes_is_replaced_unseen(
    open_face: Open,
) -> None:
    face = open_face()
    with serving(once) as server:
        face.post(server.url)
        (kept,) = idle(face)
        # The end of the connection is on its way while the request is sent.
        with patch.object(kept, "is_alive", lambda: True):
            server.wait_until_closed()
            assert 200 == face.post(server.url).status_code
        assert (2, 2) == (len(server.taken), len(server.requests))


def test_a_server_that_has_read_the_request_is_not_asked_twice(open_face: Open) -> None:
    def first_only(server: Server, connection: socket.socket) -> None:
        server.read_request(connection)
        connection.sendall(answer())
        server.read_request(connection)

    face = open_face()
    with serving(first_only) as server:
        face.post(server.url)
        with pytest.raises(httpx.RemoteProtocolError, match="disconnected"):
            face.post(server.url)
        assert 2 == len(server.requests)


def test_nor_is_one_that_resets(open_face: Open) -> None:
    def reset(server: Server, connection: socket.socket) -> None:
        server.read_request(connection)
        connection.sendall(answer())
        server.read_request(connection)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    face = open_face()
    with serving(reset) as server:
        face.post(server.url)
        with pytest.raises(httpx.ReadError):
            face.post(server.url)
        assert 2 == len(server.requests)


def test_a_new_connection_that_fails_is_not_tried_again(open_face: Open) -> None:
    def leave(server: Server, connection: socket.socket) -> None:
        server.read_request(connection)

    with serving(leave) as server, pytest.raises(httpx.RemoteProtocolError):
        open_face().post(server.url)
    assert 1 == len(server.requests)


def test_a_closed_socket_says_nothing() -> None:
    closed = socket.socket()
    closed.close()
    assert not was_reset(closed)


def test_a_body_is_decoded_once_and_its_headers_are_true(open_face: Open) -> None:
    body = gzip.compress(b'{"ok": "' + b"x" * 200_000 + b'"}')

    def zipped(server: Server, connection: socket.socket) -> None:
        server.read_request(connection)
        connection.sendall(answer(body, "Content-Encoding: gzip", "x-more: 1"))

    with serving(zipped) as server:
        response = open_face().post(server.url)
        assert b"accept-encoding: gzip, deflate\r\n" in server.requests[0].lower()
    assert 200_000 == len(response.json()["ok"])
    assert ["x-more"] == list(response.headers)


BOMBS = {
    "gzip": (gzip.compress(bytes(5 * 2**20)), ["content-encoding: gzip"]),
    "plain": (bytes(5 * 2**20), []),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_body_is_read_no_further_than_its_bound(open_face: Open, bomb: str) -> None:
    def large(server: Server, connection: socket.socket) -> None:
        server.read_request(connection)
        connection.sendall(answer(BOMBS[bomb][0], *BOMBS[bomb][1]))

    face = open_face()
    with serving(large) as server:
        with pytest.raises(ResponseTooLargeError, match=r"larger than 1 MiB.*LLM_MAX_RESPONSE_MB"):
            face.post(server.url)
        assert [] == idle(face), "what is left of the answer is not the next one's"


def test_a_chunked_body_without_end_is_bounded_too(open_face: Open) -> None:
    def endless(server: Server, connection: socket.socket) -> None:
        server.read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            connection.sendall(b"10000\r\n" + bytes(65536) + b"\r\n")

    with serving(endless) as server, pytest.raises(ResponseTooLargeError):
        open_face().post(server.url)


def test_cookies_are_not_kept(open_face: Open) -> None:
    def baking(server: Server, connection: socket.socket) -> None:
        while server.read_request(connection):
            connection.sendall(answer(b"{}", "set-cookie: __cf_bm=1; path=/"))

    face = open_face()
    with serving(baking) as server:
        for _ in range(2):
            assert "__cf_bm=1; path=/" == face.post(server.url).headers["set-cookie"]
        assert b"cookie" not in b"".join(server.requests).lower()


def test_a_redirect_is_not_followed(open_face: Open) -> None:
    with serving(forever) as other:

        def elsewhere(server: Server, connection: socket.socket) -> None:
            server.read_request(connection)
            connection.sendall(answer(b"", f"location: {other.url}", status="307 Go"))

        with serving(elsewhere) as server:
            assert 307 == open_face().post(server.url).status_code
        assert [] == other.taken


def test_the_least_used_connections_are_closed(open_face: Open) -> None:
    face = open_face()
    if not face.is_async:
        pytest.skip("one call at once")

    def slow(server: Server, connection: socket.socket) -> None:
        while server.read_request(connection):
            time.sleep(0.05)
            connection.sendall(answer())

    async def crowd(url: str) -> None:
        await asyncio.gather(*(face.client.post(url) for _ in range(12)))

    with serving(slow) as server:
        face.run(lambda: crowd(server.url))
        assert (12, 8) == (len(server.taken), len(idle(face)))


def test_a_closed_client_keeps_no_connection(open_face: Open) -> None:
    face = open_face()
    with serving(forever) as server:
        face.post(server.url)
        kept = idle(face)
        face.close()
        assert [False] == [each.is_alive() for each in kept]


def test_a_call_that_outlives_its_client_closes_its_connection(open_face: Open) -> None:
    def chunked(server: Server, connection: socket.socket) -> None:
        while server.read_request(connection):
            connection.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            connection.sendall(b"2\r\n{}\r\n0\r\n\r\n")

    face = open_face()
    with serving(chunked) as server:
        stream = face.client.stream("POST", server.url, content=b"{}")
        response = face.run(stream.__aenter__ if face.is_async else stream.__enter__)
        face.client._transport._pool.shut_down()
        face.run(response.aread if face.is_async else response.read)
        assert [] == idle(face)
        face.run(response.aclose if face.is_async else response.close)  # no harm


LATE: dict[str, Callable[[Server, socket.socket], None]] = {}


def late(handle: Callable[[Server, socket.socket], None]) -> Callable[..., None]:
    LATE[handle.__name__] = handle
    return handle


@late
def flood_of_continues(server: Server, connection: socket.socket) -> None:
    server.read_request(connection)
    while True:
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 10)
        time.sleep(0.001)


@late
def dripping_body(server: Server, connection: socket.socket) -> None:
    server.read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
    while True:
        connection.sendall(b"x")
        time.sleep(0.01)


@late
def silence(server: Server, connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


@pytest.mark.parametrize("phase", LATE)
def test_whatever_the_phase_it_ends_at_the_deadline(open_face: Open, phase: str) -> None:
    def scene(seconds: float) -> None:
        face, began = open_face(timeout=seconds), time.monotonic()
        with serving(LATE[phase]) as server:
            with pytest.raises(httpx.ReadTimeout):
                face.post(server.url)
            assert seconds <= time.monotonic() - began < HANG

    with_more_time(scene)


def test_a_server_that_reads_nothing_is_left_at_the_deadline(open_face: Open) -> None:
    def deaf(server: Server, connection: socket.socket) -> None:
        time.sleep(0.5)

    face = open_face(timeout=0.2)
    with serving(deaf) as server, pytest.raises((httpx.WriteTimeout, httpx.ReadTimeout)):
        face.run(lambda: face.client.post(server.url, content=bytes(50 * 2**20)))


def test_a_large_request_leaves_as_it_is_read(open_face: Open) -> None:
    face, large = open_face(), bytes(4 * 2**20)
    with serving(forever) as server:
        face.run(lambda: face.client.post(server.url, content=large))
        assert large == server.requests[0].partition(b"\r\n\r\n")[2]


def test_a_request_that_does_not_say_its_length_is_read_before(open_face: Open) -> None:
    async def apieces() -> AsyncIterator[bytes]:
        for each in (b"a", b"b"):
            yield each

    face = open_face()
    pieces: Any = apieces() if face.is_async else iter((b"a", b"b"))
    with serving(forever) as server:
        face.run(lambda: face.client.get(server.url))
        face.run(lambda: face.client.post(server.url, content=pieces))
        assert (b"GET /", b"\r\n\r\nab") == (server.requests[0][:5], server.requests[1][-6:])


def test_a_tls_handshake_that_does_not_come_ends_at_the_deadline(open_face: Open) -> None:
    face = open_face(timeout=0.2)
    with serving(silence) as server, pytest.raises(httpx.ConnectTimeout):
        face.post(f"https://localhost:{server.port}")


def test_a_server_that_speaks_no_tls_cannot_be_connected(open_face: Open) -> None:
    def rude(server: Server, connection: socket.socket) -> None:
        connection.recv(10)
        connection.sendall(b"no")

    with serving(rude) as server, pytest.raises(httpx.ConnectError):
        open_face().post(f"https://localhost:{server.port}")


def test_a_certificate_of_an_unknown_authority_is_refused(open_face: Open) -> None:
    stranger = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(stranger)
    with serving(forever, stranger) as server, pytest.raises(httpx.ConnectError) as caught:
        open_face().post(server.url)
    assert server.requests == []
    cause: BaseException | None = caught.value
    while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
        cause = cause.__cause__ or cause.__context__
    assert isinstance(cause, ssl.SSLCertVerificationError)


@pytest.fixture
def black_holes() -> Iterator[tuple[str, ...]]:
    """Addresses that accept no connection and refuse none: their queues are full."""
    held: list[socket.socket] = []
    hosts = tuple(f"127.0.0.{number}" for number in range(11, 15))
    port = 0
    for host in hosts:
        listener = socket.socket()
        listener.bind((host, port))
        port = listener.getsockname()[1]
        listener.listen(0)
        held.append(listener)
        for _ in range(3):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex((host, port))
            held.append(filler)
    yield (str(port), *hosts)
    for each in held:
        each.close()


def _named(monkeypatch: pytest.MonkeyPatch, *hosts: str) -> None:
    names = addresses.Names(lambda host, port: hosts)
    monkeypatch.setattr("services.llm.http.dial.names", names)


def test_black_holes_share_one_deadline(
    open_face: Open, black_holes: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, *hosts = black_holes
    _named(monkeypatch, *hosts)
    face, began = open_face(timeout=0.4), time.monotonic()
    with pytest.raises(httpx.ConnectTimeout):
        face.post(f"http://a.test:{port}")
    assert 0.3 <= time.monotonic() - began < HANG


def test_an_address_behind_others_that_fail_is_reached(
    open_face: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    _named(monkeypatch, "127.0.0.9", "127.0.0.1")
    with serving(forever) as server:
        assert 200 == open_face().post(f"http://a.test:{server.port}").status_code


def test_where_nobody_listens_is_no_connection(open_face: Open) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(httpx.ConnectError):
        open_face().post(f"http://127.0.0.1:{port}")


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (TimeoutError("late"), httpx.ConnectTimeout),
        (socket.gaierror(-2, "unknown"), httpx.ConnectError),
    ],
)
def test_a_look_up_that_fails_is_no_connection(
    open_face: Open,
    monkeypatch: pytest.MonkeyPatch,
    failure: OSError,
    expected: type[Exception],
) -> None:
    def ask(host: str, port: int) -> tuple[str, ...]:
        raise failure

    monkeypatch.setattr("services.llm.http.dial.names", addresses.Names(ask))
    with pytest.raises(expected):
        open_face().post("http://a.test")


def test_a_call_cancelled_at_any_await_leaves_no_connection_in_use() -> None:
    face = Face("AsyncClient")

    async def cancelled_after(steps: int, url: str) -> bool:
        call = asyncio.ensure_future(face.client.post(url, content=b"{}"))
        for _ in range(steps):
            await asyncio.sleep(0)
        call.cancel()
        outcome = (await asyncio.gather(call, return_exceptions=True))[0]
        await asyncio.sleep(0.001)
        return isinstance(outcome, asyncio.CancelledError)

    with serving(forever) as server:
        outcomes = [face.run(partial(cancelled_after, steps, server.url)) for steps in range(60)]
        assert True in outcomes
        assert all(kept.is_alive() for kept in idle(face))
        assert 200 == face.post(server.url).status_code
        face.close()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_of_the_environment_is_gone_through(
    open_face: Open, certificates: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    with serving(forever, certificates if scheme == "https" else None) as server:

        def proxy(between: Server, connection: socket.socket) -> None:
            between.read_request(connection)
            _relay(connection, server.port, between.requests[-1])

        with serving(proxy) as between:
            monkeypatch.setenv(f"{scheme}_proxy", f"http://me:pw@localhost:{between.port}")
            face = open_face()
            for _ in range(2):
                assert 200 == face.post(server.url).status_code
            assert (2, 1) == (len(server.requests), len(between.taken))
            assert b"proxy-authorization: basic" in between.requests[0].lower()
            monkeypatch.setenv("no_proxy", "localhost")
            assert 200 == open_face().post(server.url).status_code
            assert 1 == len(between.taken)


def _relay(connection: socket.socket, port: int, request: bytes) -> None:
    """Pass on what comes, as a proxy does, until one side leaves."""
    import threading

    with socket.create_connection(("127.0.0.1", port)) as beyond:
        if request.startswith(b"CONNECT"):
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        else:
            beyond.sendall(request)

        def back() -> None:
            with contextlib.suppress(OSError):
                while data := beyond.recv(65536):
                    connection.sendall(data)

        returning = threading.Thread(target=back, daemon=True)
        returning.start()
        with contextlib.suppress(OSError):
            while data := connection.recv(65536):
                beyond.sendall(data)
        beyond.shutdown(socket.SHUT_RDWR)
        returning.join(5)


def test_a_proxy_that_is_reached_by_tls_is_gone_through(
    open_face: Open, certificates: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    def proxy(between: Server, connection: socket.socket) -> None:
        between.read_request(connection)
        connection.sendall(answer(b"{}", status="407 No"))

    with serving(proxy, certificates) as between:
        monkeypatch.setenv("ALL_PROXY", f"https://localhost:{between.port}")
        with pytest.raises(httpx.ProxyError, match="407"):
            open_face().post("https://a.test")
        assert between.requests[0].startswith(b"CONNECT a.test:443")


@pytest.mark.parametrize("owner", ["httpx", "httpcore"])
def test_what_a_test_has_put_into_the_libraries_is_called(open_face: Open, owner: str) -> None:
    face = open_face()
    prefix = "Async" if face.is_async else ""
    method = "handle_async_request" if prefix else "handle_request"

    def mocked(*_: Any) -> httpx.Response:
        return httpx.Response(200, json={"mocked": True})

    async def amocked(*_: Any) -> httpx.Response:
        return mocked()

    def pooled(*_: Any) -> httpcore.Response:
        return httpcore.Response(200, content=b'{"mocked": true}')

    async def apooled(*_: Any) -> httpcore.Response:
        return pooled()

    target: Any = getattr(httpx, f"{prefix}HTTPTransport")
    made: Any = amocked if prefix else mocked
    if owner == "httpcore":
        target = getattr(httpcore, f"{prefix}ConnectionPool")
        made = apooled if prefix else pooled
    with patch.object(target, method, made):
        for _ in range(2):
            assert {"mocked": True} == face.post("http://a.test").json()
    close = "aclose" if prefix else "close"
    with patch.object(getattr(httpx, f"{prefix}HTTPTransport"), close, autospec=True) as closed:
        face.close()
    assert 1 == closed.call_count


def test_no_frame_that_holds_the_headers_is_kept(open_face: Open) -> None:
    def leave(server: Server, connection: socket.socket) -> None:
        server.read_request(connection)

    with serving(leave) as server, pytest.raises(httpx.RemoteProtocolError) as caught:
        open_face().post(server.url, headers={"authorization": "Bearer gsk_secret"})
    step: BaseException | None = caught.value
    while step is not None:
        at = step.__traceback__
        while at is not None:
            if "llm/http/http1" in at.tb_frame.f_code.co_filename:
                pytest.fail(f"{at.tb_frame.f_code.co_name} is in the traceback")
            at = at.tb_next
        step = step.__cause__ or step.__context__


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only where processes fork")
def test_a_child_leaves_its_parents_connections_alone() -> None:
    face = Face("Client")
    with serving(forever) as server:
        face.post(server.url)
        face.client._transport._pool.idle._expiry = 60.0  # a child that counts lines is slow
        child = os.fork()
        if child == 0:
            ok = face.post(server.url).status_code == 200
            os._exit(0 if ok else 1)
        assert 0 == os.waitpid(child, 0)[1]
        assert 200 == face.post(server.url).status_code
        assert 2 == len(server.taken)
        face.close()


def test_a_streamed_answer_that_breaks_is_httpxs_error(open_face: Open) -> None:
    def broken(server: Server, connection: socket.socket) -> None:
        server.read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc")

    with serving(broken) as server, pytest.raises(httpx.RemoteProtocolError, match="closed"):
        open_face().post(server.url)


def test_an_answer_is_read_while_more_of_it_comes(open_face: Open) -> None:
    body = json.dumps({"text": "x" * 900_000}).encode()

    def large(server: Server, connection: socket.socket) -> None:
        while server.read_request(connection):
            connection.sendall(answer(body))

    with serving(large) as server:
        face = open_face()
        for _ in range(2):
            assert 900_000 == len(face.post(server.url).json()["text"])
        assert 1 == len(server.taken)


def test_a_short_answer_has_all_that_httpx_says_of_one(open_face: Open) -> None:
    face = open_face(timeout=20)
    with serving(forever) as server:
        response = face.post(server.url, timeout=None)
    assert (True, True, "12") == (
        response.elapsed.total_seconds() > 0,
        response.is_closed,
        response.headers["content-length"],
    )
