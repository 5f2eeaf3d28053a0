"""What every kind of store promises."""

from __future__ import annotations

import threading
from uuid import uuid4

import pytest

from services.llm.stores import Store
from tests.cache.support import Clock, key_of


def test_what_was_put_is_found(any_store: Store) -> None:
    key, value = (
        key_of(uuid4()),
        {"text": 'né"w\n \U0001f40e \ud83d \x00', "n": [1, 2.5, None, True]},
    )
    assert any_store.get(key) is None
    any_store.put(key, value)
    assert value == any_store.get(key)


def test_a_later_put_replaces_an_earlier_one(any_store: Store) -> None:
    key = key_of(uuid4())
    any_store.put(key, {"n": 1})
    any_store.put(key, {"n": 2})
    assert {"n": 2} == any_store.get(key)


def test_a_store_works_again_after_close(any_store: Store) -> None:
    any_store.close()
    key = key_of(uuid4())
    any_store.put(key, {"n": 1})
    any_store.close()
    any_store.put(key, {"n": 2})
    assert {"n": 2} == any_store.get(key)
    any_store.close()
    any_store.close()


def test_a_value_found_is_the_callers_own(any_store: Store) -> None:
    key, value = key_of(uuid4()), {"list": [1]}
    any_store.put(key, value)
    value["list"].append(2)
    found = any_store.get(key)
    assert found == {"list": [1]}
    found["list"].append(3)
    assert {"list": [1]} == any_store.get(key)


@pytest.mark.parametrize(
    "key", ["", "abc", "A" * 64, "g" * 64, "a" * 65, "a" * 63 + "\n", b"a" * 64]
)
def test_a_key_that_is_no_sha256_is_refused(any_store: Store, key: str) -> None:
    with pytest.raises(ValueError, match="key must be a SHA-256 hash"):
        any_store.get(key)
    with pytest.raises(ValueError, match="key must be a SHA-256 hash"):
        any_store.put(key, {})


def test_a_value_that_json_cannot_hold_is_refused_and_harms_nothing(any_store: Store) -> None:
    key = key_of(uuid4())
    any_store.put(key, {"n": 1})
    with pytest.raises(TypeError, match="not JSON serializable"):
        any_store.put(key, {"n": {1, 2}})
    with pytest.raises(ValueError, match="not JSON compliant"):
        any_store.put(key, {"n": float("nan")})
    assert {"n": 1} == any_store.get(key)


def test_only_memory_answers_without_waiting(any_store: Store) -> None:
    assert (type(any_store).__name__ != "MemoryStore") is any_store.is_blocking


def test_threads_share_a_store(any_store: Store) -> None:
    keys = [key_of(uuid4()) for _ in range(60)]
    found: dict[str, object] = {}

    def work(mine: list[str]) -> None:
        for n, key in enumerate(mine):
            any_store.put(key, {"key": key, "n": n})
            found[key] = any_store.get(key)

    threads = [threading.Thread(target=work, args=(keys[i::6],)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {key: {"key": key, "n": i // 6} for i, key in enumerate(keys)} == found


def test_a_hit_past_its_ttl_is_a_miss(store: Store, clock: Clock) -> None:
    store.put(key_of(1), {"n": 1})
    clock.now += 59.5
    assert {"n": 1} == store.get(key_of(1))
    clock.now += 0.5
    assert store.get(key_of(1)) is None


def test_a_put_starts_the_ttl_anew(store: Store, clock: Clock) -> None:
    store.put(key_of(1), {"n": 1})
    clock.now += 40
    store.put(key_of(1), {"n": 2})
    clock.now += 40
    assert {"n": 2} == store.get(key_of(1))


def test_a_child_process_takes_over_no_lock(store: Store) -> None:
    store.put(key_of(1), {"n": 1})
    getattr(store, "_mutex").acquire()  # noqa: B009  a thread of the parent held it at the fork
    getattr(store, "_reset_in_child")()  # noqa: B009  not part of the protocol
    store.put(key_of(2), {"n": 2})
    assert {"n": 2} == store.get(key_of(2))
