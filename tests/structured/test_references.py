"""References in a schema that is rewritten."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from tests.structured.rewriting import BEDROCK, DEFINED, refused, rewritten


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


def test_what_stands_beside_a_reference_says_whether_null_can_mean_absence() -> None:
    spec = {
        "$defs": {"bounded": {"minimum": 0}},
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/bounded", "type": "integer"}},
    }
    result = rewritten(spec)
    assert result.schema["properties"]["a"]["type"] == ["integer", "null"]
    assert result.restore({"a": None}) == {}


def test_definitions_of_one_name_get_two() -> None:
    spec = {
        "$defs": {"n": {"type": "string"}},
        "definitions": {"n": {"type": "integer"}},
        "properties": {"a": {"$ref": "#/$defs/n"}, "b": {"$ref": "#/definitions/n"}},
    }
    assert rewritten(spec).schema["$defs"] == {"n": {"type": "string"}, "n_2": {"type": "integer"}}


@pytest.mark.parametrize("draft", ["draft-07", "draft-06", "draft-04"])
def test_old_drafts_ignore_what_stands_beside_a_reference(draft: str) -> None:
    spec = {
        "$schema": f"http://json-schema.org/{draft}/schema#",
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
