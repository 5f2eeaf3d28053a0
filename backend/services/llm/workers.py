"""Threads of the library's own for what blocks: never the host's, and no more than there may be."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from .forks import ForkLock, reset_in_child

T = TypeVar("T")

#: Carries a call out, and returns how to tell its caller what came of it.
_Job = Callable[[], Callable[[], None]]


class Workers:
    """A pool of at most *size* threads, started as calls come in; a child process gets its own.

    They are daemons, unlike those of `concurrent.futures`: at its exit a process waits for those
    who wait for a call, and not for a call that nobody waits for.
    """

    def __init__(self, size: int, name: str) -> None:
        self._size = size
        self._name = name
        self.after_fork()
        reset_in_child(self)

    def submit(self, call: Callable[[], T]) -> Future[T]:
        """Run *call* in a thread, in a copy of the caller's context.

        Raises RuntimeError where there is no thread and none can be started.
        """
        future: Future[T] = Future()
        self._pool.put(partial(_outcome, future, partial(contextvars.copy_context().run, call)))
        return future

    def close(self) -> None:
        """Let the threads end as soon as their calls have; the next call starts new ones."""
        pool = self._pool
        self.after_fork()
        pool.end()

    def __del__(self) -> None:
        # Hosts build a client per request and drop it without closing it.
        self._pool.end()

    def after_fork(self) -> None:
        """Forget the parent's threads: none of them is here."""
        self._pool = _Pool(self._size, self._name)


class _Pool:
    """Threads that end together, and their jobs."""

    def __init__(self, size: int, name: str) -> None:
        self._size = size
        self._name = name
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._lock = ForkLock(leaf=True)  # guards the three below
        self._threads: list[Thread] = []
        self._unfinished = 0
        self._is_over = False

    def put(self, job: _Job) -> None:
        """Have *job* carried out by a thread that is idle, by a new one, or in its turn."""
        with self._lock:
            # First the thread: an interrupt in between leaves one too many, not one too few.
            if len(self._threads) <= self._unfinished and len(self._threads) < self._size:
                self._start()
            self._unfinished += 1
            self._jobs.put(job)
            is_over = self._is_over
            if is_over and not self._threads:
                # Closed meanwhile by a signal handler: the threads end before they come to it.
                self._start()
        if is_over:
            self.end()

    def end(self) -> None:
        """Let each thread end once it has carried out what is ahead of it."""
        with self._lock:
            self._is_over = True
            ending, self._threads = self._threads, []
        for _ in ending:
            self._jobs.put(None)

    def _start(self) -> None:
        thread = Thread(target=self._work, name=f"{self._name}-{len(self._threads)}", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            # The system has no room for another. Those that there are come to the job in time.
            if not self._threads:
                raise
        else:
            self._threads.append(thread)

    def _work(self) -> None:
        """Carry out one job after another, until there is an end of them."""
        while (job := self._jobs.get()) is not None:
            tell = job()
            with self._lock:
                self._unfinished -= 1
            tell()
            del job, tell  # what it answered is the caller's alone while this thread waits


def _outcome(future: Future[Any], call: Callable[[], Any]) -> Callable[[], None]:
    """Make *call*, unless it was cancelled, and return how to tell *future* of it."""
    if not future.set_running_or_notify_cancel():
        return _nothing
    try:
        result = call()
    except BaseException as error:
        return partial(future.set_exception, error)
    return partial(future.set_result, result)


def _nothing() -> None:
    """Nobody is to be told of a call that was cancelled."""
