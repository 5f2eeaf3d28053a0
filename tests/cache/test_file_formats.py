"""Whether a file was ever ours."""

from __future__ import annotations

import pytest

from services.llm.stores.file_formats import resembles_database

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
