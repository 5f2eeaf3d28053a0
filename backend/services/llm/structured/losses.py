"""What pydantic would drop of an answer silently, because the type does not declare it.

An undeclared member is no loss. An object of which nothing would be left is one, and so is a
declared property that the model has put one level too deep.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .deadline import StepDeadline
from .violations import Violation, json_path, shorten
from .walk import JsonSchema, Tokens, array_parts, local_target


def lost_members(
    document: JsonSchema, value: Any, limit: int, deadline: StepDeadline
) -> list[Violation]:
    """Return at most *limit* places at which a type of this schema would lose data."""
    shapes: dict[tuple[int, ...], _Shape] = {}
    found: list[Violation] = []
    pending: list[tuple[list[Any], Any, Tokens]] = [([document], value, ())]
    while pending and len(found) < limit:
        deadline.step()
        schemas, part, location = pending.pop()
        if not isinstance(part, (dict, list)) or not schemas:
            continue
        key = tuple(map(id, schemas))
        if key not in shapes:
            shapes[key] = _Shape.of(document, schemas)
        shape = shapes[key]
        if isinstance(part, list):
            pending += [(shape.items, each, (*location, n)) for n, each in enumerate(part)]
            continue
        found += _lost(shape, part, location)
        pending += [
            (shape.members.get(name, shape.others), each, (*location, name))
            for name, each in part.items()
        ]
    return found[:limit]


def _lost(shape: _Shape, part: dict[str, Any], location: Tokens) -> list[Violation]:
    names = shape.members.keys()
    if shape.open or not names or not part:
        return []
    listed = shorten(", ".join(names), 120)
    if names.isdisjoint(part):
        return [Violation(json_path(location), f"has none of the properties: {listed}")]
    missing = names - part.keys()
    return [
        Violation(json_path((*location, name)), f"is no property of the schema; use: {listed}")
        for name in part.keys() - names
        if isinstance(part[name], dict) and not missing.isdisjoint(part[name])
    ]


@dataclass
class _Shape:
    """The members and items that the schemas of one place, and their alternatives, declare."""

    members: dict[str, list[Any]] = field(default_factory=dict)
    items: list[Any] = field(default_factory=list)
    others: list[Any] = field(default_factory=list)
    #: Some alternative keeps properties that it does not list.
    open: bool = False

    @classmethod
    def of(cls, document: JsonSchema, schemas: Iterable[Any]) -> _Shape:
        shape = cls()
        seen: set[int] = set()
        pending = list(schemas)
        while pending:
            node = pending.pop()
            if not isinstance(node, dict) or id(node) in seen:
                shape.open |= node is True
                continue
            seen.add(id(node))
            inner = [local_target(document, node["$ref"])] if "$ref" in node else []
            for keyword in ("allOf", "anyOf", "oneOf"):
                inner += node.get(keyword, ())
            shape.enter(node, bool(inner))
            pending += inner
        return shape

    def enter(self, node: JsonSchema, combined: bool) -> None:
        head, rest = array_parts(node)
        self.items += [each for each in (*head, rest) if isinstance(each, dict)]
        for name, child in node.get("properties", {}).items():
            self.members.setdefault(name, []).append(child)
        others = node.get("additionalProperties")
        self.others += [others] if isinstance(others, dict) else []
        anything = "properties" not in node and node.get("type", "object") == "object"
        listed = combined or "enum" in node or "const" in node
        self.open |= bool(others) or "patternProperties" in node or (anything and not listed)
