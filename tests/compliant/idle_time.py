"""An event loop whose clock moves only while nothing is on the wire: an hour takes seconds."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

R = TypeVar("R")


class IdleClock:
    """Seconds that pass while everybody waits; `is_busy` says whether somebody does not."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.is_busy: Callable[[], bool] = lambda: False

    def __call__(self) -> float:
        return self.now


class _Selector(selectors.DefaultSelector):
    """Waits for the network as long as something is on its way, and else lets the time pass."""

    def __init__(self, clock: IdleClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        if self._clock.is_busy():
            return super().select(0.01)
        self._clock.now += timeout
        return super().select(0)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self, clock: IdleClock) -> None:
        self._idle_clock = clock
        super().__init__(_Selector(clock))

    def time(self) -> float:
        return self._idle_clock.now


def run(clock: IdleClock, coroutine: Coroutine[Any, Any, R]) -> R:
    """Run *coroutine* as `asyncio.run` does, by *clock*."""
    loop = _Loop(clock)
    try:
        return loop.run_until_complete(coroutine)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
