from __future__ import annotations

import asyncio
import gc
import logging
import os
import random
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import groq_client_compliant
from groq_client_compliant import GroqClient
from sandbox import Answer, Fault, Limits, Sandbox, retry_after_date
from services.llm.errors import (
    AuthenticationError,
    ConfigurationError,
    InvalidRequestError,
    LLMTimeoutError,
    ProviderUnavailableError,
    RateLimitError,
    TruncatedError,
)
from services.llm.types import Reply
from tests.compliant.support import KEYS, MODEL, ask, said, with_client

THREE = dict(zip(KEYS, ("org_a", "org_b", "org_c"), strict=True))


@pytest.fixture
def _no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Backoff at its shortest, which is half a second: less, so that tests are quick."""
    monkeypatch.setattr(random, "uniform", lambda low, high: low / 50)


def test_a_chat_is_answered(sandbox: Sandbox) -> None:
    assert "Sandbox: hello" == ask(sandbox.url)


def test_what_is_asked_goes_out_as_it_is(sandbox: Sandbox) -> None:
    chat = [{"role": "system", "content": "Be brief."}, *said("hello")]
    with_client(
        sandbox.url,
        lambda client: client.chat(chat, model=MODEL, temperature=0.2, max_tokens=99, seed=7),
    )
    body = sandbox.exchanges[0].body
    assert (chat, MODEL, 0.2, 99, 7) == tuple(
        body[name] for name in ("messages", "model", "temperature", "max_tokens", "seed")
    )


def test_the_whole_reply_says_how_it_came_about(sandbox: Sandbox) -> None:
    reply = with_client(sandbox.url, lambda client: client.respond(said("hello"), MODEL))
    assert ("Sandbox: hello", MODEL, 1) == (reply.text, reply.model, len(reply.attempts))
    assert reply.usage.total_tokens > 0


def test_a_structured_answer_satisfies_its_schema(sandbox: Sandbox) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    value, reply = with_client(
        sandbox.url, lambda client: client.structured(said("how many?"), schema, MODEL)
    )
    assert isinstance(value["n"], int)
    assert isinstance(reply, Reply)


def test_a_schema_that_is_none_is_refused_before_any_call(sandbox: Sandbox) -> None:
    with pytest.raises(ConfigurationError):
        with_client(
            sandbox.url, lambda client: client.structured(said("?"), {"type": "nonsense"}, MODEL)
        )
    assert [] == sandbox.exchanges


@pytest.mark.usefixtures("_no_backoff")
@pytest.mark.parametrize("status", [500, 502, 503, 498, 520])
def test_a_passing_fault_is_retried(sandbox: Sandbox, status: int) -> None:
    assert "Sandbox: hello" == ask(sandbox.url, model=f"sandbox/{status}?times=2")
    assert 3 == len(sandbox.exchanges)


@pytest.mark.usefixtures("_no_backoff")
def test_a_broken_connection_is_retried(sandbox: Sandbox) -> None:
    assert "Sandbox: hello" == ask(sandbox.url, model="sandbox/reset?times=1")


@pytest.mark.usefixtures("_no_backoff")
def test_attempts_end_with_the_last_error(sandbox: Sandbox) -> None:
    with pytest.raises(ProviderUnavailableError) as caught:
        ask(sandbox.url, model="sandbox/503", max_retries=2)
    assert (3, 3) == (len(sandbox.exchanges), len(caught.value.attempts))


def test_each_answer_is_waited_for_just_so_long(sandbox: Sandbox) -> None:
    with pytest.raises(LLMTimeoutError):
        ask(sandbox.url, model="sandbox/drip?size=1&every=0.02", request_timeout=0.2, max_retries=0)


@pytest.mark.parametrize(
    "told",
    ["0.4", "400ms", "0.3s", pytest.param(retry_after_date(1.5), id="HTTP-date")],
)
def test_a_retry_after_of_any_form_is_waited_out(sandbox: Sandbox, told: Any) -> None:
    sandbox.script(Fault.rate_limited(told))
    assert "Sandbox: hello" == ask(sandbox.url)
    refused, answered = sandbox.exchanges
    assert answered.arrived_at - (refused.answered_at or 0.0) >= 0.28


def test_a_longer_wait_than_allowed_is_an_error_at_once(sandbox: Sandbox) -> None:
    sandbox.script(Fault.rate_limited("600"))
    with pytest.raises(RateLimitError) as caught:
        ask(sandbox.url, max_quota_wait=1.0)
    assert 600.0 == caught.value.retry_after
    assert 1 == len(sandbox.exchanges)


def test_a_refused_key_is_replaced_and_named_by_its_place(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with Sandbox(keys={KEYS[2]: "org_c"}) as sandbox, caplog.at_level(logging.DEBUG):
        assert "Sandbox: hello" == ask(sandbox.url, max_retries=0)
        assert 3 == len(sandbox.exchanges)
    warnings = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert ["key 1 of 3 is", "key 2 of 3 is"] == [text[:13] for text in warnings]
    assert not any(key in record.getMessage() for key in KEYS for record in caplog.records)


def test_when_every_key_is_refused_no_more_is_sent() -> None:
    async def twice(client: GroqClient) -> list[BaseException | str]:
        calls = [client.chat(said("hello"), MODEL) for _ in range(2)]
        return [(await asyncio.gather(call, return_exceptions=True))[0] for call in calls]

    with Sandbox(keys={}) as sandbox:
        first, second = with_client(sandbox.url, twice)
        assert 3 == len(sandbox.exchanges)
    for error in (first, second):
        assert isinstance(error, AuthenticationError)
        assert "none of the 3 keys is accepted" in str(error)


def test_calls_that_wait_for_a_key_that_is_taken_out_go_with_another() -> None:
    async def many(client: GroqClient) -> list[str]:
        return await asyncio.gather(*(client.chat(said(str(n)), MODEL) for n in range(12)))

    with Sandbox(keys={KEYS[1]: "org_b"}) as sandbox:
        answers = with_client(
            sandbox.url, many, keys=KEYS[:2], rpm_per_key=10, window=0.5, max_concurrency=1
        )
        assert {401: 1, 200: 12} == Counter(each.status for each in sandbox.exchanges)
    assert [f"Sandbox: {n}" for n in range(12)] == answers


def test_no_key_is_shown_even_if_the_server_quotes_it(sandbox: Sandbox) -> None:
    sandbox.script(Fault.error(400, f"bad key {KEYS[0]} of yours"))
    with pytest.raises(Exception, match=r"bad key gsk_\*+|bad key \*+") as caught:
        ask(sandbox.url)
    error: BaseException | None = caught.value
    while error is not None:
        assert not any(key in f"{error} {error!r}" for key in KEYS)
        error = error.__cause__


def test_an_answer_is_found_again_by_another_client(sandbox: Sandbox, tmp_path: Path) -> None:
    for _ in range(2):
        assert "Sandbox: hello" == ask(sandbox.url, cache_path=tmp_path / "cache.json")
    assert 1 == len(sandbox.exchanges)
    assert 0o600 == (tmp_path / "cache.json").stat().st_mode & 0o777


def test_the_cache_is_where_its_url_says(sandbox: Sandbox, tmp_path: Path) -> None:
    for _ in range(2):
        ask(sandbox.url, cache_path=f"sqlite:{tmp_path}/cache.db")
    assert 1 == len(sandbox.exchanges)


def test_without_a_cache_every_call_is_sent(sandbox: Sandbox) -> None:
    for _ in range(2):
        ask(sandbox.url)
    assert 2 == len(sandbox.exchanges)


def test_a_day_without_tokens_sends_nothing(sandbox: Sandbox) -> None:
    with pytest.raises(RateLimitError, match="0 of 0 are left until 00:00 UTC"):
        ask(sandbox.url, daily_token_budget=0)
    assert [] == sandbox.exchanges


def test_the_days_tokens_are_trued_up_and_survive_a_restart(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    cache = tmp_path / "cache.json"
    sandbox.script(Answer(text="yes", input_tokens=40, output_tokens=50))
    ask(sandbox.url, cache_path=cache, daily_token_budget=100)
    with pytest.raises(RateLimitError, match="10 of 100 are left"):
        ask(sandbox.url, "another", cache_path=cache, daily_token_budget=100)


def test_a_failure_is_refunded(sandbox: Sandbox) -> None:
    failures = {
        "400": InvalidRequestError,
        "reset": ProviderUnavailableError,
        "length": TruncatedError,
    }

    async def fail_and_ask(client: GroqClient) -> str:
        for fault, error in failures.items():
            with pytest.raises(error):
                await client.chat(said("hello"), f"sandbox/{fault}", max_tokens=50)
        return await client.chat(said("hello"), MODEL, max_tokens=50)

    # The estimate is 60 tokens: two of them would be too many.
    assert "Sandbox: hello" == with_client(
        sandbox.url, fail_and_ask, daily_token_budget=100, max_retries=0
    )


def test_calls_at_once_are_bounded_over_threads_and_loops() -> None:
    busiest = 0
    with Sandbox(latency=0.05) as sandbox:
        client = GroqClient(KEYS, 1000, 3, cache_path=None, base_url=sandbox.url)

        async def some(name: int) -> None:
            await asyncio.gather(*(client.chat(said(f"{name} {n}"), MODEL) for n in range(4)))
            await client.aclose()

        async def over_threads() -> None:
            await asyncio.gather(*(asyncio.to_thread(asyncio.run, some(n)) for n in range(3)))

        asyncio.run(over_threads())
        times = [(each.arrived_at, each.answered_at or 0.0) for each in sandbox.exchanges]
        busiest = max(sum(a <= at < b for a, b in times) for at, _ in times)
    assert (12, True) == (len(times), busiest <= 3)


def test_no_place_on_the_wire_is_held_while_waiting(sandbox: Sandbox) -> None:
    async def two(client: GroqClient) -> list[str]:
        slow = asyncio.create_task(client.chat(said("slow"), "sandbox/503?times=1"))
        await asyncio.to_thread(sandbox.wait_for, 1)
        quick = await client.chat(said("quick"), MODEL)
        assert not slow.done()
        return [quick, await slow]

    assert ["Sandbox: quick", "Sandbox: slow"] == with_client(sandbox.url, two, max_concurrency=1)


def test_a_call_that_is_cancelled_at_any_step_leaves_the_way_free(sandbox: Sandbox) -> None:
    async def use(client: GroqClient) -> None:
        for steps in range(60):
            task = asyncio.create_task(client.chat(said("never mind"), MODEL))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert "Sandbox: hi" == await client.chat(said("hi"), MODEL)

    with_client(sandbox.url, use, max_concurrency=1, rpm_per_key=100_000, request_timeout=5)


def test_calls_that_are_cancelled_on_the_wire_show_no_room_for_more(sandbox: Sandbox) -> None:
    async def leave_two_and_ask(client: GroqClient) -> str:
        leaving = [asyncio.create_task(client.chat(said(n), "sandbox/silence")) for n in "ab"]
        await asyncio.to_thread(sandbox.wait_for, 2)
        for task in leaving:
            task.cancel()
        await asyncio.gather(*leaving, return_exceptions=True)
        return await client.chat(said("c"), MODEL)

    with pytest.raises(RateLimitError, match="Rate limit exceeded"):
        with_client(sandbox.url, leave_two_and_ask, rpm_per_key=2, max_quota_wait=0)
    assert 2 == len(sandbox.exchanges)


def test_a_client_may_be_used_in_one_loop_after_another(sandbox: Sandbox) -> None:
    client = GroqClient(KEYS, cache_path=None, base_url=sandbox.url)
    for text in ("one", "two"):
        assert f"Sandbox: {text}" == asyncio.run(client.chat(said(text), MODEL))
    del client
    gc.collect()


def test_what_is_forgotten_is_built_anew(sandbox: Sandbox) -> None:
    client = GroqClient(KEYS, cache_path=None, base_url=sandbox.url)
    for text in ("one", "two"):
        assert f"Sandbox: {text}" == asyncio.run(client.chat(said(text), MODEL))
        client.after_fork()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_has_connections_of_its_own(sandbox: Sandbox) -> None:
    client = GroqClient(KEYS, cache_path=None, base_url=sandbox.url)
    assert "Sandbox: one" == asyncio.run(client.chat(said("one"), MODEL))
    child = os.fork()
    if child == 0:
        answer = asyncio.run(client.chat(said("two"), MODEL))
        os._exit(0 if answer == "Sandbox: two" else 1)
    assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_retired_model_is_answered_by_its_successor(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        reply = with_client(
            sandbox.url, lambda client: client.respond(said("hello"), "mixtral-8x7b-32768")
        )
    assert "openai/gpt-oss-120b" == reply.model
    assert 1 == len(caplog.messages)


def test_the_other_spelling_is_the_same_module() -> None:
    assert groq_client_compliant is sys.modules["backend.groq_client_compliant"]


def test_a_refusal_by_its_limits_never_reaches_the_provider() -> None:
    limits = Limits(rpm=4, minute=1.0)

    async def five(client: GroqClient) -> list[str]:
        return await asyncio.gather(*(client.chat(said(str(n)), MODEL) for n in range(5)))

    with Sandbox(limits=limits, keys=THREE) as sandbox:
        began = time.monotonic()
        with_client(sandbox.url, five, keys=KEYS[:1], rpm_per_key=4, window=1.0)
        assert time.monotonic() - began >= 1.0
        assert {200} == {each.status for each in sandbox.exchanges}
