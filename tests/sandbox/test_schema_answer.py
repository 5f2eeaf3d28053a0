from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest

from sandbox.schema.example import UnsatisfiableError, example
from sandbox.schema.patterns import matching

NODE = {
    "type": "object",
    "properties": {
        "value": {"type": "integer"},
        "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
        "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
    },
    "required": ["value", "next", "children"],
    "additionalProperties": False,
}


SCHEMAS: dict[str, Any] = {
    "hs code": {"type": "string", "pattern": r"^\d{4}\.\d{2}(\.\d{4})?$"},
    "lookahead": {"type": "string", "pattern": r"^(?=.{5,})[a-z]+$"},
    "named group": {"type": "string", "pattern": r"^(?<year>\d{4})-(?<month>\d{2})$"},
    "named group, lookbehind": {"type": "string", "pattern": r"^(?<year>\d{4})(?<!19)x$"},
    "back reference": {"type": "string", "pattern": r"^([ab])x\1$"},
    "negated class": {"type": "string", "pattern": r"^[^a-z\d]{3}$"},
    "alternatives": {"type": "string", "pattern": "^(?:cat|dog)s+.\\w\\s\\S\\D\\W$"},
    "long pattern": {"type": "string", "pattern": "^[A-Z]+$", "minLength": 7, "maxLength": 9},
    "length": {"type": "string", "minLength": 40, "maxLength": 41},
    "one character": {"type": "string", "maxLength": 1},
    "no character": {"type": "string", "maxLength": 0},
    "bounds": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
    "integer bounds": {"type": "integer", "exclusiveMinimum": 4, "maximum": 5},
    "steps": {"type": "number", "multipleOf": 0.01, "minimum": 3.005},
    "negative steps": {"type": "integer", "multipleOf": 7, "maximum": -3},
    "enum": {"enum": [{"a": 1}, None]},
    "const": {"type": "string", "const": "yes"},
    "nullable": {"type": ["string", "null"], "minLength": 3},
    "unique numbers": {
        "type": "array",
        "items": {"type": "integer"},
        "minItems": 5,
        "uniqueItems": True,
    },
    "unique objects": {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {"code": {"type": "string"}},
            "required": ["code"],
        },
        "minItems": 3,
        "uniqueItems": True,
    },
    "few items": {"type": "array", "items": {"type": "string"}, "maxItems": 0},
    "tuple": {"prefixItems": [{"type": "string"}, {"const": 4}], "items": False, "minItems": 2},
    "draft 7 tuple": {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "array",
        "items": [{"type": "string"}, {"type": "integer"}],
        "additionalItems": {"type": "boolean"},
        "minItems": 3,
    },
    "contains": {
        "type": "array",
        "contains": {"const": 9},
        "minContains": 2,
        "items": {"type": "integer"},
    },
    "map": {"type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 3},
    "named map": {"type": "object", "propertyNames": {"pattern": "^x-"}, "minProperties": 2},
    "pattern map": {
        "type": "object",
        "patternProperties": {r"^n_\d$": {"type": "number"}},
        "additionalProperties": False,
        "minProperties": 2,
    },
    "few properties": {
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"type": "string"}, "c": {"type": "string"}},
        "required": ["c"],
        "maxProperties": 2,
    },
    "impossible optional": {"type": "object", "properties": {"a": False, "b": {"type": "null"}}},
    "dependent": {
        "type": "object",
        "properties": {"card": {"type": "string"}, "address": {"type": "string"}},
        "required": ["card"],
        "dependentRequired": {"card": ["address"]},
    },
    "dependent schema": {
        "type": "object",
        "properties": {"a": {"type": "integer"}},
        "dependentSchemas": {"a": {"required": ["b"]}},
    },
    "all of": {
        "allOf": [
            {"properties": {"a": {"type": "integer", "minimum": 3}}, "required": ["a"]},
            {"properties": {"a": {"maximum": 4}, "b": {"type": "string"}}, "required": ["b"]},
        ],
        "type": "object",
    },
    "one of overlapping": {"oneOf": [{"type": "integer"}, {"type": "number"}]},
    "one of objects": {
        "oneOf": [
            {"type": "object", "properties": {"kind": {"const": "a"}}, "required": ["kind"]},
            {"type": "object", "properties": {"kind": {"const": "b"}}, "required": ["kind"]},
        ]
    },
    "not": {"type": "string", "not": {"enum": ["", "text"]}},
    "if then": {
        "type": "object",
        "properties": {"kind": {"enum": ["x", "y"]}, "size": {"type": "integer"}},
        "required": ["kind"],
        "if": {"properties": {"kind": {"const": "x"}}},
        "then": {"required": ["size"]},
        "else": {"required": ["name"]},
    },
    "recursive": {"$ref": "#/$defs/node", "$defs": {"node": NODE}},
    "recursive root": {
        "type": "object",
        "properties": {"child": {"$ref": "#"}, "name": {"type": "string"}},
        "required": ["name"],
    },
    "reference beside": {
        "$defs": {"a/b": {"type": "integer"}},
        "type": "object",
        "properties": {"x": {"$ref": "#/$defs/a~1b", "minimum": 17}},
        "required": ["x"],
    },
    "same reference twice": {
        "$defs": {
            "p": {"type": "object", "properties": {"v": {"type": "string"}}, "required": ["v"]}
        },
        "allOf": [{"$ref": "#/$defs/p"}, {"$ref": "#/$defs/p"}],
    },
    "default": {"type": "string", "default": "chosen"},
    "examples": {"type": "integer", "examples": ["no", 42]},
    "unknown format": {"type": "string", "format": "x-code"},
    "short pattern": {"type": "string", "pattern": "^[A-Z]a", "minLength": 30},
    "upper bound": {"type": "number", "exclusiveMaximum": -5},
    "both bounds": {"type": "number", "exclusiveMinimum": 0.1, "exclusiveMaximum": 0.2},
    "type by hint": {"minLength": 3, "pattern": "^a"},
    "dependent twice": {
        "type": "object",
        "required": ["a"],
        "dependentRequired": {"a": ["b"], "b": ["a", "c"]},
    },
    "not literal": {"type": "string", "pattern": "^[^a]\\W\\S?(b|c)*?$"},
    "anything": True,
    "no keyword": {},
    "boolean": {"type": "boolean"},
    "null": {"type": "null"},
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_answer_satisfies_the_schema(name: str) -> None:
    schema = SCHEMAS[name]
    value = example(schema)
    validator = jsonschema_rs.validator_for(schema, validate_formats=True)
    assert [] == [error.message for error in validator.iter_errors(value)]


@pytest.mark.parametrize(
    "text_format",
    ["date", "date-time", "time", "duration", "email", "hostname", "uri", "uuid", "ipv4", "ipv6"],
)
def test_formats_are_kept(text_format: str) -> None:
    schema = {"type": "string", "format": text_format}
    assert jsonschema_rs.Draft202012Validator(schema, validate_formats=True).is_valid(
        example(schema)
    )


def test_optional_properties_are_given_too() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}}
    assert {"a": "text", "b": 1} == example(schema)


def test_recursion_ends_at_once() -> None:
    assert {"value": 1, "next": None, "children": []} == example(SCHEMAS["recursive"])


def test_examples_come_before_what_is_made_up() -> None:
    assert 42 == example(SCHEMAS["examples"])
    assert "chosen" == example(SCHEMAS["default"])


def test_the_same_schema_has_the_same_answer() -> None:
    assert example(SCHEMAS["unique objects"]) == example(SCHEMAS["unique objects"])


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        (False, "no instance"),
        ({"$ref": "#"}, "no instance"),
        ({"type": "string", "enum": [1, 2]}, "no instance"),
        ({"type": "object", "required": ["a"], "properties": {"a": {"$ref": "#"}}}, "no instance"),
        ({"type": "string", "pattern": "(a"}, "not a usable JSON Schema"),
        ({"type": "strong"}, "not a usable JSON Schema"),
        ({"$ref": "#/$defs/none"}, "not a usable JSON Schema"),
        ({"$ref": "https://example.com/schema"}, "leads out of the schema"),
    ],
)
def test_a_schema_without_an_instance_is_an_error_that_says_so(schema: Any, reason: str) -> None:
    with pytest.raises(UnsatisfiableError, match=reason):
        example(schema)


def test_a_schema_nested_beyond_reason_is_an_error() -> None:
    schema: Any = {"type": "string"}
    for _ in range(300):
        schema = {"type": "object", "properties": {"a": schema}, "required": ["a"]}
    with pytest.raises(UnsatisfiableError):
        example(schema)


def test_a_schema_that_doubles_at_every_level_ends_in_bounded_time() -> None:
    levels = 40
    defs: dict[str, Any] = {
        f"d{level}": {
            "type": "object",
            "properties": {side: {"$ref": f"#/$defs/d{level + 1}"} for side in "lr"},
        }
        for level in range(levels)
    }
    defs[f"d{levels}"] = {"type": "integer"}
    schema = {"$ref": "#/$defs/d0", "$defs": defs}
    assert jsonschema_rs.validator_for(schema).is_valid(example(schema))


def test_a_schema_that_must_double_at_every_level_is_given_up() -> None:
    defs: dict[str, Any] = {
        f"d{level}": {
            "type": "object",
            "properties": {side: {"$ref": f"#/$defs/d{level + 1}"} for side in "lr"},
            "required": ["l", "r"],
        }
        for level in range(40)
    }
    schema = {"$ref": "#/$defs/d0", "$defs": {**defs, "d40": {"type": "integer"}}}
    with pytest.raises(UnsatisfiableError, match="within 20000 steps"):
        example(schema)


def test_a_schema_of_2000_properties_is_answered() -> None:
    schema = {
        "type": "object",
        "properties": {
            f"p{index}": {"type": "integer", "minimum": index} for index in range(2_000)
        },
    }
    assert 1_999 == example(schema)["p1999"]


@pytest.mark.parametrize("pattern", [r"\p{L}+", "(unclosed", "a{99999999999}"])
def test_a_pattern_of_another_dialect_gives_no_text(pattern: str) -> None:
    assert [] == list(matching(pattern))
