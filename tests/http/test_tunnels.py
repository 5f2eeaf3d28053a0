"""Connections that lead through proxies, over TCP and TLS and TLS within TLS, both ways."""

from __future__ import annotations

import contextlib
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from services.llm.http import tunnel
from services.llm.http.nested_tls import NestedTLS
from services.llm.http.proxies import Proxy, ProxyRefusedError
from tests.http.conftest import Open
from tests.http.servers import Server, forever, serving

#: On older ones httpx does what asyncio cannot.
NESTS_TLS = sys.version_info >= (3, 11)


def relay(connection: socket.socket, port: int) -> None:
    """Pass on what comes, until one side leaves."""
    with socket.create_connection(("127.0.0.1", port)) as beyond:

        def back() -> None:
            with contextlib.suppress(OSError):
                while data := beyond.recv(65536):
                    connection.sendall(data)
                connection.shutdown(socket.SHUT_RDWR)

        returning = threading.Thread(target=back, daemon=True)
        returning.start()
        with contextlib.suppress(OSError):
            while data := connection.recv(65536):
                beyond.sendall(data)
        beyond.shutdown(socket.SHUT_RDWR)
        returning.join(5)


def connecting_to(port: int) -> Callable[[Server, socket.socket], None]:
    def proxy(between: Server, connection: socket.socket) -> None:
        if between.read_request(connection):
            connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            relay(connection, port)

    return proxy


def socks_to(port: int) -> Callable[[Server, socket.socket], None]:
    def proxy(between: Server, connection: socket.socket) -> None:
        assert connection.recv(3) == b"\x05\x01\x02"
        connection.sendall(b"\x05\x02")
        assert connection.recv(7) == b"\x01\x02me\x02pw"
        connection.sendall(b"\x01\x00")
        between.requests.append(connection.recv(100))
        connection.sendall(b"\x05\x00\x00\x01" + bytes(6))
        relay(connection, port)

    return proxy


@pytest.mark.parametrize("secured", [True, False])
def test_a_socks_proxy_of_the_environment_is_gone_through(
    open_face: Open, certificates: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, secured: bool
) -> None:
    with (
        serving(forever, certificates if secured else None) as server,
        serving(socks_to(server.port)) as between,
    ):
        monkeypatch.setenv("ALL_PROXY", f"socks5h://me:pw@127.0.0.1:{between.port}")
        face = open_face()
        for _ in range(2):
            assert 200 == face.post(server.url).status_code
        face.close()
        assert (2, 1) == (len(server.requests), len(between.taken))
        assert b"\x09localhost" in between.requests[0]


def test_a_secured_proxy_is_gone_through_to_a_secured_server(
    open_face: Open, certificates: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        serving(forever, certificates) as server,
        serving(connecting_to(server.port), certificates) as between,
    ):
        monkeypatch.setenv("HTTPS_PROXY", f"https://localhost:{between.port}")
        face = open_face()
        for _ in range(2):
            assert 200 == face.post(server.url).status_code
        large = bytes(2**20)
        face.run(lambda: face.client.post(server.url, content=large))
        face.close()
        assert large == server.requests[2].partition(b"\r\n\r\n")[2]
        assert 1 == len(between.taken)


def test_a_secured_proxy_is_told_of_a_plain_server(
    open_face: Open, certificates: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(forever, certificates) as between:
        monkeypatch.setenv("HTTP_PROXY", f"https://localhost:{between.port}")
        assert 200 == open_face().post("http://a.test/b").status_code
        assert between.requests[0].startswith(b"POST http://a.test/b HTTP/1.1\r\n")


def test_a_secured_tunnel_whose_server_leaves_is_an_error(
    open_face: Open, certificates: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leaving(server: Server, connection: socket.socket) -> None:
        server.read_request(connection)

    with (
        serving(leaving, certificates) as server,
        serving(connecting_to(server.port), certificates) as between,
    ):
        monkeypatch.setenv("HTTPS_PROXY", f"https://localhost:{between.port}")
        face = open_face()
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            face.post(server.url)
        face.close()


def test_a_proxy_that_refuses_is_httpxs_error(
    open_face: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusing(between: Server, connection: socket.socket) -> None:
        between.read_request(connection)
        connection.sendall(b"HTTP/1.1 403 Not there\r\n\r\n")

    with serving(refusing) as between:
        monkeypatch.setenv("ALL_PROXY", between.url)
        with pytest.raises(httpx.ProxyError, match="403 Not there"):
            open_face().post("https://a.test")


@pytest.mark.parametrize(
    ("scheme", "server"),
    [("http", "https"), ("socks5h", "https"), ("http", "http"), ("https", "http")],
)
def test_a_proxy_that_is_away_is_named_without_its_password(
    open_face: Open, monkeypatch: pytest.MonkeyPatch, scheme: str, server: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        place = f"127.0.0.1:{closed.getsockname()[1]}"
    monkeypatch.setenv("ALL_PROXY", f"{scheme}://me:pw@{place}")
    with pytest.raises(httpx.ProxyError) as caught:
        open_face().post(f"{server}://a.test")
    assert f"the proxy {place} cannot be connected to: [Errno " in str(caught.value)
    assert "pw" not in str(caught.value)


def test_a_proxy_whose_certificate_is_not_trusted_is_named(
    open_face: Open, certificates: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(forever, certificates) as between:
        monkeypatch.delenv("SSL_CERT_FILE")
        monkeypatch.setenv("ALL_PROXY", f"https://localhost:{between.port}")
        with pytest.raises(httpx.ProxyError, match=f"the proxy localhost:{between.port} .*CERT"):
            open_face().post("http://a.test")


def test_a_proxy_by_an_address_of_ipv6_is_named_in_brackets() -> None:
    with (
        pytest.raises(ProxyRefusedError, match=r"the proxy \[::1\]:9 cannot"),
        tunnel._naming(Proxy("::1", 9)),
    ):
        raise OSError("gone")


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_a_proxy_that_says_no_more_is_left_at_the_deadline(
    open_face: Open, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    def silent(between: Server, connection: socket.socket) -> None:
        between.read_request(connection)
        connection.sendall(said)
        while connection.recv(65536):
            pass

    with serving(silent) as between:
        monkeypatch.setenv("ALL_PROXY", between.url)
        began = time.monotonic()
        with pytest.raises(httpx.ConnectTimeout):
            open_face(timeout=0.2).post("https://a.test")
        assert 0.2 <= time.monotonic() - began < 20


def test_a_tunnel_that_closes_while_it_is_secured_is_none(
    open_face: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closing(between: Server, connection: socket.socket) -> None:
        between.read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        connection.recv(65536)

    with serving(closing) as between:
        monkeypatch.setenv("ALL_PROXY", between.url)
        with pytest.raises(httpx.TransportError):
            open_face().post("https://a.test")


def test_a_connection_that_is_lost_while_it_is_secured_is_none() -> None:
    import asyncio
    from unittest.mock import patch

    from services.llm.http.origin import Origin
    from services.llm.http.proxies import Proxy, ProxyRefusedError

    async def scene() -> None:
        async def lost(*_: Any, **__: Any) -> None:
            return None

        context: Any = object()
        talk = tunnel._Talk()
        talk.transport = SimpleNamespace(write=lambda _: None)
        talk._reader.feed_data(b"HTTP/1.1 200 OK\r\n\r\n")
        hop = Proxy("b.test", 1)
        origin = Origin("a.test", 443, context, hop)
        with patch.object(asyncio.get_running_loop(), "start_tls", lost):
            await talk.tunnelled(asyncio.Protocol, origin, hop.handshake("a.test", 443))

    with pytest.raises(ProxyRefusedError, match="closed"):
        asyncio.run(scene())


class Outer:
    """A TLS connection over which nothing comes but an end, and that takes what is sent."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = list(pieces)
        self.timeouts: list[float] = []

    def gettimeout(self) -> float:
        return 5.0

    def settimeout(self, seconds: float) -> None:
        self.timeouts.append(seconds)

    def sendall(self, data: bytes) -> None:
        assert data

    def recv(self, size: int) -> bytes:
        return self.pieces.pop(0) if self.pieces else b""

    def fileno(self) -> int:
        return 7

    def getsockopt(self, *option: int) -> int:
        return 32


def test_a_secured_tunnel_that_ends_while_it_shakes_hands_is_an_error() -> None:
    outer: Any = Outer()
    with pytest.raises(ssl.SSLError):
        NestedTLS(outer, ssl.create_default_context(), "a.test")
    assert all(0 < seconds <= 5.0 for seconds in outer.timeouts)


def test_a_secured_tunnel_is_as_much_of_a_socket_as_is_asked_for() -> None:
    made = NestedTLS.__new__(NestedTLS)
    made.outer = Outer()  # type: ignore[assignment] # as much of one as is used
    assert (7, 32) == (made.fileno(), made.getsockopt(1, 4))
    made.settimeout(-1.0)
    with pytest.raises(TimeoutError):
        made._fill()
