"""Bedrock: calls a second, processor time and memory of a call, beside bare boto3.

    PYTHONPATH=backend python -m bench.bedrock_transport [seconds]

The server is a process of its own and answers after 50 ms (sync: at once). Rounds of both clients
take turns, so that a drift of the machine's speed meets both; a ratio is the median of its rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import statistics
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

from .bedrock_server import server

ROUNDS = 5
MODEL = "us.anthropic.claude-sonnet-4-6"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "s" * 40}
ASKED: dict[str, Any] = {
    "modelId": MODEL,
    "messages": [{"role": "user", "content": [{"text": "Hello"}]}],
    "inferenceConfig": {"maxTokens": 100, "temperature": 0.7},
}

Ask = Callable[[], object]
AskAsync = Callable[[], Awaitable[object]]


def boto3_client(url: str, size: int) -> Any:
    """boto3's client with as many connections as there are callers."""
    import boto3
    from botocore.config import Config

    config = Config(max_pool_connections=size, retries={"total_max_attempts": 1})
    return boto3.client("bedrock-runtime", region_name="us-east-1", endpoint_url=url, config=config)


def our_client(url: str, size: int) -> Any:
    """This project's client: quota, retry policy, deadline and ledger included."""
    from services import llm_client

    llm_client.settings = SimpleNamespace(
        **KEYS, BEDROCK_REQUESTS_PER_MINUTE=100_000_000, LLM_MAX_CONCURRENCY=size
    )
    return llm_client.BedrockClient("us-east-1", MODEL, max_tokens=100, endpoint_url=url)


async def rate(ask: AskAsync, callers: int, seconds: float) -> float:
    """Calls a second with so many *callers*, once all of them have connected."""
    done, end = 0, 0.0

    async def caller() -> None:
        nonlocal done
        while time.perf_counter() < end:
            await ask()
            done += 1

    await asyncio.gather(*(ask() for _ in range(callers)))
    begun = time.perf_counter()
    end = begun + seconds
    await asyncio.gather(*(caller() for _ in range(callers)))
    return done / (time.perf_counter() - begun)


async def cost(ask: AskAsync, callers: int, seconds: float) -> tuple[float, float]:
    """Calls a second, and the processor time of a call in microseconds."""
    begun = time.process_time()
    a_second = await rate(ask, callers, seconds)
    return a_second, (time.process_time() - begun) / (a_second * seconds + callers) * 1e6


def awaiting(url: str, callers: int, seconds: float) -> None:
    """Print calls a second of both clients, awaiting, with so many *callers*."""
    bare, ours = boto3_client(url, callers), our_client(url, callers)
    threads = ThreadPoolExecutor(callers)

    async def in_threads() -> object:
        return await asyncio.get_running_loop().run_in_executor(
            threads, lambda: bare.converse(**ASKED)
        )

    async def rounds() -> list[tuple[tuple[float, float], tuple[float, float]]]:
        return [
            (
                await cost(in_threads, callers, seconds),
                await cost(lambda: ours.agenerate("Hello"), callers, seconds),
            )
            for _ in range(ROUNDS)
        ]

    measured = asyncio.run(rounds())
    threads.shutdown()
    ours.close()
    for column, what in enumerate(("calls/s", "CPU of a call, us")):
        _print(
            f"async, {callers} in flight, {what}",
            [(base[column], our[column]) for base, our in measured],
        )


def blocking(url: str, calls: int) -> None:
    """Print the processor time of a blocking call of both clients, in microseconds."""
    bare, ours = boto3_client(url, 1), our_client(url, 1)

    def cost(ask: Ask) -> float:
        ask()
        begun = time.process_time()
        for _ in range(calls):
            ask()
        return (time.process_time() - begun) / calls * 1e6

    measured = [
        (cost(lambda: bare.converse(**ASKED)), cost(lambda: ours.generate("Hello")))
        for _ in range(ROUNDS)
    ]
    ours.close()
    _print("sync, CPU of a call, us", measured)


def memory(url: str, callers: int) -> None:
    """Print the memory of a call in flight: what the process's peak grows by, over the callers."""
    ours = our_client(url, callers)

    async def peaks() -> tuple[int, int]:
        await asyncio.gather(*(ours.agenerate("Hello") for _ in range(4)))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        await asyncio.gather(*(ours.agenerate("Hello") for _ in range(callers)))
        return before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    before, after = asyncio.run(peaks())
    print(f"memory of a call in flight, {callers} at once: {(after - before) / callers:.1f} kB")


def _print(what: str, measured: list[tuple[float, float]]) -> None:
    bare, ours = (statistics.median(column) for column in zip(*measured, strict=True))
    ratio = statistics.median(our / base for base, our in measured)
    print(f"{what}: boto3 {bare:.0f}, ours {ours:.0f}, ratio {ratio:.2f}", flush=True)


def main() -> None:
    """Measure, and print a line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seconds", nargs="?", type=float, default=3.0, help="seconds a round")
    seconds = parser.parse_args().seconds
    os.environ.update(KEYS, AWS_EC2_METADATA_DISABLED="true")
    with server(latency=0.05) as url:
        memory(url, 512)  # first: a peak does not come down
        for callers in (64, 512):
            awaiting(url, callers, seconds)
    with server(latency=0.0) as url:
        blocking(url, calls=500)


if __name__ == "__main__":
    main()
