from __future__ import annotations

from services.llm.runtime.ttl_map import TTLMap


def test_an_entry_is_known_until_it_expires() -> None:
    known = TTLMap[str, int]()
    assert known.put("a", 1, now=10.0, ttl=5.0)
    assert [1, 1, None] == [known.get("a", now) for now in (10.0, 14.9, 15.0)]
    assert [{"a": 1}, {}] == [known.items(now) for now in (14.9, 15.0)]


def test_what_is_known_already_is_no_news_until_it_has_expired() -> None:
    known = TTLMap[str, int]()
    news = [known.put("a", value, now, 5.0) for value, now in ((1, 0.0), (1, 4.0), (2, 5.0))]
    assert [True, False, True] == news
    assert not known.put("a", 2, 9.9, 5.0)
    assert known.put("a", 2, 14.9, 5.0)


def test_where_there_is_no_room_the_first_to_expire_goes() -> None:
    known = TTLMap[str, int](size=2)
    known.put("long", 1, 0.0, 9.0)
    known.put("short", 8, 0.0, 1.0)
    known.put("long", 3, 0.0, 9.0)
    known.put("new", 4, 0.0, 5.0)
    assert {"long": 3, "new": 4} == known.items(0.0)


def test_a_map_of_no_other_size_keeps_1024() -> None:
    known = TTLMap[int, int]()
    for number in range(1_025):
        known.put(number, number, 0.0, 9.0 + number)
    assert [1_024, None, 1] == [len(known.items(0.0)), known.get(0, 0.0), known.get(1, 0.0)]


def test_what_is_kept_counts_until_it_is_dropped() -> None:
    known = TTLMap[str, int]()
    told = [known.has_any]
    known.put("a", 1, 0.0, 9.0)
    told.append(known.has_any)
    known.drop("a")
    assert [False, True, False] == [*told, known.has_any]


def test_entries_are_dropped_one_by_one_or_all_at_once() -> None:
    known = TTLMap[str, int]()
    for name in ("a", "b", "c"):
        known.put(name, 1, 0.0, 9.0)
    known.drop("a")
    known.drop("nobody")
    assert {"b": 1, "c": 1} == known.items(0.0)
    known.clear()
    assert {} == known.items(0.0)
