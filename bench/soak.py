"""Memory, descriptors and threads before and after many calls and many reopenings.

    PYTHONPATH=backend python -m bench.soak [calls] [reopenings]

All four modes call the sandbox's Bedrock and Groq on loopback, 32 at once where they await.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

MODES = ("groq", "groq async", "bedrock", "bedrock async")
AT_ONCE = 32
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "s" * 40}


def state() -> tuple[float, int, int]:
    """This process's memory in MB, its descriptors and its threads."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6, descriptors, threading.active_count()


def opened(provider: str, groq: str, bedrock: str) -> Any:
    """A client of *provider* that no limit holds back."""
    from services import llm_client

    llm_client.settings = SimpleNamespace(
        GROQ_API_KEY="gsk_" + "a" * 40,
        GROQ_BASE_URL=groq,
        **KEYS,
        GROQ_REQUESTS_PER_MINUTE=100_000_000,
        BEDROCK_REQUESTS_PER_MINUTE=100_000_000,
    )
    if provider == "groq":
        return llm_client.GroqClient(model="openai/gpt-oss-20b")
    return llm_client.BedrockClient("us-east-1", "us.amazon.nova-lite-v1:0", endpoint_url=bedrock)


def call(client: Any, manner: str, calls: int) -> None:
    """Make so many *calls*, one after another or several at once."""

    async def several() -> None:
        async def some(count: int) -> None:
            for _ in range(count):
                await client.agenerate("Hello")

        await asyncio.gather(*(some(calls // AT_ONCE) for _ in range(AT_ONCE)))
        await client.aclose()

    if manner:
        asyncio.run(several())
    else:
        for _ in range(calls):
            client.generate("Hello")


def reopen(client: Any, manner: str, times: int) -> None:
    """Use one client in so many `with` blocks, each with a call."""

    async def again() -> None:
        for _ in range(times):
            async with client:
                await client.agenerate("Hello")

    if manner:
        asyncio.run(again())
    else:
        for _ in range(times):
            with client:
                client.generate("Hello")


def _row(what: str, before: tuple[float, int, int], after: tuple[float, int, int]) -> None:
    cells = (f"{old:.0f} to {new:.0f}" for old, new in zip(before, after, strict=True))
    print(f"| {what} | " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    """Print a row for each mode and each kind of use."""
    from .bedrock_server import server as bedrock_server
    from .loopback import server as groq_server

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("calls", nargs="?", type=int, default=20_000, help="calls of each mode")
    parser.add_argument("reopenings", nargs="?", type=int, default=300, help="of each mode")
    arguments = parser.parse_args()
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    print("| use | memory, MB | descriptors | threads |\n|---|---|---|---|")
    with groq_server() as groq, bedrock_server(latency=0.0) as bedrock:
        for mode in MODES:
            provider, _, manner = mode.partition(" ")
            client = opened(provider, groq, bedrock)
            for what, use, times in (
                ("calls", call, arguments.calls),
                ("reopenings", reopen, arguments.reopenings),
            ):
                use(client, manner, max(times // 10, AT_ONCE))  # what is kept once is no leak
                before = state()
                use(client, manner, times)
                _row(f"{mode}, {times} {what}", before, state())
            client.close()


if __name__ == "__main__":
    main()
