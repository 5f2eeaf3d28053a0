"""How fast Groq is asked, beside the bare SDK: processor time, throughput, tails, memory.

    PYTHONPATH=backend python -m bench.transports [seconds a round]

The server is a process of its own (Node), which answers after 50 ms; rounds of both clients take
turns. The ratios are what to quote. With fewer than two processors the server takes from the
client, and all ratios are nearer to one.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import resource
import statistics
import subprocess
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROUNDS = 3
CROWDS = (1, 8, 64, 256, 512, 1024)
SAID = [{"role": "user", "content": "Hello"}]

AsyncAsk = Callable[[], Awaitable[object]]


@contextmanager
def server(milliseconds: int) -> Iterator[str]:
    """Answer every POST after *milliseconds*, at the URL."""
    script = Path(__file__).with_name("server.js")
    command = ["node", str(script), str(milliseconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.terminate()


def our_client(url: str) -> Any:
    """This project's client, whose own limits stand in no one's way."""
    from services import llm_client

    llm_client.settings = SimpleNamespace(
        GROQ_REQUESTS_PER_MINUTE=10**7, LLM_MAX_CONCURRENCY=max(CROWDS)
    )
    return llm_client.GroqClient(api_key="k", base_url=url, model="m", max_tokens=100)


def sync_costs(url: str, calls: int) -> dict[str, float]:
    """Processor time of a blocking call, in microseconds."""
    import groq

    bare, ours = groq.Groq(api_key="k", base_url=url, max_retries=0), our_client(url)
    asks: dict[str, Callable[[], object]] = {
        "bare": lambda: bare.chat.completions.create(model="m", messages=SAID, max_tokens=100),  # type: ignore[arg-type] # plain dicts
        "ours": lambda: ours.generate("Hello"),
    }
    costs: dict[str, list[float]] = {name: [] for name in asks}
    for _ in range(2 * ROUNDS + 1):
        for name, ask in asks.items():
            ask()
            begun = time.process_time()
            for _ in range(calls):
                ask()
            costs[name].append((time.process_time() - begun) / calls * 1e6)
    bare.close()
    ours.close()
    return {name: statistics.median(measured) for name, measured in costs.items()}


@dataclass
class Round:
    """What one round of a crowd has shown: requests a second, and the tail's ratio."""

    rate: float
    tail: float
    failed: int


async def crowd(ask: AsyncAsk, callers: int, seconds: float) -> Round:
    """Have *callers* ask again and again."""
    taken: list[float] = []
    failed = 0
    end = time.perf_counter() + seconds

    async def caller() -> None:
        nonlocal failed
        while (begun := time.perf_counter()) < end:
            try:
                await ask()
            except Exception:  # what is measured goes on: it is counted
                failed += 1
            else:
                taken.append(time.perf_counter() - begun)

    begun = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    lasted = time.perf_counter() - begun
    taken.sort()
    tail = taken[int(len(taken) * 0.99)] / taken[len(taken) // 2] if taken else float("nan")
    return Round(len(taken) / lasted, tail, failed)


async def crowds(url: str, seconds: float) -> None:
    """Print the throughput of both, from one caller to many."""
    import groq

    bare, ours = groq.AsyncGroq(api_key="k", base_url=url, max_retries=0), our_client(url)
    asks: dict[str, AsyncAsk] = {
        "bare": lambda: bare.chat.completions.create(model="m", messages=SAID, max_tokens=100),  # type: ignore[arg-type] # plain dicts
        "ours": lambda: ours.agenerate("Hello"),
    }
    for callers in CROWDS:
        rounds: dict[str, list[Round]] = {name: [] for name in asks}
        for _ in range(ROUNDS):
            for name, ask in asks.items():
                rounds[name].append(await crowd(ask, callers, seconds))
        rates = {name: statistics.median(r.rate for r in each) for name, each in rounds.items()}
        tails = {name: statistics.median(r.tail for r in each) for name, each in rounds.items()}
        failed = {name: sum(r.failed for r in each) for name, each in rounds.items()}
        print(
            f"{callers:5} callers   bare {rates['bare']:5.0f}/s p99/p50 {tails['bare']:4.1f}"
            f" failed {failed['bare']:3}   ours {rates['ours']:5.0f}/s p99/p50 {tails['ours']:4.1f}"
            f" failed {failed['ours']:3}   ours/bare {rates['ours'] / rates['bare']:5.2f}"
        )
    await bare.close()
    await ours.aclose()


async def memory(url: str, callers: int) -> float:
    """Memory of a call in flight, in kB; Python's own count, without the kernel's buffers."""
    ours = our_client(url)
    await ours.agenerate("Hello")
    gc.collect()
    tracemalloc.start()
    calls = [asyncio.ensure_future(ours.agenerate("Hello")) for _ in range(callers)]
    await asyncio.sleep(1)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    await asyncio.gather(*calls)
    await ours.aclose()
    return held / callers / 1000


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seconds", nargs="?", type=float, default=2.0, help="a round's length")
    seconds = parser.parse_args().seconds
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, hard), hard))
    with server(0) as url:
        costs = sync_costs(url, calls=200)
    ratio = costs["ours"] / costs["bare"]
    print(f"sync: bare {costs['bare']:.0f} us, ours {costs['ours']:.0f} us, ours/bare {ratio:.2f}")
    with server(50) as url:
        asyncio.run(crowds(url, seconds))
    with server(3000) as url:
        print(f"memory: {asyncio.run(memory(url, 256)):.0f} kB a call in flight")
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


if __name__ == "__main__":
    main()
