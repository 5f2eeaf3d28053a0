"""The awaiting twins on a mocked SDK: the same mock, called in a thread."""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import Any
from unittest.mock import Mock, patch

import pytest

from services.llm_client import BedrockClient, GroqClient, LLMError, RateLimitError
from tests.compat.support import claude, completion, invocation

Client = GroqClient | BedrockClient


def test_a_call_is_awaited(client: Client, sdk_call: Mock) -> None:
    async def ask() -> list[Any]:
        return [
            await client.agenerate("x"),
            await client.agenerate("x", "Be brief.", 0.1),
            await client.agenerate_with_retry("x", 2, "Be brief."),
            (await client.arespond("x")).text,
        ]

    assert asyncio.run(ask()) == ["Hello!"] * 4
    assert sdk_call.call_count == 4


def test_the_event_loop_goes_on_meanwhile(client: Client, sdk_call: Mock) -> None:
    begun, may_end = threading.Event(), threading.Event()
    answered = sdk_call.side_effect

    def answer(**asked: Any) -> Any:
        begun.set()
        assert may_end.wait(60)
        return answered(**asked) if answered else completion("Hello!")

    async def ask() -> str:
        asking = asyncio.ensure_future(client.agenerate("x"))
        while not begun.is_set():
            await asyncio.sleep(0)
        # Only because the loop is free can this line let the call end.
        may_end.set()
        return await asking

    sdk_call.side_effect = answer
    assert asyncio.run(ask()) == "Hello!"


def test_many_calls_at_once_are_all_answered(client: Client, sdk_call: Mock) -> None:
    async def ask() -> list[str]:
        return list(await asyncio.gather(*(client.agenerate(f"{n}") for n in range(20))))

    assert asyncio.run(ask()) == ["Hello!"] * 20
    assert sdk_call.call_count == len(client._request_times) == 20


def test_one_client_serves_several_event_loops(client: Client) -> None:
    assert [asyncio.run(client.agenerate("x")) for _ in range(3)] == ["Hello!"] * 3


@pytest.mark.parametrize(
    ("words", "told"),
    [("rate limit", "rate limit"), ("authentication", "authentication"), ("No.", "API error: No.")],
)
def test_errors_are_the_same(client: Client, sdk_call: Mock, words: str, told: str) -> None:
    sdk_call.side_effect = Exception(words)

    with pytest.raises(LLMError, match=told) as awaited:
        asyncio.run(client.agenerate("x"))
    with pytest.raises(LLMError, match=told) as blocked:
        client.generate("x")
    assert repr(awaited.value) == repr(blocked.value)


def test_the_window_is_the_same(client: Client) -> None:
    client._max_requests_per_window = 1
    client.generate("x")

    with pytest.raises(RateLimitError, match="Rate limit exceeded"):
        asyncio.run(client.agenerate("y"))


def test_a_client_that_was_never_used_asynchronously_closes_so(client: Client) -> None:
    async def use() -> str:
        async with client:
            return client.generate("x")

    assert asyncio.run(use()) == "Hello!"
    client.close()


def test_clients_that_are_dropped_leave_no_thread() -> None:
    used: set[threading.Thread] = set()

    def answer(**_: Any) -> Any:
        used.add(threading.current_thread())
        return invocation(claude("Hello!"))

    with patch("services.llm_client.boto3.client") as build:
        build.return_value.invoke_model.side_effect = answer
        awaited = [asyncio.run(BedrockClient().agenerate("x")) for _ in range(10)]

    gc.collect()
    assert awaited == ["Hello!"] * 10
    assert threading.main_thread() not in used
    for thread in used:
        thread.join(5)
    assert (False, {False}) == (not used, {thread.is_alive() for thread in used})
