"""What both of Bedrock's wires share: models, credentials and limits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from sandbox import Answer, Limits, Sandbox
from tests.sandbox.bedrock_calls import (
    OPUS_3,
    SONNET,
    claude,
    error_of,
    invoke,
    post,
    turn,
)

EOL = (
    "This model version has reached the end of its life. "
    "Please refer to the AWS documentation for more details."
)


@pytest.mark.parametrize(
    "model",
    [
        "anthropic.claude-3-sonnet-20240229-v1:0",
        "anthropic.claude-3-haiku-20240307-v1:0",
        "us.anthropic.claude-3-7-sonnet-20250219-v1:0",
        "anthropic.claude-v2:1",
        "us.meta.llama3-2-3b-instruct-v1:0",
    ],
)
def test_a_model_past_its_life_is_not_found(bedrock_client: Any, model: str) -> None:
    answer = error_of(lambda: bedrock_client.converse(modelId=model, messages=turn()))
    assert (404, "ResourceNotFoundException", EOL) == answer


def test_on_an_earlier_day_it_still_answers(make_bedrock: Callable[..., Any]) -> None:
    with Sandbox(today=date(2024, 6, 1)) as sandbox:
        body, _ = invoke(
            make_bedrock(sandbox.url), "anthropic.claude-3-sonnet-20240229-v1:0", claude()
        )
    assert "Sandbox: hello" == body["content"][0]["text"]


@pytest.mark.parametrize(
    "model", ["nonsense", "mixtral-8x7b-32768", "arn:aws:bedrock:us-east-1:1:custom/x"]
)
def test_an_unknown_model_is_an_invalid_identifier(bedrock_client: Any, model: str) -> None:
    answer = error_of(lambda: bedrock_client.converse(modelId=model, messages=turn()))
    assert (400, "ValidationException", "The provided model identifier is invalid.") == answer


@pytest.mark.parametrize(
    "model",
    ["anthropic.claude-sonnet-4-6", "anthropic.claude-opus-5", "meta.llama3-3-70b-instruct-v1:0"],
)
def test_a_model_behind_profiles_needs_one(bedrock_client: Any, model: str) -> None:
    status, code, text = error_of(lambda: bedrock_client.converse(modelId=model, messages=turn()))
    assert (400, "ValidationException") == (status, code)
    assert text == (
        f"Invocation of model ID {model} with on-demand throughput isn’t supported. "
        "Retry your request with the ID or ARN of an inference profile that contains this model."
    )


@pytest.mark.parametrize(
    "model",
    [
        "us.anthropic.claude-opus-4-5-20251101-v1:0",
        "global.anthropic.claude-haiku-4-5-20251001-v1:0",
        "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-5",
        "us.meta.llama4-scout-17b-instruct-v1:0",
        "mistral.mistral-large-3-675b-instruct",
        "amazon.nova-lite-v1:0",
        "qwen.qwen3-32b-v1:0",
    ],
)
def test_models_in_service_and_profiles_answer(bedrock_client: Any, model: str) -> None:
    reply = bedrock_client.converse(modelId=model, messages=turn())
    assert [{"text": "Sandbox: hello"}] == reply["output"]["message"]["content"]


def test_model_ids_need_not_be_percent_encoded(sandbox: Sandbox) -> None:
    assert 200 == post(sandbox, f"/model/{OPUS_3}/invoke", claude()).status_code


@pytest.mark.parametrize("model", ["global.anthropic.claude-haiku-5-5", "openai.gpt-oss-120b-1:0"])
def test_some_models_think_unasked(bedrock_client: Any, model: str) -> None:
    reply = bedrock_client.converse(modelId=model, messages=turn())
    thought, text = reply["output"]["message"]["content"]
    assert "Echo the prompt." == thought["reasoningContent"]["reasoningText"]["text"]
    assert {"text": "Sandbox: hello"} == text


def test_an_operation_that_there_is_not_is_answered_as_recorded(sandbox: Sandbox) -> None:
    reply = post(sandbox, f"/model/{SONNET}/dance", {})
    assert 200 == reply.status_code
    assert reply.json()["Output"]["__type"].endswith("UnknownOperationException")


@pytest.mark.parametrize(
    ("region", "model", "served"),
    [
        ("us-east-1", "eu.anthropic.claude-sonnet-4-6", False),
        ("eu-west-1", "us.anthropic.claude-sonnet-4-6", False),
        ("eu-west-1", "eu.anthropic.claude-sonnet-4-6", True),
        ("ap-northeast-1", "jp.anthropic.claude-sonnet-4-6", True),
        ("eu-west-1", "global.anthropic.claude-sonnet-4-6", True),
        ("eu-west-1", "mistral.mistral-large-3-675b-instruct", True),
    ],
)
def test_a_profile_is_called_from_its_own_regions(
    sandbox: Sandbox, region: str, model: str, served: bool
) -> None:
    scope = f"Credential=AKIA/20261122/{region}/bedrock/aws4_request"
    reply = httpx.post(
        f"{sandbox.url}/model/{model}/converse",
        json={"messages": turn()},
        headers={"authorization": f"AWS4-HMAC-SHA256 {scope}, Signature=0"},
        trust_env=False,
        verify=False,
    )
    assert (200 if served else 400) == reply.status_code
    if not served:
        assert {"message": "The provided model identifier is invalid."} == reply.json()


def test_unknown_credentials_are_unrecognised(
    make_bedrock: Callable[..., Any], sandbox: Sandbox
) -> None:
    client = make_bedrock(sandbox.url, "INVALIDKEY")
    assert (
        403,
        "UnrecognizedClientException",
        "The security token included in the request is invalid.",
    ) == error_of(lambda: client.converse(modelId=SONNET, messages=turn()))


def test_missing_credentials_are_missed(sandbox: Sandbox) -> None:
    reply = post(sandbox, f"/model/{SONNET}/converse", {"messages": turn()}, key=None)
    assert 403 == reply.status_code
    assert reply.headers["x-amzn-errortype"].startswith("MissingAuthenticationTokenException:")


def test_a_bearer_token_is_a_credential_too() -> None:
    with Sandbox(keys={"token": "account"}) as sandbox:
        reply = httpx.post(
            f"{sandbox.url}/model/{SONNET}/converse",
            json={"messages": turn()},
            headers={"authorization": "Bearer token"},
            trust_env=False,
            verify=False,
        )
        assert 200 == reply.status_code
        assert "account" == sandbox.exchanges[0].organisation


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(rpm=1), "Too many requests, please wait before trying again."),
        (Limits(tpm=20), "Too many tokens, please wait before trying again."),
        (Limits(tpd=20), "Too many tokens per day, please wait before trying again."),
    ],
)
def test_limits_throttle_without_a_retry_after(
    make_bedrock: Callable[..., Any], limits: Limits, message: str
) -> None:
    request = {"modelId": SONNET, "messages": turn(), "inferenceConfig": {"maxTokens": 10}}
    with Sandbox(limits=limits, clock=lambda: 0.0) as sandbox:
        client = make_bedrock(sandbox.url)
        sandbox.script(Answer(text="x", output_tokens=10))
        client.converse(**request)
        with pytest.raises(ClientError) as caught:
            client.converse(**request)
    response = caught.value.response
    assert {"Code": "ThrottlingException", "Message": message} == response["Error"]
    assert "retry-after" not in response["ResponseMetadata"]["HTTPHeaders"]


def test_unset_max_tokens_reserve_the_models_maximum(make_bedrock: Callable[..., Any]) -> None:
    with Sandbox(limits=Limits(tpm=4_097), clock=lambda: 0.0) as sandbox:
        client = make_bedrock(sandbox.url)
        assert client.converse(modelId=SONNET, messages=turn("four"))
        status, code, _ = error_of(
            lambda: client.converse(modelId=SONNET, messages=turn("seven 7"))
        )
    assert (429, "ThrottlingException") == (status, code)
