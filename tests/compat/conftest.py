"""Clients as hosts' fixtures build them: the patch has ended before the client is used."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from types import SimpleNamespace
from unittest.mock import Mock, patch

import pytest

from services.llm_client import BedrockClient, GroqClient
from tests.compat.support import claude, completion, invocation


class Clock:
    """A monotonic clock that moves only when told to."""

    def __init__(self) -> None:
        self.now = time.monotonic()

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A host's settings with hardly a field, in an environment that names no provider."""
    for name in list(os.environ):
        if name.startswith(("GROQ_", "AWS_", "BEDROCK_", "LLM_", "USE_GROQ")):
            monkeypatch.delenv(name)
    # boto3 looks for credentials there, and on the network.
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    bare = SimpleNamespace(USE_GROQ=None)
    monkeypatch.setattr("services.llm_client.settings", bare)
    return bare


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that quotas and deadlines go by, standing still."""
    still = Clock()
    monkeypatch.setattr("time.monotonic", still)
    return still


@pytest.fixture
def groq_client() -> GroqClient:
    """A client on a mocked SDK that answers "Hello!"."""
    with patch("services.llm_client.Groq"):
        client = GroqClient(api_key="test-key", model="llama3-70b-8192")
    client.client.chat.completions.create.return_value = completion("Hello!")
    return client


@pytest.fixture
def create(groq_client: GroqClient) -> Mock:
    """What that client calls."""
    called: Mock = groq_client.client.chat.completions.create
    return called


@pytest.fixture
def bedrock_client() -> BedrockClient:
    """A client on a mocked SDK that answers "Hello!" as Claude does."""
    with patch("services.llm_client.boto3"):
        client = BedrockClient()
    client.client.invoke_model.side_effect = lambda **_: invocation(claude("Hello!"))
    return client


@pytest.fixture
def invoke(bedrock_client: BedrockClient) -> Mock:
    """What that client calls."""
    called: Mock = bedrock_client.client.invoke_model
    return called


@pytest.fixture(params=["groq", "bedrock"])
def client(request: pytest.FixtureRequest) -> GroqClient | BedrockClient:
    """Each of the two clients."""
    made: GroqClient | BedrockClient = request.getfixturevalue(f"{request.param}_client")
    return made


@pytest.fixture
def sdk_call(client: GroqClient | BedrockClient) -> Mock:
    """What the client calls, whichever it is; it answers whatever it is asked."""
    sdk = client.client
    called: Mock = (
        sdk.chat.completions.create if isinstance(client, GroqClient) else sdk.invoke_model
    )
    return called


@pytest.fixture
def sleep() -> Iterator[Mock]:
    """The sleeps of all threads, which take no time."""
    with patch("services.llm_client.time.sleep") as slept:
        yield slept
