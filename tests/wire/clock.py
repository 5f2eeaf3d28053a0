"""Time that passes only while somebody sleeps, for the client and the sandbox alike."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest

from services import llm_client
from services.llm.call import drivers

#: Whole seconds, so that an HTTP-date says exactly what it means.
_EPOCH = 1_800_000_000.0


class VirtualTime:
    """A clock that every sleep of the drivers moves forward at once."""

    def __init__(self) -> None:
        self.seconds = 1024.0  # a float near which quarters of a second are exact
        self.naps: list[float] = []

    def now(self) -> float:
        """Seconds of a clock that never steps."""
        return self.seconds

    def wall(self) -> float:
        """The same in Unix seconds."""
        return _EPOCH + self.seconds

    def sleep(self, seconds: float) -> None:
        """Let *seconds* pass."""
        self.naps.append(seconds)
        self.seconds += seconds

    async def asleep(self, seconds: float) -> None:
        """Let *seconds* pass, and other tasks run."""
        self.sleep(seconds)
        await asyncio.sleep(0)

    def wait(self, futures: Iterable[Future[Any]], timeout: float) -> None:
        """Let *timeout* seconds pass unless one of the *futures* is done."""
        if not any(future.done() for future in futures):
            self.sleep(timeout)

    async def await_(self, futures: Iterable[asyncio.Future[Any]], *, timeout: float) -> None:
        """Do as `wait` does."""
        await asyncio.sleep(0)
        if not any(future.done() for future in futures):
            self.sleep(timeout)

    def rule(self, patch: pytest.MonkeyPatch) -> None:
        """Make the drivers sleep by this clock, and the face read its dates off it."""
        awaiting = SimpleNamespace(
            sleep=self.asleep,
            wait=self.await_,
            wrap_future=asyncio.wrap_future,
        )
        patch.setattr(drivers, "wait", self.wait)
        patch.setattr(drivers, "asyncio", awaiting)
        patch.setattr(llm_client, "time", SimpleNamespace(sleep=self.sleep, time=self.wall))
