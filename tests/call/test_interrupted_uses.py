"""A limit's use by a program on its own, which a signal's handler interrupts: nothing is held."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from groq_client_compliant import KeyManager, TokenBucket
from services.llm.quota import Quota
from services.llm.runtime.coroutines import run_without_loop
from services.llm_client import GroqClient
from tests.call.test_interrupted_calls import Change, Moments
from tests.compliant.support import KEYS, Clock


def of_a_window(_: Clock) -> tuple[Quota, Change]:
    client: Any = GroqClient("gsk_test")
    client._max_requests_per_window = 10_000
    return client._account.quota, client._check_rate_limit


def of_keys(clock: Clock) -> tuple[Quota, Change]:
    keys = KeyManager(KEYS, rpm_per_key=10_000, now=clock)
    return keys._account.quota, keys.try_acquire


def of_a_bucket(clock: Clock) -> tuple[Quota, Change]:
    bucket = TokenBucket(10_000, 1.0, now=clock)
    return bucket._quota, bucket.try_acquire


def of_a_bucket_that_is_waited_for(clock: Clock) -> tuple[Quota, Change]:
    bucket = TokenBucket(1, 1.0, now=clock)

    async def acquire_two() -> None:
        await bucket.acquire()
        await bucket.acquire()

    return bucket._quota, lambda: run_without_loop(acquire_two())


@pytest.mark.parametrize(
    "use_of", [of_a_window, of_keys, of_a_bucket, of_a_bucket_that_is_waited_for]
)
def test_what_is_used_is_not_held_after_an_interrupt_anywhere(
    use_of: Callable[[Clock], tuple[Quota, Change]], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()

    async def sleep(seconds: float) -> None:
        clock.now += seconds

    monkeypatch.setattr(asyncio, "sleep", sleep)
    quota, use = use_of(clock)
    moments = Moments()
    for at in moments:
        moments.interrupt(use)
        for queue in quota._state.queues.values():
            assert (0, 0) == (len(queue.waiting), len(queue.in_flight)), at
    assert moments.at > 50
