"""One thing per event loop, closed before its loop is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class PerLoop(Generic[T]):
    """Builds a thing for each event loop that asks for it, and closes it with that loop.

    An SDK's async client holds sockets of one event loop and must not outlive it. The loop closes
    it by itself: `asyncio.run` ends every asynchronous generator that was started in its loop
    (PEP 525), and each thing is held by one.
    """

    def __init__(self, build: Callable[[], T], close: Callable[[T], Awaitable[object]]) -> None:
        self._build = build
        self._close = close
        self._things: dict[asyncio.AbstractEventLoop, tuple[T, AsyncGenerator[T, None]]] = {}

    async def get(self) -> T:
        """Return the running loop's thing, built on its first use."""
        loop = asyncio.get_running_loop()
        if (held := self._things.get(loop)) is None:
            self._let_go()
            keeper = self._keeper()
            held = self._things[loop] = (self._build(), keeper)
            # No other task can run before the keeper's first yield: nothing in it awaits.
            await keeper.__anext__()
        return held[0]

    async def aclose(self) -> None:
        """Close the running loop's thing, if it has one."""
        held = self._things.get(asyncio.get_running_loop())
        if held is not None:
            await held[1].aclose()

    def forget(self) -> None:
        """Drop every thing without closing it: they are another process's."""
        self._things.clear()

    def _let_go(self) -> None:
        # A loop that was closed without ending its generators can close nothing any more.
        for loop in list(self._things):
            if loop.is_closed():
                self._things.pop(loop, None)

    async def _keeper(self) -> AsyncGenerator[T, None]:
        loop = asyncio.get_running_loop()
        thing = self._things[loop][0]
        try:
            yield thing
        finally:
            self._things.pop(loop, None)
            await self._close(thing)
