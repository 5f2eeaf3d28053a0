"""`generate_structured` under mocks: schemas and answers as hosts have them."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from unittest.mock import Mock

import pytest

from services.llm_client import (
    BedrockClient,
    GroqClient,
    LLMError,
    RateLimitError,
    StructuredOutputError,
)
from tests.compat.support import claude, completion, invocation

Client = GroqClient | BedrockClient

# None says `additionalProperties`, some say no `required`.
SCHEMAS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "flat": (
        {
            "type": "object",
            "properties": {"code": {"type": "string"}, "reasoning": {"type": "string"}},
        },
        {"code": "8471", "reasoning": "A laptop."},
    ),
    "with bounds and a pattern": (
        {
            "type": "object",
            "properties": {
                "hs_code": {"type": "string", "pattern": r"^\d{4}\.\d{2}$"},
                "confidence": {"type": "number", "minimum": 0, "maximum": 1},
            },
            "required": ["hs_code"],
        },
        {"hs_code": "8471.30", "confidence": 0.93},
    ),
    "with nested arrays of objects": (
        {
            "type": "object",
            "properties": {
                "alternatives": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "code": {"type": "string"},
                            "rules": {
                                "type": "array",
                                "items": {
                                    "type": "object",
                                    "properties": {"id": {"type": "integer"}},
                                },
                            },
                        },
                    },
                }
            },
        },
        {"alternatives": [{"code": "8471", "rules": [{"id": 1}, {"id": 2}]}, {"code": "8473"}]},
    ),
    "with more keys than it names": (
        {"type": "object", "properties": {"code": {"type": "string"}}},
        {"code": "8471", "note": "not in the schema"},
    ),
    "of nothing but an object": ({"type": "object"}, {"anything": [1, None, "é"]}),
    "empty": ({}, {"code": "8471"}),
}
FORMS = {
    "bare": "{}",
    "indented": "\n  {}\n\n",
    "in a json fence": "```json\n{}\n```",
    "in a plain fence": "```\n{}\n```",
    "in a fence with words around it": "Here you are:\n\n```json\n{}\n```\n\nGlad to help!",
    "with words around it": "The answer is {} as you asked.",
}

everywhere = pytest.mark.parametrize(("schema", "found"), SCHEMAS.values(), ids=SCHEMAS)


def answer(client: Client, sdk_call: Mock, text: str) -> None:
    """Let the provider answer *text*, however often it is asked."""
    groq = isinstance(client, GroqClient)
    sdk_call.side_effect = lambda **_: completion(text) if groq else invocation(claude(text))


def sent(client: Client, sdk_call: Mock) -> dict[str, Any]:
    asked = sdk_call.call_args_list[0].kwargs
    return dict(asked if isinstance(client, GroqClient) else json.loads(asked["body"]))


@everywhere
def test_a_dict_comes_back(
    client: Client, sdk_call: Mock, schema: dict[str, Any], found: dict[str, Any]
) -> None:
    answer(client, sdk_call, json.dumps(found))

    assert client.generate_structured(prompt="Classify a laptop", schema=schema) == found
    assert sdk_call.call_count == 1


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_whatever_stands_around_the_object_is_taken_off(
    client: Client, sdk_call: Mock, form: str
) -> None:
    schema, found = SCHEMAS["with nested arrays of objects"]
    answer(client, sdk_call, form.replace("{}", json.dumps(found)))

    assert client.generate_structured("Classify a laptop", schema) == found
    assert sdk_call.call_count == 1


@everywhere
def test_the_schema_is_told_in_words_at_a_low_temperature(
    client: Client, sdk_call: Mock, schema: dict[str, Any], found: dict[str, Any]
) -> None:
    answer(client, sdk_call, json.dumps(found))
    client.generate_structured("Classify a laptop", schema, system_prompt="Be exact.")

    asked = sent(client, sdk_call)
    told = json.dumps(asked)
    assert asked["temperature"] == 0.3
    assert "Classify a laptop" in told
    assert "Be exact." in told
    assert not [name for name in schema.get("properties", ()) if name not in told]


def test_under_a_mock_the_plain_path_is_taken(groq_client: GroqClient, create: Mock) -> None:
    answer(groq_client, create, '{"code": "1"}')
    groq_client.generate_structured("x", SCHEMAS["flat"][0])

    assert set(create.call_args.kwargs) == {"model", "messages", "temperature", "max_tokens"}


@pytest.mark.parametrize("text", ["I cannot do that.", "```json\nnot json\n```", "{"])
def test_an_answer_that_is_not_json_is_an_error_that_carries_it(
    client: Client, sdk_call: Mock, text: str
) -> None:
    answer(client, sdk_call, text)

    with pytest.raises(StructuredOutputError, match="LLM did not return valid JSON") as caught:
        client.generate_structured("x", SCHEMAS["flat"][0])
    assert caught.value.raw == text


def test_an_answer_against_the_schema_is_never_returned(client: Client, sdk_call: Mock) -> None:
    answer(client, sdk_call, '{"confidence": 7}')

    with pytest.raises(StructuredOutputError):
        client.generate_structured("x", SCHEMAS["with bounds and a pattern"][0])


def test_the_callers_schema_is_left_as_it_was(client: Client, sdk_call: Mock) -> None:
    schema, found = SCHEMAS["with nested arrays of objects"]
    before = json.dumps(schema)
    answer(client, sdk_call, json.dumps(found))
    client.generate_structured("x", schema)

    assert json.dumps(schema) == before


def test_a_consumer_may_test_and_index_the_result(client: Client, sdk_call: Mock) -> None:
    answer(client, sdk_call, '{"code": "8471"}')
    found = client.generate_structured("x", SCHEMAS["flat"][0])

    assert type(found) is dict
    assert bool(found and "code" in found)
    assert found["code"] == "8471"


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (Exception("Temporary error"), LLMError),
        (Exception("rate limit"), RateLimitError),
        (TypeError("a bug"), LLMError),
    ],
)
def test_a_consumer_that_falls_back_catches_everything(
    client: Client, sdk_call: Mock, raised: Exception, kind: type[LLMError]
) -> None:
    sdk_call.side_effect = raised
    with pytest.raises(LLMError) as caught:
        client.generate_structured("x", SCHEMAS["flat"][0])
    assert (kind, raised) == (type(caught.value), caught.value.__cause__)


def test_the_async_counterpart_returns_the_same(client: Client, sdk_call: Mock) -> None:
    schema, found = SCHEMAS["flat"]
    answer(client, sdk_call, f"```json\n{json.dumps(found)}\n```")

    assert asyncio.run(client.agenerate_structured("x", schema)) == found
