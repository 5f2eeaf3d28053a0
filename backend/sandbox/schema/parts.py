"""A conjunction of schema objects, read as one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from .patterns import matching
from .walk import types_of

_TYPES = ("string", "object", "array", "integer", "number", "boolean", "null")
_HINTS = {
    "object": (
        "properties",
        "required",
        "additionalProperties",
        "minProperties",
        "patternProperties",
    ),
    "array": ("items", "prefixItems", "minItems", "maxItems", "uniqueItems", "contains"),
    "string": ("minLength", "maxLength", "pattern", "format"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}


class Parts:
    """Schema objects that an instance has to satisfy all at once, references resolved."""

    def __init__(self, parts: list[dict[str, Any]]) -> None:
        self._parts = parts

    def all(self, keyword: str) -> list[Any]:
        """The keyword's value in every part that has it."""
        return [part[keyword] for part in self._parts if keyword in part]

    def largest(self, keyword: str, default: Any) -> Any:
        """The largest of a keyword's values."""
        return max(self.all(keyword), default=default)

    def smallest(self, keyword: str, default: Any) -> Any:
        """The smallest of a keyword's values."""
        return min(self.all(keyword), default=default)

    def suggested(self) -> Iterator[Any]:
        """The values that the schema's author gave as examples or as the default."""
        for examples in self.all("examples"):
            yield from examples if isinstance(examples, list) else ()
        yield from self.all("default")

    def fixed(self) -> list[Any] | None:
        """The only values there are, by const or enum; None where the schema names none."""
        for constant in self.all("const"):
            return [constant]
        for values in self.all("enum"):
            return list(values)
        return None

    def types(self) -> list[str]:
        """The types that every part allows, likeliest first; else those its keywords hint at."""
        named = [set(types_of(part)) for part in self._parts if "type" in part]
        # {"minLength": 3} takes a number too, but means a text.
        if not named:
            return [
                kind for kind, words in _HINTS.items() if any(self.all(word) for word in words)
            ] or list(_TYPES)
        # An integer is a number too: `number` and `integer` have `integer` in common.
        common = set.intersection(
            *(kinds | {"integer"} if "number" in kinds else kinds for kinds in named)
        )
        return [
            kind
            for kind in _TYPES
            if kind in common and not (kind == "integer" and "number" in common)
        ]

    def names(self) -> list[str]:
        """The properties that are described, in order."""
        return list(
            dict.fromkeys(name for properties in self.all("properties") for name in properties)
        )

    def required(self) -> list[str]:
        """The properties that must be there, with those that they in turn require."""
        needed = [name for names in self.all("required") for name in names]
        # The list grows as it is walked, so that requirements of requirements are met.
        for name in needed:
            for dependencies in self.all("dependentRequired"):
                needed += [other for other in dependencies.get(name, ()) if other not in needed]
        return list(dict.fromkeys(needed))

    def property(self, name: str) -> Any:
        """The schema of a property: what is said of it by name, by pattern, or of all others."""
        schemas = [schema for part in self._parts for schema in _member_schemas(part, name)]
        return schemas[0] if len(schemas) == 1 else {"allOf": schemas} if schemas else True

    def pattern_names(self) -> Iterator[str]:
        """Names that fit the patterns of patternProperties."""
        for patterns in self.all("patternProperties"):
            for pattern in patterns:
                yield from matching(pattern)

    def item(self, index: int) -> Any:
        """The schema of the item at that index."""
        schemas = []
        for part in self._parts:
            items = part.get("items", True)
            # Until draft 2019-09 a list in `items` was what `prefixItems` is since.
            prefix = part.get("prefixItems", items if isinstance(items, list) else [])
            rest = part.get("additionalItems", True) if isinstance(items, list) else items
            schemas.append(prefix[index] if index < len(prefix) else rest)
        named = [schema for schema in schemas if schema is not True]
        return named[0] if len(named) == 1 else {"allOf": named} if named else True

    def contained(self) -> list[Any]:
        """A schema for each item that `contains` demands."""
        return [
            part["contains"]
            for part in self._parts
            if "contains" in part
            for _ in range(part.get("minContains", 1))
        ]


def _member_schemas(part: dict[str, Any], name: str) -> Iterator[Any]:
    named = part.get("properties", {})
    patterns = [
        pattern for pattern in part.get("patternProperties", {}) if re.search(pattern, name)
    ]
    if name in named:
        yield named[name]
    for pattern in patterns:
        yield part["patternProperties"][pattern]
    if name not in named and not patterns and part.get("additionalProperties", True) is not True:
        yield part["additionalProperties"]
