"""What a proxy is told, and what becomes of its answer; no socket is below."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.llm.http.origin import Origin
from services.llm.http.proxies import Proxy, ProxyRefusedError

PLAIN = Proxy("b.test", 3128)
KNOWN = Proxy("b.test", 3128, credentials=(b"me", b"pw"))
SOCKS = Proxy("b.test", 1080, is_socks=True)
KNOWN_SOCKS = Proxy("b.test", 1080, is_socks=True, credentials=(b"me", b"pw"))
GRANTED = b"\x05\x00\x00\x01\x7f\x00\x00\x01\x1f\x90"


def said(proxy: Proxy, received: Iterable[bytes], host: str = "a.test") -> list[bytes]:
    """What is said to *proxy* that answers in these pieces; all are asked for, and no more."""
    handshake, pieces = proxy.handshake(host, 443), deque(received)
    sent = [bytes(next(handshake))]
    with suppress(StopIteration):
        while True:
            assert pieces, "it waits for more than the proxy says"
            sent.append(bytes(handshake.send(pieces.popleft())))
    assert not pieces
    return [each for each in sent if each]


@pytest.mark.parametrize(
    ("proxy", "told"), [(PLAIN, b""), (KNOWN, b"Proxy-Authorization: Basic bWU6cHc=\r\n")]
)
def test_a_proxy_is_asked_to_connect(proxy: Proxy, told: bytes) -> None:
    head = b"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\nAccept: */*\r\n"
    assert [head + told + b"\r\n"] == said(proxy, [b"HTTP/1.1 200 OK\r\n", b"x: y\r\n\r\n"])


def test_an_address_of_six_has_its_brackets() -> None:
    assert said(PLAIN, [b"HTTP/1.0 204 \r\n\r\n"], "::1")[0].startswith(b"CONNECT [::1]:443 ")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ([b"HTTP/1.1 407 Who are you?\r\n\r\n"], "407 Who are you"),
        ([b"HTTP/1.1 302\r\nlocation: /\r\n\r\n"], "302"),
        ([b"SSH-2.0-OpenSSH\r\n\r\n"], "no HTTP"),
        ([b"HTTP/1.1 200 OK\r\n", b""], "no answer"),
        ([b""], "no answer"),
        ([b"HTTP/1.1 200 OK\r\n", b"x" * 70_000], "no answer"),
    ],
)
def test_a_proxy_that_does_not_connect_has_refused(answer: list[bytes], error: str) -> None:
    with pytest.raises(ProxyRefusedError, match=error):
        said(PLAIN, answer)


def test_the_head_of_a_proxys_answer_may_be_64_kib_long_and_no_longer() -> None:
    line = b"HTTP/1.1 200 OK\r\n"
    head = line + b"x" * (64 * 1024 - len(line))
    assert 1 == len(said(PLAIN, [head, b"\r\n\r\n"]))
    with pytest.raises(ProxyRefusedError, match="no answer"):
        said(PLAIN, [head + b"x"])


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("a.test", b"\x03\x06a.test"),
        ("127.0.0.1", b"\x01\x7f\x00\x00\x01"),
        ("::1", b"\x04" + bytes(15) + b"\x01"),
    ],
)
def test_a_socks_proxy_is_given_the_name_itself(host: str, address: bytes) -> None:
    asked = [b"\x05\x01\x00", b"\x05\x01\x00" + address + b"\x01\xbb"]
    assert asked == said(SOCKS, [b"\x05\x00", GRANTED], host)


def test_a_socks_proxy_is_told_who_asks() -> None:
    sent = said(KNOWN_SOCKS, [b"\x05\x02", b"\x01\x00", GRANTED])
    assert [b"\x05\x01\x02", b"\x01\x02me\x02pw"] == sent[:2]


@pytest.mark.parametrize(
    ("proxy", "answer", "error"),
    [
        (SOCKS, [b"\x05\xff"], "another way"),
        (SOCKS, [b"\x04\x00"], "another way"),
        (SOCKS, [b"\x05"], "closed"),
        (KNOWN_SOCKS, [b"\x05\x02", b"\x01\x01"], "neither name nor password"),
        (SOCKS, [b"\x05\x00", b"\x05\x05\x00\x01"], "connection refused"),
        (SOCKS, [b"\x05\x00", b"\x05\x08\x00\x01"], "address type not supported"),
        (SOCKS, [b"\x05\x00", b"\x05\x09\x00\x01"], "error 9"),
        (SOCKS, [b"\x05\x00", b"\x05\x63\x00\x01"], "error 99"),
        (SOCKS, [b"\x05\x00", GRANTED[:-1]], "closed"),
    ],
)
def test_a_socks_proxy_that_does_not_connect_has_refused(
    proxy: Proxy, answer: list[bytes], error: str
) -> None:
    with pytest.raises(ProxyRefusedError, match=error):
        said(proxy, [*answer, b""])


def test_a_password_that_socks_cannot_take_is_an_error_that_says_so() -> None:
    proxy = Proxy("proxy.test", 1080, None, True, (b"me", b"p" * 256))
    with pytest.raises(ProxyRefusedError, match="at most 255 bytes"):
        said(proxy, [b"\x05\x02", b""])


def test_a_password_of_255_bytes_is_given_to_socks() -> None:
    proxy = Proxy("proxy.test", 1080, None, True, (b"me", b"p" * 255))
    told = said(proxy, [b"\x05\x02", b"\x01\x00", GRANTED])[1]
    assert b"\x01\x02me\xff" + b"p" * 255 == told


GRANTS = [GRANTED, b"\x05\x00\x00\x03\x01a\x00\x00", b"\x05\x00\x00\x04" + bytes(18)]


@given(st.sampled_from(GRANTS), st.integers(1, 4))
def test_an_answer_of_socks_may_come_in_any_pieces(granted: bytes, size: int) -> None:
    pieces = [granted[at : at + size] for at in range(0, len(granted), size)]
    assert 2 == len(said(SOCKS, [b"\x05", b"\x00", *pieces]))


def test_what_a_proxy_is_told_is_shown_nowhere() -> None:
    assert "pw" not in repr((KNOWN, Origin("a.test", 443, None, KNOWN)))
    handshake = KNOWN.handshake("a.test", 443)
    assert "bWU6cHc=" not in repr(next(handshake))


def test_two_ways_to_one_place_are_two_origins() -> None:
    ways = {Origin("a.test", 443, None, proxy) for proxy in (None, PLAIN, KNOWN, SOCKS)}
    assert 4 == len(ways)
