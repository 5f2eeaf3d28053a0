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
        self._let_go: Callable[[], None] | None = None

    def abort(self) -> None:
        """End the wait, also one that is about to begin."""
        self._is_aborted = True
        if (abort := self._abort) is not None:
            abort()

    def waits(self, abort: Callable[[], None], let_go: Callable[[], None] | None) -> None:
        """Note how the wait that begins is ended, and what is to be called after it."""
        self.end()
        self._abort, self._let_go = abort, let_go
        self.check()

    def check(self) -> None:
        """Raise ConnectionAbortedError where it was aborted."""
        if self._is_aborted:
            raise ConnectionAbortedError("nobody waits for the answer any more")

    def end(self) -> None:
        """Forget the wait, which is over."""
        self._abort, let_go, self._let_go = None, self._let_go, None
        if let_go is not None:
            let_go()


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


def abortable_by(abort: Callable[[], None], let_go: Callable[[], None] | None = None) -> None:
    """Say how what this thread is about to wait for is ended from another thread, if one may.

    *let_go* is called once it is over. Raises ConnectionAbortedError where nobody waits for it.
    """
    if _thread.opening is not None:
        _thread.opening.waits(abort, let_go)


def check_aborted() -> None:
    """Raise ConnectionAbortedError where nobody waits for what this thread opens."""
    if _thread.opening is not None:
        _thread.opening.check()


def is_abortable() -> bool:
    """Whether another thread may end what this one waits for."""
    return _thread.opening is not None
