"""What a stream hands out, piece by piece."""

from __future__ import annotations

from typing import Any, TypeAlias

from .frozen import dataclass
from .types import Usage


@dataclass(frozen=True)
class TextPiece:
    """A part of the answer's text, never empty."""

    text: str


@dataclass(frozen=True)
class ReasoningPiece:
    """A part of what the model thought before it answered, never empty."""

    text: str


@dataclass(frozen=True)
class ToolCallPiece:
    """A part of a tool call: calls are told apart by `index`, and only the first part names one."""

    index: int
    arguments: str
    id: str = ""
    name: str = ""


@dataclass(frozen=True)
class UsageReport:
    """The tokens that the stream has used, as the provider counted them up to here."""

    usage: Usage


StreamEvent: TypeAlias = TextPiece | ReasoningPiece | ToolCallPiece | UsageReport


@dataclass(frozen=True)
class Snapshot:
    """A structured answer as far as it has come: a plain value, which extends the one before."""

    value: Any


#: What streams of either kind hand out.
AnyEvent: TypeAlias = StreamEvent | Snapshot
