"""Parts of a schema, merged into one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.structured.rewriting import closed, member


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
