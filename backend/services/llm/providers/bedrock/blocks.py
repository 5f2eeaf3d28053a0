"""The blocks of which Bedrock's messages are made, before they take Converse's or Claude's form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, TypeAlias


class Text(NamedTuple):
    """A text of either side."""

    text: str


class Image(NamedTuple):
    """A picture; *format* is png, jpeg, gif or webp, *uri* where it lies in S3."""

    format: str
    data: bytes = b""
    uri: str = ""


class Document(NamedTuple):
    """A document in one of Converse's formats; *uri* is where it lies in S3."""

    format: str
    name: str
    data: bytes = b""
    uri: str = ""
    citations: bool = False


class Reasoning(NamedTuple):
    """What the model thought, which it takes back with its signature, or as it was encrypted."""

    text: str = ""
    signature: str = ""
    redacted: bytes = b""


class ToolUse(NamedTuple):
    """A call that the model made."""

    id: str
    name: str
    input: Mapping[str, Any]


class ToolResult(NamedTuple):
    """The result of a call."""

    id: str
    text: str
    images: tuple[Image, ...] = ()


class CachePoint(NamedTuple):
    """The end of what the provider is to keep in its prompt cache; *settings* are Converse's."""

    settings: Mapping[str, Any]


Block: TypeAlias = "Text | Image | Document | Reasoning | ToolUse | ToolResult | CachePoint"
#: What a system prompt is made of.
SystemBlock: TypeAlias = "Text | CachePoint"
Role: TypeAlias = Literal["user", "assistant"]


class Turn(NamedTuple):
    """Consecutive messages of one side."""

    role: Role
    blocks: tuple[Block, ...]
