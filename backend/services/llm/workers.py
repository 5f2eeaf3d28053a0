"""Threads of a client's own for an SDK that blocks, as many as it may have calls at once."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from threading import Lock, Semaphore, Thread
from typing import Any, TypeVar

from .forks import reset_in_child

T = TypeVar("T")


class Workers:
    """A pool of at most *size* threads, started as calls come in; a child process gets its own.

    They are daemons, unlike those of `concurrent.futures`: at its exit a process waits for those
    who wait for a call, and not for a call that nobody waits for.
    """

    def __init__(self, size: int, name: str) -> None:
        self._size = size
        self._name = name
        self._lock = Lock()  # guards the pool's making and its threads
        self._pool = _Pool()
        reset_in_child(self)

    def submit(self, call: Callable[[], T]) -> Future[T]:
        """Run *call* in a thread, in a copy of the caller's context."""
        future: Future[T] = Future()
        job = partial(_carry_out, future, partial(contextvars.copy_context().run, call))
        with self._lock:
            pool = self._pool
            # First the thread: an interrupt in between leaves one too many, not one too few.
            if not pool.idle.acquire(blocking=False) and len(pool.threads) < self._size:
                name = f"{self._name}-{len(pool.threads)}"
                pool.threads.append(Thread(target=pool.work, name=name, daemon=True))
                pool.threads[-1].start()
            pool.jobs.put(job)
        return future

    def close(self) -> None:
        """Let the threads end as soon as their calls have; the next call starts new ones."""
        with self._lock:
            pool, self._pool = self._pool, _Pool()
        pool.end()

    def __del__(self) -> None:
        # Hosts build a client per request and drop it without closing it.
        self._pool.end()

    def after_fork(self) -> None:
        """Forget the parent's threads: none of them is here."""
        self._lock = Lock()
        self._pool = _Pool()


class _Pool:
    """What threads that end together share."""

    def __init__(self) -> None:
        self.jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        #: Counts the threads that wait for a job which nobody has been counted on to take.
        self.idle = Semaphore(0)
        self.threads: list[Thread] = []

    def end(self) -> None:
        """Let each thread end once it has carried out what is ahead of it."""
        for _ in self.threads:
            self.jobs.put(None)

    def work(self) -> None:
        """Carry out one job after another, until there is an end of them."""
        while (job := self.jobs.get()) is not None:
            job()
            del job  # what it answered is the caller's alone while this thread waits
            self.idle.release()


def _carry_out(future: Future[Any], call: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)
