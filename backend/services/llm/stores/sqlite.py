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

from ..runtime.fork import around_fork
from .entry import checked_key, decode_entry, encode_entry
from .file_formats import OLDER_CACHE_BYTES, is_database
from .files import (
    absolute_path,
    describe_os_error,
    foreign_file_error,
    move_aside,
    open_nonblocking,
    open_private,
    refuse_links,
    sibling,
)
from .locks import LOCK_TIMEOUT, lock_on
from .protocol import StoreError, checked_ttl

R = TypeVar("R")

_SCHEMA = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=NORMAL",
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
#: Suffixes of the files that SQLite keeps beside a database.
_COMPANIONS = ("-wal", "-shm")

#: Connections of the parent that a fork from C code has copied: neither used nor closed here.
#: Source: sqlite.org/howtocorrupt.html, 2.6.
_connections_of_parent: list[sqlite3.Connection] = []


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
        self.path = absolute_path(path)
        self._ttl = checked_ttl(ttl)
        self._clock = clock
        self._file_lock = lock_on(self.path)  # guards creating the file and moving it aside
        self._mutex = threading.Lock()  # guards the connection
        self._connection: sqlite3.Connection | None = None
        self._inode = 0
        around_fork(
            self,
            pause=SqliteStore._pause,
            resume=SqliteStore._resume,
            reset=SqliteStore._reset_in_child,
        )

    def __repr__(self) -> str:
        return f"SqliteStore({str(self.path)!r})"

    def get(self, key: str) -> dict[str, Any] | None:
        """Return the object last put under *key*, by whichever process, or None."""
        parameters = (checked_key(key), self._clock())
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

    def close(self) -> None:
        """Close the connection; the next use opens another."""
        with self._mutex:
            self._disconnect()

    def _pause(self) -> None:
        """Close the connection and let nobody connect: SQLite forbids to carry one over a fork."""
        self._mutex.acquire()
        self._disconnect()

    def _resume(self) -> None:
        """Let threads connect again."""
        self._mutex.release()

    def _reset_in_child(self) -> None:
        """Begin with a free lock and no connection."""
        self._mutex = threading.Lock()
        if self._connection is not None:
            _connections_of_parent.append(self._connection)
            self._connection = None

    def _run(self, work: Callable[[sqlite3.Connection], R]) -> R:
        """Run *work*; if the database is damaged, move it aside and run *work* on a new one.

        Raises StoreError for any other error of SQLite or of the file system.
        """
        with self._mutex:
            try:
                try:
                    return work(self._connect())
                except sqlite3.DatabaseError as error:
                    if not _means_damage(error):
                        raise
                    self._move_damaged_aside()
                    return work(self._connect())
            except (sqlite3.Error, OSError) as error:
                self._disconnect()
                raise StoreError(
                    f"{self.path} cannot be used: {describe_os_error(error)}"
                ) from error

    def _connect(self) -> sqlite3.Connection:
        if self._connection is None:
            with self._file_lock.held():
                self._create_file()
                self._inode = self.path.stat().st_ino
                self._connection = sqlite3.connect(
                    self.path, timeout=LOCK_TIMEOUT, check_same_thread=False
                )
                for statement in _SCHEMA:
                    self._connection.execute(statement).close()
                with self._connection as database:
                    database.execute(_PRUNE, (self._clock(), _PRUNE_AT_START))
        return self._connection

    def _create_file(self) -> None:
        """Create the file if there is none; SQLite gives its -wal and -shm files its mode, 0600.

        An existing file is not opened: closing it would drop the locks that other connections of
        this process have on it (sqlite.org/howtocorrupt.html, 2.2).
        """
        refuse_links(self.path, *(sibling(self.path, suffix) for suffix in _COMPANIONS))
        if not self.path.exists():
            os.close(open_private(str(self.path), os.O_WRONLY | os.O_CREAT | os.O_EXCL))

    def _disconnect(self) -> None:
        if self._connection is not None:
            with closing(self._connection):
                self._connection = None

    def _move_damaged_aside(self) -> None:
        self._disconnect()
        with self._file_lock.held():
            if self.path.stat().st_ino != self._inode:
                return  # another process has moved it aside
            if not is_database(_first_bytes(self.path), _first_bytes(sibling(self.path, "-wal"))):
                raise foreign_file_error(self.path, "an SQLite database with a table of answers")
            move_aside(self.path, "is a damaged SQLite database", companions=_COMPANIONS)


def _first_bytes(path: Path) -> bytes:
    try:
        # Closing it drops this process's locks on it; those of a damaged file are of no use.
        with open(path, "rb", opener=open_nonblocking) as file:
            return file.read(OLDER_CACHE_BYTES)
    except FileNotFoundError:
        return b""


def _means_damage(error: sqlite3.DatabaseError) -> bool:
    # SQLITE_CORRUPT and SQLITE_NOTADB, told by their messages: `sqlite_errorcode` came with
    # Python 3.11, and a refusal (SQLITE_AUTH) is of the same class.
    message = str(error)
    return "malformed" in message or "not a database" in message
