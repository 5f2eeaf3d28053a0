"""A turn with a tool can be cancelled at each of its waits: nothing stays taken."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Coroutine, Generator
from typing import Any

import pytest

from sandbox import Sandbox
from services.llm.account.account import Account
from services.llm.account.daily_budget import DailyBudget, MemoryDayCounter
from services.llm.client.tool_results import tool_results
from services.llm.types import Reply
from tests.wire.conftest import OpenFace
from tests.wire.faces import Face
from tests.wire.test_any_answer import assert_all_is_back

FUNCTION = {"name": "weather", "parameters": {"type": "object", "properties": {}}}
ASKING: dict[str, Any] = {
    "tools": [{"type": "function", "function": FUNCTION}],
    "tool_choice": "auto",
}
MODELS = {"groq": "openai/gpt-oss-120b", "bedrock": "us.anthropic.claude-sonnet-4-6"}
KNOBS = {"LLM_MAX_CONCURRENCY": 1, "LLM_CACHE_URL": "memory:"}
LIMITS = {f"{name}_REQUESTS_PER_MINUTE": 1000 for name in ("GROQ", "BEDROCK")}


async def turn(face: Face, question: str) -> Reply:
    """Ask, and answer the call of the tool."""
    asking = {**ASKING, "model": MODELS[face.provider]}
    messages = [{"role": "user", "content": question}]
    called = await face.client.arespond(messages=messages, **asking)
    (call,) = called.tool_calls
    results = tool_results(called, {call.id: "It rains."})
    reply: Reply = await face.client.arespond(messages=[*messages, *results], **asking)
    return reply


@types.coroutine
def cancelled_at(
    wait: int, coroutine: Coroutine[Any, Any, Reply]
) -> Generator[Any, Any, Reply | None]:
    """Await *coroutine*, and cancel its task in its wait of this number, if it has so many."""
    task, waits = asyncio.current_task(), 0
    assert task is not None
    try:
        waited = coroutine.send(None)
        while True:
            if waits == wait:
                asyncio.get_running_loop().call_soon(task.cancel)
            waits += 1
            try:
                yield waited
            except BaseException as error:
                waited = coroutine.throw(error)
            else:
                waited = coroutine.send(None)
    except StopIteration as done:
        reply: Reply = done.value
        return reply


@pytest.mark.parametrize("kind", ["groq async", "bedrock async"])
def test_a_turn_with_a_tool_cancelled_at_any_wait_gives_everything_back(
    open_client: OpenFace, sandbox: Sandbox, kind: str
) -> None:
    face = open_client(kind, **KNOBS, **LIMITS)
    account: Account = face.client._account
    account.budget = DailyBudget(10**9, MemoryDayCounter())

    async def ended(wait: int) -> Reply | None:
        try:
            return await cancelled_at(wait, turn(face, f"Which weather is it in town {wait}?"))
        except asyncio.CancelledError:
            return None

    async def scene(wait: int) -> Reply | None:
        reply = await asyncio.create_task(ended(wait))
        assert {asyncio.current_task()} == asyncio.all_tasks()
        return reply

    waits = 0
    while (reply := face.run(scene(waits))) is None:
        waits += 1
        assert_all_is_back(account)
        assert 0 == len(account.single_flight)
    assert "It rains." in reply.text
    assert waits >= 4
