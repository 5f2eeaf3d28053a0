"""What others have put into a store: whatever it is, it is a miss and fails nothing."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from services.llm.account.cache import Cache
from services.llm.stores import BudgetFile, RedisBudget, Store, StoreError
from services.llm.stores.entry import decode_entry, encode_entry
from services.llm.stores.json_log import JsonStore
from services.llm.stores.memory import MemoryStore
from services.llm.stores.redis_store import RedisStore
from services.llm.stores.sqlite import SqliteStore
from services.llm.types import Reply, ToolCall, Usage
from tests.cache.support import key_of

NOON, DAY = 1_795_348_800.0, 86_400.0
KEY = key_of(1)
REPLY = Reply(
    "Because.", "m", "groq", "stop", Usage(1, 2, 3), tool_calls=(ToolCall("a", "b", "{}"),)
)


def sealed(value: str, key: str = KEY) -> bytes:
    """A line whose checksum is right, around any *value* at all: the checksum is no secret."""
    body = f'"key":"{key}","expires":9000000000000.000,"value":{value}}}'.encode()
    return b'{"sum":"%s",%s' % (blake2b(body, digest_size=8).hexdigest().encode(), body)


LINES = {
    "deep JSON": sealed('{"text":' + "[" * 100_000 + "]" * 100_000 + "}"),
    "no JSON": sealed("{nonsense"),
    "half": sealed('{"text":')[:-1],
    "a second value, no object": sealed('{},"value":[1]'),
    "no text": sealed('{"\xff').replace("\xff".encode(), b"\xff"),
    "a huge number": sealed('{"text":' + "9" * 5000 + "}"),
    "nothing": b"",
    "another key's": encode_entry(key_of(2), {"text": "theirs"}, 9e12),
}


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
def test_a_line_that_is_no_entry_is_a_miss(line: bytes, caplog: pytest.LogCaptureFixture) -> None:
    assert decode_entry(line, KEY) is None
    assert "a cached answer is damaged" in caplog.text


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
def test_a_poisoned_log_is_a_miss_and_goes_on(tmp_path: Path, line: bytes) -> None:
    store = JsonStore(tmp_path / "log", ttl=60)
    store.put(key_of(3), {"n": 3})
    with (tmp_path / "log").open("ab") as log:
        log.write(line + b"\n")
    assert [None, {"n": 3}] == [store.get(KEY), store.get(key_of(3))]
    store.put(KEY, {"n": 1})
    assert {"n": 1} == store.get(KEY)


@pytest.mark.parametrize("line", [*LINES.values(), "a text", "\ud800", 7, 1.5, None])
def test_a_poisoned_cell_is_a_miss_and_goes_on(tmp_path: Path, line: object) -> None:
    with closing(SqliteStore(tmp_path / "db", ttl=60)) as store:
        store.put(key_of(3), {"n": 3})
        with closing(sqlite3.connect(tmp_path / "db")) as database:
            # As a text of bytes that are no UTF-8, where Python has no text for them.
            value = "CAST(x'ff' AS TEXT)" if line == "\ud800" else "coalesce(?, zeroblob(0))"
            given = () if line == "\ud800" else (line,)
            database.execute(f"INSERT INTO llm_answers VALUES ('{KEY}', 9e12, {value})", given)
            database.commit()
        assert [None, {"n": 3}] == [store.get(KEY), store.get(key_of(3))]
        store.put(KEY, {"n": 1})
        assert {"n": 1} == store.get(KEY)


def test_an_expiry_that_is_no_time_never_lasts_for_ever(tmp_path: Path) -> None:
    with closing(SqliteStore(tmp_path / "db", ttl=60)) as store:
        store.put(KEY, {"n": 1})
        with closing(sqlite3.connect(tmp_path / "db")) as database:
            database.execute("UPDATE llm_answers SET expires = 'never'")
            database.commit()
        assert store.get(KEY) is None


@pytest.fixture
def server(redis_url: str) -> Iterator[redis.Redis]:
    """A plain client of the test run's server."""
    with redis.Redis.from_url(redis_url) as client:
        yield client
        client.delete(f"llm-answers:{KEY}", "llm-tokens:2026-11-22")


@pytest.mark.parametrize("options", ["", "?decode_responses=true", "?encoding=latin-1"])
@pytest.mark.parametrize("line", [*LINES.values(), b"\xff\xfe"])
def test_a_poisoned_answer_of_redis_is_a_miss_and_goes_on(
    redis_url: str, server: redis.Redis, options: str, line: bytes
) -> None:
    store = RedisStore(f"{redis_url}{options}", ttl=60)
    server.set(f"llm-answers:{KEY}", line)
    assert store.get(KEY) is None
    store.put(KEY, {"text": "né"})
    assert {"text": "né"} == store.get(KEY)
    store.close()


def test_a_list_under_our_name_on_redis_is_a_miss_and_is_replaced(
    redis_store: RedisStore, server: redis.Redis
) -> None:
    server.rpush(f"llm-answers:{KEY}", "theirs")
    assert redis_store.get(KEY) is None
    redis_store.put(KEY, {"n": 1})
    assert {"n": 1} == redis_store.get(KEY)


def _changed(**change: Any) -> dict[str, Any]:
    return {**_kept(), **change}


def _kept() -> dict[str, Any]:
    store = MemoryStore(ttl=60)
    Cache(store, "groq", "").put(KEY, REPLY)
    kept = store.get(KEY)
    assert kept is not None
    return kept


RECORDS = [
    _changed(model=[1]),
    _changed(text=None),
    _changed(provider="bedrock"),
    _changed(finish_reason=7),
    _changed(reasoning={}),
    _changed(request_id=[]),
    _changed(usage=None),
    _changed(usage={**asdict(Usage()), "input_tokens": "1"}),
    _changed(usage={**asdict(Usage()), "input_tokens": -1}),
    _changed(usage={**asdict(Usage()), "input_tokens": 10**300}),
    _changed(usage={**asdict(Usage()), "input_tokens": 1.5}),
    _changed(usage={**asdict(Usage()), "input_tokens": True}),
    _changed(usage={**asdict(Usage()), "reported": 1}),
    _changed(usage={**asdict(Usage()), "more": 1}),
    _changed(tool_calls={}),
    _changed(tool_calls=[7]),
    _changed(tool_calls=[{"id": "a", "name": "b", "arguments": {}}]),
    _changed(tool_calls=[{"id": "a", "name": "b"}]),
    _changed(cost=0.0),
    _changed(finish_reason="length"),
    _changed(finish_reason="content_filter"),
    _changed(text=" ", tool_calls=[]),
    {name: value for name, value in _kept().items() if name != "reasoning"},
]


def test_a_record_of_ours_is_an_answer() -> None:
    store = MemoryStore(ttl=60)
    store.put(KEY, _kept())
    kept = Cache(store, "groq", "").get(KEY)
    assert kept is not None
    assert (REPLY.text, REPLY.usage, REPLY.tool_calls) == (kept.text, kept.usage, kept.tool_calls)


@pytest.mark.parametrize("record", RECORDS, ids=range(len(RECORDS)))
def test_a_record_with_anything_else_in_it_is_a_miss(record: dict[str, Any]) -> None:
    store = MemoryStore(ttl=60)
    store.put(KEY, record)
    assert Cache(store, "groq", "").get(KEY) is None


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(sorted(_kept())), _json))
def test_any_json_in_any_field_is_a_miss_or_a_whole_reply(change: dict[str, Any]) -> None:
    store = MemoryStore(ttl=60)
    store.put(KEY, json.loads(json.dumps(_changed(**change))))
    kept = Cache(store, "groq", "").get(KEY)
    if kept is not None:
        assert all(isinstance(each, str) for each in (kept.text, kept.model, kept.provider))
        assert isinstance(kept.usage.total_tokens, int)
        assert hash(kept) is not None


@pytest.mark.parametrize("used", [10**300, 10**15 + 1, 10**40])
def test_a_count_that_nobody_reached_starts_the_budget_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, used: int
) -> None:
    (tmp_path / "budget").write_text(f'{{"day": "2026-11-22", "used": {used}}}')
    assert 5 == BudgetFile(tmp_path / "budget").add(5, NOON)
    assert "is a damaged token budget" in caplog.text


def test_a_clock_set_back_by_three_days_starts_the_budget_anew(tmp_path: Path) -> None:
    budget = BudgetFile(tmp_path / "budget")
    budget.add(70, NOON)
    assert [5, 0] == [budget.add(5, NOON - 3 * DAY), budget.used(NOON)]


@pytest.mark.parametrize(
    "kept", ["1" + "0" * 300, "1" + "0" * 15, "-5", "many", "", "1.5", b"\xff", "9" * 19]
)
def test_a_count_on_redis_that_nobody_reached_starts_anew(
    redis_url: str, server: redis.Redis, kept: str | bytes
) -> None:
    server.set("llm-tokens:2026-11-22", kept)
    assert [5, 12] == [RedisBudget(redis_url).add(5, NOON), RedisBudget(redis_url).add(7, NOON)]


def test_a_list_in_place_of_a_count_on_redis_starts_anew(
    redis_url: str, server: redis.Redis
) -> None:
    server.rpush("llm-tokens:2026-11-22", "theirs")
    assert 5 == RedisBudget(redis_url).add(5, NOON)


def test_every_kind_of_store_takes_back_what_it_gave(any_store: Store) -> None:
    any_store.put(KEY, _kept())
    assert Cache(any_store, "groq", "").get(KEY) is not None


@pytest.mark.parametrize("line", [None, "a text", 7])
def test_what_is_no_bytes_is_a_miss(line: object) -> None:
    assert decode_entry(line, KEY) is None


def test_another_refusal_of_redis_makes_the_store_unavailable(
    redis_store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(name: str) -> bytes:
        raise redis.ResponseError("NOPERM this user has no permissions")

    monkeypatch.setattr(redis_store._server.client, "get", refuse)
    with pytest.raises(StoreError, match="NOPERM"):
        redis_store.get(KEY)
