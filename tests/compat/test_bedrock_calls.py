"""What boto3 is asked for each family of models, and how their answers are read."""

from __future__ import annotations

import io
import json
from typing import Any
from unittest.mock import MagicMock, Mock, patch

import boto3
import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber

from services.llm_client import BedrockClient, ModelType
from tests.compat.support import LLAMA, MIXTRAL, SONNET, claude, invocation

FAMILY: dict[ModelType, str] = {
    ModelType.CLAUDE_3_SONNET: "claude",
    ModelType.CLAUDE_3_HAIKU: "claude",
    ModelType.CLAUDE_3_OPUS: "claude",
    ModelType.LLAMA_3_70B: "llama",
    ModelType.LLAMA_3_8B: "llama",
    ModelType.MIXTRAL_8X7B: "mixtral",
}
ANSWERS: dict[str, Any] = {
    "claude": claude("Hello!"),
    "llama": {"generation": "Hello!"},
    "mixtral": {"outputs": [{"text": "Hello!"}]},
}
LENGTH = {"claude": "max_tokens", "llama": "max_gen_len", "mixtral": "max_tokens"}

six = pytest.mark.parametrize("kind", ModelType, ids=[kind.name for kind in ModelType])


@six
@pytest.mark.parametrize("as_enum", [False, True])
def test_the_six_are_asked_through_invoke_model(
    bedrock_client: BedrockClient, invoke: Mock, kind: ModelType, as_enum: bool
) -> None:
    family = FAMILY[kind]
    invoke.side_effect = lambda **_: invocation(ANSWERS[family])
    asked = bedrock_client.generate("Hello?", "Be brief.", 0.1, kind if as_enum else kind.value, 50)

    assert asked == "Hello!"
    assert invoke.call_count == 1
    assert not bedrock_client.client.converse.called
    assert invoke.call_args.args == ()
    sent = invoke.call_args.kwargs
    assert sent["modelId"] == kind.value
    assert type(sent["modelId"]) is str  # an enum is looked up and written differently
    body = json.loads(sent["body"])
    assert (body["temperature"], body[LENGTH[family]]) == (0.1, 50)
    assert "Hello?" in sent["body"]
    assert "Be brief." in sent["body"]


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda text: Mock(read=Mock(return_value=text.encode())),
        lambda text: Mock(read=Mock(return_value=text)),
        lambda text: MagicMock(read=Mock(return_value=text.encode())),
        lambda text: io.BytesIO(text.encode()),
        lambda text: io.StringIO(text),
        lambda text: StreamingBody(io.BytesIO(text.encode()), len(text)),
    ],
    ids=["bytes", "str", "magic mock", "BytesIO", "StringIO", "StreamingBody"],
)
def test_the_body_is_whatever_can_be_read(
    bedrock_client: BedrockClient, invoke: Mock, wrapped: Any
) -> None:
    invoke.side_effect = lambda **_: {"body": wrapped(json.dumps(claude("Hello!")))}

    assert bedrock_client.generate("Hello?") == "Hello!"


def test_claudes_body_holds_messages(bedrock_client: BedrockClient) -> None:
    assert bedrock_client._format_prompt_for_model("Hello?", "Be brief.", SONNET) == {
        "anthropic_version": "bedrock-2023-05-31",
        "messages": [{"role": "user", "content": "Hello?"}],
        "system": "Be brief.",
        "max_tokens": 4096,
        "temperature": 0.7,
    }


def test_llamas_body_holds_its_template(bedrock_client: BedrockClient) -> None:
    body = bedrock_client._format_prompt_for_model("Hello?", "Be brief.", LLAMA)

    assert body == {
        "prompt": "<|begin_of_text|>"
        "<|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nHello?<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n",
        "max_gen_len": 4096,
        "temperature": 0.7,
    }


def test_mixtrals_body_holds_its_template(bedrock_client: BedrockClient) -> None:
    body = bedrock_client._format_prompt_for_model("Hello?", "Be brief.", MIXTRAL)

    assert body == {
        "prompt": "<s>[INST] Be brief.\n\nHello? [/INST]",
        "max_tokens": 4096,
        "temperature": 0.7,
    }


@pytest.mark.parametrize("model", [SONNET, LLAMA, MIXTRAL])
def test_without_a_system_prompt_no_body_speaks_of_one(
    bedrock_client: BedrockClient, model: str
) -> None:
    body = bedrock_client._format_prompt_for_model("Hello?", None, model)

    assert "system" not in json.dumps(body)
    assert "Hello?" in json.dumps(body)


def test_a_body_holds_the_clients_defaults() -> None:
    with patch("services.llm_client.boto3"):
        client = BedrockClient(temperature=0.2, max_tokens=10)
    body = client._format_prompt_for_model("Hello?", None, SONNET)

    assert (body["temperature"], body["max_tokens"]) == (0.2, 10)


@six
def test_an_answer_is_read_by_its_family(bedrock_client: BedrockClient, kind: ModelType) -> None:
    body = ANSWERS[FAMILY[kind]]

    assert bedrock_client._parse_response(body, kind.value) == "Hello!"


def test_claudes_texts_are_one(bedrock_client: BedrockClient) -> None:
    body = {"content": [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo!"}]}

    assert bedrock_client._parse_response(body, SONNET) == "Hello!"


@pytest.mark.parametrize("model", ["amazon.titan-text-express-v1", "unknown"])
def test_a_model_of_no_known_family_is_unsupported(
    bedrock_client: BedrockClient, model: str
) -> None:
    with pytest.raises(ValueError, match=f"^Unsupported model: {model}$"):
        bedrock_client._format_prompt_for_model("Hello?", None, model)
    with pytest.raises(ValueError, match=f"^Unsupported model: {model}$"):
        bedrock_client._parse_response({}, model)


def test_every_other_model_is_asked_through_converse(bedrock_client: BedrockClient) -> None:
    model = "us.anthropic.claude-sonnet-4-6"
    said = {"message": {"role": "assistant", "content": [{"text": "Hello!"}]}}
    bedrock_client.client.converse.return_value = {"output": said, "stopReason": "end_turn"}

    assert bedrock_client.generate("Hello?", model=model) == "Hello!"
    assert bedrock_client.client.converse.call_args.kwargs["modelId"] == model
    assert not bedrock_client.client.invoke_model.called


def test_without_converse_the_error_names_the_release_that_has_it(
    bedrock_client: BedrockClient,
) -> None:
    bedrock_client.client = Mock(spec=["invoke_model"])

    with pytest.raises(ValueError, match=r"Converse, which boto3 has from 1\.34\.116 on") as caught:
        bedrock_client.generate("Hello?", model="us.amazon.nova-lite-v1:0")
    assert f"this is boto3 {boto3.__version__}" in str(caught.value)


@pytest.mark.parametrize("model", [SONNET, ModelType.CLAUDE_3_SONNET])
def test_the_real_sdk_accepts_what_it_is_asked(model: str) -> None:
    answer = json.dumps(claude("Hello!")).encode()
    body = StreamingBody(io.BytesIO(answer), len(answer))
    with BedrockClient() as client, Stubber(client.client) as stub:
        stub.add_response("invoke_model", {"body": body, "contentType": "application/json"})
        assert client.generate("Hello?", model=model) == "Hello!"
        stub.assert_no_pending_responses()
