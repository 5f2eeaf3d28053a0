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


async def paced(stream: StreamOf, callers: int) -> Figures:
    """Processor time of a piece that comes alone, in microseconds, where *callers* read at once."""
    await _all(stream, callers)
    gc.collect()
    worked = time.process_time()
    wrong = await _all(stream, callers)
    assert not wrong, "a piece is missing, or not in its place"
    return {"us": (time.process_time() - worked) / callers / PIECES * 1e6}


async def many(stream: StreamOf, callers: int, rounds: int) -> Figures:
    """Pieces a second where so many streams run at once, and what all the rounds leave behind.

    A round before them brings what is kept once, such as idle connections, to its size.
    """
    await _all(stream, callers)
    before, wrong = held(), 0
    begun = time.perf_counter()
    for _ in range(rounds):
        wrong += await _all(stream, callers)
    lasted = time.perf_counter() - begun
    grown = {f"{name} +": after - before[name] for name, after in held().items()}
    return {"pieces": rounds * callers * PIECES / lasted, "wrong": wrong, **grown}


async def _all(stream: StreamOf, callers: int) -> int:
    """Read so many streams at once; how many lacked a piece, or had one in another's place."""
    found = await asyncio.gather(*(_read(stream) for _ in range(callers)))
    return sum(text != EXPECTED for text, _ in found)


EXPECTED = "".join(f" {number}" for number in range(PIECES))


async def _read(stream: StreamOf) -> tuple[str, float]:
    """The text of a stream, and the moment at which its first piece came."""
    texts, came = [], 0.0
    async for text in stream():
        if text:
            came = came or time.perf_counter()
            texts.append(text)
    return "".join(texts), came
