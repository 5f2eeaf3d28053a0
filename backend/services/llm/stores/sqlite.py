"""The SQLite store: one table, `llm_answers`, in a database of its own or beside other tables."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Mapping
from typing import Any

from .entry import check_key, decode_entry, encode_entry
from .protocol import checked_ttl
from .sqlite_database import SqliteDatabase

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS llm_answers"
    " (key TEXT PRIMARY KEY, expires REAL NOT NULL, line BLOB NOT NULL)",
    "CREATE INDEX IF NOT EXISTS llm_answers_by_expiry ON llm_answers (expires)",
)
# A cell may hold any type, whatever its column says: a text compares above any number.
_READ = (
    "SELECT CAST(line AS BLOB) FROM llm_answers"
    " WHERE key = ? AND typeof(expires) = 'real' AND expires > ?"
)
_WRITE = "INSERT OR REPLACE INTO llm_answers (key, expires, line) VALUES (?, ?, ?)"
_PRUNE = (
    "DELETE FROM llm_answers WHERE rowid IN"
    " (SELECT rowid FROM llm_answers WHERE expires <= ? ORDER BY expires LIMIT ?)"
)
_PRUNE_AT_START, _PRUNE_PER_PUT = 1000, 16


class SqliteStore(SqliteDatabase):
    """A `Store` in an SQLite database that several processes may share."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        ttl: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(path, "llm_answers", _SCHEMA, "answers")
        self._ttl = checked_ttl(ttl)
        self._clock = clock

    def get(self, key: str) -> dict[str, Any] | None:
        """Return the object last put under *key*, by whichever process, or None."""
        check_key(key)
        parameters = (key, self._clock())
        row = self._run(lambda database: database.execute(_READ, parameters).fetchone())
        return decode_entry(row[0], key) if row else None

    def put(self, key: str, value: Mapping[str, Any]) -> None:
        """Keep *value*; StoreError if the database cannot be written within 5 s."""
        now = self._clock()
        expires = now + self._ttl
        line = encode_entry(key, value, expires)

        def write(database: sqlite3.Connection) -> None:
            with database:
                database.execute(_PRUNE, (now, _PRUNE_PER_PUT))
                database.execute(_WRITE, (key, expires, line))

        self._run(write)

    def _opened(self, database: sqlite3.Connection) -> None:
        with database:
            database.execute(_PRUNE, (self._clock(), _PRUNE_AT_START))
