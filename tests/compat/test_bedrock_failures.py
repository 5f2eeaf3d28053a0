"""Bedrock's failures, as boto3 raises them and as a test's mock does."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)

from services.llm_client import (
    AuthenticationError,
    BedrockClient,
    InvalidRequestError,
    LLMError,
    LLMTimeoutError,
    ModelNotFoundError,
    ProviderUnavailableError,
    RateLimitError,
)
from tests.compat.support import claude, invocation

MODEL = "anthropic.claude-3-opus-20240229-v1:0"
ENDPOINT = "https://bedrock-runtime.us-east-1.amazonaws.com"


def refusal(code: str, status: int | None = None, words: str = "Told so.") -> ClientError:
    """Build it as a host's suite does, where *status* is None: without the response's metadata."""
    said: Any = {"Error": {"Code": code, "Message": words}}
    if status is not None:
        said["ResponseMetadata"] = {"HTTPStatusCode": status, "RequestId": "request-1"}
    return ClientError(said, "InvokeModel")


# The error that boto3 raises, its class among ours, and the calls made in all.
CODES: list[tuple[ClientError, type[LLMError], int]] = [
    (refusal("ValidationException", 400), InvalidRequestError, 1),
    (refusal("ValidationException"), InvalidRequestError, 1),
    (refusal("AccessDeniedException", 403), AuthenticationError, 1),
    (refusal("UnrecognizedClientException"), AuthenticationError, 1),
    (refusal("ServiceQuotaExceededException", 400), RateLimitError, 1),
    (refusal("ThrottlingException", 429), RateLimitError, 3),
    (refusal("ThrottlingException"), RateLimitError, 3),
    (refusal("ModelNotReadyException", 429), ProviderUnavailableError, 3),
    (refusal("InternalServerException", 500), ProviderUnavailableError, 3),
    (refusal("ServiceUnavailableException", 503), ProviderUnavailableError, 3),
    (refusal("ModelTimeoutException", 408), LLMTimeoutError, 3),
    (refusal("SomeNewException", 400), InvalidRequestError, 1),
    (refusal("SomeNewException"), LLMError, 1),
]


@pytest.mark.parametrize(("raised", "kind", "calls"), CODES)
def test_a_client_error_is_told_by_its_code(
    bedrock_client: BedrockClient,
    invoke: Mock,
    sleep: Mock,
    raised: ClientError,
    kind: type[LLMError],
    calls: int,
) -> None:
    invoke.side_effect = raised

    with pytest.raises(kind) as caught:
        bedrock_client.generate("x", model=MODEL)

    assert (type(caught.value), str(caught.value)) == (kind, "Bedrock API error: Told so.")
    assert caught.value.__cause__ is raised
    assert invoke.call_count == calls


CONNECTION: list[tuple[BotoCoreError, type[LLMError], int]] = [
    (BotoCoreError(), LLMError, 1),
    (EndpointConnectionError(endpoint_url=ENDPOINT), ProviderUnavailableError, 3),
    (ReadTimeoutError(endpoint_url=ENDPOINT), LLMTimeoutError, 3),
    (NoCredentialsError(), AuthenticationError, 1),
]


@pytest.mark.parametrize(("raised", "kind", "calls"), CONNECTION)
def test_a_botocore_error_is_a_connection_error(
    bedrock_client: BedrockClient,
    invoke: Mock,
    sleep: Mock,
    raised: BotoCoreError,
    kind: type[LLMError],
    calls: int,
) -> None:
    invoke.side_effect = raised

    with pytest.raises(kind) as caught:
        bedrock_client.generate("x", model=MODEL)

    told = (type(caught.value), str(caught.value))
    assert told == (kind, f"Bedrock connection error: {raised}")
    assert caught.value.__cause__ is raised
    assert invoke.call_count == calls


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("rate limit", RateLimitError),
        ("rate_limit_exceeded", RateLimitError),
        ("Authentication failed", AuthenticationError),
        ("Model not found", ModelNotFoundError),
        ("Something else", LLMError),
    ],
)
def test_a_bare_exception_is_told_by_its_words(
    bedrock_client: BedrockClient, invoke: Mock, words: str, kind: type[LLMError]
) -> None:
    invoke.side_effect = Exception(words)

    with pytest.raises(kind) as caught:
        bedrock_client.generate("x")

    assert (type(caught.value), str(caught.value)) == (kind, f"Bedrock API error: {words}")
    assert invoke.call_count == 1


def test_denied_access_is_a_value_error(bedrock_client: BedrockClient, invoke: Mock) -> None:
    invoke.side_effect = refusal("AccessDeniedException", 403)

    with pytest.raises(ValueError, match=r"^Bedrock API error: Told so\.$"):
        bedrock_client.generate("x")


def test_a_body_that_is_not_json_is_told(
    bedrock_client: BedrockClient, invoke: Mock, sleep: Mock
) -> None:
    invoke.side_effect = lambda **_: {"body": Mock(read=Mock(return_value=b"<html>"))}

    with pytest.raises(ProviderUnavailableError, match="the reply is not whole JSON"):
        bedrock_client.generate("x")


def test_a_passing_fault_is_ridden_out(
    bedrock_client: BedrockClient, invoke: Mock, sleep: Mock
) -> None:
    invoke.side_effect = [refusal("ServiceUnavailableException", 503), invocation(claude("Hi"))]

    assert bedrock_client.generate("x") == "Hi"
    (backoff,) = [slept.args[0] for slept in sleep.call_args_list]
    assert 0.375 <= backoff <= 0.5


def test_the_facts_of_the_response_are_on_the_error(
    bedrock_client: BedrockClient, invoke: Mock
) -> None:
    invoke.side_effect = refusal("ValidationException", 400)

    with pytest.raises(LLMError) as caught:
        bedrock_client.generate("x")

    error = caught.value
    assert (error.provider, error.status, error.code) == ("bedrock", 400, "ValidationException")
    assert error.request_id == "request-1"
