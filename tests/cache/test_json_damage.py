"""What damage to the JSON store's file costs: as little as can be."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

import pytest

from services.llm.stores import StoreError, json_log
from services.llm.stores.entry import encode_entry
from services.llm.stores.json_log import JsonStore
from tests.cache.support import Clock, key_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the log of a test is."""
    return tmp_path / "cache.json"


@pytest.fixture
def log(path: Path, clock: Clock) -> JsonStore:
    """A store on *path* with a ttl of 60 s."""
    return JsonStore(path, ttl=60, clock=clock)


SPOILT = b'{"format":"llm-answers", spoilt'


def asides(path: Path) -> list[Path]:
    return sorted(path.parent.glob(f"{path.name}.damaged-*"))


DAMAGED = {
    "zeros": b"\0" * 4096,
    "half a header": b'{"format":"llm-ans',
    "another version": b'{"format":"llm-answers","version":9,"log":"0123456789abcdef"}\n',
    "a header of zeros": b"\0" * 61 + b"\n" + encode_entry(key_of(1), {"n": 1}, 9e9) + b"\n",
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
@pytest.mark.parametrize("first", ["get", "put"])
def test_a_damaged_log_is_set_aside_whole_with_a_warning(
    path: Path, log: JsonStore, caplog: pytest.LogCaptureFixture, content: bytes, first: str
) -> None:
    path.write_bytes(content)
    if first == "get":
        assert log.get(key_of(1)) is None
    log.put(key_of(1), {"n": 1})
    assert {"n": 1} == log.get(key_of(1))
    assert [content] == [aside.read_bytes() for aside in asides(path)]
    assert [logging.WARNING] == [record.levelno for record in caplog.records]
    assert asides(path)[0].name in caplog.text


def test_an_empty_file_is_the_beginning_of_a_log(
    path: Path, log: JsonStore, caplog: pytest.LogCaptureFixture
) -> None:
    path.touch()
    log.put(key_of(1), {"n": 1})
    assert {"n": 1} == log.get(key_of(1))
    assert ([], []) == (asides(path), caplog.records)


def test_a_log_spoilt_while_in_use_is_set_aside_too(path: Path, log: JsonStore) -> None:
    log.put(key_of(1), {"n": 1})
    path.write_bytes(SPOILT)
    log.put(key_of(2), {"n": 2})
    assert [None, {"n": 2}] == [log.get(key_of(1)), log.get(key_of(2))]
    assert [SPOILT] == [aside.read_bytes() for aside in asides(path)]


def test_a_log_set_aside_by_another_meanwhile_stays(
    path: Path, log: JsonStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    class LockAfterAnother:
        @contextmanager
        def held(self) -> Iterator[None]:
            JsonStore(path, ttl=60, clock=clock).put(key_of(1), {"n": 1})
            yield

    path.write_bytes(SPOILT)
    monkeypatch.setattr(log, "_file_lock", LockAfterAnother())
    assert log.get(key_of(1)) is None
    assert {"n": 1} == log.get(key_of(1))
    assert 1 == len(asides(path))


def test_a_removed_log_is_begun_anew(path: Path, log: JsonStore) -> None:
    log.put(key_of(1), {"n": 1})
    path.unlink()
    assert log.get(key_of(1)) is None
    log.put(key_of(2), {"n": 2})
    assert [None, {"n": 2}] == [log.get(key_of(1)), log.get(key_of(2))]


def test_a_torn_last_line_is_healed_by_the_next_put(
    path: Path, log: JsonStore, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for n in range(3):
        log.put(key_of(n), {"n": n})
    os.truncate(path, path.stat().st_size - 10)
    fresh = JsonStore(path, ttl=60, clock=clock)
    assert [{"n": 0}, {"n": 1}, None] == [fresh.get(key_of(n)) for n in range(3)]
    fresh.put(key_of(3), {"n": 3})
    for store in (fresh, JsonStore(path, ttl=60, clock=clock)):
        assert [{"n": 0}, {"n": 1}, None, {"n": 3}] == [store.get(key_of(n)) for n in range(4)]
    assert "damaged lines skipped: 1" in caplog.text
    assert [] == asides(path)


def test_a_torn_line_does_not_cost_the_one_it_was_to_replace(
    path: Path, log: JsonStore, clock: Clock
) -> None:
    for n in range(2):
        log.put(key_of("same"), {"n": n})
    os.truncate(path, path.stat().st_size - 3)
    fresh = JsonStore(path, ttl=60, clock=clock)
    assert {"n": 0} == fresh.get(key_of("same"))
    fresh.put(key_of("other"), {})
    for store in (fresh, JsonStore(path, ttl=60, clock=clock)):
        assert {"n": 0} == store.get(key_of("same"))


def test_damage_amid_the_log_costs_only_its_own_line(
    path: Path, log: JsonStore, caplog: pytest.LogCaptureFixture
) -> None:
    for n in range(3):
        log.put(key_of(n), {"text": f"answer {n}"})
    path.write_bytes(path.read_bytes().replace(b"answer 1", b"answer 7"))
    assert [{"text": "answer 0"}, None, {"text": "answer 2"}] == [
        log.get(key_of(n)) for n in range(3)
    ]
    assert "a cached answer is damaged" in caplog.text
    assert log.get(key_of(1)) is None
    assert 1 == len(caplog.records)


def test_a_folder_that_is_missing_makes_the_store_unavailable(tmp_path: Path) -> None:
    store = JsonStore(tmp_path / "missing" / "cache.json", ttl=60)
    assert store.get(key_of(1)) is None
    with pytest.raises(StoreError, match=r"missing.*No such file") as caught:
        store.put(key_of(1), {})
    assert isinstance(caught.value.__cause__, FileNotFoundError)


def test_a_full_disk_makes_the_store_unavailable_and_costs_one_put(
    path: Path, log: JsonStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.put(key_of(1), {"n": 1})

    def half(file: FileIO, data: bytes) -> None:
        file.write(data[:30])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(json_log, "_write_all", half)
        with pytest.raises(StoreError, match="No space left"):
            log.put(key_of(2), {"n": 2})
    log.put(key_of(3), {"n": 3})
    assert [{"n": 1}, None, {"n": 3}] == [log.get(key_of(n)) for n in (1, 2, 3)]
