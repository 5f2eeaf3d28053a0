"""A structured answer on the wire: how each model is asked, and what an answer becomes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from sandbox import Answer, Fault, Sandbox
from services.llm_client import ConfigurationError, InvalidRequestError
from tests.wire.asked import CLASSIFICATION, GOOD, TODAY, asked, form, schema_sent, words
from tests.wire.conftest import OpenFace
from tests.wire.faces import Face

#: Every form that a model of today is asked in.
FORMS = [
    ("groq", "openai/gpt-oss-120b", "strict"),
    ("groq", "openai/gpt-oss-20b", "strict"),
    ("groq", "qwen/qwen3.8-27b", "strict"),
    ("groq", "openai/gpt-oss-safeguard-20b", "schema"),
    ("groq", "sandbox/ok", "tool"),
    ("groq", "meta-llama/llama-prompt-guard-2-86m", "prompt"),
    ("bedrock", "us.anthropic.claude-sonnet-4-6", "textFormat"),
    ("bedrock", "us.anthropic.claude-haiku-4-5-20251001-v1:0", "textFormat"),
    ("bedrock", "us.anthropic.claude-sonnet-5-5", "textFormat"),
    ("bedrock", "amazon.nova-lite-v1:0", "tool"),
    ("bedrock", "us.meta.llama3-3-70b-instruct-v1:0", "prompt"),
    ("bedrock", "openai.gpt-oss-120b-1:0", "prompt"),
    ("bedrock", "anthropic.claude-3-opus-20240229-v1:0", "prompt"),
    ("bedrock", "mistral.mixtral-8x7b-instruct-v0:1", "prompt"),
]
ASYNC = ["", " async"]


@pytest.mark.parametrize("manner", ASYNC)
@pytest.mark.parametrize(("provider", "model", "expected"), FORMS)
def test_a_model_answers_in_one_call_of_the_strongest_form_it_takes(
    open_client: OpenFace,
    sandbox: Sandbox,
    manner: str,
    provider: str,
    model: str,
    expected: str,
) -> None:
    # A test's own text, since without enforcement the sandbox is free to chat.
    if expected == "prompt":
        sandbox.script(Answer.says(json.dumps(GOOD)))
    max_tokens = 100 if "guard-2" in model else None
    answer = open_client(provider + manner).structured(
        "Classify a chair.", CLASSIFICATION, model=model, max_tokens=max_tokens
    )
    assert [expected] == asked(sandbox)
    assert answer["hs_code"]
    assert expected != "prompt" or GOOD == answer
    assert ("Classify a chair." == words(sandbox)) == (expected != "prompt")


def test_strict_mode_gets_every_property_required_and_closed(
    open_face: OpenFace, sandbox: Sandbox
) -> None:
    face = open_face()
    face.structured("Classify.", CLASSIFICATION, model=TODAY[face.provider])
    sent = schema_sent(sandbox)
    assert sent["additionalProperties"] is False
    duties = sent["properties"]["duties"]
    duty = duties.get("anyOf", [duties])[0]["items"]
    assert duty["additionalProperties"] is False
    assert "minimum: 0" in duty["properties"]["rate"]["description"]
    code, note = sent["properties"]["hs_code"], sent["properties"]["note"]
    if face.provider == "groq":
        assert [*sent["properties"]] == sent["required"]
        assert (["string", "null"], "string") == (note["type"], code["type"])
        assert r"pattern: ^\d{4}\.\d{2}$" in code["description"]
        assert "pattern" not in code
    else:
        assert ["hs_code"] == sent["required"]
        assert r"^\d{4}\.\d{2}$" == code["pattern"]


def test_weaker_forms_get_the_schema_as_it_is(open_face: OpenFace, sandbox: Sandbox) -> None:
    face = open_face()
    model = "openai/gpt-oss-safeguard-20b" if face.provider == "groq" else "amazon.nova-lite-v1:0"
    face.structured("Classify.", CLASSIFICATION, model=model)
    assert CLASSIFICATION == schema_sent(sandbox)


def test_a_temperature_of_0_3_is_sent_unless_another_is_given(face: Face, sandbox: Sandbox) -> None:
    for given in ({}, {"temperature": 0.0}):
        face.structured("Classify.", CLASSIFICATION, model=TODAY[face.provider], **given)
    sent = [one.body.get("inferenceConfig", one.body) for one in sandbox.exchanges]
    assert [0.3, 0.0] == [one["temperature"] for one in sent]


def test_an_optional_field_that_came_as_null_is_absent_again(face: Face, sandbox: Sandbox) -> None:
    sandbox.script(Answer.says('{"hs_code": "9401.61", "note": null, "duties": null}'))
    answer = face.structured("Classify.", CLASSIFICATION, model=TODAY[face.provider])
    assert GOOD == answer


def test_a_form_that_is_refused_falls_to_the_next_which_is_remembered(
    face: Face, sandbox: Sandbox
) -> None:
    model = TODAY[face.provider]
    sandbox.script(Fault.error(400, "This model does not support that output schema."))
    for _ in range(2):
        face.structured("Classify.", CLASSIFICATION, model=model)
    first, second = ("strict", "schema") if face.provider == "groq" else ("textFormat", "tool")
    assert [first, second, second] == asked(sandbox)


def test_forms_fall_down_to_words_alone(face: Face, sandbox: Sandbox) -> None:
    refused = Fault.error(400, "The JSON schema is not supported.")
    falls = ["strict", "schema", "tool", "object", "prompt"]
    falls = falls if face.provider == "groq" else ["textFormat", "tool", "prompt"]
    sandbox.script(*[refused] * (len(falls) - 1), Answer.says(json.dumps(GOOD)))
    assert GOOD == face.structured("Classify.", CLASSIFICATION, model=TODAY[face.provider])
    assert falls == asked(sandbox)
    assert "JSON Schema" in words(sandbox)
    assert r'"pattern":"^\\d{4}\\.\\d{2}$"' in words(sandbox)


def test_a_refusal_of_something_else_is_raised_at_once(face: Face, sandbox: Sandbox) -> None:
    sandbox.script(Fault.error(400, "messages must alternate"))
    with pytest.raises(InvalidRequestError, match="alternate"):
        face.structured("Classify.", CLASSIFICATION, model=TODAY[face.provider])
    assert 1 == len(sandbox.exchanges)


def test_what_strict_mode_cannot_hold_is_asked_for_in_the_next_form_at_once(
    face: Face, sandbox: Sandbox
) -> None:
    rates = {"type": "object", "additionalProperties": {"type": "number"}}
    sandbox.script(Answer(text='{"EU": 2.7}', finish="stop"))
    assert {"EU": 2.7} == face.structured("Rates?", rates, model=TODAY[face.provider])
    assert ["schema" if face.provider == "groq" else "tool"] == asked(sandbox)


def test_the_callers_own_tools_leave_the_prompt(face: Face, sandbox: Sandbox) -> None:
    tool = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}
    sandbox.script(Answer.says(json.dumps(GOOD)))
    face.structured("Classify.", CLASSIFICATION, model=TODAY[face.provider], tools=[tool])
    assert "JSON Schema" in words(sandbox)
    assert "response_format" not in sandbox.exchanges[0].body
    assert "outputConfig" not in sandbox.exchanges[0].body


class Duty(BaseModel):
    rate: float
    basis: Literal["value", "weight"] = "value"


class Product(BaseModel):
    hs_code: Annotated[str, Field(pattern=r"^\d{4}\.\d{2}$")]
    duties: list[Duty] = []
    note: str | None = None


@dataclass
class Point:
    x: int
    y: int = 0


class Named(TypedDict):
    name: str


TYPES: list[tuple[Any, str, Any]] = [
    (
        Product,
        '{"hs_code": "9401.61", "duties": [{"rate": 2.7, "basis": null}], "note": null}',
        Product(hs_code="9401.61", duties=[Duty(rate=2.7)]),
    ),
    (Point, '{"x": 1, "y": null}', Point(1)),
    (Named, '{"name": "chair"}', {"name": "chair"}),
    (list[int], '{"value": [1, 2]}', [1, 2]),
    (
        list[Product],
        '[{"hs_code": "9401.61", "duties": null, "note": null}]',
        [Product(hs_code="9401.61")],
    ),
    (Annotated[int, Field(ge=1)], '{"value": 3}', 3),
    (Literal["red", "green"], '{"value": "green"}', "green"),
    (
        Point | Product,
        '{"value": {"hs_code": "9401.61", "duties": [], "note": null}}',
        Product(hs_code="9401.61"),
    ),
    (dict[str, int], '{"a": 1}', {"a": 1}),
    (str | None, '{"value": null}', None),
]


@pytest.mark.parametrize(("kind", "text", "expected"), TYPES)
def test_a_type_gives_an_instance_in_one_call(
    face: Face, sandbox: Sandbox, kind: Any, text: str, expected: Any
) -> None:
    sandbox.script(Answer(text=text, finish="stop"))
    answer = face.structured("Answer.", kind, model=TODAY[face.provider])
    assert (expected, type(expected)) == (answer, type(answer))
    assert 1 == len(sandbox.exchanges)


@pytest.mark.parametrize("kind", [kind for kind, _, _ in TYPES])
def test_a_provider_that_enforces_the_sent_schema_satisfies_the_type(
    face: Face, sandbox: Sandbox, kind: Any
) -> None:
    face.structured("Answer.", kind, model=TODAY[face.provider])
    assert 1 == len(sandbox.exchanges)
    assert "prompt" != form(sandbox.exchanges[0])


@pytest.mark.parametrize(
    ("schema", "words_of_it"),
    [
        ({"type": "objekt"}, r"\$\.type"),
        ({"properties": {"a": {"minimum": "0"}}}, r"\$\.properties\.a\.minimum"),
        ({"items": {"$ref": "#/$defs/gone"}}, r"\$\.items"),
        ({"$ref": "https://example.org/schema.json"}, "none is ever fetched"),
        ({"properties": {"a": {"pattern": "("}}}, r"\$\.properties\.a\.pattern"),
        ("Product", "dict or a type"),
        (None, "dict or a type"),
    ],
)
def test_an_invalid_schema_is_an_error_before_any_call(
    face: Face, sandbox: Sandbox, schema: Any, words_of_it: str
) -> None:
    with pytest.raises(ValueError, match=words_of_it) as caught:
        face.structured("Classify.", schema, model=TODAY[face.provider])
    assert isinstance(caught.value, ConfigurationError)
    assert [] == sandbox.exchanges
