"""What the readers of both providers' streams have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

from ..stream_types import StreamEvent
from ..types import Provider, Reply, Request
from .completeness import read_so_far
from .pieces import PieceText


class AnswerReader(ABC):
    """Reads one stream: its bytes by `feed`, or what an SDK has read of them by `add`."""

    provider: Provider

    def __init__(self, request: Request) -> None:
        self._request = request
        #: Whether the stream has said that nothing more comes.
        self.is_done = False
        #: The error that came after the last events.
        self.failure: Exception | None = None

    @property
    @abstractmethod
    def answer_has_ended(self) -> bool:
        """Whether the answer has ended, whatever is still missing of the stream."""

    def feed(self, received: bytes) -> list[StreamEvent]:
        """Read what was received; raises as `add`, and for bytes that are no part of a stream.

        An error after the first events is kept as the `failure`.
        """
        found: list[StreamEvent] = []
        try:
            for piece in self._pieces_in(received):
                found += self.add(piece)
        except Exception as error:
            if not found:
                raise
            self.failure = error
        return found

    @abstractmethod
    def _pieces_in(self, received: bytes) -> Iterator[Any]:
        """Yield the pieces that these bytes complete, in the form that an SDK gives them."""

    @abstractmethod
    def add(self, piece: Any) -> list[StreamEvent]:
        """Read a piece; raises the LLMError that it carries, or one where it cannot be read."""

    @abstractmethod
    def whole(self) -> Reply:
        """The reply that has come; raises as `check_complete` for one that is not whole."""

    def so_far(self) -> Reply:
        """The reply as far as it has come, whole or not."""
        return read_so_far(self.whole, self._request, self.provider)

    def _new_text(self, kind: Callable[[str], StreamEvent]) -> PieceText:
        return PieceText(kind, is_structured=self._request.output is not None)

    @abstractmethod
    def _texts(self) -> Iterator[PieceText]:
        """Return all texts that have begun."""

    def _halves(self) -> list[StreamEvent]:
        """Return the events of half characters that were held back."""
        return [text.kind(half) for text in self._texts() if (half := text.end())]
