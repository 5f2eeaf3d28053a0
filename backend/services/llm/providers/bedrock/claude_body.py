"""The messages and tools of InvokeModel's Claude bodies, which are Anthropic's."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import InvalidRequestError
from ...types import ToolCall
from ..fields import member, rows, text
from ..request_checks import invalid_request
from .blocks import Block, CachePoint, Document, Image, Reasoning, Text, ToolResult, ToolUse, Turn
from .converse_tools import NO_TOOL_CHOICE, holds_calls, no_tools_after_calls

_CHOICES = {"auto": "auto", "required": "any", "any": "any"}


def messages_of(system: Sequence[str], turns: Sequence[Turn]) -> dict[str, Any]:
    """Return the messages and the system prompt as members of a body.

    Raises InvalidRequestError for what this way to Claude cannot carry.
    """
    messages = [{"role": turn.role, "content": _content(turn)} for turn in turns]
    return {"messages": messages} | ({"system": "\n\n".join(system)} if system else {})


def _content(turn: Turn) -> str | list[dict[str, Any]]:
    # The Claudes that are asked in this way do not think: another model did.
    blocks = [block for block in turn.blocks if not isinstance(block, Reasoning)]
    if len(blocks) == 1 and isinstance(blocks[0], Text):
        return blocks[0].text
    return [_block(block) for block in blocks]


def _block(block: Block) -> dict[str, Any]:
    match block:
        case Text():
            return {"type": "text", "text": block.text}
        case Image(uri=""):
            data = base64.b64encode(block.data).decode()
            source = {"type": "base64", "media_type": f"image/{block.format}", "data": data}
            return {"type": "image", "source": source}
        case ToolUse():
            used = {"id": block.id, "name": block.name, "input": dict(block.input)}
            return {"type": "tool_use", **used}
        case ToolResult():
            images = [_block(image) for image in block.images]
            content = [_block(Text(block.text)), *images] if images else block.text
            return {"type": "tool_result", "tool_use_id": block.id, "content": content}
        case CachePoint():
            raise no_cache()
    kind = "documents" if isinstance(block, Document) else "images in S3"
    raise invalid_request("bedrock", f"this model is asked by InvokeModel, which carries no {kind}")


def no_cache() -> InvalidRequestError:
    """The error for a cache point."""
    return invalid_request(
        "bedrock", "this model has no prompt cache: leave out cache_control, cachePoint"
    )


def tools_of(options: Mapping[str, Any], turns: Sequence[Turn]) -> dict[str, Any]:
    """Return the tools of a chat completion, and which to call, as members of a body."""
    choice, tools = options.get("tool_choice"), options.get("tools")
    if not tools:
        return {}
    if choice == "none":
        if holds_calls(turns):
            raise no_tools_after_calls()
        return {}
    found: dict[str, Any] = {"tools": [_tool(tool) for tool in tools]}
    if isinstance(choice, Mapping):
        name = text(choice.get("function"), "name")
        return found | {"tool_choice": {"type": "tool", "name": name} if name else dict(choice)}
    if choice is None:
        return found
    if not isinstance(choice, str) or choice not in _CHOICES:
        raise invalid_request("bedrock", NO_TOOL_CHOICE.format("InvokeModel", choice))
    return found | {"tool_choice": {"type": _CHOICES[choice]}}


def _tool(tool: object) -> object:
    function = member(tool, "function")
    name = text(function, "name")
    if name is None:
        return tool  # Anthropic's own form
    described = text(function, "description")
    more = {"description": described} if described else {}
    schema = member(function, "parameters") or {"type": "object"}
    return {"name": name, **more, "input_schema": schema}


def thoughts_in(body: Mapping[str, Any]) -> str | None:
    """What the model thought before it answered."""
    thoughts = [text(block, "thinking") for block in rows(body, "content")]
    return "".join(thought for thought in thoughts if thought) or None


def calls_in(body: Mapping[str, Any]) -> tuple[ToolCall, ...]:
    """The calls of tools in an answer."""
    return tuple(
        ToolCall(
            text(block, "id") or "", text(block, "name") or "", json.dumps(member(block, "input"))
        )
        for block in rows(body, "content")
        if text(block, "type") == "tool_use"
    )
