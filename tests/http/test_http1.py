"""HTTP/1.1 as bytes: what is sent, what an answer is, piece by piece, and what is none."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import h11
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.llm.errors import ResponseTooLargeError
from services.llm.http.h11_answer import H11Answer
from services.llm.http.http1 import Answer, Head, Http1, encode

SENT = ("POST", "/a?b=c", [("Host", "here"), ("Content-Length", "2")], b"hi")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Two: a\r\nX-Two: b\r\n\r\nhello"


CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n4\r\n you\r\n0\r\n\r\n"
)


def asked(limit: int = 1024, *, is_whole: bool = True) -> Http1:
    http = Http1(limit)
    http.begin(is_whole=is_whole)
    return http


def taken(http: Http1) -> Answer | None:
    """The answer, if all of it has come; raises what is wrong with it."""
    if http.parts and http.parts[-1] == b"":
        head, *body = http.parts
        http.parts.clear()
        assert isinstance(head, Head)
        return Answer(*head, b"".join(piece for piece in body if isinstance(piece, bytes)))
    if http.error is not None:
        raise http.error
    return None


def received(http: Http1, *pieces: bytes) -> Answer | None:
    for piece in pieces:
        http.receive(piece)
    return taken(http)


def test_a_request_is_its_line_its_headers_and_its_body() -> None:
    sent = bytes(encode(*SENT) or b"")
    assert sent == b"POST /a?b=c HTTP/1.1\r\nHost: here\r\nContent-Length: 2\r\n\r\nhi"


@pytest.mark.parametrize("size", [1, 7, len(OK)])
def test_an_answer_is_whole_however_it_is_cut(size: int) -> None:
    http = asked()
    pieces = [OK[start : start + size] for start in range(0, len(OK), size)]
    assert 5 == sum(http.receive(piece) for piece in pieces)
    headers = [("content-length", "5"), ("x-two", "a"), ("x-two", "b")]
    assert Answer(200, headers, b"hello") == taken(http)
    assert http.is_reusable


@pytest.mark.parametrize("size", [1, 7, len(CHUNKED)])
def test_chunks_are_put_together_however_they_are_cut(size: int) -> None:
    http = asked()
    pieces = [CHUNKED[start : start + size] for start in range(0, len(CHUNKED), size)]
    assert 9 == sum(http.receive(piece) for piece in pieces)
    assert Answer(200, [("transfer-encoding", "chunked")], b"hello you") == taken(http)
    assert http.is_reusable


def test_what_comes_together_is_one_piece() -> None:
    http = asked()
    http.receive(CHUNKED)
    assert [b"hello you", b""] == list(http.parts)[1:]


def test_one_connection_carries_one_exchange_after_another() -> None:
    http = asked(limit=9)
    for said in (OK, CHUNKED, OK):
        assert received(http, said) is not None
        http.begin()


def test_any_number_of_continues_comes_before_an_answer() -> None:
    http = asked()
    for _ in range(100):
        assert received(http, b"HTTP/1.1 100 Continue\r\n\r\n") is None
    assert received(http, OK) is not None


def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    http = asked()
    assert received(http, b"HTTP/1.1 200 OK\r\n\r\nhel", b"lo") is None
    answer = received(http, b"")
    assert answer is not None
    assert b"hello" == answer.body
    assert not http.is_reusable


def test_an_answer_that_can_have_no_body_has_none() -> None:
    http = asked()
    assert Answer(204, [], b"") == received(http, b"HTTP/1.1 204 No\r\n\r\n")
    http.begin()
    empty = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
    assert Answer(200, [("content-length", "0")], b"") == received(http, empty)


@pytest.mark.parametrize(
    "ending",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        OK + b"more",
        CHUNKED + b"more",
    ],
)
def test_a_connection_that_closes_or_says_more_is_not_used_again(ending: bytes) -> None:
    http = asked()
    assert received(http, ending) is not None
    assert not http.is_reusable


def test_what_comes_unasked_ends_the_use_of_a_connection() -> None:
    http = asked()
    assert received(http, OK) is not None
    assert 0 == http.receive(OK)
    assert (False, 0) == (http.is_reusable, len(http.parts))


@pytest.mark.parametrize(
    "mangled",
    [
        [b""],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", b""],
        [CHUNKED[:-3], b""],
        [b"HTTP/1.1 200 OK\r\nCont", b""],
        [b"SSH-2.0-OpenSSH_9.6\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"],
        [b"HTTP/1.1 101 Switching Protocols\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\n" + b"x-more: and more\r\n" * 100_000],
    ],
)
def test_what_is_no_whole_answer_is_an_error(mangled: list[bytes]) -> None:
    http = asked()
    *before, last = mangled
    assert received(http, *before) is None
    with pytest.raises(h11.RemoteProtocolError):
        received(http, last)


BROKEN = [
    (b"5\r\nhelloX", b"hello"),
    (b"5\r\nhello\rX", b"hello"),
    (b"5\r\nhello\r\nx\r\n", b"hello"),
    (b"5\r\nhello\r\n-1\r\n", b"hello"),
    (b"5\r\nhello\r\n" + b"0" * 17 + b"\r\n", b"hello"),
    (b"5\r\nhello\r\n5;" + b"x" * 5_000, b"hello"),
    (b"5\r\nhello\r\n0\r\nno trailer\r\n\r\n", b"hello"),
    (b"5\r\nhello\r\n0\r\n" + b"x-more: and more\r\n" * 300, b"hello"),
]


@pytest.mark.parametrize(("said", "read"), BROKEN)
@pytest.mark.parametrize("size", [1, 4096])
def test_what_comes_before_a_broken_chunk_is_read(said: bytes, read: bytes, size: int) -> None:
    http = asked()
    http.receive(CHUNKED.partition(b"5")[0])
    for start in range(0, len(said), size):
        http.receive(said[start : start + size])
    _, *pieces = http.parts
    assert read == b"".join(piece for piece in pieces if isinstance(piece, bytes))
    assert isinstance(http.error, h11.RemoteProtocolError)
    assert (False, 0) == (http.is_reusable, http.receive(b"5\r\nhello\r\n"))


def test_extensions_and_trailers_are_left_out() -> None:
    said = b'5 ;a=b;c="d"\r\nhello\r\n0;e\r\nx-one: a\r\nx-two:\r\n\r\n'
    answer = received(asked(), CHUNKED.partition(b"5")[0], said)
    assert answer is not None
    assert b"hello" == answer.body


LARGE = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n" + b"x" * 11,
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n" + b"x" * 11,
    b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 11,
]


@pytest.mark.parametrize("large", LARGE)
def test_an_answer_over_the_limit_is_read_no_further(large: bytes) -> None:
    http = asked(limit=10, is_whole=False)
    assert 10 == http.receive(large)
    assert b"x" * 10 == http.parts[-1]
    assert isinstance(http.error, ResponseTooLargeError)
    assert "LLM_MAX_RESPONSE_MB" in str(http.error)
    assert (False, 0) == (http.is_reusable, http.receive(b"more"))


@pytest.mark.parametrize("more", [b"", b"x-strange: \xff\x00\r\n"])
def test_an_answer_that_says_it_is_too_large_is_read_no_further(more: bytes) -> None:
    http = asked(limit=10)
    assert 0 == http.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n" + more + b"\r\nx")
    assert not http.is_reusable
    with pytest.raises((ResponseTooLargeError, h11.RemoteProtocolError)):
        taken(http)


def test_an_answer_at_the_limit_is_read() -> None:
    answer = received(asked(limit=5), OK)
    assert answer is not None
    assert b"hello" == answer.body


class ByH11:
    """The same connection where nothing is read but by h11."""

    def __init__(self) -> None:
        self.parts: list[Head | bytes] = []
        self._h11 = H11Answer(lambda *head: self.parts.append(Head(*head)))

    @property
    def is_reusable(self) -> bool:
        return self._h11.is_reusable

    @property
    def error(self) -> Exception | None:
        return self._h11.error

    def receive(self, data: bytes) -> None:
        if self._h11.is_ended:
            self._h11.is_reusable = False
            return
        self.parts.append(self._h11.feed(data))
        self.parts += [b""] * self._h11.is_ended


def bodies() -> st.SearchStrategy[bytes]:
    """Bodies in chunks, with whatever may stand between them, and mistakes."""
    sizes = st.sampled_from([b"5", b"05", b"5 ", b"5;a=b", b"6", b"", b"g", b"5 x", b"-5"])
    ends = st.sampled_from([b"\r\n", b"\n", b"\rx", b""])
    chunk = st.builds(lambda size, end: size + b"\r\nhello" + end, sizes, ends)
    good = st.just(b"5\r\nhello\r\n")
    last = st.sampled_from(
        [b"0\r\n\r\n", b"00;x\r\n\r\n", b"0\r\na: b\r\n\r\n", b"0\r\na b\r\n\r\n", b"0\r\n", b""]
    )
    more = st.sampled_from([b"", b"more"])
    chunks = st.lists(st.one_of(good, good, chunk), max_size=4)
    return st.builds(lambda each, end, rest: b"".join(each) + end + rest, chunks, last, more)


def read_by(http: Any, pieces: list[bytes]) -> object:
    for piece in pieces:
        http.receive(piece)
    body = b"".join(part for part in http.parts if isinstance(part, bytes))
    is_ended = bool(http.parts) and http.parts[-1] == b""
    return body, http.error is not None, is_ended and http.is_reusable


@given(bodies(), st.lists(st.integers(0, 60), max_size=4))
@example(b"5\r\nhello\r\n0\r\n\r\n", [])
def test_chunks_are_read_as_h11_reads_them(body: bytes, cuts: list[int]) -> None:
    head, places = CHUNKED.partition(b"5")[0], sorted({*cuts, 0, len(body)})
    pieces = [head, *(body[a:b] for a, b in pairwise(places) if body[a:b])]
    assert read_by(ByH11(), pieces) == read_by(asked(), pieces)


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


def outcome(http: Any, pieces: list[bytes]) -> object:
    for piece in pieces:
        http.receive(piece)
    if http.error is not None:
        return "no answer"
    return [part for part in http.parts if part], http.is_reusable


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
    assert outcome(ByH11(), pieces) == outcome(asked(), pieces)


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


@pytest.mark.parametrize(
    "header", ["Content-Length: 5", "Content-Length: +5", "Transfer-Encoding: chunked"]
)
def test_a_length_that_is_told_twice_or_otherwise_is_left_to_h11(header: str) -> None:
    data = OK.replace(b"X-Two: a", header.encode())
    assert outcome(ByH11(), [data]) == outcome(asked(), [data])


def test_each_exchange_has_its_own_answer_and_none_is_begun_before_the_last_has_ended() -> None:
    http = Http1(1024)
    states = [http.is_reusable]
    for body in (b"one", b"other", b""):
        http.begin()
        states.append(http.is_reusable)
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
        answer = received(http, head, *filter(None, [body]))
        assert answer is not None
        assert body == answer.body
        states.append(http.is_reusable)
    assert [True, *[False, True] * 3] == states


def test_an_answer_is_waited_for_from_its_request_to_its_first_bytes() -> None:
    http = Http1(1024)
    states = [http.is_waiting]
    for _ in range(2):
        http.begin()
        states.append(http.is_waiting)
        for piece in (OK[:20], OK[20:]):
            http.receive(piece)
            states.append(http.is_waiting)
    assert [False, *[True, False, False] * 2] == states


def test_an_answer_that_says_it_is_too_large_is_read_up_to_the_limit_by_who_wants_a_part() -> None:
    http = Http1(10)
    http.begin()
    assert 10 == http.receive(LARGE[0])


def test_where_the_server_leaves_without_an_answer_nothing_of_a_body_has_come() -> None:
    http = asked()
    assert 0 == http.receive(b"")
    assert isinstance(http.error, h11.RemoteProtocolError)
