"""Faults that a model's name asks for."""

from __future__ import annotations

import json
from typing import Any

import groq
import pytest
from botocore.exceptions import ClientError

from tests.sandbox.bedrock_calls import converse
from tests.sandbox.groq_calls import ask

NAMED_MODELS = ["sandbox/503", "sandbox/429?retry-after=2", "sandbox/capacity"]


@pytest.mark.parametrize("model", NAMED_MODELS)
def test_a_models_name_asks_for_a_fault_on_both_wires(
    groq_client: groq.Groq, bedrock_client: Any, model: str
) -> None:
    with pytest.raises(groq.APIStatusError):
        ask(groq_client, model)
    with pytest.raises(ClientError):
        converse(bedrock_client, model)


def test_a_name_that_fails_only_once_answers_then(
    groq_client: groq.Groq, bedrock_client: Any
) -> None:
    with pytest.raises(groq.InternalServerError):
        ask(groq_client, "sandbox/503?times=1")
    assert "Sandbox: hello" == ask(groq_client, "sandbox/503?times=1").choices[0].message.content
    assert [{"text": "hi"}] == converse(bedrock_client, "sandbox/text?text=hi")["output"][
        "message"
    ]["content"]


@pytest.mark.parametrize(
    "body",
    [
        {
            "anthropic_version": "v",
            "max_tokens": 99,
            "messages": [{"role": "user", "content": "x"}],
        },
        {"prompt": "x", "max_gen_len": 99},
        {"prompt": "x", "max_tokens": 99},
    ],
)
def test_named_models_answer_invoke_model_in_the_bodys_own_form(
    bedrock_client: Any, body: Any
) -> None:
    reply = bedrock_client.invoke_model(modelId="sandbox/text?text=hi", body=json.dumps(body))
    assert '"hi"' in reply["body"].read().decode()


def test_an_unknown_fault_is_a_400_that_lists_the_known(
    groq_client: groq.Groq, bedrock_client: Any
) -> None:
    with pytest.raises(groq.BadRequestError, match="unknown fault `what`; known: 400 to 599, ok"):
        ask(groq_client, "sandbox/what")
    with pytest.raises(ClientError, match="unknown fault `what`; known: 400 to 599, ok"):
        converse(bedrock_client, "sandbox/what")
