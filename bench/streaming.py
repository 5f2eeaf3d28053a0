"""What can be measured of streams: the time of one piece, the first one, and very many at once."""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from collections.abc import AsyncIterator, Callable

from .measures import Figures, held
from .serving import PIECES

#: Opens a stream and yields its texts.
StreamOf = Callable[[], AsyncIterator[str]]


async def pieces(stream: StreamOf, streams: int) -> Figures:
    """Processor time of a piece in microseconds, and the milliseconds until the first one."""
    await _read(stream)
    gc.collect()
    first = []
    worked = time.process_time()
    for _ in range(streams):
        begun = time.perf_counter()
        text, came = await _read(stream)
        assert text == EXPECTED, "a piece is missing, or not in its place"
        first.append((came - begun) * 1e3)
    worked = time.process_time() - worked
    return {"us": worked / streams / PIECES * 1e6, "first": statistics.median(first)}


async def many(stream: StreamOf, callers: int) -> Figures:
    """Pieces a second where so many streams run at once, and what they take and leave behind."""
    await asyncio.gather(*(_read(stream) for _ in range(callers)))
    before = held()
    begun = time.perf_counter()
    found = await asyncio.gather(*(_read(stream) for _ in range(callers)))
    lasted = time.perf_counter() - begun
    wrong = sum(text != EXPECTED for text, _ in found)
    grown = {f"{name} +": after - before[name] for name, after in held().items()}
    return {"pieces": callers * PIECES / lasted, "wrong": wrong, **grown}


EXPECTED = "".join(f" {number}" for number in range(PIECES))


async def _read(stream: StreamOf) -> tuple[str, float]:
    """The text of a stream, and the moment at which its first piece came."""
    texts, came = [], 0.0
    async for text in stream():
        if text:
            came = came or time.perf_counter()
            texts.append(text)
    return "".join(texts), came
