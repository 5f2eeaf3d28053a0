"""A batch that is read with `async for`."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any, Generic, TypeVar

from typing_extensions import Self

from ..runtime.closing import ClosedByAsyncBlock
from .options import BatchOptions
from .pipeline import BatchHandle, BatchPipeline
from .prompts import copy_of
from .results import BatchResult
from .runner import Ask, Runner

T = TypeVar("T")


class AsyncBatch(BatchHandle, ClosedByAsyncBlock, Generic[T]):
    """The results of a batch, one for each prompt: an async iterator, which tasks may share.

    Nothing is read or sent before the first result is asked for. Leaving the iteration early
    cancels what is in flight: at once where the batch is used in an `async with` block, else when
    the iterator is dropped.
    """

    def __init__(
        self, prompts: Iterable[Any] | AsyncIterable[Any], ask: Ask, options: BatchOptions
    ) -> None:
        self._pipeline: _Pipeline = _Pipeline(prompts, ask, options)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> BatchResult[T]:
        result = None if self._is_closed else await self._pipeline.next()
        if result is None:
            raise StopAsyncIteration
        return result

    async def aclose(self) -> None:
        """Cancel what is in flight, and wait until it has ended."""
        self._is_closed = True
        await self._pipeline.aclose()


class _Pipeline(BatchPipeline):
    """Reads prompts as there is room for them, and keeps results until they are asked for."""

    def __init__(
        self, prompts: Iterable[Any] | AsyncIterable[Any], ask: Ask, options: BatchOptions
    ) -> None:
        super().__init__(prompts, ask, options)
        self._runner = Runner(ask, options.concurrency, self._deliver, self._read_more)
        self._changed = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        #: Reads the next prompt, where prompts need not be awaited, in the context of the caller.
        self._read_one: Callable[[], Any] | None = None
        #: Reads prompts that have to be awaited.
        self._reader: asyncio.Task[None] | None = None
        self._is_cancelled = False

    async def next(self) -> BatchResult[Any] | None:
        """Return the next result; None where there is none any more."""
        self._begin()
        if (result := self._reported(await self._take())) is None:
            await self._release()
            self._ending.raise_error()
        return result

    async def aclose(self) -> None:
        """Read no more, and cancel what is in flight."""
        self._ending.close()
        await self._release()

    def close_soon(self) -> None:
        """Have what is in flight cancelled, without waiting for that, from whichever thread."""
        is_idle = self._ending.has_ended and (self._reader is None or self._reader.done())
        if self._loop is not None and not is_idle:
            with suppress(RuntimeError):  # a loop that is closed has cancelled it all
                self._loop.call_soon_threadsafe(self._close_later)

    def _begin(self) -> None:
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self.reporter.begin()
            if isinstance(self._prompts, AsyncIterable):
                self._reader = loop.create_task(self._read(aiter(self._prompts)))
            else:
                run = contextvars.copy_context().run
                self._read_one = partial(run, next, iter(self._prompts))
            self._loop = loop
        elif self._loop is not loop:
            raise RuntimeError("a batch is read in the event loop that began it, not in another")

    async def _take(self) -> BatchResult[Any] | None:
        """Read as many prompts as there is room for, and wait for the next result."""
        while True:
            self._read_more()
            if self._ending.has_ended:
                return None
            if (result := self._window.take()) is not None:
                self._wake()  # there is room again
                return result
            self._check_wait(is_for_prompts=self._is_reader)
            self._changed.clear()
            await self._changed.wait()

    async def _release(self) -> None:
        self.reporter.close()
        self._wake()
        reader = None if self._is_reader else self._reader
        if reader is not None and not self._is_cancelled:
            self._is_cancelled = True  # a second time would interrupt what the first began
            reader.cancel()
        await self._runner.aclose()
        if reader is not None and not reader.done():
            await asyncio.wait({reader})

    def _close_later(self) -> None:
        closing = asyncio.create_task(self.aclose())
        # The loop alone holds its tasks weakly.
        _closing.add(closing)
        closing.add_done_callback(_closing.discard)

    def _deliver(self, result: BatchResult[Any]) -> None:
        self._finish(result)
        self._wake()

    def _wake(self) -> None:
        self._changed.set()

    @property
    def _is_reader(self) -> bool:
        """Whether the prompts' own iterator asks for a result."""
        return self._reader is asyncio.current_task()

    @property
    def _can_read(self) -> bool:
        return self._ending.is_reading and self._window.has_room and self._runner.has_room

    def _read_more(self) -> None:
        """Read prompts that are there without waiting, as many as can be sent at once."""
        while self._read_one is not None and self._can_read:
            try:
                prompt = copy_of(self._read_one())
            except BaseException as error:
                self._ending.end_source(error)
                return
            self._runner.submit(self._window.start(), prompt)

    async def _read(self, source: AsyncIterator[Any]) -> None:
        """Read prompts that have to be awaited, one after the other as there is room for each."""
        try:
            while self._ending.is_reading:
                if self._can_read:
                    prompt = copy_of(await anext(source))
                    if self._ending.is_reading:
                        self._runner.submit(self._window.start(), prompt)
                else:
                    self._changed.clear()
                    await self._changed.wait()
        # A cancellation too, which may come from the prompts: their reader must not wait for ever.
        except BaseException as error:
            self._ending.end_source(error)
        finally:
            self._wake()


_closing: set[asyncio.Task[None]] = set()
