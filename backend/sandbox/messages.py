"""Reads what the answer needs out of message lists, and a JSON Schema out of text."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from .completion import MEDIA_TOKENS, ModelRequest, tokens

_MAX_CANDIDATES = 50  # opening braces tried as the start of a schema
_TYPES = frozenset({"object", "array", "string", "number", "integer", "boolean", "null"})
_SCHEMA_KEYWORDS = frozenset(
    {"properties", "$ref", "anyOf", "oneOf", "allOf", "$defs", "definitions"}
)


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
    said = [texts_of(m.get("content")) for m in messages if m["role"] == "user"]
    return ModelRequest(
        prompt=" ".join(said[-1]) if said else "",
        input_tokens=sum(map(content_tokens, contents))
        + (tokens(json.dumps(extra)) if extra else 0),
        schema=schema_in(texts) if schema is None else schema,
        schema_binds=schema is not None,
        **more,
    )


def texts_of(content: Any) -> list[str]:
    """The texts in a message's content: a string, or a list of parts with a `text`."""
    if isinstance(content, str):
        return [content]
    return [part["text"] for part in content or () if "text" in part]


def content_tokens(content: Any) -> int:
    """The estimated tokens of a message's content; any part without a text counts as media."""
    media = 0 if isinstance(content, str) else sum("text" not in part for part in content or ())
    return sum(map(tokens, texts_of(content))) + media * MEDIA_TOKENS


def schema_in(texts: Iterable[str]) -> Any:
    """The first JSON object in the texts that reads as a JSON Schema, or None."""
    decoder = json.JSONDecoder()
    for text in texts:
        # Each try starts past what parsed, and tries are few: linear in a text full of braces.
        start = text.find("{")
        for _ in range(_MAX_CANDIDATES):
            if start < 0:
                break
            try:
                value, end = decoder.raw_decode(text, start)
            except (
                ValueError,
                RecursionError,
            ):  # not JSON from here on, or nested past all sense: try the next brace
                end = start + 1
            else:
                if _reads_as_schema(value):
                    return value
            start = text.find("{", end)
    return None


def _reads_as_schema(value: dict[str, Any]) -> bool:
    # Stricter for objects, since {"type": "object"} alone may be anything that a prompt quotes.
    kind = value.get("type")
    if isinstance(kind, str) and kind in _TYPES:
        return (
            kind != "object"
            or bool(_SCHEMA_KEYWORDS & value.keys())
            or "additionalProperties" in value
        )
    return any(isinstance(value.get(key), (dict, list)) for key in _SCHEMA_KEYWORDS)
