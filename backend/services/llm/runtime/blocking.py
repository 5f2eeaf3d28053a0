"""Run blocking calls in the library's own threads, and wait for them up to a timeout."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from threading import TIMEOUT_MAX
from typing import Any, TypeVar

from ..effects import Overdue, Pool, RunBlocking
from .workers import Workers

T = TypeVar("T")

#: Separate pools, so that a store that hangs delays nothing else. More threads gain nothing: stores
#: wait for a lock, and parsing for the interpreter's.
_THREADS: Mapping[Pool, Workers] = {
    "cache": Workers(16, "llm-cache"),
    "budget": Workers(8, "llm-budget"),
    "validation": Workers(4, "llm-validation"),
    "batch": Workers(4, "llm-batch-files"),
}

#: For a host's own fake clients, whose calls may take long.
_whole_calls = Workers(64, "llm-call")

#: The share of its timeout that a call must have run to count as slow: the rest it may have waited
#: in the queue, or for a busy event loop.
_BLAME_SHARE = 0.5


async def run_in_thread(call: Callable[[], T]) -> T:
    """Run *call* in a thread of ours, as `asyncio.to_thread` does in one of the host's."""
    return await asyncio.wrap_future(_whole_calls.submit(call))


class BlockingCall:
    """One blocking call in a thread; its result is waited for once."""

    def __init__(self, effect: RunBlocking) -> None:
        self._effect = effect
        self._timeout = min(max(0.0, effect.timeout), TIMEOUT_MAX)
        self._started_at: float | None = None
        try:
            self._future: Future[Any] = _THREADS[effect.pool].submit(self._run)
        except RuntimeError:
            # The interpreter exits and starts no thread any more.
            self._future = _run_here(effect)

    def result(self) -> Any:
        """Wait in this thread and return the result; raises what the call raises, and `Overdue`."""
        try:
            wait([self._future], self._timeout)
        except BaseException:
            self._future.cancel()
            raise
        return self._outcome()

    async def aresult(self) -> Any:
        """Wait as `result` does, without blocking the event loop."""
        waiting = asyncio.wrap_future(self._future)
        waiting.add_done_callback(_retrieve_exception)
        try:
            await asyncio.wait({waiting}, timeout=self._timeout)
        except BaseException:
            waiting.cancel()
            raise
        # The thread's future: a busy event loop may not have seen yet that it is done.
        if not self._future.done():
            waiting.cancel()
        return self._outcome()

    def _run(self) -> Any:
        self._started_at = time.monotonic()
        return self._effect.function()

    def _outcome(self) -> Any:
        if not self._future.cancelled() and self._future.done():
            return self._future.result()
        self._future.cancel()  # one that has not started never will
        started_at = self._started_at
        has_run_for = 0.0 if started_at is None else time.monotonic() - started_at
        raise Overdue(has_run_for >= _BLAME_SHARE * self._timeout)


def _run_here(effect: RunBlocking) -> Future[Any]:
    future: Future[Any] = Future()
    try:
        future.set_result(effect.function())
    except Exception as error:
        future.set_exception(error)
    return future


def _retrieve_exception(waiting: asyncio.Future[Any]) -> None:
    # asyncio logs an exception that nobody has retrieved.
    if not waiting.cancelled():
        waiting.exception()
