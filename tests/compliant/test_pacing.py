"""The bucket and the keys that programs may use without the client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import pytest

from groq_client_compliant import KeyManager, TokenBucket
from services.llm.errors import AuthenticationError, ConfigurationError
from tests.compliant.support import KEYS, Clock


@pytest.fixture
def slept(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that were slept, which pass on the test's clock alone."""
    naps: list[float] = []

    async def sleep(seconds: float) -> None:
        naps.append(round(seconds, 6))
        clock.now += seconds

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return naps


def test_a_bucket_holds_its_capacity_and_is_refilled_at_its_rate(clock: Clock) -> None:
    bucket = TokenBucket(3, 0.5, now=clock)
    assert [True, True, True, False] == [bucket.try_acquire() for _ in range(4)]
    clock.now += 2.0
    assert [True, False] == [bucket.try_acquire() for _ in range(2)]
    clock.now += 600.0
    assert [True, False] == [bucket.try_acquire(3), bucket.try_acquire(0.5)]


def test_what_another_thread_takes_first_is_not_held(clock: Clock) -> None:
    bucket, keys = TokenBucket(1, 1.0, now=clock), KeyManager(KEYS[0], 1, now=clock)
    with (
        patch.object(bucket._quota, "try_start", return_value=5.0),
        patch.object(keys._account.quota, "try_start", return_value=5.0),
    ):
        assert (False, None) == (bucket.try_acquire(), keys.try_acquire())
    assert (True, KEYS[0]) == (bucket.try_acquire(), keys.try_acquire())


def test_a_bucket_is_waited_for(clock: Clock, slept: list[float]) -> None:
    bucket = TokenBucket(capacity=2, refill_rate=1, now=clock)
    for tokens in (2, 1, 0.5):
        asyncio.run(bucket.acquire(tokens))
    assert [1.0, 0.5] == slept


def test_a_wait_that_is_cancelled_gives_its_tokens_back(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def sleep(seconds: float) -> None:
        raise asyncio.CancelledError

    bucket = TokenBucket(1, 1, now=clock)
    assert bucket.try_acquire()
    monkeypatch.setattr(asyncio, "sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(bucket.acquire())
    clock.now += 1.0
    assert bucket.try_acquire()


def test_more_than_a_bucket_holds_never_comes(clock: Clock) -> None:
    bucket = TokenBucket(2, 1, now=clock)
    assert not bucket.try_acquire(3)
    with pytest.raises(ConfigurationError, match="tokens is 3: the capacity is 2"):
        asyncio.run(bucket.acquire(3))


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), True, "1", None])
@pytest.mark.parametrize("name", ["capacity", "refill_rate", "tokens", "seconds"])
def test_an_amount_that_makes_no_sense_is_named(name: str, value: Any) -> None:
    uses: dict[str, Callable[[], object]] = {
        "capacity": lambda: TokenBucket(value, 1),
        "refill_rate": lambda: TokenBucket(1, value),
        "tokens": lambda: TokenBucket(1, 1).try_acquire(value),
        "seconds": lambda: KeyManager(KEYS).pause(KEYS[0], value),
    }
    with pytest.raises(ConfigurationError, match=rf"{name} is .*: give a number above 0"):
        uses[name]()


def test_keys_take_turns_and_each_keeps_to_its_requests_a_minute(clock: Clock) -> None:
    keys = KeyManager(KEYS, rpm_per_key=4, organization_rpm=100, now=clock)
    used = [keys.try_acquire() for _ in range(7)]
    assert (set(KEYS), None) == (set(used[:3]), used[6])
    assert {2} == {used.count(key) for key in KEYS}
    clock.now += 15.0
    assert set(KEYS) == {keys.try_acquire() for _ in range(3)}
    assert keys.try_acquire() is None


def test_a_key_is_waited_for(clock: Clock, slept: list[float]) -> None:
    keys = KeyManager(KEYS[0], rpm_per_key=2, now=clock)
    assert [KEYS[0]] * 2 == [asyncio.run(keys.acquire()) for _ in range(2)]
    assert [30.0] == slept


def test_a_pause_holds_for_every_key_of_the_organisation(clock: Clock) -> None:
    keys = KeyManager(KEYS, organization_rpm=90, now=clock)
    keys.pause(KEYS[1], seconds=20.0)
    assert keys.try_acquire() is None
    clock.now += 20.0
    assert keys.try_acquire() in KEYS


def test_a_removed_key_is_used_no_more(clock: Clock) -> None:
    keys = KeyManager(KEYS[:2], organization_rpm=90, now=clock)
    keys.remove(KEYS[0])
    assert {KEYS[1]} == {keys.try_acquire() for _ in range(5)}
    keys.remove(KEYS[1])
    with pytest.raises(AuthenticationError, match="none of the 2 keys is accepted"):
        keys.try_acquire()


def test_no_key_is_shown_and_a_strange_one_is_refused() -> None:
    keys = KeyManager(",".join(KEYS))
    assert "KeyManager(3 keys)" == repr(keys)
    with pytest.raises(ConfigurationError, match=r"^key is none of those that were given$"):
        keys.remove("gsk_strange")
    assert tuple(KEYS) == tuple(keys.keys)


@pytest.mark.parametrize("name", ["rpm_per_key", "organization_rpm"])
def test_a_limit_on_requests_is_a_whole_number(name: str) -> None:
    limits: dict[str, Any] = {name: 0}
    with pytest.raises(ConfigurationError, match=f"{name} is 0"):
        KeyManager(KEYS, **limits)
