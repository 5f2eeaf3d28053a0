"""Two hundred calls in a queue, against a provider that keeps its limits; no minute is waited for.

The client and the provider go by one clock, which stands still while a call is on the wire.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest

from groq_client_compliant import GroqClient
from sandbox import Exchange, Limits, Sandbox
from tests.compliant import idle_time
from tests.compliant.idle_time import IdleClock
from tests.compliant.support import KEYS, MODEL, said

APART = dict(zip(KEYS, ("org_a", "org_b", "org_c"), strict=True))
TOGETHER = dict.fromkeys(KEYS, "org_a")
RPM, MINUTE, CALLS = 30, 60.0, 200


def queued(
    organizations: dict[str, str], tokens: int | None = None, calls: int = CALLS, **arguments: Any
) -> tuple[list[Exchange], float]:
    """Make all calls at once; what the provider saw of them, and the seconds that they took.

    The provider has a limit of *tokens* a minute, too.
    """
    clock = IdleClock()
    limits = Limits(rpm=RPM, tpm=tokens, minute=MINUTE)
    with Sandbox(limits=limits, keys=organizations, clock=clock) as sandbox:
        chat = {name: arguments.pop(name) for name in ("max_tokens",) if name in arguments}
        given = {"cache_path": None, "base_url": sandbox.url, **arguments}

        async def all_of_them() -> None:
            async with GroqClient(list(organizations), **given) as client:
                client._account.now = clock
                concurrency = client._account.concurrency
                clock.is_busy = lambda: concurrency.free < concurrency._size
                asking = [client.chat(said(str(n)), MODEL, **chat) for n in range(calls)]
                answers = await asyncio.gather(*asking)
            assert [f"Sandbox: {n}" for n in range(calls)] == answers

        began = clock.now
        idle_time.run(clock, all_of_them())
        return sandbox.exchanges, clock.now - began


def test_three_organisations_are_used_fully_and_fairly_and_never_refuse() -> None:
    seen, took = queued(APART)
    assert {200: CALLS} == Counter(each.status for each in seen)
    assert {66, 67} == set(Counter(each.organisation for each in seen).values())
    assert took <= 1.05 * MINUTE * CALLS / (3 * RPM)


def test_one_organisation_with_its_limit_stated_never_refuses() -> None:
    seen, took = queued(TOGETHER, organization_rpm=RPM)
    assert {200: CALLS} == Counter(each.status for each in seen)
    assert took <= 1.05 * MINUTE * CALLS / RPM


def test_one_organisation_refuses_once_a_minute_and_gets_nothing_before_its_retry_after() -> None:
    seen, took = queued(TOGETHER)
    refused = [each for each in seen if each.status == 429]
    assert {200: CALLS, 429: len(refused)} == Counter(each.status for each in seen)
    assert 1 <= len(refused)
    gaps = [later.arrived_at - wake.arrived_at for wake, later in pairwise(refused)]
    assert all(gap >= MINUTE for gap in gaps)
    for refusal in refused:
        # Retry-After is the wait until one request is refilled, 2 s.
        until = refusal.arrived_at + MINUTE / RPM
        assert not [each for each in seen if refusal.arrived_at < each.arrived_at < until]
    assert took <= 1.05 * MINUTE * CALLS / RPM


@pytest.mark.parametrize(
    ("organizations", "stated"), [(APART, {}), (TOGETHER, {"organization_rpm": RPM})]
)
def test_tokens_of_which_only_the_headers_tell_are_learnt_and_never_refused(
    organizations: dict[str, str], stated: dict[str, int]
) -> None:
    seen, _ = queued(organizations, tokens=400, calls=40, max_tokens=200, **stated)
    assert {200: 40} == Counter(each.status for each in seen)


@pytest.mark.parametrize("concurrency", [1, 8])
def test_no_minute_holds_more_than_a_keys_limit_not_even_the_first(concurrency: int) -> None:
    seen, took = queued({KEYS[0]: "org_a"}, max_concurrency=concurrency)
    times = [each.arrived_at for each in seen]
    spans = [times[n + RPM] - times[n] for n in range(CALLS - RPM)]
    assert min(spans) >= MINUTE - 1e-6
    assert took <= 1.05 * MINUTE * CALLS / RPM
