"""Which of Bedrock's operations asks a model, and with which parameters."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox import Sandbox
from services.llm_client import InvalidRequestError, ModelType
from tests.wire.conftest import OpenFace
from tests.wire.faces import Face

#: Of the six, those that were still alive when the sandbox's catalogue was made.
ALIVE = [
    ModelType.CLAUDE_3_OPUS,
    ModelType.LLAMA_3_70B,
    ModelType.LLAMA_3_8B,
    ModelType.MIXTRAL_8X7B,
]
CONVERSED = [
    "us.anthropic.claude-sonnet-4-6",
    "us.anthropic.claude-haiku-4-5-20251001-v1:0",
    "global.anthropic.claude-opus-4-6-v1",
    "us.meta.llama3-3-70b-instruct-v1:0",
    "us.meta.llama4-scout-17b-instruct-v1:0",
    "mistral.mistral-large-3-675b-instruct",
    "amazon.nova-lite-v1:0",
    "openai.gpt-oss-120b-1:0",
]
THINKING = ["us.anthropic.claude-sonnet-5-5", "global.anthropic.claude-opus-5-5"]


@pytest.fixture(params=["bedrock", "bedrock async"])
def bedrock(request: pytest.FixtureRequest, open_client: OpenFace) -> Face:
    """Either half of a Bedrock client."""
    return open_client(request.param)


def body(sandbox: Sandbox) -> Any:
    """What was sent last."""
    return sandbox.exchanges[-1].body


@pytest.mark.parametrize("model", ALIVE)
def test_the_six_are_asked_through_invoke_model(
    bedrock: Face, sandbox: Sandbox, model: ModelType
) -> None:
    assert bedrock.generate("hi", "Be brief.", model=model).endswith("hi")
    assert ("invoke", model.value) == (
        sandbox.exchanges[0].operation,
        sandbox.exchanges[0].model,
    )
    length = "max_gen_len" if "llama" in model.value else "max_tokens"
    assert body(sandbox)[length] <= 4096
    assert 0.7 == body(sandbox)["temperature"]


@pytest.mark.parametrize("model", CONVERSED)
def test_every_other_model_is_asked_through_converse(
    bedrock: Face, sandbox: Sandbox, model: str
) -> None:
    assert "Sandbox: hi" == bedrock.generate("hi", "Be brief.", model=model)
    assert ("converse", model) == (sandbox.exchanges[0].operation, sandbox.exchanges[0].model)
    assert [{"text": "Be brief."}] == body(sandbox)["system"]
    assert {"maxTokens": 4096, "temperature": 0.7} == body(sandbox)["inferenceConfig"]


@pytest.mark.parametrize("model", THINKING)
def test_a_model_that_refuses_a_temperature_is_sent_none_unless_one_is_given(
    bedrock: Face, sandbox: Sandbox, model: str
) -> None:
    assert "Sandbox: hi" == bedrock.generate("hi", model=model)
    assert {"maxTokens": 4096} == body(sandbox)["inferenceConfig"]
    with pytest.raises(InvalidRequestError, match="temperature"):
        bedrock.generate("hi", model=model, temperature=0.2)
    assert 0.2 == body(sandbox)["inferenceConfig"]["temperature"]


@pytest.mark.parametrize("model", [*ALIVE, *CONVERSED[:2]])
def test_the_callers_own_parameters_are_sent(bedrock: Face, sandbox: Sandbox, model: str) -> None:
    bedrock.generate("hi", model=model, temperature=0.0, max_tokens=77)
    sent = body(sandbox).get("inferenceConfig", body(sandbox))
    lengths = {sent.get(name) for name in ("maxTokens", "max_tokens", "max_gen_len")}
    assert (0.0, {77, None}) == (sent["temperature"], lengths)
