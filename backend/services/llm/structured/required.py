"""Requires all properties of an object whose schema has no `required` at all.

Few callers mean that every property may be missing, and most index the answer's keys. Only the
schema for the model changes: the answer is validated against the caller's own.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from .walk import JsonSchema, subschemas

# Conditions, and schemas of a part of an object, for which another schema may require properties.
_NOT_THE_OBJECT = frozenset(
    ("not", "if", "then", "else", "dependentSchemas", "contains", "propertyNames")
)


def require_all_properties(document: JsonSchema) -> JsonSchema:
    """Return the document with all properties required where an object schema requires none."""
    if not any(True for _ in _without_required(document)):
        return document
    copied = copy.deepcopy(document)
    for node in list(_without_required(copied)):
        node["required"] = [
            name for name, child in node["properties"].items() if child is not False
        ]
    return copied


def _without_required(document: JsonSchema) -> Iterator[JsonSchema]:
    """Yield the object schemas with properties but no `required`, nor one in a combination."""
    pending: list[tuple[JsonSchema, bool]] = [(document, False)]
    while pending:
        node, is_required_outside = pending.pop()
        required = is_required_outside or _requires(node)
        if node.get("properties") and not required:
            yield node
        for location, child in subschemas(node):
            if location[0] in _NOT_THE_OBJECT:
                continue
            in_place = location[0] in ("allOf", "anyOf", "oneOf")
            pending.append((child, in_place and required))


def _requires(node: JsonSchema) -> bool:
    parts: list[Any] = [node, *node.get("allOf", ())]
    return any(isinstance(part, dict) and "required" in part for part in parts)
