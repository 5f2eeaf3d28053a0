"""Random schemas with random values that satisfy them, and the way into a provider's form."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
from hypothesis import strategies as st

Pair = tuple[dict[str, Any], "st.SearchStrategy[Any]"]

NAMES = st.sampled_from(["a", "b", "c", "code", "d e", "ü", "items", "type", "properties"])
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
INTEGERS = st.integers(-(2**60), 2**60)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=32)

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | INTEGERS | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


def _scalars() -> st.SearchStrategy[Pair]:
    plain: list[Pair] = [
        ({"type": "string", "minLength": 0, "description": "A text."}, TEXTS),
        ({"type": "string", "pattern": "^[a-c]+$"}, st.text("abc", min_size=1, max_size=4)),
        ({"type": "string", "format": "date", "default": "2020-01-01"}, st.just("2024-02-29")),
        ({"type": "integer", "minimum": -(2**60)}, INTEGERS),
        ({"type": "number"}, NUMBERS),
        ({"type": "boolean", "title": "Flag"}, st.booleans()),
        ({"enum": ["x", "y", 3, None]}, st.sampled_from(["x", "y", 3, None])),
        ({"type": "string", "enum": ["p", "q", 7]}, st.sampled_from(["p", "q"])),
        ({"const": "fixed"}, st.just("fixed")),
        ({"type": ["integer", "null"]}, INTEGERS | st.none()),
        ({"$ref": "#/$defs/Code", "description": "A code."}, st.sampled_from(["k1", "k2"])),
        ({"$ref": "#/$defs/Code"}, st.sampled_from(["k1", "k2"])),
        ({"allOf": [{"$ref": "#/$defs/Code"}], "maxLength": 2}, st.sampled_from(["k1", "k2"])),
    ]
    return st.sampled_from(plain)


DEFINITIONS = {"Code": {"enum": ["k1", "k2"], "type": "string"}}


@st.composite
def _objects(draw: st.DrawFn, depth: int) -> Pair:
    members = draw(st.dictionaries(NAMES, nodes(depth - 1), min_size=1, max_size=4))
    required = [name for name in members if draw(st.booleans())]
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {name: member for name, (member, _) in members.items()},
        "required": required,
    }
    if draw(st.booleans()):
        schema["additionalProperties"] = False
    if draw(st.booleans()):
        schema = _split(schema)
    always = {name: s for name, (m, s) in members.items() if name in required or nullable(m)}
    others = {name: s for name, (_, s) in members.items() if name not in always}
    return schema, st.fixed_dictionaries(always, optional=others)


def _split(schema: dict[str, Any]) -> dict[str, Any]:
    """Spread an open object over `allOf`."""
    if "additionalProperties" in schema:
        return schema
    return {
        "type": "object",
        "allOf": [
            {"properties": schema["properties"]},
            {"type": ["object", "null"], "required": schema["required"]},
        ],
    }


def nullable(schema: dict[str, Any]) -> bool:
    """Tell whether null satisfies a schema of this module."""
    root = {**schema, "$defs": DEFINITIONS}
    return bool(jsonschema_rs.validator_for(root).is_valid(None))


@st.composite
def _arrays(draw: st.DrawFn, depth: int) -> Pair:
    item, strategy = draw(nodes(depth - 1))
    return {"type": "array", "items": item, "minItems": 1}, st.lists(
        strategy, min_size=1, max_size=3
    )


@st.composite
def _tuples(draw: st.DrawFn, depth: int) -> Pair:
    first, second = draw(_scalars()), draw(_scalars())
    schema = {
        "type": "array",
        "prefixItems": [first[0], second[0]],
        "minItems": 2,
        "maxItems": 2,
    }
    return schema, st.tuples(first[1], second[1]).map(list)


@st.composite
def _unions(draw: st.DrawFn, depth: int) -> Pair:
    """Objects told apart by a tag, beside null."""
    branches: list[dict[str, Any]] = []
    strategies: list[st.SearchStrategy[Any]] = [st.none()]
    for tag in ("one", "two"):
        member, strategy = draw(nodes(depth - 1))
        properties = {"kind": {"const": tag}, "value": member}
        branches.append({"type": "object", "properties": properties, "required": [*properties]})
        strategies.append(st.fixed_dictionaries({"kind": st.just(tag), "value": strategy}))
    keyword = draw(st.sampled_from(["anyOf", "oneOf"]))
    return {keyword: [*branches, {"type": "null"}]}, st.one_of(strategies)


def nodes(depth: int) -> st.SearchStrategy[Pair]:
    """Draw a schema and the strategy of its values, nested at most `depth` deep."""
    if depth <= 0:
        return _scalars()
    return st.one_of(_scalars(), _objects(depth), _arrays(depth), _tuples(depth), _unions(depth))


@st.composite
def asked(draw: st.DrawFn) -> tuple[dict[str, Any], Any]:
    """Draw a whole schema, its root of any type, and one value of it."""
    schema, strategy = draw(nodes(3))
    return {**schema, "$defs": DEFINITIONS}, draw(strategy)


def to_provider(schema: dict[str, Any], value: Any, node: Any = None) -> Any:
    """Write a value in the form of a rewritten schema: absent properties as null."""
    node = schema if node is None else node
    if "$ref" in node:
        return to_provider(schema, value, schema["$defs"][node["$ref"].rpartition("/")[2]])
    if "anyOf" in node:
        forms = [to_provider(schema, value, branch) for branch in node["anyOf"]]
        fitting = [
            form
            for form, branch in zip(forms, node["anyOf"], strict=True)
            if jsonschema_rs.validator_for(
                {"allOf": [branch], "$defs": schema.get("$defs", {})}
            ).is_valid(form)
        ]
        return fitting[0] if fitting else value
    if isinstance(value, dict) and "properties" in node:
        missing = {name: None for name in node["required"] if name not in value}
        present = {
            name: to_provider(schema, member, node["properties"].get(name, {}))
            for name, member in value.items()
        }
        return {**present, **missing}
    if isinstance(value, list) and "items" in node:
        return [to_provider(schema, item, node["items"]) for item in value]
    return value
