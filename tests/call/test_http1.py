"""HTTP/1.1 as bytes: what is sent, what an answer is, and what is none."""

from __future__ import annotations

import h11
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.llm.errors import ResponseTooLargeError
from services.llm.http.h11_answer import H11Answer
from services.llm.http.http1 import Answer, Http1, encode

SENT = ("POST", "/a?b=c", [("Host", "here"), ("Content-Length", "2")], b"hi")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Two: a\r\nX-Two: b\r\n\r\nhello"


def asked(limit: int = 1024) -> Http1:
    http = Http1(limit)
    http.begin()
    return http


def test_a_request_is_its_line_its_headers_and_its_body() -> None:
    sent = bytes(encode(*SENT) or b"")
    assert sent == b"POST /a?b=c HTTP/1.1\r\nHost: here\r\nContent-Length: 2\r\n\r\nhi"


@pytest.mark.parametrize("size", [1, 7, len(OK)])
def test_an_answer_is_whole_however_it_is_cut(size: int) -> None:
    http = asked()
    pieces = [OK[start : start + size] for start in range(0, len(OK), size)]
    answers = [http.receive(piece) for piece in pieces]
    headers = [("content-length", "5"), ("x-two", "a"), ("x-two", "b")]
    assert [None] * (len(pieces) - 1) + [Answer(200, headers, b"hello")] == answers
    assert http.is_reusable


def test_one_connection_carries_one_exchange_after_another() -> None:
    http = asked()
    for _ in range(3):
        assert http.receive(OK) is not None
        http.begin()


def test_any_number_of_continues_comes_before_an_answer() -> None:
    http = asked()
    for _ in range(100):
        assert http.receive(b"HTTP/1.1 100 Continue\r\n\r\n") is None
    assert http.receive(OK) is not None


def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    http = asked()
    assert http.receive(b"HTTP/1.1 200 OK\r\n\r\nhel") is None
    assert http.receive(b"lo") is None
    answer = http.receive(b"")
    assert answer is not None
    assert b"hello" == answer.body
    assert not http.is_reusable


@pytest.mark.parametrize(
    "ending", [b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", OK + b"more"]
)
def test_a_connection_that_closes_or_says_more_is_not_used_again(ending: bytes) -> None:
    http = asked()
    assert http.receive(ending) is not None
    assert not http.is_reusable


@pytest.mark.parametrize(
    "mangled",
    [
        [b""],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", b""],
        [b"SSH-2.0-OpenSSH_9.6\r\n\r\n"],
        [b"HTTP/1.1 101 Switching Protocols\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\n" + b"x-more: and more\r\n" * 100_000],
    ],
)
def test_what_is_no_whole_answer_is_an_error(mangled: list[bytes]) -> None:
    http = asked()
    *before, last = mangled
    assert [None] * len(before) == [http.receive(piece) for piece in before]
    with pytest.raises(h11.RemoteProtocolError):
        http.receive(last)


@pytest.mark.parametrize(
    "large",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n" + b"x" * 11,
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 11,
    ],
)
def test_an_answer_over_the_limit_is_read_no_further(large: bytes) -> None:
    with pytest.raises(ResponseTooLargeError, match="LLM_MAX_RESPONSE_MB"):
        asked(limit=10).receive(large)


def test_an_answer_at_the_limit_is_read() -> None:
    answer = asked(limit=5).receive(OK)
    assert answer is not None
    assert b"hello" == answer.body


LINES = [
    *(b"Content-Length: 5", b"content-length:5 ", b"Content-Length: 7", b"Content-Length: x"),
    *(b"Connection: Keep-Alive", b"Connection: close", b"Transfer-Encoding: chunked"),
    *(
        b"X-One: a b\tc",
        b"X-Latin: \xe9",
        b"X-Empty:",
        b"X Two: a",
        b"X-Nul: \x00",
        b" folded",
        b"no",
    ),
]
STARTS = [
    *(b"HTTP/1.1 200 OK", b"HTTP/1.1 200", b"HTTP/1.1 503 Not now", b"HTTP/1.0 200 OK"),
    *(b"HTTP/1.1 204 Empty", b"HTTP/1.1 304 As before", b"HTTP/1.1 2000 OK", b"HTTP/2 200 OK"),
]


def outcome(http: Http1 | H11Answer, pieces: list[bytes]) -> object:
    try:
        for piece in pieces:
            if (answer := http.receive(piece)) is not None:
                return answer, http.is_reusable
    except h11.RemoteProtocolError:
        return "no answer"
    return "not yet"


@given(
    st.sampled_from(STARTS),
    st.lists(st.sampled_from(LINES), max_size=4),
    st.sampled_from([b"\r\n", b"\n"]),
    st.sampled_from([b"", b"hello", b"5\r\nhello\r\n0\r\n\r\n", b"hello and more"]),
    st.integers(0, 40),
)
@example(STARTS[0], [LINES[0]], b"\r\n", b"hello", 0)
@example(STARTS[0], [LINES[0], LINES[1]], b"\r\n", b"hello", 0)
def test_a_plain_answer_is_read_as_h11_reads_it(
    start: bytes, lines: list[bytes], end: bytes, body: bytes, cut: int
) -> None:
    said = end.join((start, *lines, b"", b"")) + body
    pieces = [piece for piece in (said[: len(said) - cut], said[len(said) - cut :]) if piece]
    assert outcome(H11Answer(99), pieces) == outcome(asked(), pieces)


@pytest.mark.parametrize(
    "unsendable",
    [
        ("POST", "/a b", [("Host", "here")], b""),
        ("POST", "/", [("Host", "here\r\nX-Two: b")], b""),
        ("POST", "/", [("Ho st", "here")], b""),
        ("POST", "/", [("Host", "\u20ac")], b""),
        ("POST", "/", [], b""),
    ],
)
def test_what_is_no_request_is_not_sent(
    unsendable: tuple[str, str, list[tuple[str, str]], bytes],
) -> None:
    assert encode(*unsendable) is None


def test_an_answer_that_is_cut_off_in_its_body_is_no_answer() -> None:
    http = asked()
    assert http.receive(OK[:-1]) is None
    with pytest.raises(h11.RemoteProtocolError, match="before the answer was whole"):
        http.receive(b"")


@pytest.mark.parametrize(
    "header", ["Content-Length: 5", "Content-Length: +5", "Transfer-Encoding: chunked"]
)
def test_a_length_that_is_told_twice_or_otherwise_is_left_to_h11(header: str) -> None:
    data = OK.replace(b"X-Two: a", header.encode())
    rare = H11Answer(1024)
    try:
        expected: object = rare.receive(data)
    except h11.RemoteProtocolError:
        with pytest.raises(h11.RemoteProtocolError):
            asked().receive(data)
    else:
        assert expected == asked().receive(data)


def test_each_exchange_has_its_own_answer_and_none_is_begun_before_the_last_has_ended() -> None:
    http = Http1(1024)
    states = [http.is_reusable]
    for body in (b"one", b"other", b""):
        http.begin()
        states.append(http.is_reusable)
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
        answers = [http.receive(head), http.receive(body) if body else None]
        assert [body] == [answer.body for answer in answers if answer is not None]
        states.append(http.is_reusable)
    assert [True, *[False, True] * 3] == states
