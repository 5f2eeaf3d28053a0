"""The JSON store's file: what it looks like, and how it stays small."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from services.llm.stores import json_log
from services.llm.stores.json_log import JsonStore
from services.llm.stores.locks import PathLock
from tests.cache.support import Clock, key_of, mode_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the log of a test is."""
    return tmp_path / "cache.json"


@pytest.fixture
def log(path: Path, clock: Clock) -> JsonStore:
    """A store on *path* with a ttl of 60 s."""
    return JsonStore(path, ttl=60, clock=clock)


def test_nothing_is_made_before_the_first_put(path: Path, log: JsonStore) -> None:
    assert log.get(key_of(1)) is None
    assert not path.exists()


def test_every_line_of_the_file_is_json(path: Path, log: JsonStore) -> None:
    log.put(key_of(1), {"text": "one\ntwo é"})
    header, entry = map(json.loads, path.read_text("ascii").splitlines())
    assert ("llm-answers", 1) == (header["format"], header["version"])
    assert (key_of(1), 1_000_060.0, {"text": "one\ntwo é"}) == (
        entry["key"],
        entry["expires"],
        entry["value"],
    )


def test_a_put_adds_one_line_and_touches_no_other_byte(path: Path, log: JsonStore) -> None:
    for n in range(20):
        before = path.read_bytes() if n else b""
        log.put(key_of(n), {"n": n})
        assert path.read_bytes().startswith(before)
    assert 21 == path.read_bytes().count(b"\n")


def test_its_files_are_the_owners_alone(path: Path, log: JsonStore) -> None:
    os.umask(old := os.umask(0))
    try:
        os.umask(0)
        log.put(key_of(1), {"n": 1})
        assert {"cache.json": 0o600, "cache.json.lock": 0o600} == {
            file.name: mode_of(file) for file in path.parent.iterdir()
        }
    finally:
        os.umask(old)


def test_one_store_sees_what_another_appends(path: Path, log: JsonStore, clock: Clock) -> None:
    other = JsonStore(path, ttl=60, clock=clock)
    for n in range(3):
        log.put(key_of("shared"), {"n": n})
        assert {"n": n} == other.get(key_of("shared"))
        other.put(key_of(n), {"n": n})
        assert {"n": n} == log.get(key_of(n))


def test_a_relative_path_stays_where_it_was_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = JsonStore("cache.json", ttl=60)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    store.put(key_of(1), {"n": 1})
    assert (tmp_path / "cache.json").exists()
    assert f"JsonStore({str(tmp_path / 'cache.json')!r})" == repr(store)


def test_a_line_longer_than_a_read_is_found(
    path: Path, log: JsonStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_log, "_CHUNK", 100)
    for n, size in enumerate((10, 5000, 50)):
        log.put(key_of(n), {"text": "x" * size})
    fresh = JsonStore(path, ttl=60, clock=clock)
    assert [10, 5000, 50] == [len((fresh.get(key_of(n)) or {})["text"]) for n in range(3)]


def test_dead_lines_never_outweigh_the_live_ones_for_long(path: Path, log: JsonStore) -> None:
    for n in range(500):
        log.put(key_of(n % 5), {"n": n, "text": "x" * 2000})
        assert path.stat().st_size < 2 * 2500 * 5 + json_log._LEAST_GARBAGE + 2500
    assert list(range(495, 500)) == [(log.get(key_of(n)) or {})["n"] for n in range(5)]


def test_expired_lines_leave_the_file(path: Path, log: JsonStore, clock: Clock) -> None:
    for n in range(100):
        log.put(key_of(n), {"text": "x" * 2000})
    clock.now += 60
    log.put(key_of("new"), {"n": 1})
    for n in range(10):  # each put forgets a few
        log.put(key_of("new"), {"n": n})
    assert path.stat().st_size < 10_000
    assert {"n": 9} == log.get(key_of("new"))


def test_lines_that_expired_before_the_start_leave_at_the_first_put(
    path: Path, log: JsonStore, clock: Clock
) -> None:
    for n in range(100):
        log.put(key_of(n), {"text": "x" * 2000})
    clock.now += 60
    JsonStore(path, ttl=60, clock=clock).put(key_of("new"), {"n": 1})
    assert path.stat().st_size < 1000


def test_a_few_lines_that_expired_before_the_start_leave_too(
    path: Path, log: JsonStore, clock: Clock
) -> None:
    for n in range(3):
        log.put(key_of(n), {"text": f"old {n}"})
    clock.now += 61
    JsonStore(path, ttl=60, clock=clock).put(key_of(9), {"text": "new"})
    assert (2, True) == (len(path.read_bytes().splitlines()), b"old" not in path.read_bytes())


def test_lines_that_expired_before_the_start_leave_when_the_file_is_first_read(
    path: Path, log: JsonStore, clock: Clock
) -> None:
    log.put(key_of(1), {"text": "old"})
    clock.now += 30
    log.put(key_of(2), {"text": "young"})
    clock.now += 31
    store = JsonStore(path, ttl=60, clock=clock)
    assert {"text": "young"} == store.get(key_of(2))
    assert b"old" not in (content := path.read_bytes())
    clock.now += 28
    assert {"text": "young"} == store.get(key_of(2))
    assert content == path.read_bytes()
    store.close()
    clock.now += 2
    assert store.get(key_of(1)) is None
    assert 1 == len(path.read_bytes().splitlines())


def test_a_file_that_another_writes_to_is_pruned_later_and_not_waited_for(
    path: Path, log: JsonStore, clock: Clock
) -> None:
    log.put(key_of(1), {"text": "old"})
    log.put(key_of(2), {"text": "old"})
    clock.now += 61
    store = JsonStore(path, ttl=60, clock=clock)
    with PathLock(path).held():
        assert store.get(key_of(1)) is None
        assert b"old" in path.read_bytes()
    assert store.get(key_of(1)) is None
    assert b"old" not in path.read_bytes()


def test_compaction_keeps_what_lives_drops_what_is_damaged_and_leaves_no_draft(
    path: Path, log: JsonStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(10):
        log.put(key_of(n), {"n": n})
    path.write_bytes(path.read_bytes().replace(b'"value":{"n":3}', b'"value":{"n":4}'))
    (path.parent / "cache.json.tmp").write_bytes(b"left by a writer that was killed")
    monkeypatch.setattr(json_log, "_LEAST_GARBAGE", 0)
    log._retry_compaction_above = 0
    for _ in range(12):
        log.put(key_of("again"), {"n": -1})
    assert [{"n": n} if n != 3 else None for n in range(10)] == [
        log.get(key_of(n)) for n in range(10)
    ]
    assert {"cache.json", "cache.json.lock"} == {file.name for file in path.parent.iterdir()}
    assert 0o600 == mode_of(path)
    assert path.read_bytes().count(b"\n") < 23


def test_a_reader_notices_that_the_log_was_replaced_by_one_as_long(
    path: Path, log: JsonStore, clock: Clock
) -> None:
    log.put(key_of(1), {"n": 1})
    assert {"n": 1} == log.get(key_of(1))
    path.unlink()
    JsonStore(path, ttl=60, clock=clock).put(key_of(2), {"n": 2})
    assert [None, {"n": 2}] == [log.get(key_of(1)), log.get(key_of(2))]


def test_a_failed_compaction_fails_no_put(
    path: Path, log: JsonStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "a reader has it open")

    monkeypatch.setattr(json_log, "_LEAST_GARBAGE", 0)
    log.put(key_of(1), {"n": 0})
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", refuse)
        for n in range(1, 6):
            log.put(key_of(1), {"n": n})
    assert {"n": 5} == log.get(key_of(1))
    assert 2 == caplog.text.count(
        "could not be compacted"
    )  # at 2 dead lines, and past twice as many
    assert not (path.parent / "cache.json.tmp").exists()


def test_short_writes_are_completed(
    path: Path, log: JsonStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []

    class Dribble:
        def write(self, data: memoryview) -> int:
            written.append(bytes(data[:7]))
            return len(written[-1])

    json_log._write_all(Dribble(), b"twenty bytes of data")  # type: ignore[arg-type]  # all it uses
    assert [b"twenty ", b"bytes o", b"f data"] == written
