from __future__ import annotations

from typing import Any

import pytest

from sandbox.schema.rules import bedrock_fault, groq_strict_fault
from sandbox.schema.walk import recursion, resolve, subschemas


def closed(required: Any = None, **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties) if required is None else required,
        "additionalProperties": False,
    }


TEXT = {"type": "string"}
RECURSIVE = {
    **closed(node={"$ref": "#/$defs/node"}),
    "$defs": {"node": closed(next={"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]})},
}
ACCEPTED_BY_GROQ = [
    closed(),
    closed(name=TEXT, age={"type": ["integer", "null"]}),
    closed(
        tags={"type": "array", "items": {"enum": ["a", "b"]}},
        title={"type": "string", "description": "d"},
    ),
    closed(either={"anyOf": [closed(a=TEXT), closed(b=TEXT), {"type": "null"}]}),
    closed(shape={"anyOf": [closed(kind={"const": "a"}), closed(kind={"enum": ["b", "c"]})]}),
    RECURSIVE,
]
REFUSED_BY_GROQ = [
    (TEXT, "", "type object"),
    ({"anyOf": [closed(), closed()]}, "", "type object"),
    (
        {"type": "object", "properties": {}},
        "",
        "additionalProperties:false must be set on every object",
    ),
    (closed(a={"type": "object", "properties": {}}), "/properties/a", "additionalProperties:false"),
    (closed([], span=TEXT), "/required", "must be listed in `required`: span"),
    (
        {"type": "object", "properties": {"a": TEXT}, "additionalProperties": False},
        "/required",
        "is required to be supplied",
    ),
    (
        closed(a={"type": "array", "items": TEXT, "minItems": 1}),
        "/properties/a",
        "minItems is not supported",
    ),
    (closed(a={"type": "string", "pattern": "^a$"}), "/properties/a", "pattern is not supported"),
    (closed(a={"oneOf": [TEXT]}), "/properties/a", "oneOf is not supported"),
    (closed(a={"description": "anything"}), "/properties/a", "must have a 'type' key"),
    (closed(a={"type": "array"}), "/properties/a", "must have 'items'"),
    (closed(a={"$ref": "#/$defs/none"}), "/properties/a", "does not resolve"),
    (closed(a={"$ref": "https://example.com"}), "/properties/a", "does not resolve"),
    (
        closed(a={"anyOf": [closed(title=TEXT, x=TEXT), closed(title=TEXT)]}),
        "/properties/a/anyOf",
        "required key 'title' from one variant appears in another's properties (variant 0 vs 1)",
    ),
]


@pytest.mark.parametrize("schema", ACCEPTED_BY_GROQ)
def test_groq_accepts_its_strict_subset(schema: Any) -> None:
    assert groq_strict_fault(schema) is None


@pytest.mark.parametrize(("schema", "path", "message"), REFUSED_BY_GROQ)
def test_groq_refuses_the_rest_and_names_the_place(schema: Any, path: str, message: str) -> None:
    fault = groq_strict_fault(schema)
    assert fault is not None
    assert path == fault.groq_members()["schema_path"]
    assert message in fault.message


def test_groq_names_the_fault_as_it_does_on_the_wire() -> None:
    schema = closed(ready=closed([], suggestions=TEXT))
    fault = groq_strict_fault(schema)
    assert fault is not None
    assert (
        "/properties/ready/required: "
        "The following properties must be listed in `required`: suggestions"
    ) == fault.message
    assert {
        "schema_path": "/properties/ready/required",
        "schema_path_segments": ["$", "properties", "ready", "required"],
        "schema_kind": "object",
        "schema_code": "required_incomplete",
    } == fault.groq_members()


ACCEPTED_BY_BEDROCK = [
    closed(),
    closed(["a"], a=TEXT, b={"type": "integer"}),
    closed(a={"type": "array", "items": TEXT, "minItems": 1}),
    closed(a={"type": "string", "format": "date-time"}, b={"type": "string", "pattern": r"^\d+$"}),
    closed(a={"anyOf": [closed(x=TEXT), closed(x=TEXT)]}, b={"allOf": [TEXT]}),
    {**closed(a={"$ref": "#/$defs/t"}, b={"$ref": "#/$defs/t"}), "$defs": {"t": closed(x=TEXT)}},
]
REFUSED_BY_BEDROCK = [
    ("text", "Input should be a JSON object"),
    (
        {"type": "object"},
        "For 'object' type, 'additionalProperties' must be explicitly set to false",
    ),
    (
        closed(a={"type": "number", "minimum": 0, "maximum": 1}),
        "For 'number' type, properties maximum, minimum are not supported",
    ),
    (
        closed(a={"type": "integer", "minimum": 0}),
        "For 'integer' type, property 'minimum' is not supported",
    ),
    (closed(a={"type": "number", "multipleOf": 2}), "property 'multipleOf' is not supported"),
    (closed(a={"type": "string", "minLength": 1}), "For 'string' type, property 'minLength'"),
    (
        closed(a={"type": "array", "items": TEXT, "maxItems": 3}),
        "For 'array' type, property 'maxItems' is",
    ),
    (
        closed(a={"type": "array", "items": TEXT, "minItems": 2}),
        "For 'array' type, 'minItems' values other than 0 or 1 are not supported",
    ),
    ({**closed(), "minProperties": 1}, "For 'object' type, property 'minProperties'"),
    (closed(a={"oneOf": [TEXT]}), "'oneOf' is not supported"),
    (closed(a={"type": "string", "format": "iri"}), "String format 'iri' is not supported"),
    (closed(a={"type": "string", "pattern": r"(?=a)b"}), "lookarounds"),
    (closed(a={"enum": [["a"]]}), "Enum values must be"),
    ({**closed(a={"allOf": [{"$ref": "#/$defs/t"}]}), "$defs": {"t": TEXT}}, "'allOf' with '$ref'"),
    (closed(a={"$ref": "https://example.com"}), "does not resolve"),
    (RECURSIVE, "Recursive schemas are not supported: #/$defs/node"),
    (
        closed(a={"anyOf": [{"$ref": "#"}, {"type": "null"}]}),
        "Recursive schemas are not supported: #",
    ),
]


@pytest.mark.parametrize("schema", ACCEPTED_BY_BEDROCK)
def test_bedrock_accepts_its_subset(schema: Any) -> None:
    assert bedrock_fault(schema) is None


@pytest.mark.parametrize(("schema", "message"), REFUSED_BY_BEDROCK)
def test_bedrock_refuses_the_rest(schema: Any, message: str) -> None:
    fault = bedrock_fault(schema)
    assert fault is not None
    assert message in fault.message


def test_a_strict_tool_of_bedrock_may_bound_the_length_of_strings() -> None:
    schema = closed(a={"type": "string", "minLength": 1}, b={"type": "array", "maxItems": 1})
    fault = bedrock_fault(schema, of_tool=True)
    assert fault is not None
    assert "For 'array' type, property 'maxItems' is not supported" == fault.message
    assert bedrock_fault(closed(a={"type": "string", "minLength": 1}), of_tool=True) is None


def test_a_property_may_bear_a_keyword_for_a_name() -> None:
    schema = closed(**{"minimum": TEXT, "oneOf": TEXT, "$ref": TEXT})
    assert groq_strict_fault(schema) is None
    assert bedrock_fault(schema) is None


def test_what_is_not_a_schema_is_refused() -> None:
    parts: list[dict[str, Any]] = [{"properties": []}, {"required": "a"}, {"enum": 1}, {"$ref": 1}]
    for broken in parts:
        for check in (groq_strict_fault, bedrock_fault):
            fault = check({**closed(), **broken})
            assert fault is not None
            assert "not a valid JSON Schema" in fault.message


def test_the_walk_itself_takes_any_depth() -> None:
    schema: dict[str, Any] = closed()
    for _ in range(1_000):
        schema = closed(a=schema)
    assert 1_001 == len(list(subschemas(schema)))
    assert recursion(schema) is None


def test_references_that_lead_nowhere_or_in_circles_are_no_variants() -> None:
    schema = closed(a={"anyOf": [{"$ref": "#/$defs/x"}, {"$ref": "#/$defs/none"}, closed(b=TEXT)]})
    fault = groq_strict_fault({**schema, "$defs": {"x": {"$ref": "#/$defs/x"}}})
    assert fault is not None
    assert "does not resolve" in fault.message


@pytest.mark.parametrize("reference", ["other", "#/a/9", "#/a/x", "#/b/c", 3])
def test_a_reference_that_does_not_resolve_is_a_lookup_error(reference: Any) -> None:
    with pytest.raises(LookupError):
        resolve({"a": [1], "b": 2}, reference)


def test_a_reference_resolves_through_lists_and_escapes() -> None:
    assert 5 == resolve({"a/b": [{"c~d": 5}]}, "#/a~1b/0/c~0d")
    assert 1 == resolve({"a b": 1}, "#/a%20b")
