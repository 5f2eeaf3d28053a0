"""Sources of a stream that are the same for both providers: what an SDK or a stand-in iterates.

Each holds an exit stack that gives back what the stream has borrowed.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager, suppress
from functools import partial
from typing import Any

import anyio

from ..errors import LLMError
from ..http.deadline import TimeLeft
from ..runtime.blocking import run_in_thread
from .channel import AsyncChannel, AsyncSource, Channel, Source, raise_mapped


class Iterated:
    """What is iterated in the caller's thread; reads below it that know *limit* end there."""

    def __init__(
        self, stack: ExitStack, items: Iterator[Any], limit: TimeLeft | None = None
    ) -> None:
        self._stack = stack
        self._items = items
        self._limit = limit

    def read(self, until: float) -> Any:
        """Return what comes next, or None at the end."""
        if self._limit is not None:
            self._limit.at = until
        return next(self._items, None)

    def close(self, *, is_done: bool = False) -> None:
        """Let go of it."""
        self._stack.close()

    def abort(self) -> None:
        """Do nothing: an iterator that blocks ends in its own time."""


class AsyncIterated:
    """The same on an event loop, each read within its time."""

    def __init__(self, stack: AsyncExitStack, items: AsyncIterator[Any]) -> None:
        self._stack = stack
        self._items = items

    async def read(self, until: float) -> Any:
        """Return what comes next before *until*, or None at the end."""
        with anyio.fail_after(max(0.0, until - time.monotonic())):
            return await anext(self._items, None)

    async def aclose(self, *, is_done: bool = False) -> None:
        """Let go of it, and let it end: else the event loop would, in a task of its own."""
        await self._stack.aclose()
        # What it says of its connection, which is closed, is no news.
        with suppress(Exception), anyio.move_on_after(0):
            await anext(self._items, None)


class InThread:
    """A source that blocks, read in threads of ours: a test's stand-in."""

    def __init__(self, source: Source) -> None:
        self._source = source

    async def read(self, until: float) -> Any:
        """Return what comes next, or None at the end; a reader that is cancelled leaves it."""
        return await run_in_thread(partial(self._source.read, until))

    async def aclose(self, *, is_done: bool = False) -> None:
        """Let go of it."""
        await run_in_thread(partial(self._source.close, is_done=is_done))


class OwningSource:
    """A source that owns what was borrowed for it, and gives that back as it is closed."""

    def __init__(self, source: Source, stack: ExitStack) -> None:
        self._source = source
        self._stack = stack
        self.read = source.read
        self.abort = source.abort

    def close(self, *, is_done: bool = False) -> None:
        """Let go of it."""
        with self._stack:
            self._source.close(is_done=is_done)


class AsyncOwningSource:
    """The same for an event loop."""

    def __init__(self, source: AsyncSource, stack: AsyncExitStack) -> None:
        self._source = source
        self._stack = stack
        self.read = source.read

    async def aclose(self, *, is_done: bool = False) -> None:
        """Let go of it."""
        async with self._stack:
            await self._source.aclose(is_done=is_done)


def in_threads(channel: Channel) -> AsyncChannel:
    """A stream for an event loop out of one that blocks."""
    return AsyncChannel(InThread(channel.source), channel.reader, channel.take, channel.to_error)


@contextmanager
def giving_back(to_error: Callable[[Exception], LLMError]) -> Iterator[ExitStack]:
    """A stack for what a stream borrows: closed at once where it is not opened after all."""
    stack = ExitStack()
    try:
        yield stack
    except BaseException as error:
        stack.close()
        raise_mapped(error, to_error)


@asynccontextmanager
async def agiving_back(to_error: Callable[[Exception], LLMError]) -> AsyncIterator[AsyncExitStack]:
    """The same for an event loop, also in a task that is being cancelled."""
    stack = AsyncExitStack()
    try:
        yield stack
    except BaseException as error:
        with anyio.CancelScope(shield=True):
            await stack.aclose()
        raise_mapped(error, to_error)
