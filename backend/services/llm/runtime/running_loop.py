"""The event loop that a call runs in, and whether that loop still iterates."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future


class _ThreadState(threading.local):
    """How many calls block this thread, and with it an event loop that runs in it."""

    blocking_calls = 0


_thread_state = _ThreadState()


class blocking_thread:  # noqa: N801 - read as a part of its `with`
    """Mark the block as blocking its thread, even inside a task of an event loop."""

    def __enter__(self) -> None:
        _thread_state.blocking_calls += 1

    def __exit__(self, *_: object) -> None:
        _thread_state.blocking_calls -= 1


def current_loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop that the running call needs to proceed, or None."""
    if _thread_state.blocking_calls:
        return None
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def next_iteration(loop: asyncio.AbstractEventLoop | None) -> Future[None]:
    """Return a future that is done once *loop* has iterated; at once for None or this loop."""
    iterated: Future[None] = Future()
    try:
        if loop is None or loop is current_loop():
            iterated.set_result(None)
        else:
            loop.call_soon_threadsafe(iterated.set_result, None)
    except RuntimeError:
        pass  # the loop is closed, and never iterates again
    return iterated
