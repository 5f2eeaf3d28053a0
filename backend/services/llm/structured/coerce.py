"""Lossless conversion of an answer to the types of its schema, where the schema leaves no doubt.

What is converted: a string of canonical digits to a number, "true" and "false" to a boolean, "null"
to null, a string of JSON to an object or array, one value to a list of it, an integer to a string,
36.0 to 36, and a null to absence where an optional property takes none. A fraction never becomes a
string, since 8471.30 and 8471.3 are one number; a value whose own type the schema takes in any of
its alternatives stays as it is.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from .accepted_types import AcceptedTypes, json_type
from .alternatives import Alternatives
from .deadline import StepDeadline
from .numbers import UnreadableError, floating, integer
from .tolerant import parse_strict
from .walk import JsonSchema, declared_names, item_schemas, member_schemas, resolve

# As JSON spells numbers: 036 is a code and 1,000 may be two values, so that neither is converted.
_INTEGER = re.compile(r"-?(?:0|[1-9]\d*)\Z", re.ASCII)
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?\Z", re.ASCII)
#: From here on a float no longer says which integer was meant.
_EXACT = 2**53
#: Characters of a text that is read as a fraction; a float holds seventeen digits.
_LONGEST = 40


def coerced(document: JsonSchema, value: Any, deadline: StepDeadline | None = None) -> Any:
    """Convert a JSON value to the types of its schema; parts that leave doubt stay as they are.

    Raises OutOfTimeError when the time of the *deadline* is up.
    """
    return Coercion(document, deadline or StepDeadline()).at([document], value)


class Coercion:
    """Converts values of one document."""

    def __init__(self, document: JsonSchema, deadline: StepDeadline) -> None:
        self.document = document
        self.deadline = deadline
        self.types = AcceptedTypes(document)
        self.alternatives = Alternatives(document, self.types)
        self.names: dict[int, frozenset[str]] = {}

    def at(self, schemas: Iterable[Any], value: Any) -> Any:
        """Convert the value at one place of the answer, by all the schemas that apply there."""
        value, applied = self.settled(schemas, value)
        if isinstance(value, dict):
            schemas, absent = member_schemas(applied, value), self.absent(applied, value)
            return {
                name: self.at(schemas[name], member)
                for name, member in value.items()
                if name not in absent
            }
        if isinstance(value, list):
            return [self.at(item_schemas(applied, i), item) for i, item in enumerate(value)]
        return value

    def absent(self, applied: list[JsonSchema], value: dict[str, Any]) -> set[str]:
        """Name the properties whose null means absence: declared, optional, and taking no null."""
        nulls = {name for name, member in value.items() if member is None}
        absent: set[str] = set()
        for node in applied if nulls else ():
            declared = node.get("properties", {})
            absent.update(
                n for n in declared.keys() & nulls if "null" not in self.types.of(declared[n])
            )
        for node in applied if absent else ():
            absent.difference_update(node.get("required", ()))
        return absent

    def settled(self, schemas: Iterable[Any], value: Any) -> tuple[Any, list[JsonSchema]]:
        """Convert a value itself, and collect the schemas that apply to it in place, each once."""
        applied: dict[int, JsonSchema] = {}
        pending = deque(schemas)
        while pending:
            self.deadline.step()
            node = resolve(self.document, pending.popleft())
            if not isinstance(node, dict) or id(node) in applied:
                continue
            applied[id(node)] = node
            allowed = self.types.of(node)
            if json_type(value) not in allowed:
                value = self.converted(node, allowed, value)
            pending += self.branches(node, value)
        return value, list(applied.values())

    def branches(self, node: JsonSchema, value: Any) -> list[Any]:
        """Choose the subschemas that apply in place: all of `allOf`, the only alternative left."""
        chosen = list(node.get("allOf", ()))
        for keyword in ("anyOf", "oneOf"):
            if keyword in node:
                possible = self.alternatives.possible(node[keyword], value)
                self.deadline.step(len(possible))
                chosen += possible if len(possible) == 1 else ()
        return chosen

    def converted(self, node: JsonSchema, allowed: frozenset[str], value: Any) -> Any:
        """Convert a value of a type that is not allowed, if there is one way to."""
        if isinstance(value, str):
            find_values = _readings(value, allowed)
            if len(find_values) == 1:
                return find_values[0]
        elif isinstance(value, float) and value.is_integer() and "integer" in allowed:
            return int(value) if abs(value) < _EXACT else value
        elif isinstance(value, int) and not isinstance(value, bool) and "string" in allowed:
            return str(value)
        if "array" in allowed and self.belongs(node, value):
            return [value]
        return value

    def belongs(self, node: JsonSchema, value: Any) -> bool:
        """Tell whether a value can only be the one item of its array."""
        # A comma in a text may part several items.
        if value is None or (isinstance(value, str) and re.search(r"[,;\n]", value)):
            return False
        items = resolve(self.document, node.get("items"))
        if not (isinstance(items, dict) and items and json_type(value) in self.types.of(items)):
            return False
        return not isinstance(value, dict) or self.is_item(items, value)

    def is_item(self, items: JsonSchema, value: dict[str, Any]) -> bool:
        """Tell whether an object is an item itself, and not what the model has put items into."""
        if id(items) not in self.names:
            self.names[id(items)] = declared_names(items, self.document)
        names = self.names[id(items)]
        others = (member for name, member in value.items() if name not in names)
        return not names or (
            not names.isdisjoint(value)
            and not any(isinstance(member, (dict, list)) and member for member in others)
        )


def _readings(text: str, allowed: frozenset[str]) -> list[Any]:
    stripped = text.strip()
    constants = {"true": True, "false": False, "null": None}
    read: list[Any] = []
    try:
        if "integer" in allowed and _INTEGER.match(stripped):
            read.append(integer(stripped))
        elif "number" in allowed and _NUMBER.match(stripped):
            read += _fraction(stripped)
        elif stripped.lower() in constants and json_type(constants[stripped.lower()]) in allowed:
            read.append(constants[stripped.lower()])
        elif stripped[:1] in ("{", "["):
            read.append(parse_strict(stripped))
    except UnreadableError:
        # No number and no JSON after all; it stays the string it is.
        return []
    return [value for value in read if json_type(value) in allowed]


def _fraction(text: str) -> list[float]:
    """Read a number if a float says the same, digit by digit."""
    number = floating(text)
    exact = len(text) <= _LONGEST and Decimal(text) == Decimal(repr(number))
    return [number] if exact else []
