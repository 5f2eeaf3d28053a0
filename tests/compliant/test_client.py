"""The compliant client against the sandbox: what is asked, what comes back, and with which key."""

from __future__ import annotations

import asyncio
import logging
import random
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from groq.resources.chat.completions import AsyncCompletions

import groq_client_compliant
from groq_client_compliant import GroqClient
from sandbox import Fault, Limits, Sandbox, retry_after_date
from services.llm.errors import (
    AuthenticationError,
    ConfigurationError,
    LLMTimeoutError,
    ProviderUnavailableError,
    RateLimitError,
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


def test_a_host_whose_threads_are_all_taken_holds_up_no_call(sandbox: Sandbox) -> None:
    released = threading.Event()

    async def scene() -> str:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        taken = loop.run_in_executor(None, released.wait, 30)
        try:
            async with GroqClient(KEYS[0], base_url=sandbox.url, cache_path=None) as client:
                return await client.chat([{"role": "user", "content": "hello"}])
        finally:
            released.set()
            await taken

    assert "Sandbox: hello" == asyncio.run(asyncio.wait_for(scene(), 25))


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


def test_what_an_instrumentation_puts_into_the_sdk_is_called(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    own: Any = AsyncCompletions.create

    async def noted(self: Any, **wire: Any) -> Any:
        seen.append(wire["model"])
        return await own(self, **wire)

    monkeypatch.setattr(AsyncCompletions, "create", noted)
    assert "Sandbox: hello" == ask(sandbox.url)
    assert [MODEL] == seen


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
    assert answered.arrived_at - refused.arrived_at >= 0.3


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
