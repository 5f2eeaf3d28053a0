"""A fleet that shares its limits, while its workers are killed and its Redis comes and goes.

    PYTHONPATH=backend python -m bench.fleet [--share 0.25] [--tpm 40000] [--callers 16]

Four processes of so many callers share a sandbox's tokens a minute through a Redis server. In turn:
60 s to use up the full bucket; 30 s as it is; 30 s in which a worker is killed (-9) every 8 s and
another begins; a restart of Redis, which loses all it knew, and 30 s after it; 10 s in which Redis
is gone; and a last minute. For each part: how much of what was refilled was used, and what was
refused.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from .limiters import LONGEST, MODEL, PROMPT

WORKERS = 4
#: Seconds by which a worker dies after another.
KILL_EVERY = 8.0


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Redis:
    """A Redis server that can be killed, and starts again with nothing."""

    def __init__(self) -> None:
        beside = Path(sys.prefix, "bin", "redis-server")
        self._binary = str(beside) if beside.exists() else shutil.which("redis-server")
        if self._binary is None:
            raise SystemExit("there is no redis-server: make test fetches one")
        self._port = free_port()
        self.url = f"redis://127.0.0.1:{self._port}/0"
        self.start()

    def start(self) -> None:
        """Begin, with nothing."""
        options = ["--port", str(self._port), "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(
            [str(self._binary), *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def kill(self) -> None:
        """End at once."""
        self._process.kill()
        self._process.wait()


class Fleet:
    """The workers, of which some die."""

    def __init__(self, arguments: list[str]) -> None:
        self._command = [sys.executable, "-m", "bench.fleet", "--work", *arguments]
        self._workers = [self._begin() for _ in range(WORKERS)]

    def _begin(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def kill_one(self) -> None:
        """Kill any of them, and begin another."""
        place = random.randrange(WORKERS)
        self._workers[place].kill()
        self._workers[place].communicate()
        self._workers[place] = self._begin()

    def end(self) -> tuple[list[str], list[str]]:
        """End them; return the failures of their calls, and what they have logged."""
        for worker in self._workers:
            worker.terminate()
        found = [worker.communicate() for worker in self._workers]
        failures = [line for out, _ in found for line in out.decode().splitlines()]
        return failures, [line for _, err in found for line in err.decode().splitlines()]


def work(url: str, redis: str, tokens: int, share: float, callers: int) -> None:
    """Be a worker until the process is ended: print each call that fails."""
    from services import llm_client

    llm_client.settings = SimpleNamespace(
        GROQ_REQUESTS_PER_MINUTE=10**6,
        GROQ_TOKENS_PER_MINUTE=tokens,
        LLM_QUOTA_URL=redis,
        LLM_QUOTA_FALLBACK_SHARE=share,
        LLM_MAX_QUOTA_WAIT=110.0,
        LLM_TIMEOUT=120.0,
    )
    client = llm_client.GroqClient("k", MODEL, max_tokens=LONGEST, base_url=url)

    async def caller() -> None:
        while True:
            try:
                await client.arespond(PROMPT)
            except Exception as error:  # whatever it is, the call is lost
                print(f"{type(error).__name__}: {error}", flush=True)

    async def all_callers() -> None:
        await asyncio.gather(*(caller() for _ in range(callers)))

    asyncio.run(all_callers())


def serve(port: int, tokens: int) -> None:
    """Be the sandbox with so many tokens a minute, until killed."""
    from sandbox import Limits, Sandbox

    with Sandbox(port=port, limits=Limits(tpm=tokens)):
        time.sleep(3_600)


def exchanges(url: str) -> list[dict[str, Any]]:
    """Return what the sandbox has seen so far."""
    import httpx

    seen: list[dict[str, Any]] = httpx.get(f"{url}/sandbox/journal", timeout=30.0).json()[
        "exchanges"
    ]
    return seen


def run(tokens: int, share: float, callers: int) -> None:
    """Do all in turn, and print a line for each part."""
    port, redis = free_port(), Redis()
    url = f"http://127.0.0.1:{port}"
    serving = [sys.executable, "-m", "bench.fleet", "--serve", str(port), str(tokens)]
    with subprocess.Popen(serving) as server:
        time.sleep(2.0)
        fleet = Fleet([url, redis.url, str(tokens), str(share), str(callers)])

        def killing() -> None:
            for _ in range(3):
                fleet.kill_one()
                time.sleep(KILL_EVERY)

        def restart() -> None:
            redis.kill()
            redis.start()

        parts: list[tuple[str, Callable[[], None], float]] = [
            ("the full bucket", lambda: None, 60.0),
            ("as it is", lambda: None, 30.0),
            ("killed workers", killing, 6.0),
            ("after a restart of Redis", restart, 30.0),
            ("without Redis", redis.kill, 10.0),
            ("Redis is back", redis.start, 60.0),
        ]
        try:
            seen = 0
            for name, begin, seconds in parts:
                began = time.monotonic()
                begin()
                time.sleep(seconds)
                new = exchanges(url)[seen:]
                seen += len(new)
                report(name, new, tokens, time.monotonic() - began)
            failures, logged = fleet.end()
        finally:
            server.kill()
            redis.kill()
    print(f"{len(failures)} calls failed; {len(logged)} lines were logged", flush=True)
    for line in [*failures[:5], *logged[:12]]:
        print(f"  {line}")


def report(name: str, seen: list[dict[str, Any]], tokens: int, seconds: float) -> None:
    """Print what was used of the refill, and what was refused."""
    answered = [each for each in seen if each["status"] == 200]
    spent = sum(each["input_tokens"] + each["output_tokens"] for each in answered)
    refused = sum(each["status"] == 429 for each in seen)
    used = spent / (tokens * seconds / 60.0)
    print(f"{name}: {used:.0%} of the refill, {len(answered)} answered, {refused} 429s", flush=True)


def main() -> None:
    """Run it, or be one of its processes."""
    parser = argparse.ArgumentParser(prog="bench.fleet", description=__doc__)
    parser.add_argument("--tpm", type=int, default=40_000)
    parser.add_argument("--share", type=float, default=1 / WORKERS)
    parser.add_argument("--callers", type=int, default=16)
    parser.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--work", nargs=5, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        return serve(*map(int, asked.serve))
    if asked.work:
        url, redis, tokens, share, callers = asked.work
        return work(url, redis, int(tokens), float(share), int(callers))
    return run(asked.tpm, asked.share, asked.callers)


if __name__ == "__main__":
    main()
