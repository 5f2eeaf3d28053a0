from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.llm.account.cache import LAYOUT, Cache, Nowhere
from services.llm.effects import Overdue, RunBlocking
from services.llm.errors import ConfigurationError
from services.llm.stores import FaultTolerantStore
from services.llm.stores.memory import MemoryStore
from services.llm.types import Attempt, Output, Reply, Request, ToolCall, Usage

CACHE = Cache(Nowhere(), "groq", "https://api.groq.com")
ASKED = Request(
    "openai/gpt-oss-20b",
    ({"role": "user", "content": "Why?"},),
    temperature=0.7,
    max_tokens=100,
    options={"seed": 7, "stop": ["a", "b"]},
)
_plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture
def cache() -> Cache:
    return Cache(MemoryStore(ttl=60), "groq", "https://api.groq.com")


@pytest.mark.parametrize(
    "other",
    [
        replace(ASKED, model="openai/gpt-oss-120b"),
        replace(ASKED, messages=({"role": "user", "content": "Why not?"},)),
        replace(ASKED, messages=({"role": "system", "content": "Why?"},)),
        replace(ASKED, messages=ASKED.messages * 2),
        replace(ASKED, temperature=0.8),
        replace(ASKED, temperature=None),
        replace(ASKED, max_tokens=101),
        replace(ASKED, max_tokens=None),
        replace(ASKED, options={"seed": 8, "stop": ["a", "b"]}),
        replace(ASKED, options={"seed": 7, "stop": ["b", "a"]}),
        replace(ASKED, options={"seed": 7}),
        replace(ASKED, output=Output("object")),
        replace(ASKED, output=Output("strict", {"type": "object"})),
    ],
)
def test_whatever_changes_the_answer_changes_the_key(other: Request) -> None:
    assert CACHE.key_of(ASKED) != CACHE.key_of(other)


@pytest.mark.parametrize(
    "same",
    [
        replace(ASKED, key="gsk_another"),
        replace(ASKED, defaulted=frozenset({"temperature"})),
        replace(ASKED, messages=({"content": "Why?", "role": "user"},)),
        replace(ASKED, options={"stop": ("a", "b"), "seed": 7}),
        replace(ASKED, options=MappingProxyType(dict(ASKED.options))),
    ],
)
def test_what_does_not_change_the_answer_does_not_change_the_key(same: Request) -> None:
    assert CACHE.key_of(ASKED) == CACHE.key_of(same)


def test_another_endpoint_or_provider_has_other_keys() -> None:
    keys = {
        CACHE.key_of(ASKED),
        replace(CACHE, base_url="https://example.com").key_of(ASKED),
        replace(CACHE, provider="bedrock").key_of(ASKED),
    }
    assert 3 == len(keys)


def test_another_namespace_has_other_keys_and_none_has_those_of_every_release() -> None:
    keys = [replace(CACHE, namespace=name).key_of(ASKED) for name in ("", "one", "two")]
    assert 3 == len(set(keys))
    assert CACHE.key_of(ASKED) == keys[0]


@given(_plain, _plain)
def test_two_options_have_one_key_only_if_they_are_one_json_text(one: Any, other: Any) -> None:
    keys = [CACHE.key_of(replace(ASKED, options={"option": each})) for each in (one, other)]
    assert (_canonical(one) == _canonical(other)) == (keys[0] == keys[1])


def _canonical(value: Any) -> str:
    if isinstance(value, dict):
        return f"{sorted((key, _canonical(inner)) for key, inner in value.items())} in an object"
    if isinstance(value, list):
        return repr([_canonical(inner) for inner in value])
    return f"{type(value).__name__} {value!r}"


def test_the_key_of_a_request_is_the_same_in_every_release() -> None:
    # Another key for the same request is a cache that forgets: it comes with another LAYOUT.
    assert (1, "24df620f728a8cf8e658577609fe11a1e671ae94f9fe6392620f724f54b27a76") == (
        LAYOUT,
        CACHE.key_of(ASKED),
    )


@pytest.mark.parametrize("option", [{1, 2}, object(), float("nan"), b"bytes"])
def test_an_option_that_is_not_json_is_refused(option: object) -> None:
    with pytest.raises(ConfigurationError, match="not JSON"):
        CACHE.key_of(replace(ASKED, options={"option": option}))


def test_a_reply_comes_back_without_the_story_of_how_it_came_about(cache: Cache) -> None:
    reply = Reply(
        "Because.",
        "openai/gpt-oss-20b",
        "groq",
        "stop",
        Usage(1, 2, 3, reported=True),
        attempts=(Attempt(1, "openai/gpt-oss-20b"),),
        request_id="req_1",
        latency=2.0,
        cost=0.5,
        reasoning="Well.",
        tool_calls=(ToolCall("call_1", "add", "{}"),),
        processing=1.0,
    )
    cache.put("0" * 64, reply)
    expected = replace(reply, attempts=(), latency=0.0, cost=0.0, processing=None, cached=True)
    assert expected == cache.get("0" * 64)


@pytest.mark.parametrize("record", [{}, {"text": "alone"}, {"usage": {"strange": 1}}])
def test_another_programs_record_is_a_miss(cache: Cache, record: dict[str, Any]) -> None:
    cache.store.put("0" * 64, record)
    assert cache.get("0" * 64) is None


@pytest.mark.parametrize("change", [{"text": 7}, {"usage": {"strange": 1}}, {"usage": None}])
def test_a_record_with_something_else_in_a_field_is_a_miss(
    cache: Cache, change: dict[str, Any]
) -> None:
    cache.put("0" * 64, Reply("Because.", "openai/gpt-oss-20b", "groq"))
    record = cache.store.get("0" * 64)
    assert record is not None
    cache.store.put("0" * 64, {**record, **change})
    assert cache.get("0" * 64) is None


def test_nothing_is_kept_nowhere() -> None:
    nowhere = Cache(Nowhere(), "groq", "")
    nowhere.put("0" * 64, Reply("Because.", "openai/gpt-oss-20b", "groq"))
    nowhere.store.close()
    assert nowhere.get("0" * 64) is None
    assert not nowhere.store.is_blocking


def late(cache: Cache, left: float, is_slow: bool) -> RunBlocking:
    """What a cache asks of its store, which is late."""
    asking = cache.run(lambda: cache.get("0" * 64), left)
    ask = next(asking)
    assert isinstance(ask, RunBlocking)
    with pytest.raises(StopIteration) as missed:
        asking.throw(Overdue(is_slow))
    assert None is missed.value.value
    return ask


class Slow(MemoryStore):
    """A store whose answers may take a while."""

    is_blocking = True


@pytest.mark.parametrize(
    ("left", "is_slow", "is_suspended"),
    [
        (9.0, True, True),
        (9.0, False, False),  # it had not begun: others were before it
        (0.2, True, False),  # it was the call that had no more time
        (0.25, True, False),  # as here
    ],
)
def test_a_store_is_left_out_where_it_had_its_time_and_did_not_answer(
    left: float, is_slow: bool, is_suspended: bool
) -> None:
    store = FaultTolerantStore(Slow(ttl=60.0))
    cache = Cache(store, "groq", "https://example.test", timeout=0.25)
    assert min(left, 0.25) == late(cache, left, is_slow).timeout
    assert is_suspended == store.is_suspended
    if is_suspended:
        with pytest.raises(StopIteration):  # nothing is asked of it
            next(cache.run(lambda: cache.get("0" * 64), 9.0))


def test_a_store_that_forgives_nothing_is_asked_again() -> None:
    cache = Cache(Slow(ttl=60.0), "groq", "https://example.test")
    assert [0.25] * 2 == [late(cache, 9.0, is_slow=True).timeout for _ in range(2)]


def test_an_answer_that_is_forgotten_is_a_miss(cache: Cache) -> None:
    for request in (ASKED, replace(ASKED, max_tokens=7)):
        cache.put(cache.key_of(request), Reply("Because.", ASKED.model, "groq"))
    cache.forget(ASKED)
    assert None is cache.get(cache.key_of(ASKED))
    assert None is not cache.get(cache.key_of(replace(ASKED, max_tokens=7)))


def test_half_a_character_has_a_key_too() -> None:
    halved = replace(ASKED, messages=({"role": "user", "content": "\ud83d"},))
    assert 64 == len(CACHE.key_of(halved))
