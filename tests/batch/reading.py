"""Read a batch to its end, blocking or awaiting, as a test asks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from services.llm_client import Batch

Read = Callable[..., list[Any]]


def blocking(client: Any, prompts: Any, **arguments: Any) -> list[Any]:
    """Read with `for`."""
    with client.generate_batch(prompts, **arguments) as batch:
        return list(batch)


def awaiting(client: Any, prompts: Any, **arguments: Any) -> list[Any]:
    """Read with `async for`."""

    async def read() -> list[Any]:
        async with client.agenerate_batch(prompts, **arguments) as batch:
            return [result async for result in batch]

    return asyncio.run(read())


BOTH = (blocking, awaiting)


def waiters(batch: Batch[Any]) -> int:
    """How many threads wait for a result of it."""
    return len(vars(batch._pipeline._changed)["_waiters"])
