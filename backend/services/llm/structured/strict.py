"""Rewrites a schema into a provider's strict subset; other keywords go into descriptions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from ..frozen import dataclass
from .accepted_types import AcceptedTypes, json_type
from .merge import (
    NOTES,
    AcceptsNothingError,
    CannotExpressError,
    Flattening,
    constraints,
    note,
    types_of,
)
from .walk import JsonSchema, Tokens, array_parts, declared_names, local_target, resolve

#: Schemas in one result; a reference with constraints is copied, and copies of copies multiply.
_MAX_NODES = 20_000

_SHAPE = frozenset(
    (
        *("type", "enum", "const", "anyOf", "properties", "required"),
        *("items", "prefixItems", "additionalItems"),
    )
)
_TYPED = {
    "object": ("properties", "required", "additionalProperties", "patternProperties"),
    "array": ("items", "prefixItems"),
}
_SCALARS = frozenset(("null", "boolean", "integer", "number", "string"))
# Lookaround, back references and word boundaries, which no automaton matches, and what dialects
# spell differently: named groups, \p, \A, \Z.
_IRREGULAR = re.compile(r"\(\?[^:]|\\[bB1-9kpPZzA]")
# Anything else in a definition's name would have to be escaped in the references to it.
_UNNAMED = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Subset:
    """What a provider's strict mode understands beyond types, properties, items, enum and anyOf."""

    recursion: bool
    #: False: every property is required, and an optional one may be null instead.
    optional_properties: bool
    #: The largest `minItems` that is understood; 0 for none.
    least_items: int
    formats: frozenset[str]
    #: Regular expressions without lookaround, backreferences and word boundaries.
    patterns: bool
    #: Objects in one `anyOf` share no property but one of different constants.
    distinct_alternatives: bool


class Rewriting:
    """Rewrites one document; `definitions` and `droppable` then hold what the result refers to."""

    def __init__(self, document: JsonSchema, subset: Subset) -> None:
        self.document = document
        self.subset = subset
        self.types = AcceptedTypes(document)
        self.flattening = Flattening(document)
        self.definitions: dict[str, JsonSchema] = {}
        self.droppable: dict[int, frozenset[str]] = {}
        # Objects left out of the result must outlive their entries, or another could get their id.
        self.objects: list[JsonSchema] = []
        self.names: dict[int, str] = {}
        self.active: list[int] = []
        self.count = 0

    def node(self, node: Any, location: Tokens) -> JsonSchema:
        """Rewrite a schema; raises CannotExpressError where the subset has no words for it."""
        self.count += 1
        if self.count > _MAX_NODES:
            raise CannotExpressError(f"it grows beyond {_MAX_NODES} schemas", location)
        if node is False:
            raise AcceptsNothingError("it accepts nothing", location)
        if not isinstance(node, dict) or not constraints(node):
            raise CannotExpressError("it accepts any value", location)
        if "$id" in node and location:
            raise CannotExpressError("it is a document of its own ($id)", location)
        flat = self.flattening.flat(node, location)
        if "$ref" in flat:
            return _described(self._reference(flat["$ref"], location), flat)
        if "anyOf" in flat:
            return self._alternatives(flat, location)
        if "enum" in flat or "const" in flat:
            return _described(_enumeration(flat, location), flat)
        types = types_of(flat) or _implied(flat, location)
        if len(types) == 1 or _SCALARS.issuperset(types):
            return self._typed(types, flat, location)
        return self._alternatives({**flat, "anyOf": [{"type": name} for name in types]}, location)

    def _reference(self, pointer: str, location: Tokens) -> JsonSchema:
        target = local_target(self.document, pointer)
        if not isinstance(target, dict) or resolve(self.document, target) is True:
            raise CannotExpressError(f"the reference {pointer} leads to no schema here", location)
        if id(target) in self.active and not self.subset.recursion:
            raise CannotExpressError("it is recursive", location)
        if id(target) not in self.names:
            # The name is given out before the body is known, so that the body can refer to itself.
            name = self._unused_name(pointer)
            self.names[id(target)] = name
            self.definitions[name] = {}
            self.active.append(id(target))
            try:
                self.definitions[name] = self.node(target, location)
            except AcceptsNothingError as empty:
                # Others may hold a reference to it by now, so that it cannot be left out alone.
                raise CannotExpressError(empty.reason, location) from empty
            self.active.pop()
        return {"$ref": f"#/$defs/{self.names[id(target)]}"}

    def _unused_name(self, pointer: str) -> str:
        base = _UNNAMED.sub("_", pointer.rpartition("/")[2].strip("#"))[:40] or "root"
        name, count = base, 1
        while name in self.definitions:
            count += 1
            name = f"{base}_{count}"
        return name

    def _alternatives(self, flat: JsonSchema, location: Tokens) -> JsonSchema:
        """Rewrite `anyOf`, with what stands beside it moved into each alternative."""
        base = constraints({key: value for key, value in flat.items() if key != "anyOf"})
        branches: list[JsonSchema] = []
        for index, branch in enumerate(flat["anyOf"]):
            place = (*location, "anyOf", index)
            try:
                combined = {"allOf": [base, branch]} if base else branch
                rewritten = self.node(combined, place)
            except AcceptsNothingError:
                # An alternative that nothing satisfies is none.
                continue
            branches += [rewritten] if rewritten not in branches else []
        if not branches:
            raise AcceptsNothingError("none of its alternatives accepts anything", location)
        single = branches[0] if len(branches) == 1 else {"anyOf": branches}
        return _described(single, {"description": flat.get("description", "")})

    def _typed(self, types: list[str], flat: JsonSchema, location: Tokens) -> JsonSchema:
        if types == ["object"]:
            return _described(self._object(flat, location), flat)
        if types == ["array"]:
            return _described(self._array(flat, location), flat)
        result: JsonSchema = {"type": types[0] if len(types) == 1 else types}
        if "string" in types:
            result.update(self._textual(flat))
        return _described(result, flat)

    def _textual(self, flat: JsonSchema) -> JsonSchema:
        """Keep the format and the pattern of a string that the subset understands."""
        text_format, pattern = flat.get("format"), flat.get("pattern")
        kept = {"format": text_format} if text_format in self.subset.formats else {}
        if pattern is not None and self.subset.patterns and not _IRREGULAR.search(pattern):
            kept["pattern"] = pattern
        return kept

    def _object(self, flat: JsonSchema, location: Tokens) -> JsonSchema:
        declared = {k: v for k, v in flat.get("properties", {}).items() if v is not False}
        _check_closable(flat, declared, location)
        required = set(flat.get("required", ()))
        # An object without any `required` is asked for in full, as `require_all_properties` says.
        may_lack = self.subset.optional_properties and "required" in flat
        droppable = set()
        properties: dict[str, JsonSchema] = {}
        for name, schema in declared.items():
            properties[name] = self.node(schema, (*location, "properties", name))
            if name in required or may_lack:
                continue
            # A null that the caller allows must come back as null, so that it cannot mean absence.
            if "null" not in self.types.of(schema):
                properties[name] = _nullable(properties[name])
                droppable.add(name)
        listed = [name for name in properties if name in required or not may_lack]
        result: JsonSchema = {
            "type": "object",
            "properties": properties,
            "required": listed,
            "additionalProperties": False,
        }
        self.objects.append(result)
        self.droppable[id(result)] = frozenset(droppable)
        return result

    def _array(self, flat: JsonSchema, location: Tokens) -> JsonSchema:
        """Rewrite an array; a tuple becomes one of any of its items' schemas, its order a note."""
        head, rest = array_parts(flat)
        # A subset has no word for "anything".
        if rest is True and not (head and flat.get("maxItems", len(head) + 1) <= len(head)):
            raise CannotExpressError("its items may be anything", location)
        types = [*head, *([rest] if isinstance(rest, dict) else [])]
        if not types:
            raise CannotExpressError("its items can be nothing", location)
        items = types[0] if len(types) == 1 else {"anyOf": types}
        result: JsonSchema = {"type": "array", "items": self.node(items, (*location, "items"))}
        if head:
            flat[NOTES] = [*flat.get(NOTES, ()), note("items in this order", head)]
        if 0 < flat.get("minItems", 0) <= self.subset.least_items:
            result["minItems"] = flat["minItems"]
        return result


def _implied(flat: JsonSchema, location: Tokens) -> list[str]:
    for kind, keywords in _TYPED.items():
        if any(keyword in flat for keyword in keywords):
            return [kind]
    raise CannotExpressError("it accepts any type of value", location)


def _enumeration(flat: JsonSchema, location: Tokens) -> JsonSchema:
    # Strict modes want a type beside every enum, and one that fits all its members.
    members = flat.get("enum", [flat.get("const")])
    named = types_of(flat)
    members = [m for m in members if not named or _is_one_of(named, m)]
    if "const" in flat:
        members = [m for m in members if m == flat["const"]]
    if not members:
        raise AcceptsNothingError("its values are of none of its types", location)
    types = list(dict.fromkeys(json_type(member) for member in members))
    if "object" in types or "array" in types:
        raise CannotExpressError("its values are objects or arrays", location)
    return {"type": types[0] if len(types) == 1 else types, "enum": members}


def _is_one_of(named: Iterable[str], member: Any) -> bool:
    kind = json_type(member)
    return kind in named or (kind == "integer" and "number" in named)


def _nullable(node: JsonSchema) -> JsonSchema:
    null = {"type": "null"}
    if "anyOf" in node:
        return {**node, "anyOf": [*node["anyOf"], null]}
    if node.get("type") in (None, "object", "array"):
        return {"anyOf": [node, null]}
    types = [*types_of(node), "null"]
    return {**node, "type": types, **({"enum": [*node["enum"], None]} if "enum" in node else {})}


def _check_closable(flat: JsonSchema, declared: JsonSchema, location: Tokens) -> None:
    """Raise CannotExpressError for an object whose properties are not all listed."""
    if flat.get("patternProperties") or flat.get("additionalProperties") not in (None, False):
        raise CannotExpressError("it is a map, whose keys are not listed", location)
    if not declared and "additionalProperties" not in flat:
        raise CannotExpressError("it is an object of any properties", location)
    missing = [name for name in flat.get("required", ()) if name not in declared]
    if missing:
        raise CannotExpressError(f"its required property {missing[0]!r} has no schema", location)
    for keyword in ("if", "then", "else", "dependentSchemas", "dependencies"):
        part = flat.get(keyword, {})
        parts = part.values() if keyword.startswith("depend") else [part]
        if any(isinstance(p, dict) and not declared_names(p) <= declared.keys() for p in parts):
            raise CannotExpressError(f"its {keyword} adds properties", location)


def _described(node: JsonSchema, flat: JsonSchema) -> JsonSchema:
    """Give a rewritten schema its description, with the keywords it lost."""
    sentences = [flat["description"]] if flat.get("description") else []
    lost = [*flat.get(NOTES, ()), *_lost(node, flat)]
    if lost:
        sentences.append(f"({'; '.join(lost)})")
    if not sentences:
        return node
    if "$ref" in node:
        # Strict modes refuse anything beside a reference.
        return {"anyOf": [node], "description": " ".join(sentences)}
    if "description" in node:
        sentences.append(node["description"])
    node["description"] = " ".join(sentences)
    return node


def _lost(node: JsonSchema, flat: JsonSchema) -> Iterator[str]:
    for keyword, argument in flat.items():
        kept = keyword in _SHAPE or keyword in node or keyword == NOTES
        closed = keyword in ("additionalProperties", "patternProperties")
        is_annotation = keyword in ("default", "examples")
        if is_annotation or (keyword in constraints(flat) and not kept and not closed):
            yield note(keyword, argument)
