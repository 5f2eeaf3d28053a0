"""The anatomy of a JSON Schema: where its subschemas are, what references name, how it branches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

JsonSchema = dict[str, Any]
Tokens = tuple["str | int", ...]

#: Levels of nesting of an answer, and half of those of a schema, which takes two for each; far
#: above any real one, far below Python's stack.
MAX_DEPTH = 100

#: Values that a schema may hold: a schema of 2,000 properties has some ten thousand.
MAX_NODES = 500_000

#: The keywords whose schemas apply to the same value as the schema they stand in.
IN_PLACE = frozenset(
    ("$ref", "allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas")
)

_ONE = frozenset(
    (
        *("items", "additionalItems", "additionalProperties", "not", "if", "then", "else"),
        *("contains", "propertyNames", "unevaluatedItems", "unevaluatedProperties"),
        "contentSchema",
    )
)
_MANY = frozenset(("allOf", "anyOf", "oneOf", "prefixItems", "items"))
_NAMED = frozenset(("properties", "patternProperties", "$defs", "definitions", "dependentSchemas"))


_LEGACY = ("draft-04", "draft-06", "draft-07")


def subschemas(node: Mapping[str, Any]) -> Iterator[tuple[Tokens, Any]]:
    """Yield the subschemas directly inside a schema with their location; booleans are left out."""
    for keyword, value in node.items():
        if keyword in _NAMED and isinstance(value, dict):
            for name, child in value.items():
                if isinstance(child, dict):
                    yield (keyword, name), child
        elif keyword in _MANY and isinstance(value, list):
            for index, child in enumerate(value):
                if isinstance(child, dict):
                    yield (keyword, index), child
        elif keyword in _ONE and isinstance(value, dict):
            yield (keyword,), value


def all_schemas(document: JsonSchema) -> Iterator[tuple[Tokens, JsonSchema]]:
    """Yield every schema in a document with its location, the document itself first."""
    pending: list[tuple[Tokens, JsonSchema]] = [((), document)]
    while pending:
        location, node = pending.pop()
        yield location, node
        pending.extend((location + step, child) for step, child in subschemas(node))


def local_target(document: JsonSchema, reference: object) -> JsonSchema | bool | None:
    """Resolve a JSON Pointer (RFC 6901) inside its document; None for any other reference.

    Those, such as anchors, are left to the validator.
    """
    if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
        return None
    target: Any = document
    for token in reference.split("/")[1:]:
        key = unquote(token).replace("~1", "/").replace("~0", "~")
        if isinstance(target, dict) and key in target:
            target = target[key]
        elif (
            isinstance(target, list)
            and key.isdecimal()
            and len(key) < 10  # no list is longer, and int() is quadratic in the digits
            and int(key) < len(target)
        ):
            target = target[int(key)]
        else:
            return None
    return target if isinstance(target, (dict, bool)) else None


def references_stand_alone(document: JsonSchema) -> bool:
    """Tell whether a document's dialect ignores what stands beside a reference: up to draft 7."""
    return any(draft in str(document.get("$schema")) for draft in _LEGACY)


def resolve(document: JsonSchema, node: Any) -> Any:
    """Follow local references to what they name; a loop of bare references accepts anything."""
    seen = set()
    while isinstance(node, dict) and "$ref" in node:
        if id(node) in seen:
            return True
        seen.add(id(node))
        target = local_target(document, node["$ref"])
        if target is None:
            return True
        node = target
    return node


def array_parts(node: Mapping[str, Any]) -> tuple[list[Any], Any]:
    """Give the schemas of an array's first items and of all others, as either draft writes them."""
    if "prefixItems" in node:
        return node["prefixItems"], node.get("items", True)
    items = node.get("items", True)
    return (items, node.get("additionalItems", True)) if isinstance(items, list) else ([], items)


def member_schemas(applied: Iterable[JsonSchema], value: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return the schemas of each property of a value, without those of patterns.

    A property that is not declared has none: that is a violation of the object.
    """
    schemas: dict[str, list[Any]] = {name: [] for name in value}
    for node in applied:
        declared = node.get("properties", {})
        # An intersection takes the time of its smaller side: two thousand schemas of one property
        # each, or one of two thousand for many small objects, cost no more than what they share.
        for name in declared.keys() & value.keys():
            schemas[name].append(declared[name])
        others = None if "patternProperties" in node else node.get("additionalProperties")
        if isinstance(others, dict):
            for name in value.keys() - declared.keys():
                schemas[name].append(others)
    return schemas


def item_schemas(applied: Iterable[JsonSchema], index: int) -> list[Any]:
    """List what schemas of an array say of one item."""
    schemas: list[Any] = []
    for node in applied:
        head, rest = array_parts(node)
        schemas.append(head[index] if index < len(head) else rest)
    return schemas


def declared_names(node: JsonSchema, document: JsonSchema | None = None) -> frozenset[str]:
    """Collect the names that a schema declares for its value, through all combinations.

    References are to the *document*, which is the schema itself where none is given.
    """
    root = node if document is None else document
    names: set[str] = set()
    seen: set[int] = set()
    pending: list[Any] = [node]
    while pending:
        part = pending.pop()
        if not isinstance(part, dict) or id(part) in seen:
            continue
        seen.add(id(part))
        names.update(part.get("properties", ()))
        pending.extend(part.get(keyword) for keyword in ("then", "else"))
        for keyword in ("allOf", "anyOf", "oneOf"):
            pending.extend(part.get(keyword, ()))
        pending.append(local_target(root, part.get("$ref")))
    return frozenset(names)


def max_visits(document: JsonSchema) -> int:
    """Bound from above how often a validator may visit one place of an answer.

    Alternatives that hold each other without recursion multiply: forty definitions of two branches
    each make 2^40 visits. Recursive references count once, as validators remember what they saw
    there.
    """
    known: dict[int, int] = {}
    pending: list[tuple[JsonSchema, bool]] = [(document, False)]
    # Children first, on a list of our own: chains of references go deeper than Python's stack.
    while pending:
        node, children_known = pending.pop()
        if children_known:
            known[id(node)] = _visits(document, node, known)
        elif id(node) not in known:
            known[id(node)] = 0
            pending.append((node, True))
            pending.extend((child, False) for _, child in _entered_subschemas(document, node))
    return known[id(document)]


def _visits(document: JsonSchema, node: JsonSchema, known: Mapping[int, int]) -> int:
    in_place = 0
    inner = 1
    for keyword, child in _entered_subschemas(document, node):
        if keyword in IN_PLACE:
            in_place += known[id(child)]
        else:
            inner = max(inner, known[id(child)])
    # Places inside the value are apart from each other, so that the worst counts alone; what
    # applies in place adds up.
    return inner + in_place


def _entered_subschemas(
    document: JsonSchema, node: JsonSchema
) -> Iterator[tuple[str | int, JsonSchema]]:
    """Yield the subschemas that a validator enters from a schema, with their keywords."""
    for location, child in subschemas(node):
        if location[0] not in ("$defs", "definitions"):
            yield location[0], child
    target = local_target(document, node.get("$ref"))
    if isinstance(target, dict):
        yield "$ref", target
