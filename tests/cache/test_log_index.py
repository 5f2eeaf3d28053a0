"""What the index of a log counts and finds, line by line."""

from __future__ import annotations

from services.llm.stores.entry import encode_entry
from services.llm.stores.log_index import HEADER_SIZE, LogIndex, is_current_header, new_header
from tests.cache.support import key_of


def line(key: int, expires: float, value: int = 1) -> bytes:
    return encode_entry(key_of(key), {"n": value}, expires) + b"\n"


def read(*lines: bytes, now: float = 100.0) -> LogIndex:
    index = LogIndex(new_header())
    assert sum(map(len, lines)) == index.index_lines(b"".join(lines), now)
    return index


def test_a_header_has_one_form_and_one_size() -> None:
    header = new_header()
    assert (True, HEADER_SIZE) == (is_current_header(header), len(header))
    assert [False, False] == [is_current_header(each) for each in (header[:-1], header + b" ")]


def test_what_is_no_live_entry_is_garbage() -> None:
    first, newer, other = line(1, 200.0), line(1, 200.0, 22), line(2, 200.0)
    assert (0, len(first)) == ((index := read(first)).garbage, index.live)
    assert (len(first), len(newer) + len(other)) == (
        (index := read(first, newer, other)).garbage,
        index.live,
    )
    assert (HEADER_SIZE + len(first + newer + other), 0) == (index.position, index.damaged)


def test_a_line_that_expires_at_this_moment_has_expired() -> None:
    index = read(line(1, 100.0))
    assert (True, None, 0) == (index.has_expired, index.find(key_of(1), 99.0), index.live)
    index = read(line(1, 100.5))
    assert (False, True) == (index.has_expired, index.find(key_of(1), 100.0) is not None)
    assert None is index.find(key_of(1), 100.5)
    assert [1, 0] == [len(index.slots(now)) for now in (100.0, 100.5)]


def test_a_newer_line_that_has_expired_still_replaces_the_older_one() -> None:
    index = read(line(1, 200.0), line(1, 50.0))
    assert (None, 0) == (index.find(key_of(1), 100.0), index.live)


def test_a_damaged_line_is_counted_and_replaces_nothing() -> None:
    good, torn = line(1, 200.0), line(1, 200.0).replace(b'"n":1', b'"n":2')
    index = read(good, torn, b"no entry\n")
    assert (2, len(torn) + len(b"no entry\n")) == (index.damaged, index.garbage)
    assert (200.0, HEADER_SIZE, len(good) - 1, key_of(1)) == index.find(key_of(1), 100.0)


def test_an_empty_line_is_damaged_and_ends_no_reading() -> None:
    index = read(b"\n", line(1, 200.0))
    assert (1, 1) == (index.damaged, index.garbage)
    assert index.find(key_of(1), 100.0) is not None


def test_a_last_line_without_an_end_is_left_for_later() -> None:
    whole, index = line(1, 200.0), LogIndex(new_header())
    assert 0 == index.index_lines(whole[:-1], 100.0)
    assert (HEADER_SIZE, None) == (index.position, index.find(key_of(1), 100.0))
    assert len(whole) == index.index_lines(whole + b"more", 100.0)


def test_what_expires_is_forgotten_the_oldest_first_and_no_more_than_asked() -> None:
    lines = [line(number, 110.0 + number) for number in range(4)]
    index = read(*lines)
    index.expire(111.0, at_most=1)
    assert sum(map(len, lines[1:])) == index.live
    index.expire(111.0, at_most=9)
    assert sum(map(len, lines[2:])) == index.live
    assert [key_of(2), key_of(3)] == [key for *_, key in index.slots(100.0)]


def test_a_slot_that_a_newer_line_has_replaced_is_dropped_to_no_effect() -> None:
    index = read(line(1, 200.0))
    older = index.find(key_of(1), 100.0)
    index.index_lines(line(1, 300.0), 100.0)
    assert older is not None
    index.drop(older)
    assert index.find(key_of(1), 250.0) is not None
    assert len(line(1, 300.0)) == index.live
