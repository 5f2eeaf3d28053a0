"""The ledger in an SQLite database: one row a key, in a table `llm_usage`."""

from __future__ import annotations

import os
import sqlite3

from ..stores import StoreError
from ..stores.sqlite_database import SqliteDatabase
from .store import UsageBatch
from .usage import COUNTS, UsageEntry, checked_key, checked_sums, encode_tags

_KEY = "day, provider, model, tier, tags"
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS llm_usage (day TEXT NOT NULL, provider TEXT NOT NULL,"
    " model TEXT NOT NULL, tier TEXT NOT NULL, tags TEXT NOT NULL,"
    f" {', '.join(f'{name} INTEGER NOT NULL' for name in COUNTS)}, PRIMARY KEY ({_KEY}))",
)
_ADD = (
    f"INSERT INTO llm_usage ({_KEY}, {', '.join(COUNTS)})"
    f" VALUES ({', '.join('?' * (5 + len(COUNTS)))})"
    f" ON CONFLICT ({_KEY}) DO UPDATE SET "
    + ", ".join(f"{name} = {name} + excluded.{name}" for name in COUNTS)
)
_READ = f"SELECT {_KEY}, {', '.join(COUNTS)} FROM llm_usage WHERE day BETWEEN ? AND ?"


class SqliteUsage(SqliteDatabase):
    """A `UsageStore` in a database of its own or beside other tables."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(path, "llm_usage", _SCHEMA, "usage")

    def add(self, batch: UsageBatch) -> None:
        """Add the entries in one transaction."""
        rows = [
            (
                *(entry.key.day, entry.key.provider, entry.key.model, entry.key.tier),
                encode_tags(entry.key.tags),
                *(getattr(entry.sums, name) for name in COUNTS),
            )
            for entry in batch.entries
        ]

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
