"""What the benches' server can answer: the bytes of a request, sent anew for each answer."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from .serving import REQUEST


class _Asks(asyncio.Protocol):
    """One connection that never pauses; *answered* counts for all of them."""

    def __init__(self, answered: list[int]) -> None:
        self._answered = answered

    def connection_made(self, transport: Any) -> None:  # uvloop's is of no class of asyncio's
        self._transport = transport
        transport.write(REQUEST)

    def data_received(self, data: bytes) -> None:
        # An answer is smaller than a segment, and comes whole.
        self._answered[0] += 1
        self._transport.write(REQUEST)


async def _asked(url: str, connections: int, seconds: float) -> float:
    host, port = url.removeprefix("http://").split(":")
    answered = [0]
    loop = asyncio.get_running_loop()
    begun = time.perf_counter()
    made = [
        await loop.create_connection(lambda: _Asks(answered), host, int(port))
        for _ in range(connections)
    ]
    await asyncio.sleep(seconds)
    rate = answered[0] / (time.perf_counter() - begun)
    for transport, _ in made:
        transport.abort()
    return rate


def ceiling(url: str, connections: int = 64, seconds: float = 2.0) -> float:
    """Answers a second of the server at *url*, which waits for nothing."""
    return asyncio.run(_asked(url, connections, seconds))
