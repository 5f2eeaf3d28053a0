"""What several of the tests in this folder use."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from services.llm.account.single_flight import Follower, Leader, SingleFlight

BACKEND = Path(__file__).parents[2] / "backend"
PROGRAMS = Path(__file__).parent / "programs"


class Clock:
    """A clock that moves only when told to."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def key_of(name: object) -> str:
    """Return a store's key for *name*."""
    return sha256(str(name).encode()).hexdigest()


def start(program: str, *arguments: object) -> subprocess.Popen[str]:
    """Start one of the programs of this folder, with `services` importable."""
    return subprocess.Popen(
        [sys.executable, str(PROGRAMS / program), str(BACKEND), *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        env=unmeasured(),
    )


def unmeasured() -> dict[str, str]:
    """Return the environment without coverage's part: it would slow a program, and import much."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COV")}


def mode_of(path: Path) -> int:
    """Return the permission bits of *path*."""
    return path.stat().st_mode & 0o777


def padding(n: int) -> str:
    """Return the text that goes with *n*: mostly short, now and then of many pages."""
    return "x" * (20, 300, 20, 9000, 20, 120_000, 20)[n % 7]


def lead(single_flight: SingleFlight[str], key: str = "k") -> Leader[str]:
    """Claim *key*, which nobody leads."""
    claim = single_flight.claim(key)
    assert isinstance(claim, Leader)
    return claim


def follow(single_flight: SingleFlight[str], key: str = "k") -> Follower[str]:
    """Claim *key*, which another leads."""
    claim = single_flight.claim(key)
    assert isinstance(claim, Follower)
    return claim


def elsewhere(work: Callable[[], Any]) -> Any:
    """Do *work* in another thread and return its result or the exception it raised."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return outcome[0]
