"""Memory, descriptors and threads before and after many calls and many reopenings.

    PYTHONPATH=backend python -m bench.soak [calls] [reopenings]

All four modes call a provider on loopback, 32 at once where they await.
"""

from __future__ import annotations

import argparse
import asyncio
from typing import Any

from .loopback import server
from .measures import Figures, held
from .subjects import our_client

MODES = ("groq", "groq async", "bedrock", "bedrock async")
AT_ONCE = 32


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


def _row(what: str, before: Figures, after: Figures) -> None:
    cells = (f"{before[name]:.0f} to {after[name]:.0f}" for name in before)
    print(f"| {what} | " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    """Print a row for each mode and each kind of use."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("calls", nargs="?", type=int, default=20_000, help="calls of each mode")
    parser.add_argument("reopenings", nargs="?", type=int, default=300, help="of each mode")
    arguments = parser.parse_args()
    print("| use | " + " | ".join(held()) + " |\n|---" + "|---" * len(held()) + "|")
    with server() as url:
        for mode in MODES:
            provider, _, manner = mode.partition(" ")
            client = our_client(provider, url, AT_ONCE)
            for what, use, times in (
                ("calls", call, arguments.calls),
                ("reopenings", reopen, arguments.reopenings),
            ):
                use(client, manner, max(times // 10, AT_ONCE))  # what is kept once is no leak
                before = held()
                use(client, manner, times)
                _row(f"{mode}, {times} {what}", before, held())
            client.close()


if __name__ == "__main__":
    main()
