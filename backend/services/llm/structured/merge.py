"""One flat schema out of `allOf`, of a reference with constraints beside it, and of `oneOf`.

The result accepts at least what the original accepts: what cannot be merged exactly becomes a note
in words.
"""

from __future__ import annotations

import json
from typing import Any

from .violations import json_path, shorten
from .walk import JsonSchema, Tokens, local_target, references_stand_alone

#: The key of what a flat schema's keywords can no longer say; no JSON Schema has it.
NOTES = "\0notes"

ANNOTATIONS = frozenset(
    (
        *("$schema", "$id", "$comment", "$anchor", "$defs", "definitions", "title"),
        *("description", "default", "examples", "deprecated", "readOnly", "writeOnly"),
    )
)
#: Pairs of two merged unions; a provider's grammar grows with each of them.
_MAX_ALTERNATIVES = 16
_STRICTER = {
    **dict.fromkeys(("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"), max),
    **dict.fromkeys(("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"), min),
}


class CannotExpressError(Exception):
    """A provider's subset has no words for a part of the schema."""

    def __init__(self, reason: str, location: Tokens) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = json_path(location)


class AcceptsNothingError(CannotExpressError):
    """A combination that no value satisfies; as one of several alternatives it can be left out."""


def constraints(node: JsonSchema) -> JsonSchema:
    """Leave out of a schema what only describes it."""
    return {key: value for key, value in node.items() if key not in ANNOTATIONS}


def note(keyword: str, argument: Any) -> str:
    """Say a keyword in words, for the description of a schema that cannot have it."""
    text = argument if isinstance(argument, str) else json.dumps(argument, ensure_ascii=False)
    return f"{keyword}: {shorten(text, 300)}"


class Flattening:
    """Flattens the schemas of one document; remembers which references it is inside of."""

    def __init__(self, document: JsonSchema) -> None:
        self.document = document
        self.legacy = references_stand_alone(document)
        self.inside: list[int] = []

    def flat(self, node: JsonSchema, location: Tokens) -> JsonSchema:
        """Merge a schema with its `allOf` and its reference; a mere reference stays one.

        Raises CannotExpressError for a merger that would lose values, AcceptsNothingError for one
        without any.
        """
        merged = {
            key: value for key, value in node.items() if key not in ("$ref", "allOf", "oneOf")
        }
        if "oneOf" in node:
            merged = self._merged(merged, {"anyOf": node["oneOf"]}, location)
        # True adds nothing, and in a list by itself it would hide the reference beside it.
        parts = [part for part in node.get("allOf", ()) if part is not True]
        if "$ref" in node:
            if self.legacy:
                return {"$ref": node["$ref"], **_described(node)}
            parts.append({"$ref": node["$ref"]})
        if len(parts) == 1 and not constraints(merged) and _is_reference(parts[0]):
            return {"$ref": parts[0]["$ref"], **_described(parts[0]), **_described(node)}
        for part in parts:
            merged = self._merged(merged, self._inlined(part, location), location)
        return merged

    def _inlined(self, part: Any, location: Tokens) -> JsonSchema:
        if part is False:
            raise AcceptsNothingError("it accepts nothing", location)
        flat = self.flat(part, location)
        if "$ref" not in flat:
            return flat
        target = local_target(self.document, flat["$ref"])
        if not isinstance(target, dict):
            raise CannotExpressError(
                f"the reference {flat['$ref']} is not to a schema here", location
            )
        if id(target) in self.inside:
            raise CannotExpressError("a recursive reference has constraints beside it", location)
        self.inside.append(id(target))
        try:
            return self._inlined(target, location)
        finally:
            self.inside.pop()

    def _merged(self, one: JsonSchema, other: JsonSchema, location: Tokens) -> JsonSchema:
        """Merge two flat schemas into one that accepts what both accept."""
        _check_closed(one, other, location)
        result = dict(one)
        for key, value in other.items():
            if key not in result or result[key] == value:
                result[key] = value
            elif key in ("title", "default", "examples", "$defs", "definitions"):
                continue
            elif key == "description":
                result[key] = f"{result[key]} {value}"
            elif key == "properties":
                result[key] = _both_maps(result[key], value)
            elif key == "required":
                result[key] = list(dict.fromkeys([*result[key], *value]))
            elif key in _STRICTER:
                result[key] = _STRICTER[key](result[key], value)
            else:
                _combine(result, key, value, location)
        return result


def _is_reference(part: Any) -> bool:
    return isinstance(part, dict) and constraints(part).keys() == {"$ref"}


def _described(node: JsonSchema) -> JsonSchema:
    return {"description": node["description"]} if "description" in node else {}


def _both_maps(one: JsonSchema, other: JsonSchema) -> JsonSchema:
    both = {
        name: {"allOf": [one[name], other[name]]}
        for name in one.keys() & other.keys()
        if one[name] != other[name]
    }
    return {**one, **other, **both}


def _check_closed(one: JsonSchema, other: JsonSchema, location: Tokens) -> None:
    for closed, joined in ((one, other), (other, one)):
        if closed.get("additionalProperties") is False and (
            joined.get("properties", {}).keys() - closed.get("properties", {}).keys()
        ):
            raise CannotExpressError("a closed object is combined with other properties", location)


def _combine(result: JsonSchema, key: str, value: Any, location: Tokens) -> None:
    """Combine two different arguments of one keyword in place."""
    if key == "type":
        result[key] = common_types(result[key], value)
        if not result[key]:
            raise AcceptsNothingError("no type satisfies all its parts", location)
    elif key == "enum":
        result[key] = [member for member in result[key] if member in value]
        if not result[key]:
            raise AcceptsNothingError("no value satisfies all its parts", location)
    elif key == "items":
        result[key] = {"allOf": [result[key], value]}
    elif key == "anyOf":
        pairs = [{"allOf": [a, b]} for a in result[key] for b in value]
        if len(pairs) > _MAX_ALTERNATIVES:
            raise CannotExpressError(f"its alternatives multiply to {len(pairs)}", location)
        result[key] = pairs
    elif key == NOTES:
        result[key] = [*result[key], *value]
    elif key in ("additionalProperties", "patternProperties", "prefixItems", "const"):
        raise CannotExpressError(f"its parts differ in {key}", location)
    else:
        result[NOTES] = [*result.get(NOTES, ()), note(key, value)]


def types_of(node: JsonSchema) -> list[str]:
    """List the types that a schema names; empty if it names none."""
    named = node.get("type", [])
    return [named] if isinstance(named, str) else list(named)


def common_types(one: Any, other: Any) -> list[str]:
    """Intersect two `type` arguments; an integer is a number too."""
    first, second = types_of({"type": one}), types_of({"type": other})
    common = [
        name for name in first if name in second or (name == "integer" and "number" in second)
    ]
    return common + [
        name for name in second if name == "integer" and "number" in first and name not in common
    ]
