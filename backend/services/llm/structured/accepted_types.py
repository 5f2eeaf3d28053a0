"""The JSON Schema types of values, and those that a schema accepts."""

from __future__ import annotations

from typing import Any

from .walk import JsonSchema, references_stand_alone, resolve

ALL = frozenset(("null", "boolean", "integer", "number", "string", "array", "object"))
# The likeliest first; bool, which is an int to Python, is told apart before.
_CLASSES = ((str, "string"), (dict, "object"), (list, "array"), (int, "integer"), (float, "number"))


def json_type(value: Any) -> str:
    """Name the JSON Schema type of a JSON value; a float is a number, even a whole one."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    return next(name for kind, name in _CLASSES if isinstance(value, kind))


class AcceptedTypes:
    """The types that each schema of one document accepts, each computed once."""

    def __init__(self, document: JsonSchema) -> None:
        self._document = document
        self._legacy = references_stand_alone(document)
        self._cache: dict[int, frozenset[str]] = {}
        # Keeps schemas alive as long as their entries: another object could get the same id.
        self._alive: list[JsonSchema] = []

    def of(self, node: Any) -> frozenset[str]:
        """Return the types that a schema accepts, by `type`, `enum`, `const` and combinations."""
        if not isinstance(node, dict):
            return frozenset() if node is False else ALL
        if id(node) not in self._cache:
            self._alive.append(node)
            self._cache[id(node)] = ALL  # the answer inside a recursion
            self._cache[id(node)] = self._compute(node)
        return self._cache[id(node)]

    def _compute(self, node: JsonSchema) -> frozenset[str]:
        if "$ref" in node:
            target = self.of(resolve(self._document, node))
            return target if self._legacy else target & self._declared_by(node)
        return self._declared_by(node)

    def _declared_by(self, node: JsonSchema) -> frozenset[str]:
        named = node.get("type", ALL)
        allowed = frozenset([named] if isinstance(named, str) else named)
        # To JSON Schema every integer is a number, and `json_type` names the narrower.
        if "number" in allowed:
            allowed |= {"integer"}
        if "const" in node or "enum" in node:
            members = node.get("enum", [node.get("const")])
            allowed &= frozenset(json_type(member) for member in members)
        for keyword in ("anyOf", "oneOf"):
            if keyword in node:
                branches = (self.of(branch) for branch in node[keyword])
                allowed &= frozenset().union(*branches)
        for branch in node.get("allOf", ()):
            allowed &= self.of(branch)
        return allowed
