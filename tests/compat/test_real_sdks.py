"""The real SDKs, whichever release is installed, against a provider on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from types import SimpleNamespace

import botocore
import pytest

from sandbox import Sandbox
from services.llm_client import (
    AuthenticationError,
    BedrockClient,
    GroqClient,
    ModelNotFoundError,
    RateLimitError,
    create_llm_client,
)

SPEAKS_CONVERSE = tuple(map(int, botocore.__version__.split(".")[:3])) >= (1, 34, 116)


@pytest.fixture(scope="module")
def provider() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def groq(settings: SimpleNamespace, provider: Sandbox) -> Iterator[GroqClient]:
    settings.USE_GROQ, settings.GROQ_API_KEY = True, "gsk_test"
    settings.GROQ_BASE_URL = provider.url
    with GroqClient(model="openai/gpt-oss-20b") as client:
        yield client


@pytest.fixture
def bedrock(settings: SimpleNamespace, provider: Sandbox) -> Iterator[BedrockClient]:
    settings.AWS_ACCESS_KEY_ID, settings.AWS_SECRET_ACCESS_KEY = "AKIDTEST", "test"
    settings.AWS_ENDPOINT_URL_BEDROCK_RUNTIME = provider.url
    with BedrockClient(model_id="mistral.mixtral-8x7b-instruct-v0:1") as client:
        yield client


def test_groq_answers(groq: GroqClient) -> None:
    reply = groq.respond("Hello?", "Be brief.")

    assert "Hello?" in reply.text
    assert (reply.model, reply.finish_reason) == ("openai/gpt-oss-20b", "stop")
    assert reply.usage.reported


def test_groq_answers_a_coroutine(groq: GroqClient) -> None:
    assert "Hello?" in asyncio.run(groq.agenerate("Hello?"))


def test_the_factorys_groq_client_answers(groq: GroqClient) -> None:
    with create_llm_client() as client:
        assert "Hello?" in client.generate("Hello?", model="openai/gpt-oss-20b")


def test_groqs_refusals_are_told(groq: GroqClient) -> None:
    with pytest.raises(RateLimitError, match=r"^Groq rate limit exceeded: ") as caught:
        groq.generate_with_retry("x", model="sandbox/429?retry-after=7")
    assert (caught.value.retry_after, len(caught.value.attempts)) == (7.0, 1)
    with pytest.raises(AuthenticationError, match=r"^Groq authentication error: "):
        groq.generate("x", model="sandbox/invalid-key")
    with pytest.raises(ModelNotFoundError, match=r"^Groq model not found: no-such-model"):
        groq.generate("x", model="no-such-model")


def test_bedrock_answers(bedrock: BedrockClient) -> None:
    reply = bedrock.respond("Hello?", "Be brief.")

    assert "Hello?" in reply.text
    assert reply.finish_reason == "stop"


def test_bedrock_answers_a_coroutine(bedrock: BedrockClient) -> None:
    assert "Hello?" in asyncio.run(bedrock.agenerate("Hello?"))


def test_converse_answers_or_the_error_names_the_release_that_has_it(
    bedrock: BedrockClient,
) -> None:
    model = "us.anthropic.claude-sonnet-4-6"
    if SPEAKS_CONVERSE:
        assert "Hello?" in bedrock.generate("Hello?", model=model)
    else:
        with pytest.raises(ValueError, match=r"Converse, which boto3 has from 1\.34\.116 on"):
            bedrock.generate("Hello?", model=model)
