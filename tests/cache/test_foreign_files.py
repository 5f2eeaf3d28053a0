"""A place that names what was never ours: it is refused by name, and left byte for byte."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from services.llm.stores import BudgetFile, Store, StoreError, open_store
from services.llm.stores.json_log import JsonStore
from services.llm.stores.locks import PathLock
from services.llm.stores.sqlite import SqliteStore
from tests.cache.support import key_of

NOON = 1_795_348_800.0

#: Each thing that keeps something at a path, and a first use that writes there.
WRITERS: dict[str, Callable[[Path], object]] = {
    "json": lambda path: JsonStore(path, ttl=60).put(key_of(1), {"n": 1}),
    "sqlite": lambda path: SqliteStore(path, ttl=60).put(key_of(1), {"n": 1}),
    "budget": lambda path: BudgetFile(path).add(5, NOON),
}
READERS: dict[str, Callable[[Path], object]] = {
    "json": lambda path: JsonStore(path, ttl=60).get(key_of(1)),
    "sqlite": lambda path: SqliteStore(path, ttl=60).get(key_of(1)),
    "budget": lambda path: BudgetFile(path).used(NOON),
}
FOREIGN = {
    "notes": b"milk, eggs\n",
    "a program": b"#!/bin/sh\necho hello\n",
    "bytes": bytes(range(256)) * 50,
    "a list": b"[]",
    "another program's settings": b'{"name": "app", "version": "1.0"}',
    "JSON lines": b'{"sum": 1}\n{"sum": 2}\n',
    "another encoding": '{"format":"llm-answers"}'.encode("utf-16"),
    "deep JSON": b"[" * 100_000,
    "half a program": b'{"form',
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where something of another's lies."""
    return tmp_path / "precious"


def others(path: Path) -> list[str]:
    """The files beside *path*, locks apart."""
    names = [file.name for file in path.parent.iterdir()]
    return sorted(name for name in names if not name.endswith(".lock") and name != path.name)


@pytest.mark.parametrize("uses", [WRITERS, READERS], ids=["write", "read"])
@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("content", [v for k, v in FOREIGN.items() if k != "half a program"])
def test_a_file_that_was_never_ours_is_refused_by_name_and_stays(
    path: Path, content: bytes, kind: str, uses: dict[str, Callable[[Path], object]]
) -> None:
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"precious cannot be used: it is not .*, and stays"):
        uses[kind](path)
    assert content == path.read_bytes()
    assert ["precious"] == os.listdir(path.parent)


@pytest.mark.parametrize("uses", [WRITERS, READERS], ids=["write", "read"])
@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("target", [b"theirs", b"", None], ids=["a file", "an empty file", "none"])
def test_no_link_is_followed(
    path: Path,
    tmp_path: Path,
    target: bytes | None,
    kind: str,
    uses: dict[str, Callable[[Path], object]],
) -> None:
    elsewhere = tmp_path / "elsewhere"
    if target is not None:
        elsewhere.write_bytes(target)
    path.symlink_to(elsewhere)
    with pytest.raises(StoreError, match="precious is a link, and no link is followed"):
        uses[kind](path)
    assert path.is_symlink()
    assert target == (elsewhere.read_bytes() if elsewhere.exists() else None)


def test_a_folder_that_is_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    JsonStore(tmp_path / "link" / "cache", ttl=60).put(key_of(1), {"n": 1})
    assert {"n": 1} == JsonStore(tmp_path / "real" / "cache", ttl=60).get(key_of(1))


@pytest.mark.parametrize("suffix", ["-wal", "-shm"])
def test_no_link_beside_a_database_is_followed(path: Path, tmp_path: Path, suffix: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"theirs")
    path.with_name(path.name + suffix).symlink_to(elsewhere)
    with pytest.raises(StoreError, match=rf"precious{suffix} is a link"):
        WRITERS["sqlite"](path)
    assert b"theirs" == elsewhere.read_bytes()


def test_no_link_in_place_of_a_lock_is_followed(path: Path, tmp_path: Path) -> None:
    path.with_name("precious.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic link"), PathLock(path).held():
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_no_link_in_place_of_a_draft_is_followed(path: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"theirs")
    path.with_name("precious.tmp").symlink_to(elsewhere)
    assert 5 == BudgetFile(path).add(5, NOON)
    assert b"theirs" == elsewhere.read_bytes()


def test_a_damaged_database_without_our_table_stays(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE users (name)")
        database.executemany("INSERT INTO users VALUES (?)", [("x" * 500,)] * 100)
        database.commit()
    content = bytearray(path.read_bytes())
    content[100:] = b"\xaa" * (len(content) - 100)
    path.write_bytes(content)
    for use in (READERS, WRITERS):
        with pytest.raises(StoreError, match="it is not an SQLite database with a table of ans"):
            use["sqlite"](path)
    assert bytes(content) == path.read_bytes()
    assert [] == others(path)


def test_an_authorization_error_of_sqlite_is_no_damage(path: Path) -> None:
    def refuse(*_: object) -> int:
        return sqlite3.SQLITE_DENY

    store = SqliteStore(path, ttl=60)
    store.put(key_of(1), {"n": 1})
    store._connection.set_authorizer(refuse)  # type: ignore[union-attr]  # put has opened it
    with pytest.raises(StoreError, match="precious cannot be used: not authorized"):
        store.get(key_of(1))
    assert {"n": 1} == store.get(key_of(1))
    store.close()
    assert [] == others(path)


OLDER = {
    "hashes to texts": {key_of(n): f"answer {n}" for n in range(3)},
    "hashes to entries": {key_of(1): {"response": "kept", "timestamp": 1.0}},
    "short hashes": {"d41d8cd98f00b204e9800998ecf8427e": ["answer", 1.0]},
    "prompts to dated entries": {"Why?": {"text": "Because.", "expires_at": 1.0}},
    "entries in a fold": {"version": 1, "entries": {key_of(1): {"value": "kept"}}},
}


@pytest.mark.parametrize("document", OLDER.values(), ids=OLDER)
@pytest.mark.parametrize("first", ["get", "put"])
def test_an_older_cache_rewritten_as_a_whole_is_set_aside_by_name(
    path: Path, caplog: pytest.LogCaptureFixture, document: object, first: str
) -> None:
    content = json.dumps(document, indent=2).encode()
    path.write_bytes(content)
    store: Store = open_store(path, ttl=60)
    if first == "get":
        assert store.get(key_of(1)) is None
    store.put(key_of(1), {"n": 1})
    assert {"n": 1} == store.get(key_of(1))
    (aside,) = path.parent.glob("precious.older-*")
    assert content == aside.read_bytes()
    assert [logging.WARNING] == [record.levelno for record in caplog.records]
    assert aside.name in caplog.text


@pytest.mark.parametrize("document", [{}, {"entries": {}}, {"entries": 7}, {"a": {"b": 1}}, 7])
def test_other_json_is_no_older_cache(path: Path, document: object) -> None:
    path.write_bytes(content := json.dumps(document).encode())
    with pytest.raises(StoreError, match="it is not a cache of answers"):
        WRITERS["json"](path)
    assert content == path.read_bytes()


def test_a_place_that_is_refused_fails_no_call_and_warns_once(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.write_bytes(b"theirs")
    store = open_store(path, ttl=60)
    store.put(key_of(1), {"n": 1})
    assert store.get(key_of(1)) is None
    assert [logging.WARNING] == [record.levelno for record in caplog.records]
    assert "precious cannot be used: it is not a cache of answers, and stays" in caplog.text
