"""Batches of the compliant client: its own calls side by side, and Groq's Batch API."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import pytest
from pydantic import BaseModel

from groq_client_compliant import GroqClient
from sandbox import Fault, Sandbox
from services.llm.errors import BatchStoppedError, ConfigurationError
from tests.compliant.support import KEYS, MODEL, with_client


class Word(BaseModel):
    word: str


def read(url: str, prompts: Any, **arguments: Any) -> list[Any]:
    """The results of a batch of calls, made by a client with a large quota."""

    async def reading(client: GroqClient) -> list[Any]:
        return [result async for result in client.generate_batch(prompts, **arguments)]

    return with_client(url, reading, rpm_per_key=1000)


def test_each_prompt_has_its_reply_in_order_over_all_keys(sandbox: Sandbox) -> None:
    results = read(sandbox.url, [f"Say {number}." for number in range(12)], model=MODEL)
    assert [f"Sandbox: Say {number}." for number in range(12)] == [each.value for each in results]


def test_prompts_may_be_chats_and_have_arguments_of_their_own(sandbox: Sandbox) -> None:
    chat = [{"role": "user", "content": "In a chat."}]
    own = {"prompt": "Own.", "system_prompt": "Hm.", "model": MODEL, "top_p": 0.5, "max_tokens": 9}
    results = read(sandbox.url, [chat, own, 7], concurrency=1, tags={"tenant": "a"})
    first, second = (exchange.body for exchange in sandbox.exchanges)
    assert ["In a chat."] == [each["content"] for each in first["messages"]]
    assert ["Hm.", "Own."] == [each["content"] for each in second["messages"]]
    assert (MODEL, 0.5, 9) == (second["model"], second["top_p"], second["max_tokens"])
    assert "a prompt is of type int" in str(results[2].error)


def test_answers_satisfy_a_schema(sandbox: Sandbox) -> None:
    results = read(sandbox.url, ["a", "b"], schema=Word, ordered=False)
    assert [Word, Word] == [type(each.value) for each in results]


def test_refused_keys_end_the_batch(sandbox: Sandbox) -> None:
    sandbox.script(Fault.error(401), times=None)
    with pytest.raises(BatchStoppedError):
        read(sandbox.url, (f"Say {number}." for number in range(1000)), concurrency=2)
    assert len(sandbox.exchanges) <= len(KEYS) * 8


def test_a_budget_that_is_used_up_ends_the_batch(sandbox: Sandbox) -> None:
    async def reading(client: GroqClient) -> list[Any]:
        prompts = (f"Say {number}." for number in range(1000))
        return [result async for result in client.generate_batch(prompts, max_tokens=10)]

    with pytest.raises(BatchStoppedError, match="Daily token budget exceeded"):
        with_client(sandbox.url, reading, daily_token_budget=100, rpm_per_key=1000)
    assert len(sandbox.exchanges) < 20


def test_a_batch_lets_other_calls_go_first_unless_it_is_told_not_to(sandbox: Sandbox) -> None:
    seen: list[str] = []

    async def reading(client: GroqClient) -> list[Any]:
        account: Any = client._account
        reserve = account.reserve

        def noting(*arguments: Any, **more: Any) -> Any:
            bound = inspect.signature(reserve).bind(*arguments, **more)
            seen.append(bound.arguments["priority"])
            return reserve(*arguments, **more)

        account.reserve = noting
        own = {"prompt": "At once.", "priority": "interactive"}
        return [each async for each in client.generate_batch(["a", own], concurrency=1)]

    results = with_client(sandbox.url, reading)
    assert [None, None] == [each.error for each in results]
    assert ("batch", "interactive") == (seen[0], seen[-1])


def test_what_is_wrong_for_all_is_an_error_at_once(sandbox: Sandbox) -> None:
    async def asking(client: GroqClient) -> None:
        for arguments in ({"temprature": 0}, {"schema": 7}, {"concurrency": 0}, {"progress": 1.5}):
            with pytest.raises(ConfigurationError):
                client.generate_batch(["a"], **arguments)
        with pytest.raises(ConfigurationError, match="hours is 1"):
            await client.submit_batch(["a"], hours=1)
        with pytest.raises(ConfigurationError, match=r"prompts\[0\]: a prompt is of type int"):
            await client.submit_batch([7])

    with_client(sandbox.url, asking)


def test_groqs_own_batch_is_submitted_and_found_again(sandbox: Sandbox) -> None:
    async def asking(client: GroqClient) -> tuple[Any, ...]:
        batch = await client.submit_batch(["a", {"prompt": "b"}], schema=Word, model=MODEL)
        found = client.resume_batch(batch.id, Word)
        return batch.id, [result async for result in found.aresults()]

    identity, results = with_client(sandbox.url, asking)
    assert [Word, Word] == [type(each.value) for each in results]
    # Its handle may also be read where nothing awaits.
    client = GroqClient(KEYS, cache_path=None, base_url=sandbox.url)
    assert "completed" == client.resume_batch(identity).status().state
    asyncio.run(client.aclose())
