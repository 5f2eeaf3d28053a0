"""What the tests of the compliant client share: its keys, its questions, its clock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from groq_client_compliant import GroqClient
from services.llm.types import Message

R = TypeVar("R")

MODEL = "openai/gpt-oss-20b"
KEYS = ["gsk_FirstKey0123456789", "gsk_SecondKey0123456789", "gsk_ThirdKey0123456789"]


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def said(text: str) -> list[Message]:
    """A chat of one question."""
    return [{"role": "user", "content": text}]


def with_client(url: str, use: Callable[[GroqClient], Awaitable[R]], **arguments: Any) -> R:
    """Run *use* with a client of the sandbox at *url*, without a cache unless one is asked for."""
    given = {"keys": KEYS, "cache_path": None, "base_url": url, **arguments}

    async def using() -> R:
        async with GroqClient(**given) as client:
            return await use(client)

    return asyncio.run(using())


def ask(url: str, text: str = "hello", model: str = MODEL, **arguments: Any) -> str:
    """Ask once, with a client of its own."""
    return with_client(url, lambda client: client.chat(said(text), model), **arguments)
