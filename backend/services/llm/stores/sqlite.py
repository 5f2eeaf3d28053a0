"""The SQLite store: one table, `llm_answers`, in a database of its own or beside other tables.

The database runs in write-ahead mode with `synchronous=NORMAL`: an answered put survives `kill -9`,
a power cut may undo the latest ones but damages nothing (sqlite.org/wal.html).
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

from ..runtime.fork import pause_for_fork
from .entry import checked_key, seal, unseal
from .files import (
    absolute,
    beside,
    described,
    not_ours,
    private,
    refuse_links,
    set_aside,
    waiting_for_nobody,
)
from .locks import LOCK_TIMEOUT, lock_on
from .protocol import StoreError, checked_ttl
from .recognition import LONGEST_OLDER, is_database

R = TypeVar("R")

_SCHEMA = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=NORMAL",
    "CREATE TABLE IF NOT EXISTS llm_answers"
    " (key TEXT PRIMARY KEY, expires REAL NOT NULL, line BLOB NOT NULL)",
    "CREATE INDEX IF NOT EXISTS llm_answers_by_expiry ON llm_answers (expires)",
)
# Of whatever type a cell was made: a text would be above any time, and may be no UTF-8.
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
#: What the names of SQLite's own files beside a database are longer by.
_COMPANIONS = ("-wal", "-shm")

#: Connections copied by a fork that told nobody (in C), which a child may neither use nor close.
#: Source: sqlite.org/howtocorrupt.html, 2.6.
_inherited: list[sqlite3.Connection] = []


class SqliteStore:
    """A `Store` in an SQLite database that several processes may share."""

    blocking = True

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        ttl: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path = absolute(path)
        self._ttl = checked_ttl(ttl)
        self._clock = clock
        self._turn = lock_on(self.path)  # guards the making and the setting aside of the file
        self._mutex = threading.Lock()  # guards the connection
        self._connection: sqlite3.Connection | None = None
        self._inode = 0
        pause_for_fork(self)

    def __repr__(self) -> str:
        return f"SqliteStore({str(self.path)!r})"

    def get(self, key: str) -> dict[str, Any] | None:
        """Return the object last put under *key*, by whichever process, or None."""
        at = (checked_key(key), self._clock())
        row = self._perform(lambda database: database.execute(_READ, at).fetchone())
        return unseal(row[0], key) if row else None

    def put(self, key: str, value: Mapping[str, Any]) -> None:
        """Keep *value*; StoreError if the database cannot be written within 5 s."""
        now = self._clock()
        expires = now + self._ttl
        line = seal(key, value, expires)

        def write(database: sqlite3.Connection) -> None:
            with database:
                database.execute(_PRUNE, (now, _PRUNE_PER_PUT))
                database.execute(_WRITE, (key, expires, line))

        self._perform(write)

    def close(self) -> None:
        """Close the connection; the next use opens another."""
        with self._mutex:
            self._disconnect()

    def before_fork(self) -> None:
        """Close the connection: the table of locks copied with it would deceive the child."""
        self._mutex.acquire()
        self._disconnect()

    def after_fork_in_parent(self) -> None:
        """Let threads connect again."""
        self._mutex.release()

    def after_fork(self) -> None:
        """Begin with a free lock and no connection."""
        self._mutex = threading.Lock()
        if self._connection is not None:
            _inherited.append(self._connection)
            self._connection = None

    def _perform(self, work: Callable[[sqlite3.Connection], R]) -> R:
        """Do *work*, in a new database if this one is found to be none."""
        with self._mutex:
            try:
                try:
                    return work(self._connected())
                except sqlite3.DatabaseError as error:
                    if not _means_damage(error):
                        raise
                    self._set_aside()
                    return work(self._connected())
            except (sqlite3.Error, OSError) as error:
                self._disconnect()
                raise StoreError(f"{self.path} cannot be used: {described(error)}") from error

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            with self._turn.held():
                self._make()
                self._inode = self.path.stat().st_ino
                self._connection = sqlite3.connect(
                    self.path, timeout=LOCK_TIMEOUT, check_same_thread=False
                )
                for statement in _SCHEMA:
                    self._connection.execute(statement).close()
                with self._connection as database:
                    database.execute(_PRUNE, (self._clock(), _PRUNE_AT_START))
        return self._connection

    def _make(self) -> None:
        """Make the file if there is none; SQLite's -wal and -shm files take its mode, 0600.

        One that exists is not opened: closing it would drop the locks that another connection of
        this process has on it (sqlite.org/howtocorrupt.html, 2.2).
        """
        refuse_links(self.path, *(beside(self.path, suffix) for suffix in _COMPANIONS))
        if not self.path.exists():
            os.close(private(str(self.path), os.O_WRONLY | os.O_CREAT | os.O_EXCL))

    def _disconnect(self) -> None:
        if self._connection is not None:
            with closing(self._connection):
                self._connection = None

    def _set_aside(self) -> None:
        self._disconnect()
        with self._turn.held():
            if self.path.stat().st_ino != self._inode:
                return  # another process was first
            if not is_database(_start_of(self.path), _start_of(beside(self.path, "-wal"))):
                raise not_ours(self.path, "an SQLite database with a table of answers")
            set_aside(self.path, "is a damaged SQLite database", companions=_COMPANIONS)


def _start_of(path: Path) -> bytes:
    try:
        # Closing it drops the locks that other connections of this process have on it: of a file
        # that is damaged there is nothing to guard.
        with open(path, "rb", opener=waiting_for_nobody) as file:
            return file.read(LONGEST_OLDER)
    except FileNotFoundError:
        return b""


def _means_damage(error: sqlite3.DatabaseError) -> bool:
    # SQLITE_CORRUPT and SQLITE_NOTADB. A refusal (SQLITE_AUTH) is of the same class, and the code,
    # which would tell them apart, is there only from Python 3.11 on.
    words = str(error)
    return "malformed" in words or "not a database" in words
