"""An SQLite database file that threads, processes and forks share: opened, locked, used.

The database runs in write-ahead mode with `synchronous=NORMAL`: what was committed survives
`kill -9`, a power cut may undo the latest commits but damages nothing (sqlite.org/wal.html).
"""

from __future__ import annotations

import logging
import os
import sqlite3
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from typing import TypeVar

from ..runtime.fork import around_fork
from .database_files import DatabaseFiles
from .files import absolute_path, describe_os_error
from .locks import LOCK_TIMEOUT, lock_on
from .protocol import StoreError

R = TypeVar("R")

_log = logging.getLogger(__name__)

_JOURNAL = ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=NORMAL")
#: Seconds for which a close waits for those who use the connection.
_CLOSING = 0.25

#: Connections of the parent that a fork from C code has copied: neither used nor closed here.
#: Source: sqlite.org/howtocorrupt.html, 2.6.
_connections_of_parent: list[sqlite3.Connection] = []


class SqliteDatabase:
    """One table in a database of its own or beside other tables, which several processes share.

    *schema* holds the statements that create the table, *content* says what its rows are. The file
    is opened with the first use.
    """

    is_blocking = True

    def __init__(
        self,
        path: str | os.PathLike[str],
        table: str,
        schema: Sequence[str],
        content: str,
    ) -> None:
        self.path = absolute_path(path)
        self._schema = schema
        self._files = DatabaseFiles(self.path, table, content)
        self._file_lock = lock_on(self.path)  # guards making, replacing and moving them
        self._mutex = threading.Lock()  # guards the connection
        self._connection: sqlite3.Connection | None = None
        #: Whoever uses the connection is to close it afterwards.
        self._is_closing = False
        around_fork(
            self,
            pause=SqliteDatabase._pause,
            resume=SqliteDatabase._resume,
            reset=SqliteDatabase._reset_in_child,
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r})"

    def __del__(self, is_finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        # Ledgers and budgets go with the client that had them, which nobody may have closed.
        if (connection := getattr(self, "_connection", None)) is not None:
            if is_finalizing():  # the globals of modules may be None by now
                connection.close()
            else:
                self._disconnect()

    def close(self) -> None:
        """Close the connection; the next use opens another.

        Where another process holds the database for longer than a moment, who waits for it in a
        thread closes the connection in the end.
        """
        self._is_closing = True
        if self._mutex.acquire(timeout=_CLOSING):
            try:
                self._disconnect()
            finally:
                self._mutex.release()

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
        self._is_closing = False
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
                    if _means_lost_table(error):
                        self._disconnect()
                    elif _means_damage(error):
                        self._move_damaged_aside()
                    else:
                        raise
                    return work(self._connect())
            except (sqlite3.Error, OSError) as error:
                self._disconnect()
                raise StoreError(
                    f"{self.path} cannot be used: {describe_os_error(error)}"
                ) from error
            finally:
                if self._is_closing:
                    self._disconnect()

    def _connect(self) -> sqlite3.Connection:
        if self._connection is not None and self._files.are_in_place():
            return self._connection
        is_replaced = self._connection is not None
        self._disconnect()
        with self._file_lock.held():
            self._files.prepare_open()
            self._connection = sqlite3.connect(
                self.path, timeout=LOCK_TIMEOUT, check_same_thread=False
            )
            try:
                for statement in (*_JOURNAL, *self._schema):
                    self._connection.execute(statement).close()
            finally:
                self._files.remember_log()
            self._opened(self._connection)
        if is_replaced:
            _log.warning(
                "%s was removed or replaced: the file that is there now is used", self.path
            )
        return self._connection

    def _opened(self, database: sqlite3.Connection) -> None:
        """Do what is to be done with each new connection."""

    def _disconnect(self) -> None:
        """Close the connection, if there is one; warn where its files were taken before that."""
        self._is_closing = False
        connection, self._connection = self._connection, None
        if connection is None:
            return
        with closing(connection):
            try:
                if not self._files.are_in_place():
                    # Where the folder is gone, the files are gone too.
                    with suppress(FileNotFoundError), self._file_lock.held():
                        self._files.prepare_close(connection)
            except (sqlite3.Error, OSError) as error:
                reason = describe_os_error(error)
                _log.warning(
                    "%s was removed or replaced before all of it was written: %s", self.path, reason
                )

    def _move_damaged_aside(self) -> None:
        self._disconnect()
        with self._file_lock.held():
            self._files.move_aside()


def _means_damage(error: sqlite3.DatabaseError) -> bool:
    # SQLITE_CORRUPT and SQLITE_NOTADB, told by their messages: `sqlite_errorcode` came with
    # Python 3.11, and a refusal (SQLITE_AUTH) is of the same class.
    message = str(error)
    return "malformed" in message or "not a database" in message


def _means_lost_table(error: sqlite3.DatabaseError) -> bool:
    # Another program has dropped it: opening the database makes it anew.
    return "no such table" in str(error)
