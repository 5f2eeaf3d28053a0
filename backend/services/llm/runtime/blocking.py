"""Ask what blocks, in threads of the library's own, and wait for it until its time is over."""

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

#: By what is asked, so that a store that hangs delays no judgement. More threads than this gain
#: nothing: stores take turns by a lock, judgements by the interpreter's.
_THREADS: Mapping[Pool, Workers] = {
    "cache": Workers(16, "llm-cache"),
    "budget": Workers(8, "llm-budget"),
    "judgement": Workers(4, "llm-judgement"),
}

#: For a host's own stand-ins, which may take as long as a call.
_whole_calls = Workers(64, "llm-call")

#: The part of its time that it must have had to be blamed for being late: the rest may have gone
#: by in the queue, or in an event loop that was busy.
_BLAME_SHARE = 0.5


async def run_in_thread(call: Callable[[], T]) -> T:
    """Make *call* in a thread, as `asyncio.to_thread` does in the host's own threads."""
    return await asyncio.wrap_future(_whole_calls.submit(call))


class BlockingCall:
    """One thing that is asked; it is waited for once."""

    def __init__(self, effect: RunBlocking) -> None:
        self._effect = effect
        self._timeout = min(max(0.0, effect.timeout), TIMEOUT_MAX)
        self._begun: float | None = None
        try:
            self._future: Future[Any] = _THREADS[effect.pool].submit(self._run)
        except RuntimeError:
            # There are no threads any more as the interpreter exits.
            self._future = _run_here(effect)

    def result(self) -> Any:
        """Wait in this thread; raises what it raises, and `Overdue`."""
        try:
            wait([self._future], self._timeout)
        except BaseException:
            self._future.cancel()
            raise
        return self._outcome()

    async def aresult(self) -> Any:
        """Wait as `answer` does, without blocking the event loop."""
        waiting = asyncio.wrap_future(self._future)
        waiting.add_done_callback(_retrieve_exception)
        try:
            await asyncio.wait({waiting}, timeout=self._timeout)
        except BaseException:
            waiting.cancel()
            raise
        # The thread's own word: it may be done, and a loop that is busy not know yet.
        if not self._future.done():
            waiting.cancel()
        return self._outcome()

    def _run(self) -> Any:
        self._begun = time.monotonic()
        return self._effect.function()

    def _outcome(self) -> Any:
        if not self._future.cancelled() and self._future.done():
            return self._future.result()
        self._future.cancel()  # one that has not begun never will
        begun = self._begun
        had = 0.0 if begun is None else time.monotonic() - begun
        raise Overdue(had >= _BLAME_SHARE * self._timeout)


def _run_here(effect: RunBlocking) -> Future[Any]:
    future: Future[Any] = Future()
    try:
        future.set_result(effect.function())
    except Exception as error:
        future.set_exception(error)
    return future


def _retrieve_exception(waiting: asyncio.Future[Any]) -> None:
    # asyncio complains of an exception that nobody has looked at.
    if not waiting.cancelled():
        waiting.exception()
