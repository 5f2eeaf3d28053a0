"""One thing per event loop, lent to its calls and closed before its loop is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class LoopResource(Generic[T]):
    """A loop's thing: once it is let go it is lent no more, and closed when nobody uses it.

    So a call that is on its way comes to its end, whichever task closes meanwhile.
    """

    def __init__(
        self, thing: T, end: Callable[[LoopResource[T]], AsyncGenerator[None, None]]
    ) -> None:
        self.thing = thing
        self._users = 0
        self._is_let_go = False
        self._keeper = end(self)

    async def keep(self) -> None:
        """Have the running loop close it as it ends."""
        # No other task can run before the keeper's first yield: nothing in it awaits.
        await self._keeper.__anext__()

    async def retire(self) -> None:
        """Close it as soon as nobody uses it any more."""
        self._is_let_go = True
        await self._close_if_unused()

    async def __aenter__(self) -> T:
        self._users += 1
        return self.thing

    async def __aexit__(self, *_: object) -> None:
        self._users -= 1
        await self._close_if_unused()

    async def _close_if_unused(self) -> None:
        if self._is_let_go and not self._users:
            await self._keeper.aclose()


class PerEventLoop(Generic[T]):
    """Builds a thing for each event loop that asks for it, and closes it with that loop.

    An SDK's async client holds sockets of one event loop and must not outlive it. The loop closes
    it by itself: `asyncio.run` ends every asynchronous generator that was started in its loop
    (PEP 525), and each thing is held by one.
    """

    def __init__(self, build: Callable[[], T], close: Callable[[T], Awaitable[object]]) -> None:
        self._build = build
        self._close = close
        self._things: dict[asyncio.AbstractEventLoop, LoopResource[T]] = {}

    async def get(self) -> LoopResource[T]:
        """Return the running loop's thing, to be used inside one `with` block."""
        loop = asyncio.get_running_loop()
        if (held := self._things.get(loop)) is None:
            self._let_go_of_closed_loops()
            held = self._things[loop] = LoopResource(self._build(), self._keeper)
            await held.keep()
        return held

    async def aclose(self) -> None:
        """Close the running loop's thing, if it has one, once its calls on their way have ended."""
        held = self._things.pop(asyncio.get_running_loop(), None)
        if held is not None:
            await held.retire()

    def forget(self) -> None:
        """Drop every thing without closing it: they are another process's."""
        self._things.clear()

    def _let_go_of_closed_loops(self) -> None:
        # A loop that was closed without ending its generators can close nothing any more.
        for loop in list(self._things):
            if loop.is_closed():
                self._things.pop(loop, None)

    async def _keeper(self, held: LoopResource[T]) -> AsyncGenerator[None, None]:
        loop = asyncio.get_running_loop()
        try:
            yield
        finally:
            if self._things.get(loop) is held:
                del self._things[loop]
            # Where a loop was left or closed without ending its generators (`nest_asyncio` does
            # so), this one ends as garbage, and nothing can be awaited any more.
            if _is_running(loop):
                await self._close(held.thing)


def _is_running(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False
