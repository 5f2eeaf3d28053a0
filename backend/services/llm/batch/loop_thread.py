"""A thread with an event loop in which a batch that is read with `for` is answered."""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from threading import Thread, current_thread
from typing import Any
from weakref import WeakMethod

from .results import BatchResult
from .runner import Ask, Runner


class LoopThread:
    """A thread that answers prompts, in the context of its caller.

    Each result is given to *deliver* in it, and what ends its loop early to *fail*: methods of an
    object that it does not keep alive, so that a batch is dropped with its last reader.
    """

    def __init__(
        self,
        ask: Ask,
        concurrency: int,
        deliver: Callable[[BatchResult[Any]], None],
        fail: Callable[[BaseException], None],
    ) -> None:
        self._deliver, self._fail = WeakMethod(deliver), WeakMethod(fail)
        self._runner = Runner(ask, concurrency, lambda result: _call(self._deliver, result))
        self._submitted: deque[tuple[int, Any]] = deque()
        self._is_woken = False
        self._started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        context = contextvars.copy_context()
        self._thread = Thread(target=context.run, args=(self._main,), name="llm-batch", daemon=True)
        try:
            self._thread.start()
            self._loop, self._is_over = self._started.result()
        except BaseException:
            # An interrupt: the thread may have begun, or may begin later, and only this ends it.
            self._started.add_done_callback(_end)
            raise

    def submit(self, index: int, prompt: Any) -> None:
        """Answer *prompt* as soon as one of the calls at once is free."""
        self._submitted.append((index, prompt))
        # The loop is woken once for all prompts that come before it has looked.
        if not self._is_woken:
            self._is_woken = True
            try:
                self._call_soon(self._submit_all)
            except BaseException:  # an interrupt, after which it may not have been woken
                self._is_woken = False
                raise

    def _submit_all(self) -> None:
        self._is_woken = False
        while self._submitted:
            self._runner.submit(*self._submitted.popleft())

    def end(self) -> None:
        """Have the loop cancel what is in flight, and end."""
        self._call_soon(self._is_over.set)

    def close(self) -> None:
        """Do as `end` does, and wait until the thread has ended, unless it is this one."""
        self.end()
        if current_thread() is not self._thread:
            self._thread.join()

    def _call_soon(self, function: Callable[..., object], *args: Any) -> None:
        with suppress(RuntimeError):  # the loop has ended, and `fail` was told if that was early
            self._loop.call_soon_threadsafe(function, *args)

    def _main(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            # It ends this thread, and is raised where its results are waited for.
            if self._started.done():
                _call(self._fail, error)
            else:
                self._started.set_exception(error)

    async def _serve(self) -> None:
        is_over = asyncio.Event()
        self._started.set_result((asyncio.get_running_loop(), is_over))
        await is_over.wait()
        await self._runner.aclose()


def _end(started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]]) -> None:
    """End the loop that has started, if it has."""
    if started.exception() is None:
        loop, is_over = started.result()
        loop.call_soon_threadsafe(is_over.set)


def _call(method: WeakMethod[Callable[[Any], None]], argument: Any) -> None:
    if (alive := method()) is not None:
        alive(argument)
