"""What the memory store alone promises."""

from __future__ import annotations

import pytest

from services.llm.stores.memory import MemoryStore
from tests.cache.support import Clock, key_of


def test_the_entry_put_longest_ago_makes_room() -> None:
    store = MemoryStore(ttl=60, capacity=2)
    for name in ("a", "b", "a", "c"):
        store.put(key_of(name), {"name": name})
    assert [{"name": "a"}, None, {"name": "c"}] == [store.get(key_of(name)) for name in "abc"]


def test_expired_entries_leave_memory_as_new_ones_come(clock: Clock) -> None:
    store = MemoryStore(ttl=60, clock=clock)
    for n in range(100):
        store.put(key_of(n), {})
    clock.now += 60
    for n in range(100, 200):
        store.put(key_of(n), {})
    assert 100 == len(store._entries)


def test_a_store_of_no_entries_is_refused() -> None:
    with pytest.raises(ValueError, match="capacity must be at least 1 entry, not 0"):
        MemoryStore(ttl=60, capacity=0)


def test_its_repr_tells_its_size() -> None:
    assert "MemoryStore(capacity=7)" == repr(MemoryStore(ttl=1, capacity=7))
