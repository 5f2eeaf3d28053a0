"""Which alternatives of an `anyOf` or `oneOf` a value may fit, without a look at each of them.

An index over the types, constants and tags of the alternatives. A tag is a required property of one
value only. What the index rules out cannot fit; what it leaves may still not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from .accepted_types import AcceptedTypes, json_type
from .walk import JsonSchema, resolve

_SCALARS = (str, int, float, bool, type(None))
_Tags = tuple[tuple[str, Any], ...]


class Alternatives:
    """The indexes of one document's lists of alternatives, each made when it is first asked."""

    def __init__(self, document: JsonSchema, types: AcceptedTypes) -> None:
        self._document = document
        self._kinds = types
        self._indexes: dict[int, _Index] = {}

    def possible(self, branches: Sequence[Any], value: Any) -> list[Any]:
        """List the alternatives that a value may fit, in their order."""
        index = self._indexes.get(id(branches))
        if index is None:
            shapes = [_Shape(resolve(self._document, b), self._kinds.of(b)) for b in branches]
            index = self._indexes[id(branches)] = _Index(branches, shapes)
        return index.possible(value)


class _Shape:
    """What can be seen of an alternative at once."""

    def __init__(self, node: Any, types: frozenset[str]) -> None:
        node = node if isinstance(node, dict) else {}
        self.types = types
        self.required: Sequence[str] = node.get("required", ())
        self.constants = _constants(node)
        declared = node.get("properties", {})
        needed = [name for name in self.required if name in declared]
        found = ((name, _constants(declared[name])) for name in sorted(needed))
        self.tags: _Tags = tuple((name, one[0]) for name, one in found if one and len(one) == 1)
        #: The tags of properties that may be absent, and those of other values than scalars.
        self.loose_tags = [
            (name, child["const"])
            for name, child in declared.items()
            if isinstance(child, dict) and "const" in child
        ]

    def admits(self, value: Any) -> bool:
        """Tell whether an object has what the alternative requires, and none of other tags."""
        return all(name in value for name in self.required) and all(
            name not in value or value[name] == tag for name, tag in self.loose_tags
        )


class _Index:
    def __init__(self, branches: Sequence[Any], shapes: Sequence[_Shape]) -> None:
        self.branches = branches
        self.shapes = shapes
        self.by_kind: dict[str, list[int]] = {}
        self.by_constant: dict[Any, list[int]] = {}
        self.by_tags: dict[tuple[str, ...], dict[tuple[Any, ...], list[int]]] = {}
        self.by_name: dict[str, list[int]] = {}
        for place, shape in enumerate(shapes):
            for kind in shape.types - {"object"} if shape.constants is None else ():
                self.by_kind.setdefault(kind, []).append(place)
            for constant in shape.constants or ():
                self.by_constant.setdefault(constant, []).append(place)
            if "object" in shape.types:
                self._enter_object(place, shape)

    def _enter_object(self, place: int, shape: _Shape) -> None:
        if shape.tags:
            names, tags = zip(*shape.tags, strict=True)
            self.by_tags.setdefault(names, {}).setdefault(tags, []).append(place)
        elif shape.required:
            self.by_name.setdefault(shape.required[0], []).append(place)
        else:
            self.by_kind.setdefault("object", []).append(place)

    def possible(self, value: Any) -> list[Any]:
        if isinstance(value, dict):
            places = [p for p in self._of_object(value) if self.shapes[p].admits(value)]
        else:
            places = self._of_other(value)
        # One constant may stand twice in one alternative.
        return [self.branches[place] for place in sorted(set(places))]

    def _of_object(self, value: dict[str, Any]) -> Iterable[int]:
        yield from self.by_kind.get("object", ())
        for name in self.by_name.keys() & value.keys():
            yield from self.by_name[name]
        for names, known in self.by_tags.items():
            tags = tuple(value.get(name) for name in names)
            if all(isinstance(tag, _SCALARS) for tag in tags):
                yield from known.get(tags, ())

    def _of_other(self, value: Any) -> list[int]:
        types = {json_type(value)}
        # To JSON Schema a whole float is an integer (from draft 6 on), and to some models.
        if isinstance(value, float) and value.is_integer():
            types.add("integer")
        places = [place for kind in types for place in self.by_kind.get(kind, ())]
        if isinstance(value, _SCALARS):
            same = self.by_constant.get(value, ())
            places += [place for place in same if types & self.shapes[place].types]
        return places


def _constants(node: Any) -> list[Any] | None:
    """List the only values of a schema, if they are scalars and listed; else None."""
    if not isinstance(node, dict) or not ("const" in node or "enum" in node):
        return None
    members = [node["const"]] if "const" in node else list(node["enum"])
    return members if all(isinstance(member, _SCALARS) for member in members) else None
