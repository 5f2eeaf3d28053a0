"""A day's tokens, kept on a real Redis server for several hosts."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from services.llm.stores import RedisBudget, StoreError
from tests.redis_server import PASSWORD

NOON = 1_795_348_800.0  # 2026-11-22 12:00:00 UTC
DAY = 86_400.0


@pytest.fixture
def url(redis_url: str) -> Iterator[str]:
    """A server on which no token has been used yet."""
    yield redis_url
    with redis.Redis.from_url(redis_url) as client:
        for name in client.scan_iter("llm-tokens:*"):
            client.delete(name)


def test_tokens_add_up_over_hosts_and_restarts(url: str) -> None:
    assert [0, 100, 130, 130] == [
        RedisBudget(url).used(NOON),
        RedisBudget(url).add(100, NOON),
        RedisBudget(url).add(30, NOON),
        RedisBudget(url).used(NOON),
    ]


def test_a_day_is_forgotten_when_nobody_can_ask_for_it_any_more(url: str) -> None:
    RedisBudget(url).add(100, NOON)
    with redis.Redis.from_url(url) as client:
        assert DAY < client.ttl("llm-tokens:2026-11-22") <= 2 * DAY


def test_midnight_begins_at_zero(url: str) -> None:
    budget = RedisBudget(url)
    budget.add(100, NOON)
    assert [0, 7] == [budget.used(NOON + DAY), budget.add(7, NOON + DAY)]


def test_a_refund_never_goes_below_zero(url: str) -> None:
    budget = RedisBudget(url)
    budget.add(10, NOON)
    assert [4, 0, 5] == [budget.add(-6, NOON), budget.add(-6, NOON), budget.add(5, NOON)]


def test_a_correction_of_a_day_that_is_over_changes_nothing(url: str) -> None:
    budget = RedisBudget(url)
    budget.add(50, NOON)
    assert [50, 50, 30] == [
        budget.add(-20, NOON, day="2026-11-21"),
        budget.add(20, NOON, day="2026-11-21"),
        budget.add(-20, NOON, day="2026-11-22"),
    ]


def test_no_token_is_lost_between_threads(url: str) -> None:
    budget = RedisBudget(url)
    with ThreadPoolExecutor(8) as threads:
        sums = list(threads.map(lambda _: budget.add(1, NOON), range(200)))
    assert list(range(1, 201)) == sorted(sums)


def test_a_server_that_is_gone_is_an_error() -> None:
    gone = RedisBudget(f"redis://:{PASSWORD}@127.0.0.1:1/0")
    with pytest.raises(StoreError, match=r"redis://127\.0\.0\.1:1/0 cannot be used") as caught:
        gone.used(NOON)
    assert PASSWORD not in f"{caught.value} {gone!r}"
