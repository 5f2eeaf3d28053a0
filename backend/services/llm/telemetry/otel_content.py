"""What was asked and answered, as attributes of a span: only where the host asks for that."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..types import Message, Reply


def question_attributes(messages: Sequence[Message]) -> dict[str, str]:
    """Return the system's instructions and the other messages as JSON."""
    system = [part for each in messages if each.get("role") == "system" for part in _parts(each)]
    others = [
        {"role": each.get("role"), "parts": _parts(each)}
        for each in messages
        if each.get("role") != "system"
    ]
    attributes = {"gen_ai.input.messages": _json(others)}
    return attributes | ({"gen_ai.system_instructions": _json(system)} if system else {})


def answer_attributes(reply: Reply) -> dict[str, str]:
    """Return the answer as JSON; {} where an event holds none."""
    parts: list[dict[str, Any]] = []
    if reply.reasoning:
        parts.append({"type": "reasoning", "content": reply.reasoning})
    if reply.text:
        parts.append({"type": "text", "content": reply.text})
    for call in reply.tool_calls:
        parts.append(
            {"type": "tool_call", "id": call.id, "name": call.name, "arguments": call.arguments}
        )
    if not parts:
        return {}
    message = {"role": "assistant", "parts": parts, "finish_reason": reply.finish_reason}
    return {"gen_ai.output.messages": _json([message])}


def _parts(message: Message) -> list[dict[str, Any]]:
    content = message.get("content")
    several = content if isinstance(content, (list, tuple)) else [content] if content else ()
    parts = [_part(each) for each in several]
    if message.get("role") == "tool":
        response = content if isinstance(content, str) else parts
        named = {"id": message.get("tool_call_id"), "response": response}
        return [{"type": "tool_call_response", **named}]
    return parts + [_call(each) for each in _calls(message)]


def _part(part: object) -> dict[str, Any]:
    # Images and documents are named and not sent along: a span has no room for them. What the
    # provider will refuse is traced all the same.
    named = part if isinstance(part, Mapping) else {"text": part}
    text = named.get("text")
    if isinstance(text, str):
        return {"type": "text", "content": text}
    return {"type": str(named.get("type") or next(iter(named), "unknown"))}


def _calls(message: Message) -> Sequence[Mapping[str, Any]]:
    calls: Sequence[Mapping[str, Any]] = message.get("tool_calls") or ()
    return calls


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call.get("function") or {}
    named = {name: function.get(name) for name in ("name", "arguments")}
    return {"type": "tool_call", "id": call.get("id"), **named}


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
