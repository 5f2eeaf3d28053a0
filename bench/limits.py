"""How much of a limit is used, and how often it refuses: the quota beside other limiters.

    make bench BENCH='limits [row ...] [--seconds 30]'

A server keeps a limit, 64 callers ask again as soon as they are answered, all in one process or 16
in each of four that divide the limit, but that ours share it where there is a Redis server and
`redis` is installed; *unknown* is ours without the limit, which four do not share, or share.
Other limiters are asked before each call, as their manuals show; where they count tokens, with the
prompt's characters by four and the longest answer. What is refused is asked again after its
Retry-After, by the groq SDK itself (8 retries). *used* is what was answered, of a full bucket and
its refill; *429s* are of all requests that the server saw.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .limiters import (
    LIMITERS,
    LONGEST,
    MINUTE,
    OURS,
    SHARED_QUOTA,
    Ask,
    Row,
    made,
)

CALLERS = 64

ROWS = [
    Row(f"{server}-{unit}-{processes}", server, unit, amount, processes)
    for server, unit, amount in (
        ("llmock", "requests", 120),
        ("llmock", "tokens", 40_000),
        ("silent", "requests", 120),
        ("sandbox", "requests", 120),
        ("sandbox", "tokens", 40_000),
    )
    for processes in (1, 4)
]
#: llmock that tells nothing of its limits but by refusing.
SILENT = "import llmock.middleware as m; m.ratelimit_headers = lambda *told: {}; import llmock.cli"


@contextmanager
def served(row: Row) -> Iterator[str]:
    """Run the row's server in a process of its own; yield the URL for the SDK."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    if row.server in ("llmock", "silent"):
        limit = {"requests": "--rpm", "tokens": "--tpm"}[row.unit]
        how = (
            ["-c", f"{SILENT}; llmock.cli.app()"]
            if row.server == "silent"
            else ["-m", "llmock.cli"]
        )
        command = [*how, "serve", "--port", str(port), limit, str(row.amount)]
        path = "/groq"
    else:
        command = ["-m", "bench.limits", "--serve", row.name, str(port)]
        path = ""
    with subprocess.Popen(
        [sys.executable, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        try:
            _wait_for(port)
            yield f"http://127.0.0.1:{port}{path}"
        finally:
            server.kill()


def serve(row: Row, port: int) -> None:
    """Be the sandbox with the row's limit, until killed."""
    from sandbox import Limits, Sandbox

    limit = {"requests": "rpm", "tokens": "tpm"}[row.unit]
    with Sandbox(port=port, limits=Limits(**{limit: row.amount})):
        time.sleep(3_600)


@contextmanager
def quota_shared_by(row: Row) -> Iterator[str]:
    """Run a Redis server for processes that share a limit; yield its URL, or "" without one."""
    ours = Path(sys.prefix, "bin", "redis-server")
    binary = shutil.which(ours) or shutil.which("redis-server")
    if row.processes == 1 or binary is None or find_spec("redis") is None:
        yield ""
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            _wait_for(port)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.kill()


def _tokens_of_a_request(seen: list[dict[str, Any]], row: Row) -> float:
    """Return what the server counts of an answered request, on the average."""
    counted = [
        each["input_tokens"] + each["output_tokens"]
        if row.server == "sandbox"
        else len(json.dumps(each["body"], separators=(",", ":"))) // 4 + LONGEST
        for each in seen
        if each["status"] == 200
    ]
    return sum(counted) / max(1, len(counted))


def _wait_for(port: int) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise SystemExit("the server has not come up")


async def measure(ask: Ask, callers: int, seconds: float) -> dict[str, float]:
    """Ask with so many callers for so many *seconds*; count answers and failures."""
    found = {"answered": 0.0, "failed": 0.0}
    until = time.monotonic() + seconds

    async def caller() -> None:
        while time.monotonic() < until:
            try:
                await ask()
            except Exception:  # whatever the library raises is a failure
                found["failed"] += time.monotonic() < until
                await asyncio.sleep(0.2)
            else:
                found["answered"] += 1

    tasks = [asyncio.create_task(caller()) for _ in range(callers)]
    await asyncio.wait(tasks, timeout=seconds)
    for task in tasks:
        task.cancel()
    return found


def work(subject: str, row: Row, url: str, seconds: float) -> None:
    """Measure in this process, and print what was found as JSON."""
    callers = CALLERS // row.processes

    async def asked() -> dict[str, float]:
        return await measure(made(subject, row, url), callers, seconds)

    answers, sys.stdout = sys.stdout, sys.stderr
    print(json.dumps(asyncio.run(asked())), file=answers, flush=True)
    os._exit(0)  # some of the libraries leave threads that would keep the process


def run(subject: str, row: Row, seconds: float) -> str:
    """Measure one subject on a fresh server; return its cell of the table."""
    with served(row) as url, quota_shared_by(row) as shared_quota:
        command = [sys.executable, "-m", "bench.limits", "--work", subject, row.name, url]
        workers = [
            subprocess.Popen(
                [*command, "--seconds", str(seconds)],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, SHARED_QUOTA: shared_quota},
            )
            for _ in range(row.processes)
        ]
        found = [json.loads(worker.communicate()[0] or "{}") for worker in workers]
        seen = _seen(url, row)
    if not all(found):
        return "-"
    answered = sum(each["answered"] for each in found)
    failed = sum(each["failed"] for each in found)
    cost = 1.0 if row.unit == "requests" else _tokens_of_a_request(seen, row)
    entitled = row.amount * (1 + seconds / MINUTE)
    used = min(1.0, answered * cost / entitled)
    part = sum(each["status"] == 429 for each in seen) / max(1, len(seen))
    lost = f", {failed:.0f} failed" if failed else ""
    return f"{used:.0%} used, {part:.1%} 429s{lost}"


def _seen(url: str, row: Row) -> list[dict[str, Any]]:
    """Return the requests that the server has seen, by its own journal."""
    import httpx

    if row.server == "sandbox":
        where, name = f"{url}/sandbox/journal", "exchanges"
    else:
        where, name = f"{url.removesuffix('/groq')}/_llmock/requests", "requests"
    seen: list[dict[str, Any]] = httpx.get(where, timeout=30.0).json()[name]
    return seen


def main() -> None:
    """Measure the rows that are named, or all, and print a table."""
    parser = argparse.ArgumentParser(prog="bench.limits", description=__doc__)
    parser.add_argument("rows", nargs="*", help="names of rows; without any, all")
    parser.add_argument("--seconds", type=float, default=30.0, help="each measurement lasts")
    parser.add_argument("--subjects", default=",".join((*OURS, *LIMITERS)).replace(", ", "+"))
    parser.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--work", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    by_name = {row.name: row for row in ROWS}
    if asked.serve:
        return serve(by_name[asked.serve[0]], int(asked.serve[1]))
    if asked.work:
        subject, name, url = asked.work
        return work(subject, by_name[name], url, asked.seconds)
    if unknown := [name for name in asked.rows if name not in by_name]:
        parser.error(f"no such row: {', '.join(unknown)}; there are {', '.join(by_name)}")
    subjects = [each.replace("+", ", ") for each in asked.subjects.split(",")]
    print("| " + " | ".join(["", *subjects]) + " |")
    print("|" + "---|" * (len(subjects) + 1))
    for name in asked.rows or by_name:
        cells = [run(subject, by_name[name], asked.seconds) for subject in subjects]
        print("| " + " | ".join([name, *cells]) + " |", flush=True)
    return None


if __name__ == "__main__":
    main()
