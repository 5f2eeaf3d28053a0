"""The client for several keys takes what the others take, in the same words."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from groq_client_compliant import GroqClient
from sandbox import Sandbox
from services.llm.types import Message
from services.llm_client import ConfigurationError, Document, Image, tool_results

PNG = bytes.fromhex("89504e470d0a1a0a0000000d4948445200000001000000010802000000")
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
HELLO: list[Message] = [{"role": "user", "content": "hi"}]


async def scene(url: str) -> None:
    asked: list[Message] = [
        {"role": "user", "content": ["What is this?", Image(PNG), Document(b"94: furniture")]}
    ]
    options: dict[str, Any] = {"model": "qwen/qwen3.8-27b", "reasoning_effort": "low"}
    async with GroqClient("key-one", cache_path=None, base_url=url) as client:
        called = await client.respond(asked, tools=[TOOL], service_tier="default", **options)
        (call,) = called.tool_calls
        results = tool_results(called, {call.id: "blue"})
        async with client.stream([*asked, *results], tools=[TOOL], **options) as stream:
            assert "Sandbox: blue" == "".join([piece async for piece in stream])
        for wrong in ({"guardrail": {"id": "a", "version": "1"}}, {"reasoning_effort": "max"}):
            with pytest.raises(ConfigurationError, match=r"guardrails|reasoning_effort"):
                await client.respond(HELLO, **wrong)
            with pytest.raises(ConfigurationError, match=r"guardrails|reasoning_effort"):
                client.stream(HELLO, **wrong)


def test_pictures_tools_and_options_are_those_of_the_other_clients() -> None:
    with Sandbox() as sandbox:
        asyncio.run(scene(sandbox.url))
        first, second = [exchange.body for exchange in sandbox.exchanges]
    assert ("on_demand", "low") == (first["service_tier"], first["reasoning_effort"])
    kinds = [part["type"] for part in first["messages"][0]["content"]]
    assert ["text", "image_url", "text"] == kinds
    assert "Echo the prompt." == second["messages"][1]["reasoning"]
