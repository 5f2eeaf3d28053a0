"""How a stream ends that its reader does not end: with its loop or process, elsewhere, or dropped.

A dropped stream is closed in a thread or a task of its own: garbage collection may run while its
thread holds any lock.
"""

from __future__ import annotations

import _thread
import asyncio
import atexit
import warnings
import weakref
from collections.abc import Callable
from contextlib import AsyncExitStack, ExitStack, suppress
from typing import Any

from ..runtime.closing import ClosedByAsyncBlock
from ..runtime.event_loops import PerEventLoop
from ..runtime.fork import on_fork_in_child
from .drivers import arun, run
from .stream_reader import PATIENCE, StreamReader

#: Tasks that close a dropped stream: a loop itself holds no task that waits.
_CLOSING: set[asyncio.Task[None]] = set()

#: What reads the streams of threads, and by which transport, for the end of the process.
_readers: weakref.WeakKeyDictionary[StreamReader, Any] = weakref.WeakKeyDictionary()


def on_drop_in_thread(stream: object, reader: StreamReader, transport: Any) -> None:
    """Have the *reader* closed once *stream* is gone, in a thread of its own, or at the exit."""
    if not _readers:
        # Ledger and fleet of the client have registered themselves: they are finished after it.
        atexit.unregister(close_all_left_open)
        atexit.register(close_all_left_open)
    _readers[reader] = transport
    _on_drop(stream, reader, _close_in_thread, transport)


def on_drop_in_loop(
    stream: object, reader: StreamReader, transport: Any, loop: asyncio.AbstractEventLoop
) -> None:
    """Have the *reader* closed once *stream* is gone, in a task of its loop."""
    _on_drop(stream, reader, _close_in_loop, transport, loop)


async def with_loop(stream: ClosedByAsyncBlock) -> None:
    """Have *stream* closed as the running loop ends, if it still is there then."""
    (await _of_loops.get()).resource.add(stream)


async def _close_all(streams: weakref.WeakSet[ClosedByAsyncBlock]) -> None:
    async with AsyncExitStack() as stack:  # each, whatever becomes of the others
        for stream in list(streams):
            stack.push_async_callback(stream.aclose)


_of_loops = PerEventLoop[weakref.WeakSet[ClosedByAsyncBlock]](weakref.WeakSet, _close_all)
on_fork_in_child(_of_loops, PerEventLoop.reset_in_child)


def _on_drop(stream: object, reader: StreamReader, close: Callable[..., None], *args: Any) -> None:
    weakref.finalize(stream, _drop, reader, close, *args).atexit = False


def _drop(reader: StreamReader, close: Callable[..., None], *args: Any) -> None:
    if not reader.is_open:
        return
    if not reader.is_handed_over:
        warnings.warn(
            "a stream was dropped before its end: read it inside a `with` block, or close it",
            ResourceWarning,
            stacklevel=3,
        )
    # There are no threads any more as the interpreter exits, and nothing is held then.
    with suppress(RuntimeError):
        close(reader, *args)


def _close_in_thread(reader: StreamReader, transport: Any) -> None:
    """Close it in a thread of its own, without a lock that this thread may hold."""
    _thread.start_new_thread(run, (reader.close(), transport))


async def close_elsewhere(
    reader: StreamReader, transport: Any, loop: asyncio.AbstractEventLoop
) -> None:
    """Close a stream of another event loop: there if that runs, else without it."""
    if loop.is_running():
        closing = asyncio.run_coroutine_threadsafe(arun(reader.close(), transport), loop)
        # It may stop at this very moment.
        await asyncio.wait({asyncio.wrap_future(closing)}, timeout=PATIENCE)
        return
    reader.give_back()
    if not loop.is_closed():
        _close_in_loop(reader, transport, loop)


def _close_in_loop(reader: StreamReader, transport: Any, loop: asyncio.AbstractEventLoop) -> None:
    """Close it in a task of its loop; where that is closed, give back the rest in a thread."""

    def start() -> None:
        closing = loop.create_task(arun(reader.close(), transport))
        _CLOSING.add(closing)
        closing.add_done_callback(_CLOSING.discard)

    try:
        loop.call_soon_threadsafe(start)
    except RuntimeError:
        _thread.start_new_thread(reader.give_back, ())


def close_all_left_open() -> None:
    """As the process ends, close the streams of threads that nobody waits for."""
    # One that cannot be closed keeps no other from it, and is told of.
    with ExitStack() as stack:
        for reader, transport in list(_readers.items()):
            if reader.is_left_open:
                stack.callback(run, reader.close(), transport)
