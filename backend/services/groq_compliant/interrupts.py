"""Interruptions (Ctrl-C): the first ends what is under way, and a second the process."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Coroutine
from typing import Any

#: The exit code of what was interrupted.
INTERRUPTED = 130


def run_to_exit(do: Callable[[], int]) -> int:
    """Return the code of *do*, the last deed of a process that may be interrupted repeatedly."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _interrupt)
    code = do()
    if code == INTERRUPTED:
        # All is written, and the interpreter would not end as quietly if interrupted again.
        os._exit(code)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return code


def run(main: Coroutine[Any, Any, int]) -> int:
    """Run *main* as `asyncio.run` does; an interruption cancels it and is a KeyboardInterrupt.

    Raised amid a task, as it is before Python 3.11, it would pass for a failure of what it hit.
    """
    is_ours = signal.getsignal(signal.SIGINT) in (_interrupt, signal.default_int_handler)
    if is_ours and threading.current_thread() is threading.main_thread():
        main = _cancellable(main)
    return asyncio.run(main)


async def _cancellable(main: Coroutine[Any, Any, int]) -> int:
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None, "a coroutine runs in a task"
    before, interrupted = signal.getsignal(signal.SIGINT), False

    def cancel(*_: object) -> None:
        nonlocal interrupted
        interrupted = True
        signal.signal(signal.SIGINT, _leave if before is _interrupt else before)
        loop.call_soon_threadsafe(task.cancel)

    signal.signal(signal.SIGINT, cancel)
    try:
        return await main
    except BaseException:
        if interrupted:
            raise KeyboardInterrupt from None
        raise
    finally:
        if not interrupted:
            signal.signal(signal.SIGINT, before)


def _interrupt(*_: object) -> None:
    signal.signal(signal.SIGINT, _leave)
    raise KeyboardInterrupt


def _leave(*_: object) -> None:
    os._exit(INTERRUPTED)
