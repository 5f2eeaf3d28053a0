"""The pieces of a stream: their fields, and the text that they add up to.

An answer does not show that one of its pieces is missing: a piece that cannot be read is an error.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ..errors import LLMError, Retry
from ..stream_types import StreamEvent, TextPiece
from ..types import Provider, encodable
from . import fields


class PieceFields:
    """Reads the fields of a provider's pieces; raises LLMError for JSON of another type.

    Null and what is empty say nothing, and so does whatever is no JSON: a test's mock has every
    attribute.
    """

    def __init__(self, provider: Provider) -> None:
        self._provider: Provider = provider

    def text(self, piece: object, name: str) -> str | None:
        """A string, or None."""
        # Nearly everything is a plain dict of JSON.
        value = piece.get(name) if type(piece) is dict else fields.member(piece, name)
        if isinstance(value, str):
            return value
        self._check_absent(value, name, "a text")
        return None

    def count(self, piece: object, name: str) -> int | None:
        """A whole number, or None."""
        value = piece.get(name) if type(piece) is dict else fields.member(piece, name)
        if type(value) is int and 0 <= value <= fields.MOST:
            return value
        self._check_absent(value, name, "a number")
        return None

    def part(self, piece: object, name: str) -> Any:
        """An object, or None."""
        value = piece.get(name) if type(piece) is dict else fields.member(piece, name)
        return value if value is None else self.as_object(value, name)

    def rows(self, piece: object, name: str) -> list[Any]:
        """The objects in a list, or none."""
        value = fields.member(piece, name)
        if isinstance(value, (list, tuple)):
            return [
                each for each in value if self.as_object(each, f"an item of {name}") is not None
            ]
        self._check_absent(value, name, "a list")
        return []

    def as_object(self, value: object, name: str) -> Any:
        """*value*, which is an object, or None."""
        if not isinstance(value, (str, int, float, list)):
            return value
        self._check_absent(value, name, "an object")
        return None

    def _check_absent(self, value: object, name: str, expected: str) -> None:
        is_number = isinstance(value, (int, float))
        if not is_number and not (isinstance(value, (str, list, dict)) and value):
            return
        raise LLMError(
            f"{self._provider.capitalize()} API error: a piece of the stream cannot be read:"
            f" {name} is of type {type(value).__name__}, and was to be {expected}",
            provider=self._provider,
            status=200,
            retry=Retry.IF_REQUESTED,
        )


class PieceText:
    """Text that comes in pieces, of which whole characters are handed on as events of a *kind*.

    JSON writes a character beyond U+FFFF as two halves, and a server may cut between them: the
    first is held back until the second is here. A half that stays alone becomes U+FFFD, but where
    the text is a structured answer's, which is asked for anew then.
    """

    def __init__(
        self, kind: Callable[[str], StreamEvent] = TextPiece, *, is_structured: bool = False
    ) -> None:
        self.kind = kind
        self._pieces: list[str] = []
        self._half = ""
        self._on_lone_half = "surrogatepass" if is_structured else "replace"

    def add(self, piece: str) -> str:
        """Add *piece*; return what can be handed on, with what was held back."""
        if not piece:
            return ""
        if self._half or not piece.isascii():
            piece = self._half + piece
            self._half = piece[-1:] if "\ud800" <= piece[-1:] < "\udc00" else ""
            piece = encodable(piece.removesuffix(self._half), self._on_lone_half)
        self._pieces.append(piece)
        return piece

    def events(self, piece: str) -> list[StreamEvent]:
        """Add *piece*; return the event of what can be handed on, or none."""
        return [self.kind(words)] if (words := self.add(piece)) else []

    def end(self) -> str:
        """Return what was held back and stays alone; "" where nothing was."""
        if not self._half:
            return ""
        half, self._half = encodable(self._half, self._on_lone_half), ""
        self._pieces.append(half)
        return half

    def __str__(self) -> str:
        return "".join(self._pieces)


def parsed(pieces: str) -> Any:
    """A tool's input from its pieces of JSON; the pieces themselves where they are cut off."""
    try:
        return json.loads(pieces or "{}")
    except ValueError:
        return pieces  # which the stop reason says
