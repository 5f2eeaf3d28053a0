"""Reads what the answer needs out of message lists."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from .block_tokens import block_tokens, member
from .completion import CachePoint, ModelRequest, tokens
from .schema.in_text import schema_in


def conversation(
    messages: list[dict[str, Any]],
    system: Any = None,
    *,
    schema: Any,
    extra: Any = None,
    **more: Any,
) -> ModelRequest:
    """The request of a conversation; `extra` costs tokens too, `more` are further members."""
    contents = [system, *(message.get("content") for message in messages)]
    texts = [text for content in contents for text in texts_of(content)]
    user = [texts_of(m.get("content")) for m in messages if m["role"] == "user"]
    questions = [texts for texts in user if texts]
    meter = _Meter(extra)
    for content, message in zip(contents, [{}, *messages], strict=True):
        meter.add(content, message.get("tool_calls"))
    return ModelRequest(
        prompt=" ".join(questions[-1]) if questions else "",
        input_tokens=meter.tokens,
        schema=schema_in(texts) if schema is None else schema,
        schema_binds=schema is not None,
        cache_points=tuple(meter.points),
        **more,
    )


class _Meter:
    """Counts a prompt's tokens from its start, and notes where it may be kept."""

    def __init__(self, extra: Any) -> None:
        self.tokens = tokens(json.dumps(extra)) if extra else 0
        self.points: list[CachePoint] = []
        self._digest = hashlib.sha256(json.dumps(extra).encode())
        if extra and ('"cachePoint"' in (text := json.dumps(extra)) or '"cache_control"' in text):
            self._mark({})

    def add(self, content: Any, tool_calls: Any = None) -> None:
        """Count a message's content and its tool calls."""
        for block in [content] if isinstance(content, str) else content or ():
            # The mark itself is no part of what is kept, so that it may move on with the talk.
            point = block.get("cachePoint") if isinstance(block, dict) else None
            if isinstance(point, dict):
                self._mark(point)
                continue
            mark = block.get("cache_control") if isinstance(block, dict) else None
            self.tokens += tokens(block) if isinstance(block, str) else block_tokens(block)
            kept = {**block, "cache_control": None} if mark and isinstance(block, dict) else block
            self._digest.update(json.dumps(kept, sort_keys=True).encode())
            if isinstance(mark, dict):
                self._mark(mark)
        for call in tool_calls or ():
            function = member(call, "function")
            self.tokens += sum(tokens(str(function.get(key, ""))) for key in ("name", "arguments"))

    def _mark(self, point: Mapping[str, Any]) -> None:
        seconds = 3_600.0 if point.get("ttl") == "1h" else 300.0
        self.points.append(CachePoint(self._digest.copy().hexdigest(), self.tokens, seconds))


def texts_of(content: Any) -> list[str]:
    """The texts in a message's content: a string, or a list of parts with a `text`.

    Those that a guardrail is to look at stand one level deeper.
    """
    if isinstance(content, str):
        return [content]
    found = [
        member(part, "guardContent", "text").get("text", part.get("text")) for part in content or ()
    ]
    return [text for text in found if isinstance(text, str)]


def result_text(content: Any) -> str:
    """The text of a tool's result: its texts, and whatever else it holds as JSON."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return " ".join(
        part["text"]
        if isinstance(part, dict) and isinstance(part.get("text"), str)
        else json.dumps(part["json"])
        if isinstance(part, dict) and "json" in part
        else "[media]"
        for part in parts
    )
