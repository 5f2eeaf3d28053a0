"""One resource per event loop, shared by its calls and closed before the loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class LoopResource(Generic[T]):
    """The resource of one loop: once it is retired, it is closed when nobody uses it any more.

    So a call in flight completes, whichever task closes the client meanwhile.
    """

    def __init__(
        self, resource: T, close_with_loop: Callable[[LoopResource[T]], AsyncGenerator[None, None]]
    ) -> None:
        self.resource = resource
        self._users = 0
        self._is_retired = False
        self._closer = close_with_loop(self)

    async def close_with_loop(self) -> None:
        """Have the running loop close it as it ends."""
        # No other task runs before the generator's first yield: nothing in it awaits.
        await self._closer.__anext__()

    async def retire(self) -> None:
        """Close it as soon as nobody uses it any more."""
        self._is_retired = True
        await self._close_if_unused()

    async def __aenter__(self) -> T:
        self._users += 1
        return self.resource

    async def __aexit__(self, *_: object) -> None:
        self._users -= 1
        await self._close_if_unused()

    async def _close_if_unused(self) -> None:
        if self._is_retired and not self._users:
            await self._closer.aclose()


class PerEventLoop(Generic[T]):
    """Builds a resource for each event loop that uses it, and closes it with that loop.

    An SDK's async client holds sockets of one event loop and must not outlive it. The loop closes
    it by itself: `asyncio.run` ends every asynchronous generator that was started in its loop
    (PEP 525), and each resource is held by one.
    """

    def __init__(self, build: Callable[[], T], close: Callable[[T], Awaitable[object]]) -> None:
        self._build = build
        self._close = close
        self._resources: dict[asyncio.AbstractEventLoop, LoopResource[T]] = {}

    async def get(self) -> LoopResource[T]:
        """Return the running loop's resource, to be used inside one `async with` block."""
        loop = asyncio.get_running_loop()
        if (held := self._resources.get(loop)) is None:
            self._forget_closed_loops()
            held = self._resources[loop] = LoopResource(self._build(), self._closer)
            await held.close_with_loop()
        return held

    async def aclose(self) -> None:
        """Close the running loop's resource, if any, once its calls in flight have ended."""
        held = self._resources.pop(asyncio.get_running_loop(), None)
        if held is not None:
            await held.retire()

    def reset_in_child(self) -> None:
        """Drop all resources without closing them: they belong to the parent process."""
        self._resources.clear()

    def _forget_closed_loops(self) -> None:
        # A loop that was closed without ending its generators cannot close its resource any more.
        for loop in list(self._resources):
            if loop.is_closed():
                self._resources.pop(loop, None)

    async def _closer(self, held: LoopResource[T]) -> AsyncGenerator[None, None]:
        loop = asyncio.get_running_loop()
        try:
            yield
        finally:
            if self._resources.get(loop) is held:
                del self._resources[loop]
            # If the loop was closed without ending its generators, as `nest_asyncio` does, this one
            # is ended by the garbage collector, where nothing can be awaited.
            if _is_running(loop):
                await self._close(held.resource)


def _is_running(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False
