"""Event loops come and go under one client, and leave nothing open."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from sandbox import Fault, Sandbox
from services.llm_client import LLMTimeoutError
from tests.wire.conftest import OpenFace

PROVIDERS = ["groq", "bedrock"]


@pytest.fixture(autouse=True)
def _nothing_unclosed() -> Iterator[None]:
    """What was left open says so as it is collected, and warnings are errors."""
    yield
    gc.collect()


@pytest.mark.parametrize("provider", PROVIDERS)
def test_one_loop_after_another_is_served(
    open_client: OpenFace, sandbox: Sandbox, provider: str
) -> None:
    client = open_client(provider).client
    for number in range(3):
        assert f"Sandbox: {number}" == asyncio.run(client.agenerate(str(number)))
        gc.collect()
    assert 3 == len(sandbox.exchanges)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_loops_in_several_threads_are_served_at_once(
    open_client: OpenFace, sandbox: Sandbox, provider: str
) -> None:
    client = open_client(provider).client
    answers: list[str] = []

    async def three() -> None:
        answers.extend(await asyncio.gather(*(client.agenerate("hi") for _ in range(3))))

    threads = [threading.Thread(target=asyncio.run, args=(three(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ["Sandbox: hi"] * 12 == answers


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_client_is_closed_with_the_block(
    open_client: OpenFace, sandbox: Sandbox, provider: str
) -> None:
    client = open_client(provider).client

    async def block() -> str:
        async with client:
            text: str = await client.agenerate("hi")
            return text

    assert "Sandbox: hi" == asyncio.run(block())
    assert "Sandbox: hi" == asyncio.run(block())


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_closed_client_can_be_used_again(
    open_client: OpenFace, sandbox: Sandbox, provider: str
) -> None:
    client = open_client(provider).client
    for _ in range(2):
        with client:
            assert "Sandbox: hi" == client.generate("hi")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_call_on_its_way_survives_that_its_client_is_closed(
    open_client: OpenFace, sandbox: Sandbox, provider: str
) -> None:
    client = open_client(provider).client
    client.generate("hi")
    sandbox.script(Fault.dripped(20, 0.01))
    with ThreadPoolExecutor(1) as thread:
        answer = thread.submit(client.respond, "hi")
        sandbox.wait_for(2)
        client.close()
        assert (1, "Sandbox: hi") == (len(answer.result().attempts), answer.result().text)
    assert "Sandbox: hi" == client.generate("hi")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_call_survives_that_its_loops_connections_are_closed_at_any_step(
    open_client: OpenFace, sandbox: Sandbox, provider: str
) -> None:
    client = open_client(provider).client
    client._max_requests_per_window = 1000

    async def scene(steps: int) -> str:
        task = asyncio.create_task(client.agenerate("hi"))
        for _ in range(steps):
            await asyncio.sleep(0)
        await client.aclose()
        answer: str = await task
        return answer

    assert ["Sandbox: hi"] * 40 == [asyncio.run(scene(steps)) for steps in range(40)]
    assert 40 == len(sandbox.exchanges)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_loops_that_are_made_and_closed_by_hand_are_served(
    open_client: OpenFace, sandbox: Sandbox, provider: str
) -> None:
    client = open_client(provider).client
    for number in range(3):
        loop = asyncio.new_event_loop()
        assert f"Sandbox: {number}" == loop.run_until_complete(client.agenerate(str(number)))
        loop.run_until_complete(client.aclose())
        loop.close()


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_loop_may_end_while_a_call_was_given_up(
    open_client: OpenFace, sandbox: Sandbox, provider: str
) -> None:
    client = open_client(provider).client
    sandbox.script(Fault.silent(60))
    with pytest.raises(LLMTimeoutError):
        asyncio.run(client.agenerate("hi", timeout=0.05))
    assert "Sandbox: hi" == asyncio.run(client.agenerate("hi"))


@pytest.mark.parametrize("provider", PROVIDERS)
def test_blocking_and_awaiting_calls_share_one_window(
    open_client: OpenFace, sandbox: Sandbox, provider: str
) -> None:
    client = open_client(provider).client
    client.generate("hi")
    asyncio.run(client.agenerate("hi"))
    assert 2 == len(client._request_times)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_call_inside_a_running_loop_may_block_it(
    open_client: OpenFace, sandbox: Sandbox, provider: str
) -> None:
    client = open_client(provider).client

    async def route() -> str:
        text: str = client.generate("hi")
        return text

    assert "Sandbox: hi" == asyncio.run(route())
