"""Runs the calls of a batch in one event loop, a bounded number at once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from ..errors import LLMError
from ..types import Reply
from .results import BatchResult

#: Makes the call for one prompt.
Ask = Callable[[Any], Coroutine[Any, Any, Reply]]
Result = BatchResult[Any]


class Runner:
    """Answers prompts by *ask*, *concurrency* at once, and hands each result to *deliver*.

    *refill* is called when a call has ended by itself. After an error that would meet every further
    prompt, what still waits gets that error unsent.
    """

    def __init__(
        self,
        ask: Ask,
        concurrency: int,
        deliver: Callable[[Result], None],
        refill: Callable[[], None] = lambda: None,
    ) -> None:
        self._ask = ask
        self._concurrency = concurrency
        self._deliver = deliver
        self._refill = refill
        self._waiting: deque[tuple[int, Any]] = deque()
        self._tasks: dict[asyncio.Task[Reply], tuple[int, Any]] = {}
        self._stopped_by: Exception | None = None
        self._is_closed = False

    @property
    def has_room(self) -> bool:
        """Whether a prompt that is submitted now is sent at once."""
        return len(self._tasks) + len(self._waiting) < self._concurrency

    def submit(self, index: int, prompt: Any) -> None:
        """Answer *prompt* as soon as one of the calls at once is free; not once it is closed."""
        if not self._is_closed:
            self._waiting.append((index, prompt))
            self._start()

    async def aclose(self) -> None:
        """Cancel what is in flight, deliver nothing more, and wait until all has ended."""
        tasks = set(self._tasks)
        if not self._is_closed:  # a second time would interrupt what the first began
            self._is_closed = True
            self._waiting.clear()
            for task in tasks:
                task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _start(self) -> None:
        while self._waiting and len(self._tasks) < self._concurrency:
            index, prompt = self._waiting.popleft()
            if self._stopped_by is not None:
                self._deliver(BatchResult(index, prompt, error=self._stopped_by))
                continue
            task = asyncio.create_task(self._ask(prompt))
            self._tasks[task] = index, prompt
            task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[Reply]) -> None:
        index, prompt = self._tasks.pop(task)
        result = _result_of(task, index, prompt)
        if self._is_closed:
            return
        if result.stops_batch:
            self._stopped_by = result.error
        self._deliver(result)
        self._start()
        # An event loop that ends cancels all of its tasks, and must be given no new ones.
        if not task.cancelled():
            self._refill()


def _result_of(task: asyncio.Task[Reply], index: int, prompt: Any) -> Result:
    """What a call has ended in; an interruption of the process is the event loop's to raise."""
    error = None if task.cancelled() else task.exception()
    if task.cancelled() or (error is not None and not isinstance(error, Exception)):
        return BatchResult(index, prompt, error=LLMError("The call was cancelled"))
    if error is not None:
        return BatchResult(index, prompt, error=error)
    return BatchResult(index, prompt, task.result())
