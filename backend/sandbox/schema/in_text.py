"""Finds a JSON Schema in a prompt."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

_MAX_CANDIDATES = 50  # opening braces tried as the start of a schema
_TYPES = frozenset({"object", "array", "string", "number", "integer", "boolean", "null"})
_SCHEMA_KEYWORDS = frozenset(
    {"properties", "$ref", "anyOf", "oneOf", "allOf", "$defs", "definitions"}
)


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
