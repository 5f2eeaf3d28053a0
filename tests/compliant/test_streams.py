"""The compliant client streams, too: on one of its keys, within their limits."""

from __future__ import annotations

import asyncio

import pytest

from groq_client_compliant import GroqClient
from sandbox import Answer, Fault, Sandbox
from services.llm.errors import ProviderUnavailableError
from services.llm.types import Message

HELLO: list[Message] = [{"role": "user", "content": "hi"}]


def test_a_stream_comes_in_pieces_and_breaks_with_what_came() -> None:
    async def scene(url: str) -> None:
        async with GroqClient("key-one", cache_path=None, base_url=url) as client:
            async with client.stream(HELLO, model="sandbox/ok") as stream:
                assert ["One", " two"] == [piece async for piece in stream]
            assert "One two" == stream.reply.text
            with pytest.raises(ProviderUnavailableError) as caught:
                _ = [piece async for piece in client.stream(HELLO, model="sandbox/ok")]
            assert caught.value.partial is not None
            assert "One" == caught.value.partial.text

    answer = Answer.streams("One", " two")
    with Sandbox() as sandbox:
        sandbox.script(answer, Fault.in_stream("cut", pieces=1, answer=answer))
        asyncio.run(scene(sandbox.url))
