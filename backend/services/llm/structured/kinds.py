"""The JSON Schema types of values, and those that a schema takes."""

from __future__ import annotations

from typing import Any

from .walk import JsonSchema, references_stand_alone, resolved

ALL = frozenset(("null", "boolean", "integer", "number", "string", "array", "object"))
# The likeliest first; bool, which is an int to Python, is told apart before.
_CLASSES = ((str, "string"), (dict, "object"), (list, "array"), (int, "integer"), (float, "number"))


def type_of(value: Any) -> str:
    """Name the JSON Schema type of a JSON value; a float is a number, even a whole one."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    return next(name for kind, name in _CLASSES if isinstance(value, kind))


class Kinds:
    """The types that each schema of one document takes, each worked out once."""

    def __init__(self, document: JsonSchema) -> None:
        self._document = document
        self._legacy = references_stand_alone(document)
        self._known: dict[int, frozenset[str]] = {}
        # Schemas made on the way must outlive their entries, or another could get the same id.
        self._kept: list[JsonSchema] = []

    def of(self, node: Any) -> frozenset[str]:
        """Name the types a schema takes, as its `type`, `enum`, `const` and combinations say."""
        if not isinstance(node, dict):
            return frozenset() if node is False else ALL
        if id(node) not in self._known:
            self._kept.append(node)
            self._known[id(node)] = ALL  # what a loop of alternatives sees of itself
            self._known[id(node)] = self._work_out(node)
        return self._known[id(node)]

    def _work_out(self, node: JsonSchema) -> frozenset[str]:
        if "$ref" in node:
            target = self.of(resolved(self._document, node))
            return target if self._legacy else target & self._said_by(node)
        return self._said_by(node)

    def _said_by(self, node: JsonSchema) -> frozenset[str]:
        named = node.get("type", ALL)
        allowed = frozenset([named] if isinstance(named, str) else named)
        # To JSON Schema every integer is a number, and `type_of` names the narrower.
        if "number" in allowed:
            allowed |= {"integer"}
        if "const" in node or "enum" in node:
            members = node.get("enum", [node.get("const")])
            allowed &= frozenset(type_of(member) for member in members)
        for keyword in ("anyOf", "oneOf"):
            if keyword in node:
                branches = (self.of(branch) for branch in node[keyword])
                allowed &= frozenset().union(*branches)
        for branch in node.get("allOf", ()):
            allowed &= self.of(branch)
        return allowed
