"""What the blocks of a message cost in tokens."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .completion import tokens
from .images import MEDIA_TOKENS, image_tokens

# What Groq documents for an image of any size.
_GROQ_IMAGE = 2_048
_TEXT_DOCUMENTS = frozenset({"txt", "md", "csv", "html"})


def block_tokens(block: Any) -> int:
    """The estimated tokens of one block, in Groq's form, Converse's or Claude's."""
    if not isinstance(block, dict):
        return MEDIA_TOKENS
    if isinstance(block.get("text"), str):
        return tokens(block["text"])
    kind = block.get("type")
    if "guardContent" in block:
        return tokens(str(member(block, "guardContent", "text").get("text", "")))
    if "toolUse" in block or kind == "tool_use":
        use = member(block, "toolUse") or block
        return tokens(str(use.get("name", ""))) + tokens(json.dumps(use.get("input")))
    if "toolResult" in block or kind == "tool_result":
        return _result_tokens((member(block, "toolResult") or block).get("content"))
    if "reasoningContent" in block:
        return tokens(str(member(block, "reasoningContent", "reasoningText").get("text", "")))
    if kind == "thinking":
        return tokens(str(block.get("thinking", "")))
    return _media_tokens(block, kind)


def _result_tokens(content: Any) -> int:
    parts = content if isinstance(content, list) else [{"text": str(content or "")}]
    return sum(
        tokens(json.dumps(part["json"]))
        if isinstance(part, dict) and "json" in part
        else block_tokens(part)
        for part in parts
    )


def _media_tokens(block: Mapping[str, Any], kind: Any) -> int:
    if kind == "image_url":
        return _GROQ_IMAGE
    if kind == "image":
        return image_tokens(_text(member(block, "source").get("data")))
    if "image" in block:
        return image_tokens(_text(member(block, "image", "source").get("bytes")))
    document = member(block, "document")
    data = _text(member(document, "source").get("bytes"))
    if data and str(document.get("format")) in _TEXT_DOCUMENTS:
        # Base64 has four characters for three of the text's.
        return -(-len(data) * 3 // 16)
    return MEDIA_TOKENS


def member(value: Any, *names: str) -> dict[str, Any]:
    """The object at this path, or an empty one where something else is there."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
