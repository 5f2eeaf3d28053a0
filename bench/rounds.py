"""Run a row: every client in a process of its own, all taking turns, round after round."""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from .loopback import server
from .measures import Figures
from .rows import IMPORTS, Row

#: The rounds' figures of each client that could be measured.
Rounds = dict[str, list[Figures]]

#: A row whose figures belong to one process each: memory has one peak.
_FRESH = ("memory",)


class Machine:
    """Where clients run: *pythons* are the interpreters of those that need one of their own."""

    def __init__(self, pythons: Mapping[tuple[str, str], str]) -> None:
        self._pythons = pythons

    def command(self, client: str, provider: str, *arguments: str) -> list[str]:
        """The command that runs *arguments* where *client* is installed."""
        return [self._pythons.get((client, provider), sys.executable), *arguments]


class Worker:
    """The process of one client, started by its first order."""

    def __init__(self, machine: Machine, client: str, row: Row, url: str, stack: ExitStack) -> None:
        arguments = ("-m", "bench.worker", client, row.provider, url, str(row.callers))
        self._process = stack.enter_context(
            subprocess.Popen(
                machine.command(client, row.provider, *arguments),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        )
        stack.callback(self._process.kill)

    def measure(self, order: Mapping[str, Any]) -> Figures:
        """Carry out *order*; raises RuntimeError with what the client's process says."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(dict(order)) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        answer: dict[str, Any] = (
            json.loads(line) if line else {"error": "it is not installed, or it ended"}
        )
        if "error" in answer:
            raise RuntimeError(answer["error"])
        figures: Figures = answer["figures"]
        return figures


def run(machine: Machine, row: Row, rounds: int) -> Rounds:
    """Let the clients of *row* take turns for so many *rounds*; who fails is left out."""
    found: Rounds = {client: [] for client in row.clients}
    with ExitStack() as stack:
        url = stack.enter_context(server(row.latency))
        is_alone = row.order["measure"] in ("import", "once")
        measure: Callable[[str], Figures] = (
            _Alone(machine, row, url) if is_alone else _Together(machine, row, url, stack)
        )
        for _ in range(rounds):
            for client in list(found):
                try:
                    found[client].append(measure(client))
                except (RuntimeError, OSError) as error:
                    print(f"  {row.name}: {client} is left out: {str(error)[:200]}", flush=True)
                    del found[client]
    return found


class _Together:
    """One process a client for all rounds, or a new one each where it remembers too much."""

    def __init__(self, machine: Machine, row: Row, url: str, stack: ExitStack) -> None:
        self._workers: dict[str, Worker] = {}
        self._machine, self._row, self._url, self._stack = machine, row, url, stack

    def __call__(self, client: str) -> Figures:
        order = self._row.order
        if order["measure"] in _FRESH:
            with ExitStack() as alone:
                return Worker(self._machine, client, self._row, self._url, alone).measure(order)
        if client not in self._workers:
            made = Worker(self._machine, client, self._row, self._url, self._stack)
            self._workers[client] = made
        return self._workers[client].measure(order)


class _Alone:
    """A whole process for each figure: an import, or a first call."""

    def __init__(self, machine: Machine, row: Row, url: str) -> None:
        self._machine, self._row, self._url = machine, row, url
        self._began: set[str] = set()

    def __call__(self, client: str) -> Figures:
        if client not in self._began:
            self._began.add(client)
            self(client)  # the first process writes the bytecode
        provider = self._row.provider
        if self._row.order["measure"] == "once":
            return {"ms": self._took(client, "-m", "bench.once", client, provider, self._url)}
        nothing = self._took(client, "-c", "pass")
        name = IMPORTS[provider][client]
        return {"ms": self._took(client, "-c", f"import {name}") - nothing}

    def _took(self, client: str, *arguments: str) -> float:
        command = self._machine.command(client, self._row.provider, *arguments)
        begun = _worked()
        done = subprocess.run(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=_quiet(), check=False
        )
        worked = _worked() - begun
        if done.returncode:
            raise RuntimeError(done.stderr.decode(errors="replace").strip().splitlines()[-1])
        return worked * 1e3


def _worked() -> float:
    """Processor time of the children that have ended, in seconds: others may keep them waiting."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _quiet() -> dict[str, str]:
    more = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "PYTHONWARNINGS": "ignore"}
    # A list of certificates that this machine has set would be read for a server without TLS.
    # Without its bytecode, a module is compiled by each process.
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.endswith("_CA_BUNDLE") and name != "PYTHONDONTWRITEBYTECODE"
    }
    return {**kept, **more}


def ratios(found: Rounds, client: str, figure: str) -> tuple[float, float, float]:
    """The median, least and largest ratio of *client* to the SDK, each of one round."""
    pairs = zip(found[client], found["SDK"], strict=False)
    each = [one[figure] / base[figure] for one, base in pairs if base[figure]]
    return statistics.median(each), min(each), max(each)


def middle(figures: Sequence[Figures], name: str) -> float:
    """The median of one figure over the rounds."""
    return statistics.median(each[name] for each in figures)
