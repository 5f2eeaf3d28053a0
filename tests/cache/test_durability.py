"""What reaches the disk, and when: seen by the calls that are made."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from services.llm.stores import json_log
from services.llm.stores.files import replace_file
from services.llm.stores.json_log import JsonStore
from services.llm.stores.sqlite import SqliteStore
from tests.cache.support import Clock, key_of


class Disk:
    """Notes each sync, with what the file held by then, and each change of a name."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[str, bytes]] = []
        sync, rename = os.fsync, os.replace

        def synced(handle: int) -> None:
            sync(handle)
            self.calls.append(("sync", Path(f"/proc/self/fd/{handle}").resolve().read_bytes()))

        def renamed(source: Path, target: Path) -> None:
            content = Path(source).read_bytes()
            rename(source, target)
            self.calls.append(("rename", content))

        monkeypatch.setattr(os, "fsync", synced)
        monkeypatch.setattr(os, "replace", renamed)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    """The recorder, from here on."""
    return Disk(monkeypatch)


def test_a_durable_file_is_on_the_disk_before_it_has_its_name(tmp_path: Path, disk: Disk) -> None:
    replace_file(tmp_path / "file", [b"one ", b"two"], durable=True)
    assert [("sync", b"one two"), ("rename", b"one two")] == disk.calls


def test_another_file_waits_for_no_disk(tmp_path: Path, disk: Disk) -> None:
    replace_file(tmp_path / "file", [b"one"])
    assert [("rename", b"one")] == disk.calls


def test_a_compacted_log_is_on_the_disk_before_it_takes_the_old_ones_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, disk: Disk
) -> None:
    monkeypatch.setattr(json_log, "_LEAST_GARBAGE", 0)
    store = JsonStore(tmp_path / "log", ttl=60)
    store.put(key_of(1), {"n": 1})
    disk.calls.clear()
    for n in range(2, 4):
        store.put(key_of(1), {"n": n})
    (synced, content), renamed = disk.calls
    assert ("sync", ("rename", content)) == (synced, renamed)
    assert content == (tmp_path / "log").read_bytes()


def test_a_database_is_written_ahead_and_synced_at_checkpoints(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "db", ttl=60)
    store.put(key_of(1), {"n": 1})
    database = store._connection
    assert database is not None
    # 1 is NORMAL: https://sqlite.org/pragma.html#pragma_synchronous
    assert [("wal",), (1,)] == [
        database.execute(f"PRAGMA {name}").fetchone() for name in ("journal_mode", "synchronous")
    ]
    store.close()


@pytest.fixture
def three(tmp_path: Path, clock: Clock) -> JsonStore:
    """A store that has read a log of three entries."""
    store = JsonStore(tmp_path / "log", ttl=60, clock=clock)
    for n in range(3):
        store.put(key_of(n), {"n": n})
    return store


def found(store: JsonStore) -> list[object]:
    return [store.get(key_of(n)) for n in range(4)]


def test_a_log_cut_back_behind_what_was_read_is_read_again(
    tmp_path: Path, three: JsonStore, clock: Clock
) -> None:
    lines = (tmp_path / "log").read_bytes().splitlines(keepends=True)
    os.truncate(tmp_path / "log", len(b"".join(lines[:2])))
    assert [{"n": 0}, None, None, None] == found(three)
    # Shorter than before, so that a reader who still waited at the old end would not see it.
    JsonStore(tmp_path / "log", ttl=60, clock=clock).put(key_of(3), {"n": 3})
    assert [{"n": 0}, None, None, {"n": 3}] == found(three)


def test_a_log_cut_back_while_nobody_looks_and_grown_again_gives_no_wrong_answer(
    tmp_path: Path, three: JsonStore, clock: Clock
) -> None:
    lines = (tmp_path / "log").read_bytes().splitlines(keepends=True)
    os.truncate(tmp_path / "log", len(b"".join(lines[:2])))
    other = JsonStore(tmp_path / "log", ttl=60, clock=clock)
    for n in range(4, 8):
        other.put(key_of(n), {"n": n})
    assert all(value in (None, {"n": n}) for n, value in enumerate(found(three)))


def test_a_log_cut_back_to_its_header_or_less_is_a_new_one(
    tmp_path: Path, three: JsonStore
) -> None:
    os.truncate(tmp_path / "log", 30)
    assert [None] * 4 == found(three)
    three.put(key_of(3), {"n": 3})
    assert [None, None, None, {"n": 3}] == found(three)
