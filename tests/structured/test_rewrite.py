from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from services.llm.structured import Rewritten, Schema, Target, Unrewritable, rewrite

STRICT = Target.GROQ_STRICT
BEDROCK = Target.BEDROCK_TEXT_FORMAT


def closed(properties: dict[str, Any], required: list[str] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": [*properties] if required is None else required,
        "additionalProperties": False,
    }


def rewritten(spec: Any, target: Target = STRICT) -> Rewritten:
    result = rewrite(Schema.of(spec), target)
    assert isinstance(result, Rewritten), result
    return result


def refused(spec: Any, target: Target = STRICT) -> tuple[str, str]:
    result = rewrite(Schema.of(spec), target)
    assert isinstance(result, Unrewritable), result
    return result.path, result.reason


def member(schema: dict[str, Any], target: Target = STRICT) -> Any:
    """Rewrite a schema as the one required property of an object."""
    spec = {"type": "object", "properties": {"p": schema}, "required": ["p"]}
    return rewritten(spec, target).schema["properties"]["p"]


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
def test_a_root_that_is_no_object_travels_in_one(spec: Any, target: Target) -> None:
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


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (
            [{"properties": {"a": {"type": "null"}}}, {"properties": {"b": {"type": "null"}}}],
            closed({"a": {"type": "null"}, "b": {"type": "null"}}),
        ),
        (
            [{"properties": {"a": {"type": "number"}}}, {"properties": {"a": {"type": "integer"}}}],
            closed({"a": {"type": ["integer", "null"]}}),
        ),
        ([{"type": "integer"}, {"type": ["number", "string"]}], {"type": "integer"}),
        ([{"type": ["string", "number"]}, {"type": "integer"}], {"type": "integer"}),
        ([{"enum": ["a", "b"]}, {"enum": ["b", "c"]}], {"type": "string", "enum": ["b"]}),
        (
            [{"type": "integer", "minimum": 1}, {"minimum": 3, "maximum": 9}, {"maximum": 7}],
            {"type": "integer", "description": "(minimum: 3; maximum: 7)"},
        ),
        (
            [{"type": "string", "pattern": "a"}, {"pattern": "b"}, {"pattern": "c"}],
            {"type": "string", "description": "(pattern: b; pattern: c; pattern: a)"},
        ),
        (
            [{"items": {"type": "number"}, "type": "array"}, {"items": {"type": "integer"}}],
            {"type": "array", "items": {"type": "integer"}},
        ),
        (
            [
                {"type": "null", "description": "A.", "title": "T"},
                {"description": "B.", "title": "U"},
            ],
            {"type": "null", "description": "A. B."},
        ),
        (
            [{"anyOf": [{"type": "string"}, {"type": "null"}]}, {"oneOf": [{"type": "null"}]}],
            {"type": "null"},
        ),
        ([True, {"type": "null"}], {"type": "null"}),
        (
            [{"not": {"const": 1}}, {"not": {"const": 2}}, {"not": {"const": 3}}, {"type": "null"}],
            None,
        ),
    ],
)
def test_all_of_is_merged_where_that_is_exact(parts: list[Any], expected: Any) -> None:
    result = member({"allOf": parts})
    assert result["type"] == "null" if expected is None else result == expected


def test_the_notes_of_nested_parts_add_up() -> None:
    parts = [{"allOf": [{"pattern": p}, {"pattern": p + p}]} for p in "ab"]
    assert member({"allOf": [{"type": "string"}, *parts]})["description"] == (
        "(pattern: aa; pattern: b; pattern: bb; pattern: a)"
    )


def test_an_open_object_in_one_part_may_hold_what_the_closed_one_lists() -> None:
    parts = [
        {"properties": {"a": {"type": "null"}}, "additionalProperties": False},
        {"required": ["a"]},
    ]
    assert member({"allOf": parts}) == closed({"a": {"type": "null"}})


DEFINED = {"$defs": {"Code": {"type": "string", "minLength": 1}, "Big/One": {"type": "integer"}}}


def test_references_go_to_definitions_of_their_own() -> None:
    spec = {
        **DEFINED,
        "type": "object",
        "properties": {
            "a": {"$ref": "#/$defs/Code"},
            "b": {"$ref": "#/$defs/Code", "description": "The code."},
            "c": {"$ref": "#/$defs/Code", "maxLength": 5},
            "d": {"$ref": "#/$defs/Big~1One"},
            "e": {"$ref": "#/properties/a"},
        },
        "required": ["a", "b", "c", "d", "e"],
    }
    schema = rewritten(spec).schema
    assert schema["properties"] == {
        "a": {"$ref": "#/$defs/Code"},
        "b": {"anyOf": [{"$ref": "#/$defs/Code"}], "description": "The code."},
        "c": {"type": "string", "description": "(maxLength: 5; minLength: 1)"},
        "d": {"$ref": "#/$defs/Big_1One"},
        "e": {"$ref": "#/$defs/a"},
    }
    assert list(schema["$defs"]) == ["Code", "Big_1One", "a"]


def test_definitions_of_one_name_get_two() -> None:
    spec = {
        "$defs": {"n": {"type": "string"}},
        "definitions": {"n": {"type": "integer"}},
        "properties": {"a": {"$ref": "#/$defs/n"}, "b": {"$ref": "#/definitions/n"}},
    }
    assert rewritten(spec).schema["$defs"] == {"n": {"type": "string"}, "n_2": {"type": "integer"}}


def test_draft_7_ignores_what_stands_beside_a_reference() -> None:
    spec = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "definitions": {"n": {"type": "string"}},
        "properties": {"a": {"$ref": "#/definitions/n", "maxLength": 1}},
        "required": ["a"],
    }
    assert rewritten(spec).schema["properties"] == {"a": {"$ref": "#/$defs/n"}}


class Node(BaseModel):
    value: int
    children: list[Node] = []


def test_groq_takes_recursion_and_bedrock_does_not() -> None:
    result = rewritten(Node)
    assert result.schema["properties"]["value"] == {"type": "integer"}
    answer = {"value": 1, "children": [{"value": 2, "children": None}]}
    assert result.restore(answer) == {"value": 1, "children": [{"value": 2}]}
    assert refused(Node, BEDROCK) == ("$.properties.children.items", "it is recursive")
    root = {"type": "object", "properties": {"next": {"$ref": "#"}}}
    assert rewritten(root).restore({"next": {"next": None}}) == {"next": {}}


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


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"$ref": "#"}, "the reference # leads to no schema here"),
        (
            {"$ref": "#a", "$defs": {"a": {"$anchor": "a", "type": "null"}}},
            "the reference #a leads",
        ),
        (
            {"allOf": [{"$ref": "#a"}], "type": "null", "$defs": {"a": {"$anchor": "a"}}},
            "the reference #a is not to a schema here",
        ),
        (
            {"$ref": "#/$defs/a", "$defs": {"a": False}},
            "the reference #/$defs/a leads to no schema",
        ),
        (
            {"$ref": "#/$defs/a", "$defs": {"a": {"type": "string", "const": 1}}},
            "its values are of none",
        ),
        (
            {"type": "object", "allOf": [{"$ref": "#"}]},
            "a recursive reference has constraints beside it",
        ),
        ({"type": "object", "anyOf": [{"$ref": "#"}, {"$ref": "#"}]}, "it is nested too deeply"),
    ],
)
def test_a_reference_that_leads_nowhere_is_named(spec: Any, reason: str) -> None:
    assert refused(spec)[1].startswith(reason)


def test_copies_of_copies_end_at_a_bound() -> None:
    definitions: dict[str, Any] = {"d0": {"type": "string"}}
    for i in range(1, 25):
        part = {"$ref": f"#/$defs/d{i - 1}", "description": "x", "minProperties": 0}
        definitions[f"d{i}"] = {"type": "object", "properties": {"a": part, "b": part}}
    assert (
        refused({"$ref": "#/$defs/d24", "$defs": definitions})[1] == "it grows beyond 20000 schemas"
    )


@pytest.mark.parametrize("target", [Target.TOOL, Target.GROQ_JSON_SCHEMA])
def test_the_loose_forms_keep_the_schema_under_an_object_root(target: Target) -> None:
    spec = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "properties": {"a": {"pattern": "x"}},
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
