"""The files of an SQLite database: makes them, watches who replaces them, and moves them aside."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from .file_formats import OLDER_CACHE_SIZE, resembles_database
from .files import (
    foreign_file_error,
    move_aside,
    open_nonblocking,
    open_private,
    refuse_links,
    replace_file,
    sibling,
)

#: Suffixes of the files that SQLite keeps beside a database: its log, and the log's index.
_COMPANIONS = ("-wal", "-shm")


class DatabaseFiles:
    """The file at *path*, and those beside it, as the connection that is open has found them.

    *table* is the table that makes a database ours, *content* says what its rows are. Whoever
    changes the files holds the lock of the path. Each method raises OSError.
    """

    def __init__(self, path: Path, table: str, content: str) -> None:
        self._path = path
        self._table = table
        self._content = content
        self._log = sibling(path, "-wal")
        #: What the connection has open.
        self._file_in_use: os.stat_result | None = None
        self._log_in_use: os.stat_result | None = None

    def prepare_open(self) -> None:
        """Create the file if there is none, and remember it, before a connection opens it.

        SQLite gives its -wal and -shm files the mode of the file, 0600. A file that is no database
        is refused or moved aside: SQLite would fill it with what a -wal file beside it holds.
        """
        refuse_links(self._path, *(sibling(self._path, suffix) for suffix in _COMPANIONS))
        # One that exists is not opened: closing it would drop the locks that other connections of
        # this process have on it (sqlite.org/howtocorrupt.html, 2.2).
        if self._path.exists() and self._is_of_another_kind():
            self._move_aside()
        if not self._path.exists():
            if (log := _stat(self._log)) is not None and log.st_size:
                # SQLite would remove it, and a database that was renamed may still need it.
                move_aside(self._log, "is of a database that is not there", mark="left")
            os.close(open_private(str(self._path), os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        self._file_in_use = _stat(self._path)

    def remember_log(self) -> None:
        """Remember the -wal file, which is there while a connection is."""
        self._log_in_use = _stat(self._log)

    def are_in_place(self) -> bool:
        """Whether the files that the connection has open are still those at the path."""
        now, before = _stat(self._path), self._file_in_use
        if now is None or not _is_same(now, before):
            return False
        if not _is_same(_stat(self._log), self._log_in_use):
            return False
        # A checkpoint changes the file, and so does a program that writes something else into it.
        if before is not None and _version(now) != _version(before):
            if not now.st_size or self._is_of_another_kind():
                return False
            self._file_in_use = now
        return True

    def prepare_close(self, connection: sqlite3.Connection) -> None:
        """Let *connection*, whose files are not in place, be closed; raises sqlite3.Error.

        A file that was renamed is given what was committed to it. Its -wal and -shm files are
        removed: SQLite would take them for those of the file that is at the path now.
        """
        log, file = _stat(self._log), _stat(self._path)
        # Those of another connection's file stay.
        companions = _COMPANIONS if log is None or _is_same(log, self._log_in_use) else ()
        is_in_use = _is_same(file, self._file_in_use)
        try:
            if file is not None and is_in_use and not file.st_size:
                # SQLite writes its log into the emptied file, and not into one that replaces it.
                replace_file(self._path, [])
                is_in_use = False
            if is_in_use and self._is_of_another_kind():
                # SQLite writes its log into the file as it is closed, but not an empty log.
                if log is not None and companions:
                    os.truncate(self._log, 0)
            elif companions or not is_in_use:
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)").close()
        finally:
            for suffix in companions:
                sibling(self._path, suffix).unlink(missing_ok=True)

    def move_aside(self) -> None:
        """Move the damaged database that was in use aside, unless another process has done so."""
        if _is_same(_stat(self._path), self._file_in_use):
            self._move_aside()

    def _move_aside(self) -> None:
        starts = _first_bytes(self._path), _first_bytes(self._log)
        if not resembles_database(*starts, self._table):
            what = f"an SQLite database with a table of {self._content}"
            raise foreign_file_error(self._path, what)
        move_aside(self._path, "is a damaged SQLite database", companions=_COMPANIONS)

    def _is_of_another_kind(self) -> bool:
        """Whether the file itself, whatever its -wal says, does not begin as a database."""
        # SQLite reads it, since we may not open and close it, as said above.
        alone = f"{self._path.as_uri()}?mode=ro&immutable=1"
        with closing(sqlite3.connect(alone, uri=True)) as database:
            try:
                database.execute("PRAGMA schema_version").close()
            except sqlite3.DatabaseError as error:
                return "not a database" in str(error)  # other errors are met as it is used
            return False


def _first_bytes(path: Path) -> bytes:
    try:
        # Closing it drops this process's locks on it; those of a damaged file are of no use.
        with open(path, "rb", opener=open_nonblocking) as file:
            return file.read(OLDER_CACHE_SIZE)
    except FileNotFoundError:
        return b""


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except FileNotFoundError:
        return None


def _is_same(one: os.stat_result | None, other: os.stat_result | None) -> bool:
    if one is None or other is None:
        return one is other
    return os.path.samestat(one, other)


def _version(stat: os.stat_result) -> tuple[int, int]:
    return stat.st_mtime_ns, stat.st_size
