"""Each kind of store keeps the same sums."""

from __future__ import annotations

import errno
import json
import logging
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from io import FileIO
from pathlib import Path
from typing import Any

import pytest
import redis

from services.llm.call.usage_recorder import UsageRecorder
from services.llm.errors import ConfigurationError
from services.llm.ledger import json_usage
from services.llm.ledger.json_usage import JsonUsage
from services.llm.ledger.ledger import Ledger
from services.llm.ledger.opening import ledger_at
from services.llm.ledger.redis_usage import RedisUsage
from services.llm.ledger.sqlite_usage import SqliteUsage
from services.llm.ledger.store import MemoryUsageStore, UsageBatch, UsageStore
from services.llm.ledger.usage import UsageEntry, UsageKey, UsageSums
from services.llm.stores import StoreError, appended_file, utc_day
from services.llm.types import Reply
from tests.call.scripted import Clock, account

TODAY, TOMORROW = "2026-11-26", "2026-11-27"
ACME = UsageKey(
    TODAY, "groq", 'model\u2028"a', "flex", (("tenant", "acme"), ("user", "J\u00f3zef"))
)
PLAIN = UsageKey(TOMORROW, "bedrock", "b")
ONE = UsageSums(calls=1, attempts=2, input_tokens=30, cost=7)


def batch(*entries: tuple[UsageKey, UsageSums]) -> UsageBatch:
    return UsageBatch(tuple(UsageEntry(*each) for each in entries))


def kept(store: UsageStore, first: str = TODAY, last: str = TOMORROW) -> dict[UsageKey, UsageSums]:
    return {each.key: each.sums for each in store.read(first, last)}


@pytest.fixture(params=["memory", "json", "sqlite", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[UsageStore]:
    """A store of each kind, empty."""
    if request.param == "redis":
        url: str = request.getfixturevalue("redis_url")
        with redis.Redis.from_url(url) as client:
            for name in client.scan_iter("llm-usage:*"):
                client.delete(name)
        made: UsageStore = RedisUsage(url)
    else:
        makers: dict[str, Any] = {
            "memory": MemoryUsageStore,
            "json": lambda: JsonUsage(tmp_path / "usage.jsonl"),
            "sqlite": lambda: SqliteUsage(tmp_path / "usage.db"),
        }
        made = makers[request.param]()
    yield made
    made.close()


def test_sums_add_up_by_key_and_day(store: UsageStore) -> None:
    assert {} == kept(store)
    store.add(batch((ACME, ONE), (PLAIN, ONE)))
    store.add(batch((ACME, ONE)))
    assert {ACME: ONE + ONE, PLAIN: ONE} == kept(store)
    assert {PLAIN: ONE} == kept(store, TOMORROW)
    assert {} == kept(store, "2026-11-20", "2026-11-25")


def test_sums_outlive_the_connection(store: UsageStore) -> None:
    store.add(batch((ACME, ONE)))
    store.close()
    assert {ACME: ONE} == kept(store)


def test_a_call_that_failed_and_one_that_was_kept_are_written_each_by_itself(
    store: UsageStore,
) -> None:
    ledger, shared = Ledger(store), account(Clock())
    for reply in (None, Reply("", "m", "groq", cached=True)):
        UsageRecorder(ledger, shared, {}).call_ended(reply)
        ledger.flush()
    day = utc_day(shared.wall())
    entries = store.read(day, day)
    assert [(1, 1, 0), (1, 0, 1)] == [
        (each.sums.calls, each.sums.failed, each.sums.cached)
        for each in sorted(entries, key=lambda entry: entry.key)
    ]


def test_what_a_providers_batch_has_used_is_added_once(store: UsageStore) -> None:
    once = UsageBatch((UsageEntry(ACME, ONE), UsageEntry(PLAIN, ONE)), "groq:batch_1")
    assert [True, False] == [store.add_once(once, TODAY) for _ in range(2)]
    store.close()
    assert not store.add_once(once, TOMORROW)
    assert store.add_once(UsageBatch((), "groq:batch_2"), TODAY)
    assert {ACME: ONE, PLAIN: ONE} == kept(store)


def test_a_batch_is_new_though_its_note_cannot_be_dropped_from_redis(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise redis.ConnectionError("gone")

    store = RedisUsage(redis_url)
    monkeypatch.setattr(store._server.client, "delete", failing)
    once = UsageBatch((UsageEntry(ACME, ONE),), "groq:batch_whose_note_stays")
    assert [True, False] == [store.add_once(once, TODAY) for _ in range(2)]
    store.close()


def test_of_threads_that_read_the_same_batch_one_adds_it(store: UsageStore) -> None:
    with ThreadPoolExecutor(8) as threads:
        once = UsageBatch((UsageEntry(ACME, ONE),), "groq:batch_1")
        added = list(threads.map(lambda _: store.add_once(once, TODAY), range(16)))
    assert (1, {ACME: ONE}) == (sum(added), kept(store))


def test_a_note_is_kept_until_the_batch_is_added(store: UsageStore) -> None:
    assert "" == store.note_of("groq:batch_1")
    for note in ("before", 'a "note" of J\u00f3zef\u2028'):
        store.keep_note("groq:batch_1", TODAY, note)
    store.close()
    assert note == store.note_of("groq:batch_1")
    assert store.add_once(UsageBatch((), "groq:batch_1"), TODAY)
    assert "" == store.note_of("groq:batch_1")
    assert {} == kept(store)


def test_a_batch_of_long_ago_is_forgotten(tmp_path: Path) -> None:
    stores: tuple[UsageStore, ...] = (
        SqliteUsage(tmp_path / "usage.db"),
        JsonUsage(tmp_path / "usage.jsonl", small=1),
    )
    for store in stores:
        store.keep_note("groq:old", "2025-01-01", "old")
        store.keep_note("groq:new", TODAY, "new")
        store.add_once(UsageBatch((UsageEntry(ACME, ONE),), "groq:newer"), TODAY)
        store.keep_note("groq:newest", TODAY, "x" * 1000)
        assert ["", "new", ""] == [store.note_of(f"groq:{n}") for n in ("old", "new", "newer")]
        assert not store.add_once(UsageBatch((), "groq:newer"), TODAY)
        assert {ACME: ONE} == kept(store)
        store.close()


@pytest.mark.parametrize(
    "line",
    [
        b'{"llm_usage":"groq:batch_1"}',
        b'{"llm_usage":"groq:batch_1","day":"yesterday"}',
        b'{"llm_usage":"groq:batch_1","day":"2026-11-26","note":7}',
        b'{"llm_usage":"groq:batch_1","day":"2026-11-26","entries":[[1,2]]}',
        b'{"llm_usage":"groq:batch_1","day":"2026-11-26","entries":[[["2026-11-26","g","m","","{}"],'
        b'{"calls":1}],[["2026-11-26","g","m","","{}"],{"calls":-1}]]}',
        b'{"llm_usage":"groq:batch_1","day":"2026-11-26","more":1}',
    ],
)
def test_a_line_that_holds_no_batch_is_left_out_as_a_whole(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "usage.jsonl").write_bytes(line + b"\n")
    with closing(JsonUsage(tmp_path / "usage.jsonl")) as store:
        assert {} == kept(store)
        assert store.add_once(UsageBatch((), "groq:batch_1"), TODAY)


def test_a_torn_line_of_a_batch_is_added_again(tmp_path: Path) -> None:
    once = UsageBatch((UsageEntry(ACME, ONE), UsageEntry(PLAIN, ONE)), "groq:batch_1")
    with closing(JsonUsage(tmp_path / "usage.jsonl")) as store:
        assert store.add_once(once, TODAY)
        whole = store.path.read_bytes()
        for end in range(len(whole) - 1):
            store.path.write_bytes(whole[:end])
            assert store.add_once(once, TODAY)
            assert {ACME: ONE, PLAIN: ONE} == kept(store)


def test_two_lines_of_one_batch_count_once(tmp_path: Path) -> None:
    with closing(JsonUsage(tmp_path / "usage.jsonl")) as store:
        store.add_once(UsageBatch((UsageEntry(ACME, ONE),), "groq:batch_1"), TODAY)
        store.path.write_bytes(2 * store.path.read_bytes())  # two files that were put together
        assert {ACME: ONE} == kept(store)


def test_memory_remembers_the_latest_batches(tmp_path: Path) -> None:
    store = MemoryUsageStore(most_keys=2)
    for number in range(4):
        store.keep_note(f"n{number}", TODAY, "a note")
        store.add_once(UsageBatch((), f"b{number}"), TODAY)
    assert ["", "a note"] == [store.note_of(each) for each in ("n1", "n2")]
    assert [True, False] == [store.add_once(UsageBatch((), each), TODAY) for each in ("b1", "b3")]


def test_a_batch_that_is_sent_again_to_redis_counts_once(redis_url: str) -> None:
    store, once = RedisUsage(redis_url), batch((UsageKey("2026-01-01", "groq", "m"), ONE))
    store.add(once)
    store.add(once)
    assert [ONE] == list(kept(store, "2026-01-01", "2026-01-01").values())
    with redis.Redis.from_url(redis_url) as client:
        assert 399 * 86_400 < client.ttl("llm-usage:2026-01-01") <= 400 * 86_400


def test_a_field_of_redis_that_is_no_usage_is_named(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.hset("llm-usage:2026-01-02", "something", "else")
    with pytest.raises(StoreError, match="llm-usage:2026-01-02 holds a field that is no usage"):
        RedisUsage(redis_url).read("2026-01-02", "2026-01-02")


def test_a_batch_that_meets_a_value_of_another_program_is_added_when_that_is_gone(
    redis_url: str,
) -> None:
    day, other_day = "2026-01-04", "2026-01-05"
    store = RedisUsage(redis_url)
    once = batch((UsageKey(day, "groq", "m"), ONE), (UsageKey(other_day, "groq", "m"), ONE))
    with redis.Redis.from_url(redis_url) as client:
        client.set(f"llm-usage:{other_day}", "mine")
        for _ in range(2):
            with pytest.raises(StoreError, match=f"llm-usage:{other_day} is a string of another"):
                store.add(once)
        assert {} == kept(store, day, day)
        assert client.getdel(f"llm-usage:{other_day}") == b"mine"
    store.add(once)
    assert [ONE, ONE] == list(kept(store, day, other_day).values())


def test_a_number_of_redis_that_was_none_begins_anew(redis_url: str) -> None:
    store, key = RedisUsage(redis_url), UsageKey("2026-01-03", "groq", "m")
    store.add(batch((key, ONE)))
    with redis.Redis.from_url(redis_url) as client:
        for field in client.hkeys("llm-usage:2026-01-03"):
            client.hset("llm-usage:2026-01-03", field, "many")
    store.add(batch((key, ONE)))
    assert {key: ONE} == kept(store, "2026-01-03", "2026-01-03")


def test_a_torn_line_is_left_out_and_the_next_stands_apart(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "usage.jsonl"
    JsonUsage(path).add(batch((ACME, ONE), (ACME, ONE)))
    path.write_bytes(path.read_bytes()[:-9])
    store = JsonUsage(path)
    store.add(batch((PLAIN, ONE)))
    with caplog.at_level(logging.WARNING):
        assert {ACME: ONE, PLAIN: ONE} == kept(store)
    assert [f"{path}: 1 line(s) that hold no usage are left out"] == caplog.messages


@pytest.mark.parametrize(
    "line", [b"[]", b"{}", b'{"llm_usage":[1]}', b'{"llm_usage":["d","p","m","","{}"],"calls":-1}']
)
def test_a_line_that_holds_no_usage_is_left_out(tmp_path: Path, line: bytes) -> None:
    store = JsonUsage(tmp_path / "usage.jsonl")
    store.add(batch((ACME, ONE)))
    with store.path.open("ab") as file:
        file.write(line + b"\n")
    assert {ACME: ONE} == kept(store)


def test_a_file_that_was_never_a_ledger_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("mine")
    for use in (lambda: JsonUsage(path).add(batch((ACME, ONE))), lambda: kept(JsonUsage(path))):
        with pytest.raises(StoreError, match="it is not a ledger of usage, and stays as it is"):
            use()
    assert "mine" == path.read_text()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "usage.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="is a link"):
        JsonUsage(tmp_path / "usage.jsonl").add(batch((ACME, ONE)))
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_that_has_grown_is_rewritten_with_one_line_a_key(tmp_path: Path) -> None:
    store = JsonUsage(tmp_path / "usage.jsonl", small=2_000)
    for _ in range(40):
        store.add(batch((ACME, ONE), (PLAIN, ONE)))
        assert store.path.stat().st_size < 3_000
    assert {ACME: 40, PLAIN: 40} == {key: sums.calls for key, sums in kept(store).items()}
    assert 0o600 == store.path.stat().st_mode & 0o777


def test_what_was_added_counts_once_though_the_file_cannot_be_rewritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    store = JsonUsage(tmp_path / "usage.jsonl", small=100)
    with monkeypatch.context() as patch:
        patch.setattr(json_usage, "replace_file", full)
        for _ in range(20):
            store.add(batch((ACME, ONE)))
        once = UsageBatch((UsageEntry(PLAIN, ONE),), "groq:batch_1")
        assert [True, False] == [store.add_once(once, TODAY) for _ in range(2)]
    warned = [each for each in caplog.messages if "is not written anew" in each]
    assert 1 <= len(warned) < 10
    assert "No space left on device" in warned[0]
    assert {ACME: 20, PLAIN: 1} == {key: sums.calls for key, sums in kept(store).items()}
    for _ in range(40):
        store.add(batch((ACME, ONE)))
    assert store.path.stat().st_size < 3_000
    assert {ACME: 60, PLAIN: 1} == {key: sums.calls for key, sums in kept(store).items()}


def test_a_line_of_another_version_outlives_the_rewriting(tmp_path: Path) -> None:
    store = JsonUsage(tmp_path / "usage.jsonl", small=1)
    later = b'{"llm_usage":["2026-11-26","groq","m","","{}"],"calls":1,"pictures":2}\n'
    store.add(batch((ACME, ONE)))
    with store.path.open("ab") as file:
        file.write(later + b'{"llm_usage":torn\n')
    for _ in range(5):
        store.add(batch((ACME, ONE)))
    lines = store.path.read_bytes().splitlines(keepends=True)
    assert later in lines
    assert 6 == kept(store)[ACME].calls
    assert not any(b"torn" in line for line in lines)
    store.close()


def test_a_write_that_is_cut_short_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = JsonUsage(tmp_path / "usage.jsonl")
    store.add(batch((ACME, ONE)))
    before = store.path.read_bytes()

    class FullDisk(FileIO):
        def write(self, data: Any) -> int:
            return super().write(bytes(data)[:10])

    store.close()
    monkeypatch.setattr(appended_file, "FileIO", FullDisk)
    with pytest.raises(StoreError, match=r"10 of .* bytes could be written"):
        store.add(batch((PLAIN, ONE)))
    assert before == store.path.read_bytes()


@pytest.fixture
def opens(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The paths that are opened to be appended to."""
    opened: list[Path] = []

    class Noted(FileIO):
        def __init__(self, path: Path, mode: str, **options: Any) -> None:
            opened.append(path)
            super().__init__(path, mode, **options)

    monkeypatch.setattr(appended_file, "FileIO", Noted)
    return opened


def test_the_file_is_opened_once_for_many_writes(tmp_path: Path, opens: list[Path]) -> None:
    store = JsonUsage(tmp_path / "usage.jsonl")
    for _ in range(5):
        store.add(batch((ACME, ONE)))
    assert {ACME: 5} == {key: sums.calls for key, sums in kept(store).items()}
    assert [store.path] == opens
    store.close()


@pytest.mark.parametrize("becomes", ["removed", "renamed", "replaced", "emptied"])
def test_writes_go_to_the_file_that_is_there_now(
    tmp_path: Path, opens: list[Path], becomes: str
) -> None:
    store = JsonUsage(tmp_path / "usage.jsonl")
    store.add(batch((ACME, ONE)))
    if becomes == "removed":
        store.path.unlink()
    elif becomes == "renamed":
        store.path.rename(tmp_path / "usage.1.jsonl")
    elif becomes == "replaced":
        (tmp_path / "new").write_bytes(b"")
        (tmp_path / "new").replace(store.path)
    else:
        store.path.write_bytes(b"")
    store.add(batch((PLAIN, ONE)))
    assert {PLAIN: ONE} == kept(store)
    assert 1 + (becomes != "emptied") == len(opens)
    store.close()


def test_a_link_that_takes_the_files_place_is_not_followed(tmp_path: Path) -> None:
    store = JsonUsage(tmp_path / "usage.jsonl")
    store.add(batch((ACME, ONE)))
    store.path.rename(tmp_path / "elsewhere")
    store.path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="is a link"):
        store.add(batch((PLAIN, ONE)))


def test_a_foreign_text_that_takes_the_files_place_stays(tmp_path: Path) -> None:
    store = JsonUsage(tmp_path / "usage.jsonl")
    store.add(batch((ACME, ONE)))
    store.path.write_text("mine")
    with pytest.raises(StoreError, match="it is not a ledger of usage"):
        store.add(batch((PLAIN, ONE)))
    assert "mine" == store.path.read_text()
    store.close()


def test_where_an_open_file_cannot_be_replaced_none_is_kept_open(
    tmp_path: Path, opens: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(appended_file, "_KEEPS_OPEN", False)
    store = JsonUsage(tmp_path / "usage.jsonl")
    store.add(batch((ACME, ONE)))
    store.add(batch((ACME, ONE)))
    assert 2 == len(opens)
    assert {ACME: ONE + ONE} == kept(store)


@pytest.mark.parametrize("companions", [True, False])
def test_a_database_that_is_removed_under_way_is_made_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, companions: bool
) -> None:
    store = SqliteUsage(tmp_path / "usage.db")
    store.add(batch((ACME, ONE)))
    for suffix in ("", "-wal", "-shm") if companions else ("",):
        (tmp_path / f"usage.db{suffix}").unlink()
    with caplog.at_level(logging.WARNING):
        store.add(batch((PLAIN, ONE)))
        store.add(batch((PLAIN, ONE)))
        assert {PLAIN: ONE + ONE} == kept(store)
    assert [f"{store.path} was removed or replaced: the file that is there now is used"] == (
        caplog.messages
    )
    other = SqliteUsage(store.path)
    assert {PLAIN: ONE + ONE} == kept(other)
    other.close()
    store.close()


@pytest.mark.parametrize("damage", ["DROP TABLE llm_usage", "ALTER TABLE llm_usage RENAME TO was"])
def test_a_table_that_is_dropped_under_way_is_made_anew(tmp_path: Path, damage: str) -> None:
    store = SqliteUsage(tmp_path / "usage.db")
    store.add(batch((ACME, ONE)))
    with sqlite3.connect(store.path) as database:
        database.execute(damage)
    database.close()
    store.add(batch((PLAIN, ONE)))
    assert {PLAIN: ONE} == kept(store)
    store.close()


def test_a_row_that_holds_no_usage_is_named(tmp_path: Path) -> None:
    store = SqliteUsage(tmp_path / "usage.db")
    store.add(batch((ACME, ONE)))
    with sqlite3.connect(store.path) as database:
        database.execute("UPDATE llm_usage SET calls = -1")
    database.close()
    with pytest.raises(StoreError, match="holds a row that is no usage: 'calls'"):
        kept(store)
    store.close()


def test_memory_drops_the_earliest_days_first() -> None:
    store = MemoryUsageStore(most_keys=2)
    for day in ("2026-01-03", "2026-01-01", "2026-01-02"):
        store.add(batch((UsageKey(day, "groq", "m"), ONE)))
    days = [each.key.day for each in store.read("2026-01-01", "2026-01-31")]
    assert ["2026-01-02", "2026-01-03"] == sorted(days)


@pytest.mark.parametrize(
    "url",
    [
        "usage.db",
        "sqlite:",
        "sqlite::memory:",
        "json:",
        "memory:x",
        "redis:x",
        "ftp://x",
        "json:a\0b",
        "sqlite:a\0b",
        "redis://h:p",
    ],
)
def test_a_url_of_no_known_form_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="LLM_LEDGER_URL: "):
        ledger_at(url)


@pytest.mark.parametrize(("url", "path"), [("sqlite:/", "/"), ("json:.", "."), ("json:..", "..")])
def test_a_folder_is_refused_where_a_file_is_wanted(url: str, path: str) -> None:
    expected = f"LLM_LEDGER_URL: {path!r} is a folder: give a file's path"
    with pytest.raises(ConfigurationError) as caught:
        ledger_at(url)
    assert expected == str(caught.value)


def test_a_password_is_not_shown() -> None:
    with pytest.raises(ConfigurationError) as caught:
        ledger_at("mysql://me:open-sesame@host/db")
    assert "open-sesame" not in str(caught.value)


def test_each_url_is_one_ledger(tmp_path: Path, redis_url: str) -> None:
    for url in (f"sqlite:{tmp_path}/u.db", f"json:{tmp_path}/u.jsonl", redis_url, "memory:"):
        assert ledger_at(url) is ledger_at(url)
    names = [repr(ledger_at(url).store) for url in (f"json:{tmp_path}/u.jsonl", redis_url)]
    assert f"JsonUsage('{tmp_path}/u.jsonl')" == names[0]
    assert json.dumps(names).count("open-sesame") == 0
