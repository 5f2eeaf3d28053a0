"""The ledger in an SQLite database: a row of `llm_usage` for each key, of `llm_batches` for each
batch of a provider.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from ..stores import StoreError
from ..stores.sqlite_database import SqliteDatabase
from .store import UsageBatch, first_remembered
from .usage import COUNTS, UsageEntry, checked_key, checked_sums, encode_tags

_KEY = "day, provider, model, tier, tags"
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS llm_usage (day TEXT NOT NULL, provider TEXT NOT NULL,"
    " model TEXT NOT NULL, tier TEXT NOT NULL, tags TEXT NOT NULL,"
    f" {', '.join(f'{name} INTEGER NOT NULL' for name in COUNTS)}, PRIMARY KEY ({_KEY}))",
    "CREATE TABLE IF NOT EXISTS llm_batches (id TEXT PRIMARY KEY, day TEXT NOT NULL,"
    " note TEXT NOT NULL, is_added INTEGER NOT NULL)",
)
_ADD = (
    f"INSERT INTO llm_usage ({_KEY}, {', '.join(COUNTS)})"
    f" VALUES ({', '.join('?' * (5 + len(COUNTS)))})"
    f" ON CONFLICT ({_KEY}) DO UPDATE SET "
    + ", ".join(f"{name} = {name} + excluded.{name}" for name in COUNTS)
)
_TABLE = "SELECT 1 FROM sqlite_master WHERE name = 'llm_usage'"
_READ = f"SELECT {_KEY}, {', '.join(COUNTS)} FROM llm_usage WHERE day BETWEEN ? AND ?"

_FORGET = "DELETE FROM llm_batches WHERE day < ?"
_KEEP_NOTE = (
    "INSERT INTO llm_batches (id, day, note, is_added) VALUES (?, ?, ?, 0)"
    " ON CONFLICT (id) DO UPDATE SET note = excluded.note WHERE is_added = 0"
)
_NOTE = "SELECT note FROM llm_batches WHERE id = ?"
_MARK_ADDED = (
    "INSERT INTO llm_batches (id, day, note, is_added) VALUES (?, ?, '', 1)"
    " ON CONFLICT (id) DO UPDATE SET is_added = 1, note = '' WHERE is_added = 0"
)


class SqliteUsage(SqliteDatabase):
    """A `UsageStore` in a database of its own or beside other tables."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(path, "llm_usage", _SCHEMA, "usage")

    def add(self, batch: UsageBatch) -> None:
        """Add the entries in one transaction."""
        rows = _rows(batch)

        def write(database: sqlite3.Connection) -> None:
            with database:
                database.executemany(_ADD, rows)

        self._run(write)

    def read(self, first_day: str, last_day: str) -> list[UsageEntry]:
        """Return the sums of these days; StoreError for a row that holds no sums."""
        days = (first_day, last_day)
        rows = self._run(lambda database: database.execute(_READ, days).fetchall())
        try:
            return [
                UsageEntry(
                    checked_key(*row[:5]),
                    checked_sums(dict(zip(COUNTS, row[5:], strict=True))),
                )
                for row in rows
            ]
        except ValueError as error:
            raise StoreError(f"{self.path} holds a row that is no usage: {error}") from error

    def keep_note(self, identity: str, day: str, note: str) -> None:
        """Keep the note, and forget the batches of long ago."""

        def write(database: sqlite3.Connection) -> None:
            with database:
                database.execute(_FORGET, (first_remembered(day),))
                database.execute(_KEEP_NOTE, (identity, day, note))

        self._run(write)

    def note_of(self, identity: str) -> str:
        """Return the note, or ""."""
        row = self._run(lambda database: database.execute(_NOTE, (identity,)).fetchone())
        return str(row[0]) if row else ""

    def add_once(self, batch: UsageBatch, day: str) -> bool:
        """Add the entries in one transaction with the mark that says so."""
        rows = _rows(batch)

        def write(database: sqlite3.Connection) -> bool:
            with database:
                if not database.execute(_MARK_ADDED, (batch.id, day)).rowcount:
                    return False
                database.executemany(_ADD, rows)
                return True

        return self._run(write)


def holds_usage(path: Path) -> bool:
    """Whether the database at *path* has our table; True where the file is no database.

    Nothing is written to it.
    """
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
            return database.execute(_TABLE).fetchone() is not None
    except sqlite3.DatabaseError:
        return True  # reading it says what is wrong


def _rows(batch: UsageBatch) -> list[tuple[object, ...]]:
    return [
        (
            *(entry.key.day, entry.key.provider, entry.key.model, entry.key.tier),
            encode_tags(entry.key.tags),
            *(getattr(entry.sums, name) for name in COUNTS),
        )
        for entry in batch.entries
    ]
