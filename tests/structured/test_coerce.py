from __future__ import annotations

from typing import Any

import pytest

from services.llm.structured.coerce import coerced

OBJECT = {"type": "object", "properties": {"n": {"type": "integer"}}}
LIST = {"type": "array", "items": {"type": "string"}}
LISTED = {"type": "object", "properties": {"tags": {"type": "array"}}}


@pytest.mark.parametrize(
    ("schema", "value", "converted"),
    [
        ({"type": "integer"}, "36", 36),
        ({"type": "integer"}, " -36\n", -36),
        ({"type": "integer"}, 36.0, 36),
        ({"type": "integer"}, 9007199254740991.0, 9007199254740991),
        ({"type": "integer"}, -9007199254740991.0, -9007199254740991),
        ({"type": "integer"}, "9007199254740993", 9007199254740993),
        ({"type": "string"}, 9007199254740993, "9007199254740993"),
        ({"type": "number"}, "9007199254740993", 9007199254740993),
        ({"type": "number"}, "9007199254740992.0", 9007199254740992.0),
        ({"type": "number"}, "1.50", 1.5),
        ({"type": "number"}, "7", 7),
        ({"type": "number"}, "-1.25e-3", -0.00125),
        ({"type": "boolean"}, "true", True),
        ({"type": "boolean"}, "False", False),
        ({"type": ["integer", "null"]}, "null", None),
        ({"type": "string"}, 36, "36"),
        ({"enum": [1, 2]}, "2", 2),
        ({"const": "7"}, 7, "7"),
        (LIST, "a", ["a"]),
        (LIST, [1], ["1"]),
        (LIST, '["a", "b"]', ["a", "b"]),
        ({"type": "array", "items": {"type": "integer"}}, 3, [3]),
        ({"type": "array", "items": LISTED}, {"tags": [1]}, [{"tags": [1]}]),
        (OBJECT, '{"n": "4"}', {"n": 4}),
        (OBJECT, {"n": "4", "other": "5"}, {"n": 4, "other": "5"}),
        ({"additionalProperties": {"type": "integer"}}, {"x": "1"}, {"x": 1}),
        (
            {"prefixItems": [{"type": "integer"}], "items": {"type": "boolean"}},
            ["1", "true"],
            [1, True],
        ),
        (
            {"items": [{"type": "integer"}], "additionalItems": {"type": "boolean"}},
            ["1", "true"],
            [1, True],
        ),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "5", 5),
        ({"allOf": [{"type": ["integer", "string"]}, {"type": "integer"}]}, "5", 5),
        ({"allOf": [OBJECT, {"required": ["n"]}]}, {"n": "5"}, {"n": 5}),
        ({"$ref": "#/$defs/n", "$defs": {"n": {"type": "integer"}}}, "5", 5),
        ({"anyOf": [OBJECT, {"type": "null"}]}, {"n": "5"}, {"n": 5}),
        (OBJECT, {"n": None}, {}),
        ({"allOf": [OBJECT, {"properties": {"n": {}}}]}, {"n": None, "m": None}, {"m": None}),
    ],
)
def test_a_value_with_one_possible_meaning_is_converted(
    schema: dict[str, Any], value: Any, converted: Any
) -> None:
    result = coerced(schema, value)
    assert (converted, type(converted)) == (result, type(result))


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({}, "36"),
        ({"type": "string"}, "36"),
        ({"type": "string"}, 8471.30),
        ({"type": "string"}, True),
        ({"type": "string"}, None),
        ({"type": "integer"}, "36.5"),
        ({"type": "integer"}, "036"),
        ({"type": "integer"}, "1,000"),
        ({"type": "integer"}, "thirty"),
        ({"type": "integer"}, "9" * 4301),
        ({"type": "number"}, "1e999"),
        ({"type": "number"}, "NaN"),
        ({"type": "number"}, "12345678901234567890.5"),
        ({"type": "number"}, "1e-400"),
        ({"type": "number"}, "0." + "1" * 60),
        ({"type": "integer"}, 1e300),
        ({"type": "integer"}, 9007199254740992.0),
        ({"type": "integer"}, -9007199254740992.0),
        ({"type": "integer"}, 36.5),
        ({"type": "integer"}, True),
        ({"type": "boolean"}, 1),
        ({"type": "boolean"}, "yes"),
        ({"type": ["integer", "string"]}, "36"),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, "36"),
        ({"type": ["array", "object"]}, "{broken"),
        (OBJECT, "[1]"),
        (LIST, "a, b"),
        (LIST, "a\nb"),
        (LIST, None),
        (LIST, 2.5),
        ({"type": "array", "items": LISTED}, {"tags": [1], "more": [2]}),
        ({"type": "array"}, "a"),
        ({"type": "array", "items": {}}, "a"),
        ({"type": "array", "items": True}, "a"),
        ({"properties": {"x": False}}, {"x": "1"}),
        ({**OBJECT, "required": ["n"]}, {"n": None}),
        ({"allOf": [OBJECT, {"required": ["n"]}]}, {"n": None}),
        ({"properties": {"n": {"type": ["integer", "null"]}}}, {"n": None}),
        ({"additionalProperties": {"type": "integer"}}, {"n": None}),
        ({"patternProperties": {"x": {}}, "additionalProperties": {"type": "integer"}}, {"x": "1"}),
        ({"anyOf": [{"type": "integer"}, True]}, "36"),
        ({"anyOf": [{"$ref": "#/$defs/t"}, OBJECT], "$defs": {"t": True}}, {"n": "36"}),
    ],
)
def test_a_value_that_leaves_doubt_stays_as_it_is(schema: dict[str, Any], value: Any) -> None:
    result = coerced(schema, value)
    assert (value, type(value)) == (result, type(result))


def test_a_tag_chooses_the_alternative_to_convert_to() -> None:
    def tagged(tag: str, kind: str) -> dict[str, Any]:
        return {"properties": {"kind": {"const": tag}, "v": {"type": kind}}, "required": ["v"]}

    schema = {"anyOf": [tagged("a", "integer"), tagged("b", "string"), {"type": "null"}]}
    assert coerced(schema, {"kind": "a", "v": "1"}) == {"kind": "a", "v": 1}
    assert coerced(schema, {"kind": "b", "v": "1"}) == {"kind": "b", "v": "1"}
    assert coerced(schema, {"kind": "c", "v": "1"}) == {"kind": "c", "v": "1"}
    assert coerced(schema, {"v": "1"}) == {"v": "1"}
    assert coerced(schema, {"kind": "a"}) == {"kind": "a"}


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$ref": "#x", "$anchor": "x"},
        {"allOf": [{"$ref": "#"}, {"$ref": "#"}]},
        {"anyOf": [{"$ref": "#"}, {"type": "integer"}]},
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
    ],
)
def test_a_schema_that_refers_to_itself_in_place_ends(schema: dict[str, Any]) -> None:
    assert coerced(schema, {"a": ["1"]}) == {"a": ["1"]}
