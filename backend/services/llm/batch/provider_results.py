"""The results of a provider's batch, one after another, for threads or for tasks.

A read that is interrupted or cancelled loses nothing: the next one waits, or downloads, anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from threading import RLock
from typing import Generic, TypeVar

from ..providers.batch_types import BatchLine
from .result_files import ResultFiles
from .results import BatchResult

T = TypeVar("T")
Read = Callable[[BatchLine], BatchResult[T]]


class _Results(Generic[T]):
    #: What tells a loop that there is no further result.
    _end: type[Exception]

    def __init__(self, read: Read[T]) -> None:
        self._read = read
        self._files: ResultFiles | None = None
        self._is_closed = False

    def _take(self, files: ResultFiles) -> BatchResult[T]:
        """Return the next result; raises the end where there is none, or after a close."""
        self._files = files
        result = None if self._is_closed else files.take(self._read)
        if result is None:
            self._drop()
            raise self._end
        return result

    def _drop(self) -> None:
        self._is_closed = True
        if self._files is not None:
            self._files.close()

    def __del__(self) -> None:
        self._drop()


class ProviderResults(_Results[T]):
    """An iterator that several threads may share; *download* waits for the end of the batch."""

    _end = StopIteration

    def __init__(self, download: Callable[[], ResultFiles], read: Read[T]) -> None:
        super().__init__(read)
        self._download = download
        #: Held while one thread downloads or reads. Reentrant: `on_status` may close the results.
        self._lock = RLock()

    def __iter__(self) -> ProviderResults[T]:
        return self

    def __next__(self) -> BatchResult[T]:
        with self._lock:
            if self._is_closed:
                raise StopIteration
            return self._take(self._files or self._download())

    def close(self) -> None:
        """Read no more, and drop what was downloaded; the batch goes on at the provider."""
        self._is_closed = True  # the thread that holds the lock, however long, sees it too
        if self._lock.acquire(blocking=False):
            self._drop()
            self._lock.release()


class AsyncProviderResults(_Results[T]):
    """An async iterator that several tasks may share; *download* waits for the batch's end."""

    _end = StopAsyncIteration

    def __init__(self, download: Callable[[], Awaitable[ResultFiles]], read: Read[T]) -> None:
        super().__init__(read)
        self._download = download
        self._lock = asyncio.Lock()

    def __aiter__(self) -> AsyncProviderResults[T]:
        return self

    async def __anext__(self) -> BatchResult[T]:
        async with self._lock:
            if self._is_closed:
                raise StopAsyncIteration
            return self._take(self._files or await self._download())

    async def aclose(self) -> None:
        """Read no more, and drop what was downloaded; the batch goes on at the provider."""
        self._drop()
