"""Random schemas, each answered by an instance or not at all."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.schema.example import UnsatisfiableError, example

KEYWORDS: dict[str, st.SearchStrategy[Any]] = {
    "string": st.fixed_dictionaries(
        {"type": st.just("string")},
        optional={
            "minLength": st.integers(0, 5),
            "maxLength": st.integers(5, 9),
            "pattern": st.sampled_from(["^a+$", "b", r"^\d{2,6}$", "^$|x", "[A-F0-9]{4}"]),
        },
    ),
    "integer": st.fixed_dictionaries(
        {"type": st.sampled_from(["integer", "number"])},
        optional={
            "minimum": st.integers(-50, 0),
            "maximum": st.integers(0, 50),
            "multipleOf": st.sampled_from([1, 2, 7, 10]),
        },
    ),
    "other": st.sampled_from([{"type": "boolean"}, {"type": "null"}, {"enum": ["a", 2]}, {}, True]),
}


def containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    properties = st.dictionaries(st.sampled_from("abcd"), inner, max_size=4)
    objects = st.builds(
        lambda properties, needed, closed: {
            "type": "object",
            "properties": properties,
            "required": sorted(needed & properties.keys()),
            "additionalProperties": not closed,
        },
        properties,
        st.sets(st.sampled_from("abcd")),
        st.booleans(),
    )
    arrays = st.builds(
        lambda items, least: {"type": "array", "items": items, "minItems": least},
        inner,
        st.integers(0, 3),
    )
    return st.one_of(objects, arrays, st.builds(lambda a, b: {"anyOf": [a, b]}, inner, inner))


@settings(deadline=None)
@given(st.recursive(st.one_of(*KEYWORDS.values()), containers, max_leaves=8))
def test_whatever_is_answered_satisfies_its_schema(schema: Any) -> None:
    try:
        value = example(schema)
    except UnsatisfiableError:  # such as maxLength 5 with a pattern of six digits
        return
    assert jsonschema_rs.validator_for(schema, validate_formats=True).is_valid(value)
