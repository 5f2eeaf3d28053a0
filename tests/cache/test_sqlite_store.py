"""The SQLite store's files, and what damage does to them."""

from __future__ import annotations

import gc
import logging
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from services.llm.stores import StoreError, sqlite_database
from services.llm.stores.sqlite import SqliteStore
from tests.cache.support import Clock, key_of, mode_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database of a test is."""
    return tmp_path / "cache.db"


def rows(path: Path) -> int:
    with closing(sqlite3.connect(path)) as database:
        count: int = database.execute("SELECT count(*) FROM llm_answers").fetchone()[0]
        return count


def test_nothing_is_made_before_the_first_use(path: Path) -> None:
    SqliteStore(path, ttl=60).close()
    assert not path.exists()


def test_its_files_are_the_owners_alone(path: Path) -> None:
    store = SqliteStore(path, ttl=60)
    store.put(key_of(1), {"n": 1})
    assert {f"cache.db{suffix}": 0o600 for suffix in ("", "-shm", "-wal", ".lock")} == {
        file.name: mode_of(file) for file in path.parent.iterdir()
    }
    store.close()


def test_one_store_sees_what_another_puts(path: Path) -> None:
    with closing(SqliteStore(path, ttl=60)) as one, closing(SqliteStore(path, ttl=60)) as other:
        one.put(key_of(1), {"n": 1})
        assert {"n": 1} == other.get(key_of(1))
        other.put(key_of(1), {"n": 2})
        assert {"n": 2} == one.get(key_of(1))
        assert f"SqliteStore({str(path)!r})" == repr(one)


def test_expired_rows_leave_as_new_ones_come(path: Path, clock: Clock) -> None:
    with closing(SqliteStore(path, ttl=60, clock=clock)) as store:
        for n in range(40):
            store.put(key_of(n), {"n": n})
        clock.now += 60
        for n in range(3):
            store.put(key_of(f"new {n}"), {"n": n})
        assert 3 == rows(path)


def test_expired_rows_leave_at_the_start(path: Path, clock: Clock) -> None:
    with closing(SqliteStore(path, ttl=60, clock=clock)) as store:
        for n in range(40):
            store.put(key_of(n), {"n": n})
    clock.now += 60
    with closing(SqliteStore(path, ttl=60, clock=clock)) as store:
        assert store.get(key_of(1)) is None
        assert 0 == rows(path)


def test_other_tables_of_the_database_stay(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE users (name)")
        database.execute("INSERT INTO users VALUES ('Ada')")
        database.commit()
    with closing(SqliteStore(path, ttl=60)) as store:
        store.put(key_of(1), {"n": 1})
        assert {"n": 1} == store.get(key_of(1))
    with closing(sqlite3.connect(path)) as database:
        assert [("Ada",)] == database.execute("SELECT name FROM users").fetchall()


@pytest.mark.parametrize(
    "content",
    [b"SQLite format 3\x00" * 200 + b"llm_answers", b"\0" * 5000],
    ids=["spoilt", "zeros"],
)
def test_a_damaged_database_of_ours_is_set_aside_with_a_warning(
    path: Path, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    path.write_bytes(content)
    with closing(SqliteStore(path, ttl=60)) as store:
        assert store.get(key_of(1)) is None
        store.put(key_of(1), {"n": 1})
        assert {"n": 1} == store.get(key_of(1))
    assert [content] == [aside.read_bytes() for aside in path.parent.glob("*.damaged-*")]
    assert [logging.WARNING] == [record.levelno for record in caplog.records]


@pytest.mark.parametrize("notices", [True, False], ids=["noticed first", "by the damage"])
def test_a_database_damaged_while_in_use_is_set_aside_with_its_log(
    path: Path, monkeypatch: pytest.MonkeyPatch, notices: bool
) -> None:
    with closing(SqliteStore(path, ttl=60)) as store, closing(SqliteStore(path, ttl=60)) as other:
        for n in range(200):
            store.put(key_of(n), {"padding": "x" * 500})
        other.get(key_of(1))
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        spoilt = bytearray(path.read_bytes())
        spoilt[4096:] = b"\xaa" * (len(spoilt) - 4096)
        path.write_bytes(spoilt)
        store.put(key_of("new"), {"n": 1})
        assert {"n": 1} == store.get(key_of("new"))
        if not notices:  # as where it is replaced between the look at it and its use
            monkeypatch.setattr(other._files, "are_in_place", lambda: True)
        other.put(key_of("newer"), {"n": 2})  # finds the damage too, and the file already replaced
        monkeypatch.undo()
        assert [{"n": 1}, {"n": 2}] == [other.get(key_of("new")), store.get(key_of("newer"))]
    suffixes = [aside.name.rpartition("Z")[2] for aside in path.parent.glob("*.damaged-*")]
    assert ["", "-shm", "-wal"] == sorted(suffixes)


def test_a_damaged_value_is_a_miss(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with closing(SqliteStore(path, ttl=60)) as store:
        store.put(key_of(1), {"n": 1})
        with closing(sqlite3.connect(path)) as database:
            database.execute(
                "UPDATE llm_answers SET line = CAST(replace(line, ':1}', ':2}') AS BLOB)"
            )
            database.commit()
        assert store.get(key_of(1)) is None
    assert "a cached answer is damaged" in caplog.text


def test_a_locked_database_makes_the_store_unavailable(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_database, "LOCK_TIMEOUT", 0.02)
    with closing(SqliteStore(path, ttl=60)) as store, closing(sqlite3.connect(path)) as holder:
        store.put(key_of(1), {"n": 1})
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match=r"cache\.db cannot be used: database is locked"):
            store.put(key_of(2), {"n": 2})
        holder.rollback()
        store.put(key_of(2), {"n": 2})
        assert [{"n": 1}, {"n": 2}] == [store.get(key_of(n)) for n in (1, 2)]


def test_a_folder_that_is_missing_makes_the_store_unavailable(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"missing.*No such file"):
        SqliteStore(tmp_path / "missing" / "cache.db", ttl=60).get(key_of(1))


def test_a_store_that_is_dropped_closes_its_connection(path: Path) -> None:
    store = SqliteStore(path, ttl=60)
    store.put(key_of(1), {"n": 1})
    connection = store._connection
    assert connection is not None
    del store
    gc.collect()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")


def test_a_close_leaves_it_to_who_waits_for_the_database(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_database, "_CLOSING", 0.01)
    store = SqliteStore(path, ttl=60)
    store.put(key_of(1), {"n": 1})
    used: list[sqlite3.Connection] = []

    def wait(connection: sqlite3.Connection) -> None:
        store.close()
        connection.execute("SELECT 1")
        used.append(connection)

    store._run(wait)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        used[0].execute("SELECT 1")
    assert {"n": 1} == store.get(key_of(1))
    store.close()
    assert store._connection is None
