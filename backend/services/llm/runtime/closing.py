"""Blocks at whose end an object is closed: `with` calls its `close`, `async with` its `aclose`."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any

from typing_extensions import Self


class ClosedByBlock(AbstractContextManager[Any]):
    """An object that its `with` block closes."""

    @abstractmethod
    def close(self) -> None:
        """Give back what the object holds."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class ClosedByAsyncBlock(AbstractAsyncContextManager[Any]):
    """An object that its `async with` block closes."""

    @abstractmethod
    async def aclose(self) -> None:
        """Give back what the object holds."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
