"""Batches against the sandbox's null model: throughput, memory, and resumption after kills.

    PYTHONPATH=backend python -m bench.batch [prompts] [--concurrency N] [--kills N]

Throughput is that of `arespond` in as many tasks, then of both batches, in rounds that alternate; a
busy machine moves the processor time of a call less. A batch's beginning has a row of its own:
where nobody tells of requests a minute, few prompts are in flight until many are answered.
Memory is read while a generator of all prompts is answered. A killed batch is begun anew with the
same cache until it ends: every prompt must be answered, and paid twice at most if it was in flight.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sandbox import Sandbox
from services import llm_client

from .measures import held

MODEL = "openai/gpt-oss-20b"
_ROUNDS = 11


@contextmanager
def null_model() -> Iterator[str]:
    """Run the sandbox's null model in a process of its own; yields its URL."""
    command = [sys.executable, "-m", "sandbox", "--null", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            lines = iter(process.stdout.readline, "")
            yield next(found[0] for line in lines if (found := re.search(r"http://[\w.:]+", line)))
        finally:
            process.terminate()


def client_of(url: str, cache: str = "") -> Any:
    """A client without limits of its own that bind."""
    settings = SimpleNamespace(
        USE_GROQ=True,
        GROQ_API_KEY="gsk_bench",
        GROQ_BASE_URL=url,
        GROQ_MODEL=MODEL,
        GROQ_REQUESTS_PER_MINUTE=10**9,
        LLM_CACHE_URL=cache,
    )
    llm_client.configure(settings)
    return llm_client.GroqClient()


def prompts(number: int) -> Iterator[str]:
    """As many prompts, none of which is kept."""
    return (f"Classify item {index}." for index in range(number))


async def plain(client: Any, number: int, concurrency: int) -> None:
    """Await `arespond` in as many tasks."""
    source = prompts(number)

    async def some() -> None:
        for prompt in source:
            await client.arespond(prompt)

    await asyncio.gather(*(some() for _ in range(concurrency)))


async def awaiting(client: Any, number: int, concurrency: int) -> None:
    """Read a batch with `async for`."""
    async for result in client.agenerate_batch(prompts(number), concurrency=concurrency):
        assert result.error is None


def blocking(client: Any, number: int, concurrency: int) -> None:
    """Read a batch with `for`."""
    for result in client.generate_batch(prompts(number), concurrency=concurrency):
        assert result.error is None


def throughput(url: str, number: int, concurrency: int) -> None:
    """Print calls a second of each way and processor time of a call, against plain `arespond`."""
    client = client_of(url)
    ways: dict[str, Callable[[], None]] = {
        "arespond": lambda: asyncio.run(plain(client, number, concurrency)),
        "agenerate_batch": lambda: asyncio.run(awaiting(client, number, concurrency)),
        "generate_batch": lambda: blocking(client, number, concurrency),
    }
    ways["arespond"]()  # makes what the first call makes
    beginning = _timed(ways["agenerate_batch"])
    rounds = [{name: _timed(way) for name, way in ways.items()} for _ in range(_ROUNDS)]
    rows = {
        name: tuple(statistics.median(each[name][which] for each in rounds) for which in (0, 1))
        for name in ways
    }
    base = rows["arespond"]
    rows[f"agenerate_batch, its first {number} prompts"] = beginning
    for name, (elapsed, used) in rows.items():
        print(
            f"| {name} | {number / elapsed:.0f} a second | {base[0] / elapsed:.0%} of arespond's |"
            f" processor time {used / base[1]:.2f} of it |",
            flush=True,
        )


def _timed(way: Callable[[], None]) -> tuple[float, float]:
    """Seconds that *way* takes, and of processor time."""
    begun, used = time.perf_counter(), time.process_time()
    way()
    return time.perf_counter() - begun, time.process_time() - used


def memory(url: str, number: int, concurrency: int) -> None:
    """Print what the process holds in the course of one batch."""
    client, step = client_of(url), max(1, number // 5)
    for result in client.generate_batch(prompts(number), concurrency=concurrency):
        assert result.error is None
        if (result.index + 1) % step == 0:
            figures = ", ".join(f"{name} {value:.0f}" for name, value in held().items())
            print(f"| after {result.index + 1} prompts | {figures} |", flush=True)


def kills(number: int, concurrency: int, times: int) -> None:
    """Kill a batch at random, begin it anew until it ends, and count what was paid twice."""
    with tempfile.TemporaryDirectory() as folder, Sandbox(journal_size=10**7) as sandbox:
        cache, done = Path(folder) / "answers.sqlite", Path(folder) / "done"
        arguments = [sandbox.url, f"sqlite:{cache}", str(done), str(number), str(concurrency)]
        command = [sys.executable, "-m", "bench.batch_to_kill", *arguments]
        killed = 0
        while not done.exists():
            with subprocess.Popen(command) as process:
                more = random.randint(1, max(2, 2 * number // (times + 1)))
                goal = len(sandbox.exchanges) + more
                while process.poll() is None and (killed == times or len(sandbox.exchanges) < goal):
                    time.sleep(0.02)
                if process.poll() is None:
                    os.kill(process.pid, signal.SIGKILL)
                    killed += 1
        answered = set(done.read_text(encoding="utf-8").split())
        again = sum(times - 1 for times in Counter(_asked(sandbox)).values())
        print(
            f"| {number} prompts, killed {killed} times | {number - len(answered)} lost |"
            f" {again} paid twice, of at most {killed * concurrency} in flight |",
            flush=True,
        )


def _asked(sandbox: Sandbox) -> list[str]:
    """The prompts that were answered, in their order."""
    return [
        exchange.body["messages"][-1]["content"]
        for exchange in sandbox.exchanges
        if exchange.status == HTTPStatus.OK
    ]


def main() -> None:
    """Print a row for each figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("prompts", nargs="?", type=int, default=1_000_000)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--kills", type=int, default=20)
    arguments = parser.parse_args()
    with null_model() as url:
        throughput(url, min(5_000, arguments.prompts), arguments.concurrency)
        memory(url, arguments.prompts, arguments.concurrency)
    kills(min(5_000, arguments.prompts), 16, arguments.kills)


if __name__ == "__main__":
    main()
