"""A streamed HTTP/1.1 answer as bytes: its head, its pieces, its end, and what is none."""

from __future__ import annotations

import h11
import pytest

from services.llm.errors import ResponseTooLargeError
from services.llm.http.h11_stream import Head, Http1

CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n4\r\n you\r\n0\r\n\r\n"
)
HEAD = Head(200, [("transfer-encoding", "chunked")])
SIZED = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


def expecting(limit: int = 1024) -> Http1:
    http = Http1(limit)
    http.begin()
    return http


def receive(http: Http1, pieces: list[bytes]) -> int:
    return sum(http.receive(piece) for piece in pieces)


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


@pytest.mark.parametrize("size", [1, 7, len(CHUNKED)])
def test_a_streamed_answer_is_whole_however_it_is_cut(size: int) -> None:
    http = expecting()
    assert 9 == receive(http, cut(CHUNKED, size))
    head, *body = http.pieces
    assert HEAD == head
    assert b"hello you" == b"".join(piece for piece in body if isinstance(piece, bytes))
    assert b"" == body[-1]
    assert http.is_reusable


@pytest.mark.parametrize("size", [1, 7, len(SIZED)])
def test_a_streamed_answer_over_the_limit_is_read_no_further(size: int) -> None:
    http = expecting(limit=4)
    with pytest.raises(ResponseTooLargeError):
        receive(http, cut(SIZED, size))


def test_a_streamed_answer_at_the_limit_is_read_in_each_exchange() -> None:
    http = expecting(limit=5)
    assert 5 == http.receive(SIZED)
    http.begin()
    assert 5 == http.receive(SIZED)


def test_what_follows_an_answer_ends_the_use_of_its_connection() -> None:
    http = expecting()
    assert 5 == http.receive(SIZED + b"more")
    assert not http.is_reusable


@pytest.mark.parametrize("size", [0, 10, len(SIZED) - 2])
def test_a_streamed_answer_that_is_cut_off_is_no_answer(size: int) -> None:
    http = expecting()
    with pytest.raises(h11.RemoteProtocolError):
        receive(http, [SIZED[:size], b""])
