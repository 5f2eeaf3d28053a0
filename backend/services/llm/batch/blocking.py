"""A batch that is read with `for`: prompts are read in the caller's thread, and answered in the
event loop of a thread of the batch's own, in which whatever is in flight can be cancelled.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread
from types import TracebackType
from typing import Any, TypeVar

from ..runtime.coroutines import run_without_loop
from .options import BatchOptions
from .prompts import copy_of
from .reading import BatchReading
from .results import BatchResult
from .runner import Ask, Runner
from .stopping import Ending, closed_meanwhile

T = TypeVar("T")
Self = TypeVar("Self", bound="Batch[Any]")

#: Prompts that are read before a result that is there is given: more than one, so that all calls
#: come to be used, and few, so that a slow source holds no result back.
_READS = 2


class Batch(BatchReading[T]):
    """The results of a batch, one for each prompt: an iterator.

    Nothing is read or sent before the first result is asked for. Leaving the iteration early
    cancels what is in flight: at once where the batch is used in a `with` block, else when the
    iterator is dropped.
    """

    def __init__(self, prompts: Iterable[Any], ask: Ask, options: BatchOptions) -> None:
        super().__init__(prompts, ask, options)
        self._window = options.window()
        self._ending = Ending(self._window)
        self._source: Iterator[Any] = iter(())
        self._thread: _LoopThread | None = None

    def __iter__(self: Self) -> Self:
        return self

    def __next__(self) -> BatchResult[T]:
        async def get() -> BatchResult[Any] | None:
            return self._next(self._thread or self._begin())

        async def close() -> None:
            self.close()

        result = run_without_loop(self._advance(get, close))
        if result is None:
            raise StopIteration
        return result

    def close(self) -> None:
        """Cancel what is in flight, and wait until it has ended."""
        if self._is_closed:
            return
        self._is_closed = True
        self._reporter.close()
        if self._thread is not None:
            self._thread.close()

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        # A loop that was left by `break`; the thread does not know this object.
        if not vars(self).get("_is_closed", True) and self._thread is not None:
            self._thread.end()

    def _begin(self) -> _LoopThread:
        self._reporter.begin()
        self._source = iter(self._prompts)
        self._thread = _LoopThread(self._ask, self._options.concurrency)
        return self._thread

    def _next(self, thread: _LoopThread) -> BatchResult[T] | None:
        """Read as many prompts as there is room for, and wait for the next result."""
        reads = 0
        while True:
            for result in thread.results_so_far():
                self._finish(result)
            may_read = self._ending.is_reading and self._window.has_room
            if may_read and (reads < _READS or not self._window.is_ready):
                self._read_one(thread)
                reads += 1
            elif self._window.is_ready:
                return self._window.take()
            elif self._ending.has_ended:
                self._ending.raise_error()
                return None
            else:
                self._finish(thread.wait())

    def _read_one(self, thread: _LoopThread) -> None:
        try:
            prompt = next(self._source)
        except Exception as error:
            self._ending.end_source(error)
        else:
            thread.submit(self._window.start(), copy_of(prompt))

    def _finish(self, result: BatchResult[Any]) -> None:
        self._ending.note(result)
        self._window.finish(result.index, result)


class _LoopThread:
    """A thread with an event loop that answers prompts; its context is the caller's."""

    def __init__(self, ask: Ask, concurrency: int) -> None:
        self._process = os.getpid()
        self._results: SimpleQueue[BatchResult[Any] | BaseException] = SimpleQueue()
        self._runner = Runner(ask, concurrency, self._results.put)
        self._started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        context = contextvars.copy_context()
        self._thread = Thread(target=context.run, args=(self._main,), name="llm-batch", daemon=True)
        self._thread.start()
        self._loop, self._is_over = self._started.result()

    def submit(self, index: int, prompt: Any) -> None:
        """Answer *prompt* as soon as one of the calls at once is free."""
        self._call_soon(self._runner.submit, index, prompt)

    def results_so_far(self) -> Iterator[BatchResult[Any]]:
        """Yield the results that are there."""
        while not self._results.empty():
            yield self.wait()

    def wait(self) -> BatchResult[Any]:
        """Wait for one result; raises what has ended the loop."""
        if self._process != os.getpid():
            raise RuntimeError("a batch is read in the process that began it, not in a forked one")
        result = self._results.get()
        if isinstance(result, BaseException):
            self._results.put(result)  # for whoever waits beside us
            raise result
        return result

    def end(self) -> None:
        """Have the loop cancel what is in flight, and end."""
        if self._process == os.getpid():
            self._call_soon(self._is_over.set)

    def close(self) -> None:
        """Do as `end` does, and wait until it has ended."""
        self.end()
        if self._process == os.getpid():
            self._thread.join()

    def _call_soon(self, function: Callable[..., object], *args: Any) -> None:
        if not self._loop.is_closed():  # else `wait` says what has ended it
            self._loop.call_soon_threadsafe(function, *args)

    def _main(self) -> None:
        try:
            asyncio.run(self._serve())
            # Whoever waits in another thread than the one that closed the batch is told, too.
            self._results.put(closed_meanwhile())
        except BaseException as error:
            # It ends this thread, and is raised where its results are waited for.
            if self._started.done():
                self._results.put(error)
            else:
                self._started.set_exception(error)

    async def _serve(self) -> None:
        is_over = asyncio.Event()
        self._started.set_result((asyncio.get_running_loop(), is_over))
        await is_over.wait()
        await self._runner.aclose()
