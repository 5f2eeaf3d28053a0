"""A bounded pool of the library's own threads, for calls that block."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from threading import Thread, current_thread
from typing import Any, Generic, Protocol, TypeVar

from .fork import ForkLock, on_fork_in_child

T = TypeVar("T")


class Threads(Protocol):
    """What runs functions in threads."""

    def submit(self, call: Callable[[], None]) -> Future[None]:
        """Run *call* in a thread."""
        ...


class Work(Future[T], Generic[T]):
    """A call that one of the threads makes."""

    call: Callable[[], T]
    #: Nobody waits for it any more: until it ends, its thread does not count as one of the pool.
    is_abandoned = False
    #: Its thread has gone on to other work.
    is_over = False

    def make_call(self) -> Callable[[], None]:
        """Make the call, unless it was cancelled; return a function that completes the future."""
        call = self.call
        del self.call  # and what it holds, as long as the future is kept
        if not self.set_running_or_notify_cancel():
            return _nothing
        try:
            result = call()
        except StopIteration as error:
            # asyncio's futures refuse it, and whoever awaits would never wake (PEP 479).
            stopped = RuntimeError("the call raised StopIteration")
            stopped.__cause__ = error
            return partial(self.set_exception, stopped)
        except BaseException as error:
            return partial(self.set_exception, error)
        return partial(self.set_result, result)


class Workers:
    """A pool of at most *size* threads, started as calls come in; a child process gets its own.

    They are daemons, unlike those of `concurrent.futures`: at its exit a process waits for those
    who wait for a call, and not for a call that nobody waits for. A thread whose call was
    abandoned is replaced, so that what hangs takes nothing from later calls; of such threads
    there are at most *size* more.
    """

    def __init__(self, size: int, name: str) -> None:
        self._size = size
        self._name = name
        self._pool = _Pool(size, name)
        on_fork_in_child(self, Workers._reset_in_child)

    def submit(self, call: Callable[[], T]) -> Work[T]:
        """Run *call* in a thread, in a copy of the caller's context.

        Raises RuntimeError where there is no thread and none can be started.
        """
        work: Work[T] = Work()
        work.call = partial(contextvars.copy_context().run, call)
        self._pool.put(work)
        return work

    def abandon(self, work: Work[Any]) -> None:
        """Cancel *work*; if it runs already, replace its thread until it has ended."""
        if not work.done() and not work.cancel():
            self._pool.abandon(work)

    def close(self) -> None:
        """End each thread after its call; the next call starts new threads."""
        pool, self._pool = self._pool, _Pool(self._size, self._name)
        pool.end()

    def __del__(self) -> None:
        # Hosts build a client per request and drop it without closing it.
        self._pool.end()

    def _reset_in_child(self) -> None:
        """Forget the parent's threads: none of them is here."""
        self._pool = _Pool(self._size, self._name)


class _Pool:
    """Threads that end together, and their jobs."""

    def __init__(self, size: int, name: str) -> None:
        self._size = size
        self._name = name
        self._jobs: SimpleQueue[Work[Any] | None] = SimpleQueue()
        self._lock = ForkLock(leaf=True)  # guards the four below
        self._threads: list[Thread] = []
        self._unfinished = 0
        self._abandoned = 0
        self._is_over = False

    def put(self, job: Work[Any]) -> None:
        """Give *job* to an idle thread, to a new one, or to the next that becomes idle."""
        with self._lock:
            # First the thread: an interrupt in between leaves one too many, not one too few.
            if len(self._threads) <= self._unfinished and self._may_grow():
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

    def abandon(self, work: Work[Any]) -> None:
        """Count the thread of *work* as lost until it has ended; another may take its place."""
        with self._lock:
            if work.is_over or self._is_over or self._abandoned == self._size:
                return
            work.is_abandoned = True
            self._abandoned += 1
            if not self._jobs.empty() and self._may_grow():
                self._start()

    def _may_grow(self) -> bool:
        return len(self._threads) - self._abandoned < self._size

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
            complete = job.make_call()
            with self._lock:
                self._unfinished -= 1
                is_one_too_many = self._is_one_too_many_after(job)
            complete()
            del job, complete  # so that this thread keeps no result alive while it waits
            if is_one_too_many:
                return

    def _is_one_too_many_after(self, job: Work[Any]) -> bool:
        """Whether this thread was replaced while it made *job*, and has left the pool."""
        job.is_over = True
        if job.is_abandoned:
            self._abandoned -= 1
            if len(self._threads) - self._abandoned > self._size:
                self._threads.remove(current_thread())
                return True
        return False


def _nothing() -> None:
    """Do nothing: a cancelled call has no result."""
