"""A batch that is read with `async for`."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from types import TracebackType
from typing import Any, TypeVar

from .options import BatchOptions
from .prompts import copy_of
from .reading import BatchReading
from .results import BatchResult
from .runner import Ask, Runner
from .stopping import Ending, closed_meanwhile

T = TypeVar("T")
Self = TypeVar("Self", bound="AsyncBatch[Any]")


class AsyncBatch(BatchReading[T]):
    """The results of a batch, one for each prompt: an async iterator.

    Nothing is read or sent before the first result is asked for. Leaving the iteration early
    cancels what is in flight: at once where the batch is used in an `async with` block, else when
    the iterator is dropped.
    """

    def __init__(
        self, prompts: Iterable[Any] | AsyncIterable[Any], ask: Ask, options: BatchOptions
    ) -> None:
        super().__init__(prompts, ask, options)
        self._reading: _Reading | None = None

    def __aiter__(self: Self) -> Self:
        return self

    async def __anext__(self) -> BatchResult[T]:
        result = await self._advance(self._next, self.aclose)
        if result is None:
            raise StopAsyncIteration
        return result

    async def _next(self) -> BatchResult[Any] | None:
        if self._reading is None:
            self._reporter.begin()
            self._reading = _Reading(self._prompts, self._ask, self._options)
        return await self._reading.next()

    async def aclose(self) -> None:
        """Cancel what is in flight, and wait until it has ended."""
        if self._is_closed:
            return
        self._is_closed = True
        self._reporter.close()
        if self._reading is not None:
            await self._reading.aclose()

    async def __aenter__(self: Self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __del__(self) -> None:
        # A loop that was left by `break`; the tasks do not know this object.
        if not vars(self).get("_is_closed", True) and self._reading is not None:
            self._reading.abandon()


class _Reading:
    """Reads prompts as there is room for them, and keeps results until they are asked for."""

    def __init__(
        self, prompts: Iterable[Any] | AsyncIterable[Any], ask: Ask, options: BatchOptions
    ) -> None:
        self._window = options.window()
        self._runner = Runner(ask, options.concurrency, self._finish, self._read_more)
        self._changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._context = contextvars.copy_context()
        self.ending = Ending(self._window)
        self._prompts: Iterator[Any] | None = None
        self._reader: asyncio.Task[None] | None = None
        #: Whether it was closed before its end.
        self._is_cut = False
        if isinstance(prompts, AsyncIterable):
            self._reader = asyncio.create_task(self._read(aiter(prompts)))
        else:
            self._prompts = iter(prompts)

    async def next(self) -> BatchResult[Any] | None:
        """Return the next result; None where there is none any more.

        Raises RuntimeError where another task closes the batch meanwhile.
        """
        while not self._is_cut:
            self._read_more()
            result = self._window.take()
            if result is not None:
                self._changed.set()  # there is room again
                return result
            if self.ending.has_ended:
                self._changed.set()  # for whoever reads beside us
                self.ending.raise_error()
                return None
            self._changed.clear()
            await self._changed.wait()
        raise closed_meanwhile()

    async def aclose(self) -> None:
        """Read no more, and cancel what is in flight."""
        self._is_cut = not self.ending.has_ended
        self.ending.is_reading = False
        self._changed.set()  # for whoever waits for a result
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
        await self._runner.aclose()

    def abandon(self) -> None:
        """Have the loop do what `aclose` does, from whichever thread; not if it has ended."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._close_later)

    def _close_later(self) -> None:
        closing = self._loop.create_task(self.aclose())
        # The loop alone holds its tasks weakly.
        _closing.add(closing)
        closing.add_done_callback(_closing.discard)

    def _finish(self, result: BatchResult[Any]) -> None:
        self.ending.note(result)
        self._window.finish(result.index, result)
        self._changed.set()

    @property
    def _can_read(self) -> bool:
        return self.ending.is_reading and self._window.has_room and self._runner.has_room

    def _read_more(self) -> None:
        """Read prompts that are there without waiting, as many as can be sent at once."""
        while self._prompts is not None and self._can_read:
            try:
                prompt = self._context.run(next, self._prompts)
            except Exception as error:
                self.ending.end_source(error)
                return
            self._runner.submit(self._window.start(), copy_of(prompt))

    async def _read(self, prompts: AsyncIterator[Any]) -> None:
        """Read prompts that have to be awaited, one after the other as there is room for each."""
        try:
            while self.ending.is_reading:
                if self._can_read:
                    prompt = await anext(prompts)
                    self._runner.submit(self._window.start(), copy_of(prompt))
                else:
                    self._changed.clear()
                    await self._changed.wait()
        # A cancellation too, which may come from the prompts: their reader must not wait for ever.
        except BaseException as error:
            self.ending.end_source(error)
        finally:
            self._changed.set()


_closing: set[asyncio.Task[None]] = set()
