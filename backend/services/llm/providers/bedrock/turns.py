"""A chat list as turns of typed blocks, from which Converse and InvokeModel requests are made."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from ...types import Message
from ..fields import text
from ..request_checks import invalid_request
from .blocks import (
    Block,
    CachePoint,
    Image,
    Role,
    SystemBlock,
    Text,
    ToolResult,
    ToolUse,
    Turn,
)
from .content_parts import cache_point_in, check_known_keys, content_blocks

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


def _for_system(block: Block, where: str) -> SystemBlock:
    return block if isinstance(block, CachePoint) else Text(_only_text(block, where))


def _only_text(block: Block, where: str) -> str:
    if isinstance(block, Text):
        return block.text
    raise invalid_request("bedrock", f"{where}.content must be text, not {type(block).__name__}")


def _blocks(message: Message, where: str) -> Iterator[Block]:
    check_known_keys(message, _MESSAGE, where)
    yield from _texts(message, where)
    yield from cache_point_in(message, where)


def _texts(message: Message, where: str) -> Iterator[Block]:
    blocks = list(content_blocks(message.get("content"), f"{where}.content"))
    if message["role"] == "tool":
        # A result holds no cache point: it comes after.
        points = [block for block in blocks if isinstance(block, CachePoint)]
        yield _result(message, [block for block in blocks if block not in points], where)
        yield from points
        return
    calls = message.get("tool_calls") or ()
    if not isinstance(calls, (list, tuple)):
        raise invalid_request("bedrock", f"{where}.tool_calls must be a list of calls")
    if not blocks and not calls:
        raise invalid_request("bedrock", f"{where}.content must be a string or a list of parts")
    # An empty text beside a call is refused by Bedrock, though OpenAI-style histories hold it.
    yield from (block for block in blocks if not calls or block != Text(""))
    for place, call in enumerate(calls):
        yield _call(call, f"{where}.tool_calls[{place}]")


def _call(call: object, where: str) -> ToolUse:
    function = call.get("function") if isinstance(call, Mapping) else None
    name, arguments = text(function, "name"), text(function, "arguments")
    if name is None or arguments is None:
        raise invalid_request("bedrock", f"{where} must hold a function's name and arguments")
    check_known_keys(call, _CALL, where)
    check_known_keys(function, _FUNCTION, f"{where}.function")
    try:
        parsed = json.loads(arguments or "{}")
    except (ValueError, RecursionError) as error:
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
    images = tuple(block for block in blocks if isinstance(block, Image))
    texts = (_only_text(block, where) for block in blocks if not isinstance(block, Image))
    return ToolResult(call, "\n".join(texts), images)
