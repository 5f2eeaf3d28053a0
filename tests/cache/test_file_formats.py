"""Whether a file was ever ours."""

from __future__ import annotations

import json

import pytest

from services.llm.stores.file_formats import (
    resembles_budget,
    resembles_database,
    resembles_log,
    resembles_older_cache,
)

SQLITE, TABLE = b"SQLite format 3\0", b"CREATE TABLE llm_answers"


@pytest.mark.parametrize(
    ("start", "log", "is_ours"),
    [
        *((SQLITE + TABLE, b"", True), (SQLITE, TABLE, True), (SQLITE, b"", False)),
        *((TABLE, b"", False), (b"", b"", True), (bytes(9), b"", True)),
    ],
)
def test_a_database_is_ours_where_it_or_its_log_names_our_table(
    start: bytes, log: bytes, is_ours: bool
) -> None:
    assert is_ours == resembles_database(start, log, "llm_answers")


@pytest.mark.parametrize(
    ("start", "is_ours"),
    [
        *((b'{"day": "2026-11-22", "used": 1}', True), (b'{"day": 5', True), (b'{"d', True)),
        *((b"", True), (bytes(9), True), (b'{"date": 5}', False), (b"[]", False)),
    ],
)
def test_a_budget_is_ours_by_its_first_bytes_whole_or_torn(start: bytes, is_ours: bool) -> None:
    assert is_ours is resembles_budget(start)


@pytest.mark.parametrize(
    ("start", "is_ours"),
    [
        *((b'{"format":"llm-answers","version":9', True), (b'{"form', True), (b"", True)),
        *((bytes(9), True), (b'torn\n{"sum":"0123', True), (b'{"sum":"0123', False)),
        (b"notes", False),
    ],
)
def test_a_log_is_ours_by_its_header_or_by_an_entry(start: bytes, is_ours: bool) -> None:
    assert is_ours is resembles_log(start)


HASH = "0123456789abcdef"


@pytest.mark.parametrize(
    ("data", "is_ours"),
    [
        ({HASH: 1, HASH * 2: "text"}, True),
        ({HASH: 1, "another": "text"}, False),
        ({HASH[:-1]: 1}, False),
        ({"a": {"cached_at": 1}, "b": {"ttl": 2, "text": ""}}, True),
        ({"a": {"cached_at": 1}, "b": {"text": ""}}, False),
        ({HASH: 1, "b": {"expires": 2}}, True),
        ({"version": 1, "entries": {HASH: 1}}, True),
        ({"version": 1, "settings": {HASH: 1}}, False),
        *(({}, False), ({"entries": {}}, False), ([HASH], False)),
    ],
    ids=range(11),
)
def test_an_older_cache_maps_hashes_to_entries_or_names_to_dated_ones(
    data: object, is_ours: bool
) -> None:
    assert is_ours is resembles_older_cache(json.dumps(data).encode())


@pytest.mark.parametrize("data", [b"", b"{", b"[" * 100_000, b"\xff"])
def test_what_is_no_json_is_no_older_cache(data: bytes) -> None:
    assert not resembles_older_cache(data)
