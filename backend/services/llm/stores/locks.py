"""One lock on a path, between the threads of a process and the processes of a machine.

The lock lives in a file of its own, `<name>.lock`, which is never replaced or written to. It is
opened anew each time, so a handle is never inherited and a deleted lock file does no lasting harm.
Where the first use of the path fails, it is removed again: the path may be that of a foreign file.
The standard library is enough for this; it needs a local file system, as network ones may not lock.
"""

from __future__ import annotations

import errno
import importlib
import os
import random
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from ..runtime.fork import on_fork_in_child
from .files import is_at, open_private, sibling

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows locks through msvcrt
    fcntl = None

#: Seconds until a lock that another holds is given up; a holder needs milliseconds.
LOCK_TIMEOUT = 5.0


class PathLock:
    """An exclusive lock on one path, among all users of PathLock on this machine."""

    def __init__(self, path: Path, *, timeout: float = LOCK_TIMEOUT) -> None:
        self._path = sibling(path, ".lock")
        self._timeout = timeout
        self._threads = threading.Lock()
        self._handle: int | None = None
        on_fork_in_child(self, PathLock._reset_in_child)

    @contextmanager
    def held(self, timeout: float | None = None) -> Iterator[None]:
        """Hold the lock inside; TimeoutError, an OSError, if it is not free in *timeout* seconds.

        None stands for the timeout that the lock was made with.
        """
        seconds = self._timeout if timeout is None else timeout
        deadline = time.monotonic() + seconds
        if not self._threads.acquire(timeout=seconds):
            raise self._timeout_error(seconds)
        try:
            is_new = not self._path.exists()
            handle = self._opened(deadline, seconds)
            try:
                yield
            except BaseException:
                if is_new:  # nothing of ours stays beside a file that is refused
                    with suppress(OSError):
                        self._path.unlink()
                raise
            finally:
                _unlock(handle)
                self._close()
        finally:
            self._threads.release()

    def _opened(self, deadline: float, seconds: float) -> int:
        """Lock the file and return its handle; open it anew if another process removes it."""
        while self._handle is None:
            handle = self._handle = open_private(str(self._path), os.O_RDWR | os.O_CREAT)
            is_locked = False
            try:
                self._wait(handle, deadline, seconds)
                is_locked = is_at(self._path, handle)
            finally:
                if not is_locked:
                    self._close()
        return self._handle

    def _close(self) -> None:
        # Forgotten first: while it is closed, other threads may open a file that gets its number,
        # and fork.
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)

    def _reset_in_child(self) -> None:
        """Close the child's copy of a handle: a copy left open would hold the parent's lock."""
        self._close()
        self._threads = threading.Lock()

    def _wait(self, handle: int, deadline: float, seconds: float) -> None:
        # Polled, because a wait inside `flock` cannot be ended at the deadline.
        pause = 0.0005
        while not _try_lock(handle):
            left = deadline - time.monotonic()
            if left <= 0:
                raise self._timeout_error(seconds)
            time.sleep(min(left, pause * random.random()))
            pause = min(2 * pause, 0.01)

    def _timeout_error(self, seconds: float) -> TimeoutError:
        return TimeoutError(f"{self._path} was held by others for {seconds:g} s")


_locks: weakref.WeakValueDictionary[Path, PathLock] = weakref.WeakValueDictionary()


def lock_on(path: Path) -> PathLock:
    """Return the PathLock that this process shares for *path*, so that its threads queue.

    Two that two threads make at the same instant still exclude each other, by the lock file.
    """
    return _locks.setdefault(path, PathLock(path))


def _try_lock(handle: int) -> bool:
    try:
        if fcntl is not None:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            msvcrt = _msvcrt()
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK):
            return False
        raise
    return True


def _unlock(handle: int) -> None:
    # Explicitly: after a mere close, a child that was forked meanwhile would still hold it.
    if fcntl is not None:
        fcntl.flock(handle, fcntl.LOCK_UN)
    else:
        msvcrt = _msvcrt()
        msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)


def _msvcrt() -> Any:
    return importlib.import_module("msvcrt")
