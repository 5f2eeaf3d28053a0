"""Which event loop a call is a task of, and whether that runs at all."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future


class _ThreadState(threading.local):
    """How many calls block this thread: an event loop in it runs none of them."""

    blocking = 0


_thread_state = _ThreadState()


class blocking_thread:  # noqa: N801 - read as a part of its `with`
    """Say that what runs inside blocks its thread, be it inside a task of an event loop."""

    def __enter__(self) -> None:
        _thread_state.blocking += 1

    def __exit__(self, *_: object) -> None:
        _thread_state.blocking -= 1


def current_loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop without which the running call does not go on, if there is one."""
    if _thread_state.blocking:
        return None
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def next_iteration(loop: asyncio.AbstractEventLoop | None) -> Future[None]:
    """Return what is done once *loop* has run; at once for none, and for the one that runs here."""
    sign: Future[None] = Future()
    try:
        if loop is None or loop is current_loop():
            sign.set_result(None)
        else:
            loop.call_soon_threadsafe(sign.set_result, None)
    except RuntimeError:
        pass  # it is closed, and never runs again
    return sign
