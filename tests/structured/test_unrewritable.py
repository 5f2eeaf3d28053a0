"""What a subset has no words for."""

from __future__ import annotations

from typing import Any

import pytest

from tests.structured.rewriting import refused


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({}, "it accepts any value"),
        (True, "it accepts any value"),
        ({"description": "Anything."}, "it accepts any value"),
        ({"minLength": 3}, "it accepts any type of value"),
        ({"anyOf": [False]}, "none of its alternatives accepts anything"),
        ({"allOf": [{"type": "null"}, False]}, "it accepts nothing"),
        ({"allOf": [{"type": "null"}, {"type": "string"}]}, "no type satisfies all its parts"),
        ({"allOf": [{"enum": [1]}, {"enum": [2]}]}, "no value satisfies all its parts"),
        ({"allOf": [{"const": 1}, {"const": 2}]}, "its parts differ in const"),
        ({"type": "string", "enum": [1]}, "its values are of none of its types"),
        ({"enum": [{"a": 1}]}, "its values are objects or arrays"),
        ({"type": "object"}, "it is an object of any properties"),
        ({"type": "object", "additionalProperties": {"type": "null"}}, "it is a map"),
        (
            {"type": "object", "properties": {"a": {"type": "null"}}, "additionalProperties": True},
            "it is a map",
        ),
        ({"patternProperties": {"^a": {"type": "null"}}}, "it is a map"),
        (
            {"properties": {"a": {"type": "null"}}, "required": ["b"]},
            "its required property 'b' has no schema",
        ),
        (
            {"properties": {"a": {"type": "null"}}, "then": {"properties": {"b": {}}}},
            "its then adds properties",
        ),
        (
            {
                "properties": {"a": {"type": "null"}},
                "dependentSchemas": {"a": {"properties": {"b": {}}}},
            },
            "its dependentSchemas adds properties",
        ),
        ({"type": "array"}, "its items may be anything"),
        ({"prefixItems": [{"type": "null"}]}, "its items may be anything"),
        ({"type": "array", "items": False}, "its items can be nothing"),
        ({"$id": "http://x.test/p", "type": "null"}, "it is a document of its own"),
        (
            {
                "allOf": [
                    {"properties": {"a": {}}, "additionalProperties": False},
                    {"properties": {"b": {}}},
                ]
            },
            "a closed object is combined with other properties",
        ),
        (
            {
                "allOf": [
                    {"anyOf": [{"maxLength": i} for i in range(5)]},
                    {"anyOf": [{"minLength": i} for i in range(5)]},
                ]
            },
            "its alternatives multiply to 25",
        ),
        (
            {
                "anyOf": [
                    {"type": "object", "properties": {"a": {"type": "null"}}},
                    {"type": "object", "properties": {"a": {"type": "string"}}},
                ]
            },
            "its alternatives cannot be told apart",
        ),
        (
            {
                "anyOf": [
                    {"type": "object", "properties": {f"p{i}": {"type": "null"}}}
                    for i in range(101)
                ]
            },
            "it has 101 object alternatives",
        ),
    ],
)
def test_what_a_subset_cannot_express_is_named_and_falls_to_the_next_mode(
    schema: Any, reason: str
) -> None:
    spec = {"type": "object", "properties": {"p": schema}, "required": ["p"]}
    path, said = refused(spec)
    assert said.startswith(reason)
    assert path.startswith("$.properties.p")
