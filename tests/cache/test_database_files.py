"""What becomes of an SQLite database in use whose file others replace, rename, empty or remove."""

from __future__ import annotations

import gc
import logging
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

import pytest

from services.llm.stores import StoreError, database_files, sqlite_database
from services.llm.stores.files import move_aside
from services.llm.stores.locks import PathLock
from services.llm.stores.sqlite import SqliteStore
from services.llm.stores.sqlite_budgets import SqliteBudgets
from tests.cache.support import key_of

NOON = 1_795_348_800.0
NOTES = b"my precious notes\n" * 500


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database of a test is."""
    return tmp_path / "usage.db"


@pytest.fixture
def budgets(path: Path) -> Iterator[SqliteBudgets]:
    """A database in use, to which 5 were added: they are in its -wal file alone."""
    made = SqliteBudgets(path)
    assert 5 == made.add("a", 5, NOON)
    yield made
    made.close()


def beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def kept(path: Path) -> int:
    """What the file at *path* holds, whatever lies beside it."""
    with closing(sqlite3.connect(f"{path.as_uri()}?immutable=1", uri=True)) as database:
        used: int = database.execute("SELECT used FROM llm_budgets").fetchone()[0]
        return used


def put_in_place(path: Path) -> None:
    draft = beside(path, ".new")
    draft.write_bytes(NOTES)
    draft.replace(path)


def write_over(path: Path) -> None:
    path.write_bytes(NOTES)


@pytest.mark.parametrize("overwrite", [put_in_place, write_over])
def test_a_file_of_another_kind_is_never_written_to(
    path: Path, budgets: SqliteBudgets, overwrite: Callable[[Path], None]
) -> None:
    overwrite(path)
    for store in (budgets, budgets, SqliteBudgets(path)):
        with pytest.raises(StoreError, match="it is not an SQLite database with a table of budg"):
            store.add("a", 1, NOON)
    assert [] == sorted(path.parent.glob("usage.db-*"))
    budgets.close()
    assert NOTES == path.read_bytes()
    path.unlink()
    assert 1 == budgets.add("a", 1, NOON)


def test_a_file_of_another_kind_beside_the_log_of_a_killed_process_is_not_written_to(
    path: Path, budgets: SqliteBudgets, tmp_path: Path
) -> None:
    killed = tmp_path / "killed"
    killed.mkdir()
    shutil.copy(beside(path, "-wal"), killed / "usage.db-wal")
    (killed / "usage.db").write_bytes(NOTES)
    with pytest.raises(StoreError, match="it is not an SQLite database with a table of budgets"):
        SqliteBudgets(killed / "usage.db").add("a", 1, NOON)
    assert NOTES == (killed / "usage.db").read_bytes()


def test_a_file_that_is_renamed_holds_all_that_was_committed_to_it(
    path: Path, budgets: SqliteBudgets, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(SqliteBudgets(path)) as other:
        assert 7 == other.add("a", 2, NOON)
        path.rename(beside(path, ".1"))
        with caplog.at_level(logging.WARNING):
            assert [1, 2] == [budgets.add("a", 1, NOON) for _ in range(2)]
            assert [3, 4] == [other.add("a", 1, NOON) for _ in range(2)]
    assert 7 == kept(beside(path, ".1"))
    words = f"{path} was removed or replaced: the file that is there now is used"
    assert [words] * 2 == caplog.messages
    budgets.close()
    assert 4 == kept(path)


def test_a_copy_that_is_put_back_goes_on_from_what_it_holds(
    path: Path, budgets: SqliteBudgets
) -> None:
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(f"{path}.bak")) as copy:
        source.backup(copy)
    assert 15 == budgets.add("a", 10, NOON)
    beside(path, ".bak").replace(path)
    assert 6 == budgets.add("a", 1, NOON)
    budgets.close()
    assert 6 == kept(path)


def test_a_file_that_is_emptied_begins_anew(
    path: Path, budgets: SqliteBudgets, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(SqliteBudgets(path)) as other:
        other.add("a", 0, NOON)
        os.truncate(path, 0)
        with caplog.at_level(logging.WARNING):
            assert [1, 2] == [budgets.add("a", 1, NOON), other.add("a", 1, NOON)]
        assert 2 == len(caplog.messages)
    budgets.close()
    assert 2 == kept(path)


def test_nothing_is_lost_to_who_removes_the_log(path: Path, budgets: SqliteBudgets) -> None:
    with closing(SqliteBudgets(path)) as other:
        assert 7 == other.add("a", 2, NOON)
        beside(path, "-wal").unlink()
        assert [8, 9] == [budgets.add("a", 1, NOON), other.add("a", 1, NOON)]
    budgets.close()
    assert 9 == kept(path)


def test_no_lock_is_let_go_of_between_a_look_at_a_damaged_file_and_its_move(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[PathLock] = []
    moved_after: list[int] = []
    held = PathLock.held

    def counted(lock: PathLock, timeout: float | None = None) -> AbstractContextManager[None]:
        taken.append(lock)
        return held(lock, timeout)

    def moved(path: Path, reason: str, **more: Any) -> None:
        moved_after.append(len(taken))
        move_aside(path, reason, **more)

    monkeypatch.setattr(PathLock, "held", counted)
    monkeypatch.setattr(database_files, "move_aside", moved)
    path.write_bytes(b"\0" * 5000)
    with closing(SqliteBudgets(path)) as store:
        assert 1 == store.add("a", 1, NOON)  # into no other file of the same inode
    assert [1] == moved_after


def test_a_link_to_the_file_itself_is_not_followed(path: Path, budgets: SqliteBudgets) -> None:
    path.rename(beside(path, ".1"))
    path.symlink_to(beside(path, ".1"))
    with pytest.raises(StoreError, match="is a link"):
        budgets.add("a", 1, NOON)
    assert 5 == kept(beside(path, ".1"))


def test_a_folder_that_is_renamed_takes_all_with_it(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    store = SqliteBudgets(tmp_path / "data" / "usage.db")
    store.add("a", 5, NOON)
    (tmp_path / "data").rename(tmp_path / "was")
    with pytest.raises(StoreError, match="No such file"):
        store.add("a", 1, NOON)
    with closing(SqliteBudgets(tmp_path / "was" / "usage.db")) as moved:
        assert 5 == moved.add("a", 0, NOON)
    (tmp_path / "data").mkdir()
    assert 1 == store.add("a", 1, NOON)
    store.close()


def test_a_renamed_file_that_cannot_be_given_its_log_is_a_warning(
    path: Path, budgets: SqliteBudgets, caplog: pytest.LogCaptureFixture
) -> None:
    path.rename(beside(path, ".1"))
    os.truncate(beside(path, "-wal"), 0)
    assert [1, 2] == [budgets.add("a", 1, NOON) for _ in range(2)]
    words = f"{path} was removed or replaced before all of it was written: disk I/O error"
    assert words == caplog.messages[0]


def test_the_log_that_a_killed_process_left_of_a_renamed_file_is_kept(
    path: Path, budgets: SqliteBudgets, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    killed = tmp_path / "killed"
    killed.mkdir()
    shutil.copy(path, killed / "usage.db.1")
    shutil.copy(beside(path, "-wal"), killed)
    with closing(SqliteBudgets(killed / "usage.db")) as store:
        assert 1 == store.add("a", 1, NOON)
    (left,) = killed.glob("usage.db-wal.left-*")
    assert 1 == caplog.text.count("usage.db-wal is of a database that is not there; it is now")
    left.rename(killed / "usage.db.1-wal")
    with closing(SqliteBudgets(killed / "usage.db.1")) as store:
        assert 5 == store.add("a", 0, NOON)


def test_a_store_that_outlives_its_modules_closes_its_connection_all_the_same(
    path: Path, budgets: SqliteBudgets, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = budgets._connection
    assert connection is not None
    monkeypatch.setattr(sqlite_database, "closing", None)
    budgets.__del__(lambda: True)
    monkeypatch.undo()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")
    budgets._connection = None


def test_a_file_that_is_renamed_before_a_close_holds_all(
    path: Path, budgets: SqliteBudgets, caplog: pytest.LogCaptureFixture
) -> None:
    path.rename(beside(path, ".1"))
    budgets.close()
    assert 5 == kept(beside(path, ".1"))
    assert ["usage.db.1", "usage.db.lock"] == sorted(os.listdir(path.parent))
    assert [] == caplog.messages


@pytest.mark.parametrize("overwrite", [put_in_place, write_over])
def test_a_file_of_another_kind_outlives_a_close(
    path: Path, budgets: SqliteBudgets, overwrite: Callable[[Path], None]
) -> None:
    overwrite(path)
    budgets.close()
    assert NOTES == path.read_bytes()
    assert ["usage.db", "usage.db.lock"] == sorted(os.listdir(path.parent))


def test_a_store_that_is_dropped_leaves_a_renamed_file_whole(path: Path) -> None:
    store = SqliteBudgets(path)
    store.add("a", 5, NOON)
    path.rename(beside(path, ".1"))
    del store
    gc.collect()
    assert 5 == kept(beside(path, ".1"))


def test_without_a_log_an_overwritten_file_is_left_to_sqlite(
    path: Path, budgets: SqliteBudgets
) -> None:
    beside(path, "-wal").unlink()
    write_over(path)
    budgets.close()
    assert ["usage.db", "usage.db.lock"] == sorted(os.listdir(path.parent))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="it counts what Linux lists")
def test_the_checkpoints_of_others_are_no_change_and_leave_nothing_open(
    path: Path, budgets: SqliteBudgets, caplog: pytest.LogCaptureFixture
) -> None:
    open_files: list[int] = []
    for n in range(6, 10):
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA wal_checkpoint(PASSIVE)")
        assert n == budgets.add("a", 1, NOON)
        open_files.append(len(os.listdir("/proc/self/fd")))
    # What earlier tests have left may be closed meanwhile.
    assert open_files == sorted(open_files, reverse=True)
    assert [] == caplog.messages


def test_a_cache_in_a_database_is_held_to_the_same(path: Path) -> None:
    with closing(SqliteStore(path, ttl=60)) as store:
        store.put(key_of(1), {"n": 1})
        put_in_place(path)
        with pytest.raises(StoreError, match="it is not an SQLite database with a table of answer"):
            store.put(key_of(2), {"n": 2})
        assert NOTES == path.read_bytes()
        path.unlink()
        assert store.get(key_of(1)) is None
