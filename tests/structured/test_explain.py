from __future__ import annotations

from typing import Any

import pytest

from services.llm.structured import Schema
from services.llm.structured.explain import violations
from services.llm.structured.violations import excerpt, json_path, shorten


def listed(schema: dict[str, Any], value: Any, limit: int = 20) -> list[str]:
    assert not Schema.of(schema).accepts(value)
    return [str(fault) for fault in violations(schema, value, limit)]


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        ({"type": "integer"}, "a", '$: must be integer, not "a"'),
        ({"type": ["integer", "null"]}, "a", '$: must be integer or null, not "a"'),
        ({"enum": ["a", 1]}, "b", '$: must be one of "a", 1, not "b"'),
        ({"const": {"x": 1}}, 5, "$: must be an object with 1 property, not 5"),
        ({"minimum": 3}, 2, "$: must be at least 3, not 2"),
        ({"exclusiveMaximum": 3}, 3, "$: must be less than 3, not 3"),
        ({"multipleOf": 5}, 7, "$: must be a multiple of 5, not 7"),
        ({"maxLength": 2}, "abc", '$: must have at most 2 characters, not "abc"'),
        ({"pattern": "^a"}, "b", '$: must match the pattern ^a, not "b"'),
        ({"format": "date"}, "soon", '$: must be in the format date, not "soon"'),
        (
            {"uniqueItems": True},
            [1, 1],
            "$: must not have the same item twice, not an array of 2 items",
        ),
        ({"required": ["x y"]}, {}, "$['x y']: is required, but missing"),
        (
            {"properties": {"a": {}}, "additionalProperties": False},
            {"b": 1},
            "$.b: is no property of the schema; its properties: a",
        ),
        (
            {"properties": {"a": {"type": "null"}}, "additionalProperties": False},
            {"a": 1},
            "$.a: must be null, not 1",
        ),
        (
            {"additionalProperties": False},
            {"b": 1},
            "$.b: is no property of the schema; its properties: none",
        ),
        ({"additionalProperties": {"type": "null"}}, {"b": 1}, "$.b: must be null, not 1"),
        (
            {"patternProperties": {"^x": {"type": "null"}}, "additionalProperties": False},
            {"x1": 1},
            "$.x1: must be null, not 1",
        ),
        ({"properties": {"a": False}}, {"a": 1}, "$.a: is not allowed here"),
        ({"items": {"type": "null"}}, [None, 1], "$[1]: must be null, not 1"),
        (
            {"prefixItems": [{"type": "null"}], "items": False},
            [None, 1],
            "$[1]: is not allowed here",
        ),
        ({"allOf": [{"type": "null"}]}, 1, "$: must be null, not 1"),
        ({"type": "string", "allOf": [{"minimum": 9}]}, 5, "$: must be string, not 5"),
        (
            {
                "anyOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/b"}],
                "$defs": {
                    "a": {"properties": {"x": {}}, "required": ["x"]},
                    "b": {"properties": {"p": {}, "q": {}}, "required": ["p", "q"]},
                },
            },
            {"q": 1},
            "$.p: is required, but missing",
        ),
        ({"$ref": "#/$defs/n", "$defs": {"n": {"type": "null"}}}, 1, "$: must be null, not 1"),
        (
            {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            "a",
            '$: must be integer or null, not "a"',
        ),
        (
            {"oneOf": [{"type": "integer"}, {"minimum": 0}]},
            5,
            "$: must fit only one of the 2 alternatives",
        ),
        (
            {"anyOf": [{"items": {"type": "integer"}, "type": "array"}, {"type": "null"}]},
            ["a"],
            '$[0]: must be integer, not "a"',
        ),
        ({"not": {"type": "integer"}}, 1, "$: does not satisfy the schema as a whole; look at not"),
        (
            {"anyOf": [{"not": {}}, {"not": {}}]},
            1,
            "$: does not satisfy the schema as a whole; look at not",
        ),
        (
            {"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "null"}]},
            [1],
            "$[0]: must be null, not 1",
        ),
    ],
)
def test_a_fault_is_said_with_its_path_and_what_would_be_right(
    schema: dict[str, Any], value: Any, expected: str
) -> None:
    assert listed(schema, value) == [expected]


def test_a_schema_without_words_for_its_refusal_still_gives_one_fault() -> None:
    schema = {"$id": "http://a/b", "$ref": "#c", "$defs": {"c": {"$anchor": "c", "type": "null"}}}
    assert listed(schema, 1) == ["$: does not satisfy the schema as a whole"]


def test_of_several_objects_the_one_with_the_same_tag_is_explained() -> None:
    def tagged(tag: str) -> dict[str, Any]:
        return {"properties": {"kind": {"const": tag}, tag: {"type": "integer"}}, "required": [tag]}

    schema = {"oneOf": [tagged("a"), tagged("b"), {"type": "null"}]}
    assert listed(schema, {"kind": "b", "a": 1}) == ["$.b: is required, but missing"]
    assert listed(schema, {"kind": "b", "b": "x"}) == ['$.b: must be integer, not "x"']
    assert listed(schema, {"kind": "z", "b": 2})[0] == '$.kind: must be "b", not "z"'


def test_alternatives_that_share_a_part_look_at_it_once() -> None:
    shared = {"anyOf": [{"type": "null"}, {"type": "string"}]}
    branch = {"properties": {"c": {"$ref": "#/$defs/shared"}}}
    schema = {"anyOf": [branch, {**branch}], "$defs": {"shared": shared}}
    assert listed(schema, {"c": 5}) == ["$.c: must be null or string, not 5"]


def test_patterns_say_which_schema_a_property_has() -> None:
    schema = {
        "properties": {"xa": {"type": "integer"}, "known": {"type": "null"}},
        "patternProperties": {"^x": {"minimum": 3}, "^y": {"type": "string"}},
        "additionalProperties": {"type": "boolean"},
    }
    value = {"xa": 1, "xb": 5, "ya": 1, "known": None, "other": 7}
    assert listed(schema, value) == [
        "$.xa: must be at least 3, not 1",
        "$.ya: must be string, not 1",
        "$.other: must be boolean, not 7",
    ]


def test_of_boolean_alternatives_the_likelier_is_explained() -> None:
    assert listed({"anyOf": [False, {"properties": {"a": {"type": "null"}}}]}, {"a": 1}) == [
        "$.a: must be null, not 1"
    ]


def test_faults_come_in_the_schemas_order_and_end_at_the_limit() -> None:
    schema = {"required": ["b", "a"], "additionalProperties": {"type": "null"}}
    value = {"z": 1, "y": 2}
    assert listed(schema, value) == [
        "$.b: is required, but missing",
        "$.a: is required, but missing",
        "$.z: must be null, not 1",
        "$.y: must be null, not 2",
    ]
    assert listed(schema, value, 3) == listed(schema, value)[:3]
    assert listed({"items": {"type": "null"}}, [1, 2, 3], 2) == [
        "$[0]: must be null, not 1",
        "$[1]: must be null, not 2",
    ]
    assert listed({"required": ["a", "b"]}, {}, 1) == ["$.a: is required, but missing"]


@pytest.mark.parametrize(
    "value", ["x" * 10**6, ["x"] * 10**5, {"k" * 10**5: 1}, 10**4000, {"k": ["y" * 9999]}]
)
def test_a_fault_of_a_large_value_is_a_short_sentence(value: Any) -> None:
    (sentence,) = listed({"enum": ["a" * 1000] * 100}, value)
    assert len(sentence) < 400


def test_a_recursive_schema_of_many_alternatives_is_explained_in_few_steps() -> None:
    branches = [
        {"properties": {"c": {"$ref": "#/$defs/n"}}, "required": [name], "type": "object"}
        for name in ("x", "y")
    ]
    schema = {"$ref": "#/$defs/n", "$defs": {"n": {"anyOf": branches}}}
    value: dict[str, Any] = {}
    for _ in range(60):
        value = {"c": value}
    assert listed(schema, value, 2) == [
        "$.x: is required, but missing",
        "$.c.x: is required, but missing",
    ]


@pytest.mark.parametrize(
    "schema",
    [{"allOf": [{"$ref": "#"}, {"type": "null"}]}, {"anyOf": [{"$ref": "#"}], "type": "null"}],
)
def test_a_schema_that_refers_to_itself_in_place_is_explained(schema: dict[str, Any]) -> None:
    assert listed(schema, 1) == ["$: must be null, not 1"]


def test_a_path_is_a_jsonpath_of_bounded_length() -> None:
    assert (
        json_path(["a", 0, "b c", "it's\\", "\ud800"]) == "$.a[0]['b c']['it\\'s\\\\']['\\ud800']"
    )
    assert len(json_path(["k" * 1000, "k" * 999 + " "])) < 140


def test_an_excerpt_shows_both_ends_of_a_text() -> None:
    assert shorten("abcdefghij", 10) == "abcdefghij"
    assert shorten("abcdefghijk", 7) == "abcd…jk"
    assert excerpt({"a": 1, "b": 2}) == "an object with 2 properties"
    assert excerpt([1]) == "an array of 1 item"
    assert excerpt("\ud800") == '"\\ud800"'
    assert "digits" in excerpt(10**4299)


def test_alternatives_that_are_met_twice_are_judged_once() -> None:
    either = {"anyOf": [{"type": "integer", "minimum": 3}, {"type": "integer", "maximum": -3}]}
    text = {"type": "string"}
    schema = {"anyOf": [{"properties": {"a": either}}, {"properties": {"a": text}}]}
    assert ["$.a: must be at least 3, not 1"] == listed(schema, {"a": 1})
