"""What a thread opens, so that another thread can end it: a connect, or the wait for an answer.

No thread can be stopped from outside, but the socket that it waits for can be shut down. Whatever
makes or takes a connection says so here, wherever it is called from.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Opening:
    """One wait of a thread for what it opens; `abort` ends it, from any thread and at any time."""

    def __init__(self) -> None:
        self._is_aborted = False
        self._abort: Callable[[], None] | None = None
        self._on_end: Callable[[], None] | None = None

    def abort(self) -> None:
        """End the wait, also one that is about to begin."""
        self._is_aborted = True
        if (abort := self._abort) is not None:
            abort()

    def begin_wait(self, abort: Callable[[], None], on_end: Callable[[], None] | None) -> None:
        """Note how the wait that begins is ended, and what is to be called after it."""
        self.end()
        self._abort, self._on_end = abort, on_end
        self.check()

    def check(self) -> None:
        """Raise ConnectionAbortedError where it was aborted."""
        if self._is_aborted:
            raise ConnectionAbortedError("nobody waits for the answer any more")

    def end(self) -> None:
        """Forget the wait, which is over."""
        self._abort, on_end, self._on_end = None, self._on_end, None
        if on_end is not None:
            on_end()


class _Thread(threading.local):
    opening: Opening | None = None


_thread = _Thread()


@contextmanager
def opening(current: Opening) -> Iterator[None]:
    """Have the waits of this thread's block end where *current* is aborted."""
    _thread.opening = current
    try:
        yield
    finally:
        _thread.opening = None
        current.end()


def abortable_by(abort: Callable[[], None], on_end: Callable[[], None] | None = None) -> None:
    """Say how what this thread is about to wait for is ended from another thread, if one may.

    *on_end* is called once it is over. Raises ConnectionAbortedError where nobody waits for it.
    """
    if _thread.opening is not None:
        _thread.opening.begin_wait(abort, on_end)


def check_aborted() -> None:
    """Raise ConnectionAbortedError where nobody waits for what this thread opens."""
    if _thread.opening is not None:
        _thread.opening.check()


def is_abortable() -> bool:
    """Whether another thread may end what this one waits for."""
    return _thread.opening is not None
