"""A chat list as turns of typed blocks, from which Converse and InvokeModel requests are made."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any, Literal, NamedTuple, TypeAlias

from ...types import Message
from ..fields import member, text
from ..request_checks import invalid_request


class Text(NamedTuple):
    """A text of either side."""

    text: str


class Image(NamedTuple):
    """A picture; *format* is png, jpeg, gif or webp."""

    format: str
    data: bytes


class ToolUse(NamedTuple):
    """A call that the model made."""

    id: str
    name: str
    input: Mapping[str, Any]


class ToolResult(NamedTuple):
    """The result of a call."""

    id: str
    text: str


class CachePoint(NamedTuple):
    """The end of what the provider is to keep in its prompt cache; *settings* are Converse's."""

    settings: Mapping[str, Any]


Block: TypeAlias = "Text | Image | ToolUse | ToolResult | CachePoint"
#: What a system prompt is made of.
SystemBlock: TypeAlias = "Text | CachePoint"
Role: TypeAlias = Literal["user", "assistant"]


class Turn(NamedTuple):
    """Consecutive messages of one side."""

    role: Role
    blocks: tuple[Block, ...]


_DATA_URL = re.compile(r"data:image/(png|jpe?g|gif|webp);base64,", re.I)
#: The keys of a message, a call and its function. The second half comes from other providers'
#: answers in a history, and is not sent.
_MESSAGE = frozenset({"role", "content", "tool_calls", "tool_call_id", "cache_control"}) | {
    *("name", "refusal", "annotations", "reasoning", "reasoning_content")
}
_CALL = frozenset({"id", "type", "function", "index"})
_FUNCTION = frozenset({"name", "arguments"})
_ROLES: dict[str, Role] = {"user": "user", "tool": "user", "assistant": "assistant"}


def split_turns(messages: Sequence[Message]) -> tuple[list[SystemBlock], list[Turn]]:
    """Split a chat list into its system prompt and its turns.

    Neighbours of one side become one turn, since Bedrock wants the sides to alternate; a tool's
    result belongs to the user's side. Raises InvalidRequestError that names the part that
    Bedrock cannot express.
    """
    system: list[SystemBlock] = []
    turns: list[Turn] = []
    for place, message in enumerate(messages):
        where, role = f"messages[{place}]", message["role"]
        blocks = tuple(_blocks(message, where))
        if role in ("system", "developer"):
            system += [_for_system(block, where) for block in blocks]
        elif role not in _ROLES:
            raise invalid_request("bedrock", f"{where}.role must not be {role!r}")
        elif turns and turns[-1].role == _ROLES[role]:
            turns[-1] = Turn(_ROLES[role], turns[-1].blocks + blocks)
        else:
            turns.append(Turn(_ROLES[role], blocks))
    return system, turns


def cache_point(control: object, where: str) -> CachePoint:
    """Return Converse's form of Anthropic's `cache_control`; InvalidRequestError for another.

    Source: docs.anthropic.com, "Prompt caching"; botocore 1.44.5, CachePointBlock.
    """
    if text(control, "type") != "ephemeral":
        raise invalid_request(
            "bedrock", f'{where} must be {{"type": "ephemeral"}}, with a ttl if need be'
        )
    check_known_keys(control, {"type", "ttl"}, where)
    lasting = member(control, "ttl")
    return CachePoint({"type": "default", **({} if lasting is None else {"ttl": lasting})})


def check_known_keys(value: object, known: Set[str], where: str) -> None:
    """Raise InvalidRequestError for a key of *value* that is not *known* and not None."""
    for name, member_value in value.items() if isinstance(value, Mapping) else ():
        if name not in known and member_value is not None:
            raise invalid_request(
                "bedrock", f"{where}.{name} is not understood: known are {', '.join(sorted(known))}"
            )


def _for_system(block: Block, where: str) -> SystemBlock:
    return block if isinstance(block, CachePoint) else Text(_only_text(block, where))


def _only_text(block: Block, where: str) -> str:
    if isinstance(block, Text):
        return block.text
    raise invalid_request("bedrock", f"{where}.content must be text, not {type(block).__name__}")


def _blocks(message: Message, where: str) -> Iterator[Block]:
    check_known_keys(message, _MESSAGE, where)
    yield from _texts(message, where)
    yield from _cache_point_in(message, where)


def _texts(message: Message, where: str) -> Iterator[Block]:
    blocks = list(_content(message.get("content"), f"{where}.content"))
    if message["role"] == "tool":
        # A result holds no cache point: it comes after.
        points = [block for block in blocks if isinstance(block, CachePoint)]
        yield _result(message, [block for block in blocks if block not in points], where)
        yield from points
        return
    calls = message.get("tool_calls") or ()
    if not blocks and not calls:
        raise invalid_request("bedrock", f"{where}.content must be a string or a list of parts")
    # An empty text beside a call is refused by Bedrock, though OpenAI-style histories hold it.
    yield from (block for block in blocks if not calls or block != Text(""))
    for place, call in enumerate(calls):
        yield _call(call, f"{where}.tool_calls[{place}]")


def _content(content: object, where: str) -> Iterator[Block]:
    if isinstance(content, str):
        yield Text(content)
    elif isinstance(content, (list, tuple)):
        for place, part in enumerate(content):
            yield from _part(part, f"{where}[{place}]")
    elif content is not None:
        raise invalid_request("bedrock", f"{where} must be a string or a list, not {content!r:.40}")


def _part(part: object, where: str) -> Iterator[Block]:
    kind, content = text(part, "type"), text(part, "text")
    if not isinstance(part, Mapping):
        raise invalid_request("bedrock", f"{where} must be a mapping, not a {type(part).__name__}")
    if isinstance(point := part.get("cachePoint"), Mapping):
        check_known_keys(part, {"type", "cachePoint"}, where)
        yield CachePoint(point)
        return
    if kind == "text" and content is not None:
        check_known_keys(part, {"type", "text", "cache_control"}, where)
        yield Text(content)
    elif kind == "image_url":
        check_known_keys(part, {"type", "image_url", "cache_control"}, where)
        yield _image(part.get("image_url"), where)
    else:
        raise invalid_request(
            "bedrock", f"{where} is of type {kind!r}; known are text, image_url and cachePoint"
        )
    yield from _cache_point_in(part, where)


def _cache_point_in(part: Mapping[str, Any], where: str) -> Iterator[CachePoint]:
    control = part.get("cache_control")
    if control is not None:
        yield cache_point(control, f"{where}.cache_control")


def _image(source: object, where: str) -> Image:
    # Bedrock reads every image as closely as it can: there is no detail to ask for.
    check_known_keys(source, {"url", "detail"}, f"{where}.image_url")
    url = source if isinstance(source, str) else text(source, "url") or ""
    head = _DATA_URL.match(url)
    if head is None:
        raise invalid_request(
            "bedrock", f"{where} must be a data: URL of a png, jpeg, gif or webp image"
        )
    try:
        data = base64.b64decode(url[head.end() :], validate=True)
    except binascii.Error as error:
        raise invalid_request("bedrock", f"{where} is not valid base64: {error}") from error
    return Image(head[1].lower().replace("jpg", "jpeg"), data)


def _call(call: object, where: str) -> ToolUse:
    function = call.get("function") if isinstance(call, Mapping) else None
    name, arguments = text(function, "name"), text(function, "arguments")
    if name is None or arguments is None:
        raise invalid_request("bedrock", f"{where} must hold a function's name and arguments")
    check_known_keys(call, _CALL, where)
    check_known_keys(function, _FUNCTION, f"{where}.function")
    try:
        parsed = json.loads(arguments or "{}")
    except ValueError as error:
        raise invalid_request(
            "bedrock", f"{where}.function.arguments is not JSON: {error}"
        ) from error
    if not isinstance(parsed, dict):
        raise invalid_request("bedrock", f"{where}.function.arguments must be a JSON object")
    return ToolUse(text(call, "id") or name, name, parsed)


def _result(message: Message, blocks: list[Block], where: str) -> ToolResult:
    call = text(message, "tool_call_id")
    if call is None:
        raise invalid_request("bedrock", f"{where}.tool_call_id must name the call that it answers")
    return ToolResult(call, "\n".join(_only_text(block, where) for block in blocks))
