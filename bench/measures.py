"""What can be measured of one client in its own process."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

Ask = Callable[[], object]
AskAsync = Callable[[], Awaitable[object]]

#: What one round has shown, by the name of the figure.
Figures = dict[str, float]
#: Seconds for which a client remembers its requests at most, and a little more.
_LONGEST_WINDOW = 65.0


def cost(ask: Ask, calls: int) -> Figures:
    """Processor time of a blocking call, in microseconds."""
    ask()
    gc.collect()
    begun = time.process_time()
    for _ in range(calls):
        ask()
    return {"us": (time.process_time() - begun) / calls * 1e6}


async def crowd(ask: AskAsync, callers: int, seconds: float) -> Figures:
    """Calls a second where *callers* ask again and again; waits in ms, processor time in µs."""
    taken: list[float] = []
    failed, end = 0, 0.0

    async def caller() -> None:
        nonlocal failed
        while (begun := time.perf_counter()) < end:
            try:
                await ask()
            except Exception:  # what is measured goes on: it is counted
                failed += 1
            else:
                taken.append(time.perf_counter() - begun)

    # All have connected before the clock starts.
    await asyncio.gather(*(ask() for _ in range(callers)), return_exceptions=True)
    gc.collect()
    begun, worked = time.perf_counter(), time.process_time()
    end = begun + seconds
    await asyncio.gather(*(caller() for _ in range(callers)))
    lasted, worked = time.perf_counter() - begun, time.process_time() - worked
    taken.sort()
    p50, p99 = (taken[int(len(taken) * part)] if taken else 0.0 for part in (0.5, 0.99))
    cpu = worked / max(1, len(taken)) * 1e6
    waits = {"p50": p50 * 1e3, "p99": p99 * 1e3}
    return {"rps": len(taken) / lasted, **waits, "failed": failed, "us": cpu}


async def memory(ask: AskAsync, callers: int) -> Figures:
    """What the process's peak grows by where *callers* ask at once, in kB for each of them."""
    await asyncio.gather(*(ask() for _ in range(4)))
    gc.collect()
    before = _peak()
    await asyncio.gather(*(ask() for _ in range(callers)))
    return {"kB": (_peak() - before) / callers / 1e3}


async def soak(ask: AskAsync, callers: int, calls: int) -> Figures:
    """What is left behind by so many *calls*: memory in MB, descriptors, tasks and threads.

    As many before them as take a minute bring what is kept once, as a window's log is, to its size.
    """

    async def some(share: int) -> None:
        for _ in range(share):
            await ask()

    async def all_of(number: int) -> None:
        await asyncio.gather(*(some(number // callers) for _ in range(callers)))

    until = time.perf_counter() + _LONGEST_WINDOW
    while time.perf_counter() < until:
        await all_of(min(calls // 2, 10_000))
    before = held()
    begun = time.perf_counter()
    await all_of(calls)
    rate = calls / (time.perf_counter() - begun)
    grown = {f"{name} +": after - before[name] for name, after in held().items()}
    return {"rps": rate, **grown}


def held() -> Figures:
    """What this process holds now: memory in MB, descriptors, threads, and its loop's tasks."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return {
        "MB": pages * os.sysconf("SC_PAGE_SIZE") / 1e6,
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "threads": threading.active_count(),
        "tasks": _tasks(),
    }


def _tasks() -> int:
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:  # no loop runs here
        return 0


def _peak() -> float:
    """The most memory that this process has held, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
