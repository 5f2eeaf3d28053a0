from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.schema.rules import bedrock_fault, groq_strict_fault
from services.llm.structured import Rewritten, Schema, Target, ValidAnswer, parse_answer, rewrite
from tests.conftest import FEWER
from tests.structured.strategies import JSON_VALUES

NAMES = st.sampled_from(["a", "b", "$ref", "properties"])
REFERENCES = st.sampled_from(
    ["#", "#/$defs/a", "#/$defs/b", "#/definitions/a", "#/properties/a", "#/anyOf/0", "#/enum/0"]
)
PATTERNS = st.sampled_from(["^a", "(a+)+$", "b$", r"\d"])
COUNTS = st.integers(0, 3)
DIALECTS = st.sampled_from(
    ["http://json-schema.org/draft-07/schema#", "https://json-schema.org/draft/2020-12/schema"]
)
TYPES = st.sampled_from(["object", "array", "string", "integer", "number", "null", "boolean"])


def _keywords(schema: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    schemas = st.lists(schema, min_size=1, max_size=3)
    named = st.dictionaries(NAMES, schema, max_size=3)
    return st.fixed_dictionaries(
        {},
        optional={
            "type": TYPES | st.lists(TYPES, min_size=1, max_size=3, unique=True),
            "enum": st.lists(JSON_VALUES, min_size=1, max_size=3),
            "const": JSON_VALUES,
            "$ref": REFERENCES,
            "properties": named,
            "required": st.lists(NAMES, unique=True),
            "additionalProperties": schema,
            "patternProperties": st.dictionaries(PATTERNS, schema, max_size=2),
            "items": schema | schemas,
            "prefixItems": schemas,
            "anyOf": schemas,
            "oneOf": schemas,
            "allOf": schemas,
            "not": schema,
            "if": schema,
            "then": schema,
            "contains": schema,
            "dependentSchemas": named,
            "pattern": PATTERNS,
            "format": st.sampled_from(["date", "uri", "odd"]),
            "minimum": COUNTS,
            "maxLength": COUNTS,
            "minItems": COUNTS,
            "description": st.just("D."),
            "$defs": named,
            "definitions": named,
            "$schema": DIALECTS,
        },
    )


SCHEMAS = st.recursive(
    st.booleans() | _keywords(st.booleans()), lambda inner: _keywords(inner), max_leaves=8
).filter(lambda schema: isinstance(schema, dict))
KEYWORDS = st.sampled_from(["properties", "anyOf", "$ref", "items", "required", "type"])
QUICK = settings(
    max_examples=100 // FEWER,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@QUICK
@given(SCHEMAS, st.lists(JSON_VALUES, min_size=1, max_size=4))
def test_any_schema_is_refused_at_once_or_judges_any_answer(
    document: dict[str, Any], values: list[Any]
) -> None:
    try:
        schema = Schema.of(document)
    except ValueError:  # refused before any call, which is the other right outcome
        return
    for value in values:
        verdict = parse_answer(json.dumps(value), False, schema)
        if isinstance(verdict, ValidAnswer):
            assert schema.accepts(verdict.value)
        else:
            assert verdict.errors
            assert not schema.accepts(value) or schema.is_echo(value)


@QUICK
@given(SCHEMAS, JSON_VALUES)
def test_any_schema_is_rewritten_within_the_subset_or_not_at_all(
    document: dict[str, Any], value: Any
) -> None:
    try:
        schema = Schema.of(document)
    except ValueError:  # not a schema that is ever rewritten
        return
    for target in Target:
        rewritten = rewrite(schema, target)
        if isinstance(rewritten, Rewritten):
            rewritten.restore(value)
            Schema.of(rewritten.schema)
            if target is Target.GROQ_STRICT:
                assert groq_strict_fault(rewritten.schema) is None
            if target is Target.BEDROCK_TEXT_FORMAT:
                assert bedrock_fault(rewritten.schema) is None


@QUICK
@given(JSON_VALUES | st.dictionaries(KEYWORDS, JSON_VALUES))
def test_any_json_is_a_schema_or_a_value_error(document: Any) -> None:
    try:
        schema = Schema.of(document)
    except ValueError as refused:
        assert "schema" in str(refused)  # noqa: PT017  # either outcome is right
    else:
        parse_answer("{}", False, schema)
