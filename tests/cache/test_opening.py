"""Which URL opens which store."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from services.llm import stores
from services.llm.redaction.secrets import without_credentials
from services.llm.stores import open_store
from tests.cache.support import BACKEND, Clock, key_of, unmeasured


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("json:a.json", "JsonStore('{here}/a.json')"),
        ("JSON:sub/a.json", "JsonStore('{here}/sub/a.json')"),
        ("json:/x/a.json", "JsonStore('/x/a.json')"),
        ("a.json", "JsonStore('{here}/a.json')"),
        ("C:\\a.json", "JsonStore('{here}/C:\\\\a.json')"),
        (Path("json:odd"), "JsonStore('{here}/json:odd')"),
        ("json:~/a.json", "JsonStore('{here}/home/a.json')"),
        ("sqlite:a.db", "SqliteStore('{here}/a.db')"),
        ("redis://:pw@host:1/2", "RedisStore('redis://host:1/2')"),
        ("rediss://u:pw@host/2?socket_timeout=1", "RedisStore('rediss://host/2')"),
        ("memory:", "MemoryStore(capacity=10000)"),
    ],
)
def test_a_url_names_a_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str | Path, expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    store = open_store(url, ttl=60)
    assert f"FaultTolerantStore({expected.replace('{here}', str(tmp_path))})" == repr(store)
    assert [] == list(tmp_path.iterdir())
    store.close()


@pytest.mark.parametrize(
    "url",
    ["", "json:", "sqlite:", "sqlite::memory:", "memory:x", "mongodb://h/x", "redis:h", "http:x"],
)
def test_any_other_url_is_refused_with_the_forms_that_are_right(url: str) -> None:
    with pytest.raises(
        ValueError, match=r"cache URL must be a path, json:path, .* or memory:"
    ) as caught:
        open_store(url, ttl=60)
    assert repr(url) in str(caught.value)


@pytest.mark.parametrize("ttl", [0, -1, float("nan"), float("inf"), 1e12, True, "60", None])
@pytest.mark.parametrize("url", ["a.json", "sqlite:a.db", "redis://host", "memory:"])
def test_a_ttl_that_is_no_span_of_time_is_refused(url: str, ttl: float) -> None:
    with pytest.raises(ValueError, match="ttl must be a number of seconds above 0"):
        open_store(url, ttl=ttl)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://user:secret@host:1/2?password=secret", "redis://host:1/2"),
        ("redis://[::1]:1/2", "redis://[::1]:1/2"),
        ("redis://:sec/ret@host", "redis://..."),
        ("redis://:sec?ret@host", "redis://..."),
        ("redis://:sec#ret@host", "redis://..."),
        ("redis://host?password=secr@et", "redis://..."),
        ("redis://host:secret", "redis://..."),
        ("redis://[secret", "redis://..."),
        ("redis://", "redis://"),
        ("redis:user:secret@host", "redis:..."),
        ("redis//user:secret@host", "..."),
        ("redis/:secret@host", "..."),
        ("re dis://:secret@host", "..."),
        ("memory:x", "memory:x"),
        ("a/path@b", "a/path@b"),
        ("nothing", "nothing"),
        ("no url: me@host", "no url: me@host"),
    ],
)
def test_a_url_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert shown == without_credentials(url)


def test_a_refused_url_is_shown_without_its_secrets() -> None:
    with pytest.raises(ValueError, match="not 'mongodb://host/db'"):
        open_store("mongodb://me:hush@host/db", ttl=60)


@pytest.mark.parametrize("kind", ["", "json:", "sqlite:", "redis://"])
@pytest.mark.parametrize("path", ["a\0b", "a\ud800b"])
def test_a_path_that_no_system_takes_is_refused(kind: str, path: str) -> None:
    with pytest.raises(ValueError, match="a path holds no"):
        open_store(kind + path, ttl=1.0)


@pytest.mark.parametrize("kind", ["", "json:", "sqlite:"])
@pytest.mark.parametrize(
    ("path", "reason"),
    [
        *((path, "is a folder: give a file's path") for path in ("/", ".", "..", "a/..")),
        ("~nobody-of-this-name/a", "cannot be a file's path"),
    ],
)
def test_a_path_that_can_be_no_files_is_refused(kind: str, path: str, reason: str) -> None:
    with pytest.raises(ValueError, match=f"^'{re.escape(path)}' {reason}"):
        open_store(kind + path, ttl=1.0)


def test_the_clock_and_the_ttl_reach_the_store(tmp_path: Path, clock: Clock) -> None:
    store = open_store(tmp_path / "a.json", ttl=10, clock=clock)
    store.put(key_of(1), {"n": 1})
    clock.now += 9
    assert {"n": 1} == store.get(key_of(1))
    clock.now += 1
    assert store.get(key_of(1)) is None


def test_the_package_has_no_other_names() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Cupboard'"):
        stores.Cupboard  # noqa: B018 - to look it up is what fails


def test_no_database_is_imported_before_a_url_asks_for_it() -> None:
    program = (
        "import sys; from services.llm.stores import open_store; open_store('memory:', ttl=1);"
        " print({'sqlite3', 'redis', 'asyncio'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=BACKEND,
        capture_output=True,
        text=True,
        check=True,
        env=unmeasured(),
    )
    assert "set()\n" == done.stdout
