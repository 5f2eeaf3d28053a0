"""A chat list as turns of typed blocks, from which each of Bedrock's wires is written."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from ..types import Message
from .asked import refused
from .reading import text


@dataclass(frozen=True)
class Text:
    """What someone said."""

    text: str


@dataclass(frozen=True)
class Image:
    """A picture; *format* is png, jpeg, gif or webp."""

    format: str
    data: bytes


@dataclass(frozen=True)
class ToolUse:
    """A call that the model made."""

    id: str
    name: str
    input: Mapping[str, Any]


@dataclass(frozen=True)
class ToolResult:
    """What a call gave."""

    id: str
    text: str


Block: TypeAlias = "Text | Image | ToolUse | ToolResult"
Role: TypeAlias = Literal["user", "assistant"]


@dataclass(frozen=True)
class Turn:
    """All that one side said before the other spoke."""

    role: Role
    blocks: tuple[Block, ...]


_DATA_URL = re.compile(r"data:image/(png|jpe?g|gif|webp);base64,", re.I)
_ROLES: dict[str, Role] = {"user": "user", "tool": "user", "assistant": "assistant"}


def in_turns(messages: Sequence[Message]) -> tuple[list[str], list[Turn]]:
    """Split a chat list into its system texts and its turns.

    Neighbours of one side become one turn, since Bedrock wants the sides to alternate; a tool's
    result belongs to the user's side. Raises InvalidRequestError that names the part that
    Bedrock has no word for.
    """
    system: list[str] = []
    turns: list[Turn] = []
    for place, message in enumerate(messages):
        where, role = f"messages[{place}]", message["role"]
        blocks = tuple(_blocks(message, where))
        if role in ("system", "developer"):
            system += [_only_text(block, where) for block in blocks]
        elif role not in _ROLES:
            raise refused("bedrock", f"{where}.role must not be {role!r}")
        elif turns and turns[-1].role == _ROLES[role]:
            turns[-1] = Turn(_ROLES[role], turns[-1].blocks + blocks)
        else:
            turns.append(Turn(_ROLES[role], blocks))
    return system, turns


def _only_text(block: Block, where: str) -> str:
    if isinstance(block, Text):
        return block.text
    raise refused("bedrock", f"{where}.content must be text, not {type(block).__name__}")


def _blocks(message: Message, where: str) -> Iterator[Block]:
    said = list(_said(message.get("content"), f"{where}.content"))
    if message["role"] == "tool":
        yield _result(message, said, where)
        return
    calls = message.get("tool_calls") or ()
    if not said and not calls:
        raise refused("bedrock", f"{where}.content must be a string or a list of parts")
    # An empty text beside a call is refused by Bedrock, though OpenAI-style histories hold it.
    yield from (block for block in said if not calls or block != Text(""))
    for place, call in enumerate(calls):
        yield _call(call, f"{where}.tool_calls[{place}]")


def _said(content: object, where: str) -> Iterator[Block]:
    if isinstance(content, str):
        yield Text(content)
    elif isinstance(content, (list, tuple)):
        for place, part in enumerate(content):
            yield _part(part, f"{where}[{place}]")
    elif content is not None:
        raise refused("bedrock", f"{where} must be a string or a list, not {content!r:.40}")


def _part(part: object, where: str) -> Block:
    kind, words = text(part, "type"), text(part, "text")
    if kind == "text" and words is not None:
        return Text(words)
    if kind == "image_url" and isinstance(part, Mapping):
        return _image(part.get("image_url"), where)
    raise refused("bedrock", f"{where} is of type {kind!r}; known are text and image_url")


def _image(source: object, where: str) -> Image:
    url = source if isinstance(source, str) else text(source, "url") or ""
    head = _DATA_URL.match(url)
    if head is None:
        raise refused("bedrock", f"{where} must be a data: URL of a png, jpeg, gif or webp image")
    try:
        data = base64.b64decode(url[head.end() :], validate=True)
    except binascii.Error as error:
        raise refused("bedrock", f"{where} is not valid base64: {error}") from error
    return Image(head[1].lower().replace("jpg", "jpeg"), data)


def _call(call: object, where: str) -> ToolUse:
    function = call.get("function") if isinstance(call, Mapping) else None
    name, arguments = text(function, "name"), text(function, "arguments")
    if name is None or arguments is None:
        raise refused("bedrock", f"{where} must hold a function's name and arguments")
    try:
        given = json.loads(arguments or "{}")
    except ValueError as error:
        raise refused("bedrock", f"{where}.function.arguments is not JSON: {error}") from error
    if not isinstance(given, dict):
        raise refused("bedrock", f"{where}.function.arguments must be a JSON object")
    return ToolUse(text(call, "id") or name, name, given)


def _result(message: Message, said: list[Block], where: str) -> ToolResult:
    call = text(message, "tool_call_id")
    if call is None:
        raise refused("bedrock", f"{where}.tool_call_id must name the call that it answers")
    return ToolResult(call, "\n".join(_only_text(block, where) for block in said))
