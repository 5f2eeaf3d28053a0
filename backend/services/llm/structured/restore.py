"""Maps an answer to a rewritten schema back to the caller's: absent properties, a wrapped root."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .accepted_types import AcceptedTypes, json_type
from .alternatives import Alternatives
from .merge import types_of
from .walk import JsonSchema, resolve

#: The property that holds an answer which is no object, as every provider wants one at the root.
WRAPPER = "value"


def unwrap_root(value: Any) -> Any:
    """Take an answer out of its wrapper; a value that is not wrapped stays as it is."""
    if isinstance(value, dict) and value.keys() == {WRAPPER}:
        return value[WRAPPER]
    return value


class Restore:
    """Maps values of one rewritten schema back; what is not in the provider's form stays as it is.

    `droppable` names, by the identity of a rewritten object schema, the properties whose null means
    absent: those that the caller made optional and not nullable.
    """

    def __init__(
        self, schema: JsonSchema, droppable: Mapping[int, frozenset[str]], *, wrapped: bool
    ) -> None:
        self._schema = schema
        self._droppable = droppable
        self._wrapped = wrapped

    def __call__(self, value: Any) -> Any:
        """Map one value back in time linear in its size."""
        walk = _Walk(self._schema, self._droppable)
        node = self._schema["properties"][WRAPPER] if self._wrapped else self._schema
        return walk.restored(node, unwrap_root(value) if self._wrapped else value)


class _Walk:
    def __init__(self, schema: JsonSchema, droppable: Mapping[int, frozenset[str]]) -> None:
        self.schema = schema
        self.droppable = droppable
        self.alternatives = Alternatives(schema, AcceptedTypes(schema))
        self.verdicts: dict[tuple[int, int], bool] = {}

    def restored(self, node: Any, value: Any) -> Any:
        node = resolve(self.schema, node)
        if not isinstance(value, (dict, list)) or not isinstance(node, dict):
            return value
        if "anyOf" in node:
            # Two alternatives that fit are one to a decoder too, so that the first is as good.
            possible = self.alternatives.possible(node["anyOf"], value)
            fitting = (branch for branch in possible if self.fits(branch, value))
            return self.restored(next(fitting, True), value)
        if isinstance(value, list):
            return [self.restored(node.get("items"), item) for item in value]
        properties = node.get("properties", {})
        dropped = self.droppable.get(id(node), frozenset())
        return {
            name: self.restored(properties.get(name), member)
            for name, member in value.items()
            if not (member is None and name in dropped)
        }

    def fits(self, node: Any, value: Any) -> bool:
        """Tell whether a value is in the provider's form; each pair is looked at once."""
        if not isinstance(value, (dict, list)):
            return self._fits(resolve(self.schema, node), value)
        key = (id(node), id(value))
        if key not in self.verdicts:
            self.verdicts[key] = False  # what a loop of references sees of itself
            self.verdicts[key] = self._fits(resolve(self.schema, node), value)
        return self.verdicts[key]

    def _fits(self, node: JsonSchema, value: Any) -> bool:
        if "anyOf" in node:
            possible = self.alternatives.possible(node["anyOf"], value)
            return any(self.fits(branch, value) for branch in possible)
        types = types_of(node)
        kind = json_type(value)
        # A whole float is an integer to JSON Schema (from draft 6 on), and to some models.
        if kind not in types and not (kind == "integer" and "number" in types):
            return kind == "number" and "integer" in types and value.is_integer()
        if "enum" in node:
            return value in node["enum"]
        if kind == "array":
            return all(self.fits(node["items"], item) for item in value)
        if kind == "object":
            properties = node["properties"]
            return value.keys() <= properties.keys() and all(
                name in value and self.fits(properties[name], value[name])
                for name in node.get("required", ())
            )
        return True
