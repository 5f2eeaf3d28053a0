from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings

from sandbox.schema.rules import bedrock_fault, groq_strict_fault
from services.llm.structured import Rewritten, Schema, Target, ValidAnswer, parse_answer, rewrite
from tests.conftest import FEWER
from tests.structured.strategies import asked, to_provider

STRICT = [Target.GROQ_STRICT, Target.BEDROCK_TEXT_FORMAT]


def same(one: Any, other: Any) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def in_provider_form(rewritten: Rewritten, value: Any) -> Any:
    wrapped = list(rewritten.schema["properties"]) == ["value"]  # no random object has it alone
    return to_provider(rewritten.schema, {"value": value} if wrapped else value)


@settings(max_examples=100 // FEWER, deadline=None)
@pytest.mark.parametrize("target", STRICT)
@given(pair=asked())
def test_a_value_survives_the_way_to_a_provider_and_back(
    target: Target, pair: tuple[dict[str, Any], Any]
) -> None:
    document, value = pair
    schema = Schema.of(document)
    assert schema.accepts(value)
    rewritten = rewrite(schema, target)
    assert isinstance(rewritten, Rewritten)

    sent = in_provider_form(rewritten, value)

    assert jsonschema_rs.validator_for(rewritten.schema).is_valid(sent)
    assert same(value, rewritten.restore(sent))
    answer = parse_answer(json.dumps(sent), False, schema, restore=rewritten.restore)
    assert isinstance(answer, ValidAnswer)
    assert schema.accepts(answer.value)


@settings(max_examples=100 // FEWER, deadline=None)
@given(pair=asked())
def test_every_rewritten_schema_passes_the_providers_own_check(
    pair: tuple[dict[str, Any], Any],
) -> None:
    schema = Schema.of(pair[0])
    groq = rewrite(schema, Target.GROQ_STRICT)
    bedrock = rewrite(schema, Target.BEDROCK_TEXT_FORMAT)
    assert isinstance(groq, Rewritten)
    assert isinstance(bedrock, Rewritten)
    assert groq_strict_fault(groq.schema) is None
    assert bedrock_fault(bedrock.schema) is None


@settings(max_examples=60 // FEWER, deadline=None)
@pytest.mark.parametrize("target", [Target.TOOL, Target.GROQ_JSON_SCHEMA, Target.PROMPT])
@given(pair=asked())
def test_the_loose_forms_have_an_object_root_and_accept_the_value_itself(
    target: Target, pair: tuple[dict[str, Any], Any]
) -> None:
    document, value = pair
    rewritten = rewrite(Schema.of(document), target)
    assert isinstance(rewritten, Rewritten)
    accepts = jsonschema_rs.validator_for(rewritten.schema).is_valid
    assert accepts({"value": value}) or accepts(value)
    assert not accepts([])
    form = {"value": value} if rewritten.restore({"value": [0]}) == [0] else value
    assert accepts(form)
    assert rewritten.restore(form) == value
