"""What each way of asking gets for a schema, and the way back."""

from __future__ import annotations

from typing import Any

import pytest

from services.llm.structured import Schema, Target, rewrite
from tests.structured.rewriting import BEDROCK, DEFINED, STRICT, closed, member, refused, rewritten


def test_groq_gets_every_property_required_and_optional_ones_nullable() -> None:
    spec = {
        "type": "object",
        "properties": {
            "a": {"type": "string"},
            "b": {"type": "integer"},
            "c": {"type": "object", "properties": {"d": {"enum": ["x"]}}},
        },
        "required": ["a"],
    }
    inner = closed({"d": {"type": ["string", "null"], "enum": ["x", None]}})
    assert rewritten(spec).schema == closed(
        {
            "a": {"type": "string"},
            "b": {"type": ["integer", "null"]},
            "c": {"anyOf": [inner, {"type": "null"}]},
        }
    )


def test_bedrock_gets_closed_objects_whose_optional_properties_stay_optional() -> None:
    spec = {"properties": {"a": {"type": "string"}, "b": {"type": "integer"}}, "required": ["a"]}
    result = rewritten(spec, BEDROCK)
    assert result.schema == closed({"a": {"type": "string"}, "b": {"type": "integer"}}, ["a"])
    assert result.restore({"a": "x"}) == {"a": "x"}


def test_a_null_that_stood_for_absence_is_absent_again_and_any_other_null_stays() -> None:
    spec = {
        "type": "object",
        "properties": {
            "gone": {"type": "integer"},
            "kept": {"type": ["integer", "null"]},
            "must": {"type": ["string", "null"]},
            "list": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"x": {"type": "null"}, "y": {"type": "string"}},
                },
            },
        },
        "required": ["must"],
    }
    answer = {"gone": None, "kept": None, "must": None, "list": [{"x": None, "y": None}]}
    assert rewritten(spec).restore(answer) == {"kept": None, "must": None, "list": [{"x": None}]}


def test_an_answer_out_of_form_is_left_as_it_is() -> None:
    union = {
        "anyOf": [
            {"type": "object", "properties": {"k": {"const": "a"}, "x": {"type": "integer"}}},
            {"type": "array", "items": {"type": "number"}},
            {"type": "boolean"},
        ]
    }
    result = rewritten({"type": "object", "properties": {"u": union}, "required": ["u"]})
    for u in ({"k": "z", "x": 1}, {"x": 1}, {"k": "a", "x": 1, "y": 2}, [1, "a"], "text", 5.5):
        assert result.restore({"u": u}) == {"u": u}
    assert result.restore({"u": {"k": "a", "x": None}}) == {"u": {"k": "a"}}
    assert result.restore({"u": [1, 2.5]}) == {"u": [1, 2.5]}
    assert result.restore([1]) == [1]
    assert result.restore({"u": {"k": "a", "x": 4.0}}) == {"u": {"k": "a", "x": 4.0}}


@pytest.mark.parametrize("target", list(Target))
@pytest.mark.parametrize("spec", [list[int], int, {"enum": ["a"]}, int | None])
def test_a_root_that_is_no_object_is_wrapped_in_one(spec: Any, target: Target) -> None:
    result = rewritten(spec, target)
    assert (result.schema["type"], result.schema["required"]) == ("object", ["value"])
    assert result.restore({"value": [1]}) == [1]
    assert result.restore([1]) == [1]
    assert result.restore({"value": 1, "more": 2}) == {"value": 1, "more": 2}


def test_what_a_subset_lacks_is_said_in_the_description() -> None:
    assert member(
        {
            "type": "string",
            "description": "HS code.",
            "pattern": "^a$",
            "format": "date",
            "minLength": 2,
            "default": "ab",
            "title": "Code",
        }
    ) == {
        "type": "string",
        "description": "HS code. (pattern: ^a$; format: date; minLength: 2; default: ab)",
    }
    assert member({"type": "array", "items": {"type": "null"}, "minItems": 1}) == {
        "type": "array",
        "items": {"type": "null"},
        "description": "(minItems: 1)",
    }


def test_bedrock_keeps_the_formats_patterns_and_least_items_it_knows() -> None:
    kept = {"type": "string", "pattern": r"^\d{4}(?:\.\d+)?$", "format": "date"}
    assert member(kept, BEDROCK) == kept
    lost = {"type": "string", "pattern": r"^(?=a)\w\b", "format": "json-pointer"}
    assert set(member(lost, BEDROCK)) == {"type", "description"}
    array = {"type": "array", "items": {"type": "integer"}, "minItems": 1}
    assert member(array, BEDROCK) == array
    assert "minItems" not in member({**array, "minItems": 2}, BEDROCK)
    assert member({"type": "integer", "maximum": 3}, BEDROCK)["description"] == "(maximum: 3)"


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"const": "a"}, {"type": "string", "enum": ["a"]}),
        ({"enum": [1, "a", None]}, {"type": ["integer", "string", "null"], "enum": [1, "a", None]}),
        ({"enum": [1, 2], "const": 2}, {"type": "integer", "enum": [2]}),
        (
            {"type": "number", "enum": [1, 2.5, "a"]},
            {"type": ["integer", "number"], "enum": [1, 2.5]},
        ),
        ({"type": ["integer", "null"]}, {"type": ["integer", "null"]}),
        (
            {"oneOf": [{"type": "string"}, {"type": "integer"}], "description": "Either."},
            {"anyOf": [{"type": "string"}, {"type": "integer"}], "description": "Either."},
        ),
        ({"anyOf": [{"type": "string"}, False]}, {"type": "string"}),
        ({"anyOf": [{"type": "string"}, {"type": "string"}]}, {"type": "string"}),
        (
            {"type": ["array", "null"], "items": {"type": "string"}},
            {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}]},
        ),
        (
            {
                "type": "string",
                "anyOf": [{"maxLength": 3}, {"type": "integer"}],
                "description": "D.",
            },
            {"type": "string", "description": "D. (maxLength: 3)"},
        ),
        (
            {"description": "Outer.", "anyOf": [{"type": "string", "description": "Inner."}]},
            {"type": "string", "description": "Outer. Inner."},
        ),
        (
            {"prefixItems": [{"type": "string"}], "maxItems": 1},
            {
                "type": "array",
                "items": {"type": "string"},
                "description": '(items in this order: [{"type": "string"}]; maxItems: 1)',
            },
        ),
        ({"additionalProperties": False}, closed({})),
        ({"additionalProperties": False, "properties": {"x": False}}, closed({})),
        (
            {"type": "object", "properties": {"a": {"type": "null"}}, "if": {"required": ["a"]}},
            {**closed({"a": {"type": "null"}}), "description": '(if: {"required": ["a"]})'},
        ),
    ],
)
def test_a_construct_is_rewritten_to_an_equal_one(schema: Any, expected: Any) -> None:
    assert member(schema) == expected


def test_a_nullable_alternative_takes_one_more() -> None:
    spec = {
        "properties": {
            "p": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "null"}}]}
        }
    }
    p = rewritten(spec).schema["properties"]["p"]
    assert p["anyOf"][2] == {"type": "null"}
    assert rewritten(spec).restore({"p": None}) == {}


@pytest.mark.parametrize("target", [Target.TOOL, Target.GROQ_JSON_SCHEMA])
def test_the_loose_forms_keep_the_schema_under_an_object_root(target: Target) -> None:
    spec = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "properties": {"a": {"pattern": "x"}},
        "required": [],
        "type": "object",
    }
    assert rewritten(spec, target).schema == spec
    wrapped = rewritten(
        {**DEFINED, "items": {"$ref": "#/$defs/Code"}, "type": "array"}, target
    ).schema
    assert wrapped["$defs"] == DEFINED["$defs"]
    assert wrapped["properties"]["value"] == {"items": {"$ref": "#/$defs/Code"}, "type": "array"}
    union = {
        "type": "object",
        "oneOf": [{"required": ["a"]}, {"properties": {"b": {"$ref": "#"}, "c": {"$ref": "#x"}}}],
        "$defs": {"x": {"$anchor": "x"}},
    }
    moved = rewritten(union, target).schema["properties"]["value"]["oneOf"][1]["properties"]
    assert moved == {"b": {"$ref": "#/properties/value"}, "c": {"$ref": "#x"}}
    assert refused({"items": {"$id": "http://x.test/i"}}, target) == (
        "$",
        "a part of it is a document of its own ($id)",
    )


def test_the_prompt_gets_an_object_schema_word_for_word() -> None:
    spec = {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "oneOf": [{}]}
    result = rewritten(spec, Target.PROMPT)
    assert result.schema == spec
    assert result.restore({"value": 1}) == {"value": 1}


def test_each_pair_is_worked_out_once() -> None:
    schema = Schema.of({"type": "object", "properties": {"once": {"type": "null"}}})
    assert rewrite(schema, STRICT) is rewrite(schema, STRICT)


def test_an_absent_property_is_absent_again_behind_a_reference_too() -> None:
    links = {"x": {"type": "string"}, "y": {"type": "string"}, "next": {"$ref": "#/$defs/link"}}
    link = {"type": "object", "properties": links, "required": ["y"]}
    spec = {"$defs": {"link": link}, "properties": {"p": {"$ref": "#/$defs/link"}}}
    inner = {"x": None, "y": "a", "next": None}
    answer = {"p": {"x": "b", "y": "a", "next": inner}}
    assert {"p": {"x": "b", "y": "a", "next": {"y": "a"}}} == rewritten(spec).restore(answer)
