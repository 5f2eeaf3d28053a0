"""The body of an answer by itself: where it ends, and how long what is no body of it may be."""

from __future__ import annotations

import h11
import pytest

from services.llm.http.chunked import ChunkedBody, MessageBody, SizedBody

LONGEST = 4096
LAST = b"5\r\nhello\r\n0\r\n"


def fed(body: MessageBody, *pieces: bytes) -> bytes:
    return b"".join(body.feed(piece) for piece in pieces)


def states(body: MessageBody) -> tuple[bool, bool]:
    assert body.error is None
    return body.is_ended, body.is_reusable


def each_byte(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


@pytest.mark.parametrize("body", [SizedBody(5), ChunkedBody()])
def test_a_body_of_which_nothing_has_come_has_not_ended(body: MessageBody) -> None:
    assert (False, False) == states(body)
    assert b"" == body.feed(b"")
    assert (False, False) == states(body)


def test_a_body_of_no_bytes_has_ended_when_its_head_has_come() -> None:
    body = SizedBody(0)
    assert b"" == body.feed(b"")
    assert (True, True) == states(body)


def test_a_body_of_a_size_ends_with_its_last_byte_and_takes_no_more() -> None:
    body = SizedBody(5)
    assert (b"hel", (False, False)) == (body.feed(b"hel"), states(body))
    assert (b"lo", (True, True)) == (body.feed(b"lo"), states(body))
    longer = SizedBody(5)
    assert (b"hello", (True, False)) == (longer.feed(b"hello!"), states(longer))


@pytest.mark.parametrize("size", [1, 2, 3, 4, 100])
def test_a_body_in_chunks_ends_with_the_line_after_its_last(size: int) -> None:
    said, body = LAST + b"\r\n", ChunkedBody()
    pieces = [said[at : at + size] for at in range(0, len(said), size)]
    *before, last = pieces
    assert (b"hello" if before else b"") == fed(body, *before)
    assert (False, False) == states(body)
    body.feed(last)
    assert (True, True) == states(body)


def test_what_follows_a_body_in_chunks_is_none_of_it() -> None:
    body = ChunkedBody()
    assert (b"hello", (True, False)) == (body.feed(LAST + b"\r\n5\r\n"), states(body))


@pytest.mark.parametrize("body", [SizedBody(5), ChunkedBody()])
def test_a_body_that_is_cut_off_says_so(body: MessageBody) -> None:
    body.end()
    assert isinstance(body.error, h11.RemoteProtocolError)
    assert not body.is_ended


def sized_line(size: int) -> bytes:
    """A chunk of five bytes whose first line is *size* bytes long, without its end."""
    return b"5;" + b"x" * (size - 2)


def test_a_line_between_two_chunks_may_be_4096_bytes_long_and_no_longer() -> None:
    body = ChunkedBody()
    assert b"hello" == fed(body, sized_line(LONGEST), b"\r\nhello\r\n")
    assert (False, False) == states(body)
    body.feed(sized_line(LONGEST + 1))
    assert isinstance(body.error, h11.RemoteProtocolError)


@pytest.mark.parametrize("byte_by_byte", [True, False])
def test_the_lines_after_the_last_chunk_may_be_4096_bytes_long_in_all_and_no_longer(
    byte_by_byte: bool,
) -> None:
    line = b"a:" + b"x" * 60 + b"\r\n"
    assert 0 == LONGEST % len(line)
    trailers = line * (LONGEST // len(line))
    body, longer = ChunkedBody(), ChunkedBody()
    assert b"hello" == fed(body, LAST, *(each_byte(trailers) if byte_by_byte else [trailers]))
    body.feed(b"\r\n")
    assert (True, True) == states(body)
    fed(longer, LAST, b"a" + line, trailers[len(line) :])
    assert isinstance(longer.error, h11.RemoteProtocolError)


def test_what_is_wrong_after_a_chunk_keeps_what_came_before_it() -> None:
    body = ChunkedBody()
    assert b"hello" == body.feed(b"5\r\nhello\r\n5\r\n")
    assert b"hel" == body.feed(b"hel")
    assert b"lo" == body.feed(b"lo!!")
    assert isinstance(body.error, h11.RemoteProtocolError)
    assert not body.is_ended
