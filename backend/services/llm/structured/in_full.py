"""A schema that asks for all properties of each object that has no `required` at all.

Few callers mean that all of them may be left out, and most index the answer's keys. Only what the
model is told changes: the answer is validated against the schema as it was given.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from .walk import JsonSchema, subschemas

# What stands here is a condition, or a part of an object of which others may require something.
_APART = frozenset(("not", "if", "then", "else", "dependentSchemas", "contains", "propertyNames"))


def in_full(document: JsonSchema) -> JsonSchema:
    """Return the document with all properties required where an object declares none required."""
    if not any(True for _ in _without(document)):
        return document
    asked = copy.deepcopy(document)
    for node in list(_without(asked)):
        node["required"] = [
            name for name, child in node["properties"].items() if child is not False
        ]
    return asked


def _without(document: JsonSchema) -> Iterator[JsonSchema]:
    """Yield the object schemas that list properties and have no `required`, there or beside."""
    pending: list[tuple[JsonSchema, bool]] = [(document, False)]
    while pending:
        node, beside = pending.pop()
        required = beside or _requires(node)
        if node.get("properties") and not required:
            yield node
        for location, child in subschemas(node):
            if location[0] in _APART:
                continue
            in_place = location[0] in ("allOf", "anyOf", "oneOf")
            pending.append((child, in_place and required))


def _requires(node: JsonSchema) -> bool:
    parts: list[Any] = [node, *node.get("allOf", ())]
    return any(isinstance(part, dict) and "required" in part for part in parts)
