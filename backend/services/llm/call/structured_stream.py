"""What a caller holds of a structured answer as it comes: snapshots, and in the end its value."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, Generic, TypeVar, cast

from ..stream_types import Snapshot
from ..types import StructuredReply
from .stream import AwaitingStream, BlockingStream

T = TypeVar("T")


class StructuredStream(BlockingStream, Iterator[Any], Generic[T]):
    """A structured answer as it comes: an iterator of snapshots, to be read in a `with` block.

    Each snapshot is a plain JSON value that extends the one before, the last the whole answer; then
    `value` is that as the schema's type, and `reply` the whole reply. Raises `LLMError`.
    """

    def __next__(self) -> Any:
        if (event := self._next()) is None:
            raise StopIteration
        return cast("Snapshot", event).value

    @property
    def reply(self) -> StructuredReply[T]:
        """The whole reply. Raises RuntimeError until the stream has been read to its end."""
        return cast("StructuredReply[T]", super().reply)

    @property
    def value(self) -> T:
        """The valid value. Raises RuntimeError until the stream has been read to its end."""
        return self.reply.value


class AsyncStructuredStream(AwaitingStream, AsyncIterator[Any], Generic[T]):
    """The same for an event loop: `async with`, then `async for`."""

    async def __anext__(self) -> Any:
        if (event := await self._next()) is None:
            raise StopAsyncIteration
        return cast("Snapshot", event).value

    @property
    def reply(self) -> StructuredReply[T]:
        """The whole reply. Raises RuntimeError until the stream has been read to its end."""
        return cast("StructuredReply[T]", super().reply)

    @property
    def value(self) -> T:
        """The valid value. Raises RuntimeError until the stream has been read to its end."""
        return self.reply.value
