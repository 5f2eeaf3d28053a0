"""A provider cuts its stream where it likes, and says in its frames what it likes."""

from __future__ import annotations

import struct
import zlib
from codecs import BOM_UTF8
from itertools import pairwise
from typing import Any

import pytest
from botocore.eventstream import EventStreamBuffer, ParserError
from hypothesis import given
from hypothesis import strategies as st

from sandbox.bedrock.event_stream import event
from services.llm.providers.bedrock.frames import Frames
from services.llm.providers.groq.sse import Events

BODY = b"".join(event("contentBlockDelta", {"delta": {"text": "x" * n}}) for n in (0, 7, 300))


def told(frames: Any) -> list[tuple[dict[str, Any], bytes]]:
    return [(frame.headers, frame.payload) for frame in frames]


@given(cuts=st.lists(st.integers(0, len(BODY)), max_size=8).map(sorted))
def test_frames_are_those_of_botocore_wherever_the_bytes_are_cut(cuts: list[int]) -> None:
    whole, frames = EventStreamBuffer(), Frames()
    whole.add_data(BODY)
    edges = [0, *cuts, len(BODY)]
    pieces = [BODY[start:end] for start, end in pairwise(edges)]
    assert told(whole) == [each for piece in pieces for each in told(frames.feed(piece))]


@pytest.mark.parametrize("size", [0, 12, 15])
def test_a_frame_shorter_than_any_is_an_error(size: int) -> None:
    lengths = struct.pack("!II", size, 0)
    prelude = lengths + struct.pack("!I", zlib.crc32(lengths))
    with pytest.raises(ParserError, match=f"a frame of {size} bytes is too short"):
        list(Frames().feed(prelude))


def test_the_shortest_frame_holds_nothing_and_is_one() -> None:
    lengths = struct.pack("!II", 16, 0)
    prelude = lengths + struct.pack("!I", zlib.crc32(lengths))
    frame = prelude + struct.pack("!I", zlib.crc32(prelude))
    assert [({}, b"")] == told(Frames().feed(frame))


def test_a_broken_prelude_is_an_error_before_the_frame_ends() -> None:
    frames = Frames()
    assert [] == list(frames.feed(BODY[:8]))
    with pytest.raises(ParserError, match="Checksum mismatch"):
        list(frames.feed(b"\0\0\0\0"))


def test_an_unended_frame_is_not_copied_with_each_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    frame, given, own = event("chunk", {"bytes": "x" * 30_000}), [0], EventStreamBuffer.add_data

    def counted(buffer: EventStreamBuffer, data: bytes) -> None:
        given[0] += len(data)
        own(buffer, data)

    monkeypatch.setattr(EventStreamBuffer, "add_data", counted)
    frames = Frames()
    found = [each for byte in frame for each in frames.feed(bytes([byte]))]
    assert (1, len(frame) + 12) == (len(found), given[0])


@given(cuts=st.lists(st.integers(1, 60), max_size=8).map(sorted))
def test_server_sent_events_are_the_same_wherever_they_are_cut(cuts: list[int]) -> None:
    body = (
        b": ping\r\n\r\ndata: one\r\ndata:two\n\nevent: x\n\ndata: three\n\n"
        b"event:x\rdata: four\r\revent: y\r\ndata: five\r\n\r\nevent: error\n\ndata: unended\n"
    )
    events, edges = Events(), [0, *cuts, len(body)]
    pieces = [body[start:end] for start, end in pairwise(edges)]
    expected = [(b"", b"one\ntwo"), (b"", b"three"), (b"x", b"four"), (b"y", b"five")]
    found = [each for piece in pieces for each in events.feed(piece)]
    assert [*expected, (b"error", b"")] == found


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
def test_an_event_is_handed_out_with_the_end_of_its_last_line(end: bytes) -> None:
    events, found = Events(), []
    for byte in b"data: a" + end + end:
        found += events.feed(bytes([byte]))
        assert [] == events.feed(b"")
    assert [(b"", b"a")] == found
    assert [(b"", b"b")] == events.feed(b"data: b" + end + end)


@pytest.mark.parametrize(
    "body",
    [b"data: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n", b"data: a\rdata: b\n\ndata: c\r\r"],
    ids=["CRLF", "CR and LF"],
)
def test_an_event_of_two_lines_is_one_wherever_their_ends_are_cut(body: bytes) -> None:
    for size in range(1, len(body) + 1):
        events = Events()
        pieces = [body[start : start + size] for start in range(0, len(body), size)]
        found = [each for piece in pieces for each in events.feed(piece)]
        assert [(b"", b"a\nb"), (b"", b"c")] == found


def test_a_mark_of_the_byte_order_is_no_part_of_the_first_event() -> None:
    body = BOM_UTF8 + b"data: a\n\ndata: b" + BOM_UTF8 + b"\n\n"
    for size in range(1, len(body)):
        events = Events()
        pieces = [body[start : start + size] for start in range(0, len(body), size)]
        found = [data for piece in pieces for _, data in events.feed(piece)]
        assert [b"a", b"b" + BOM_UTF8] == found


def test_a_mark_of_the_byte_order_begins_no_later_piece() -> None:
    events = Events()
    assert [(b"", b"a")] == events.feed(b"data: a\n\n")
    # It is a part of the line, which so names no field that is known.
    assert [(b"", b"c")] == events.feed(BOM_UTF8 + b"data: b\n\ndata: c\n\n")
