"""Credentials and endpoints reach the SDKs as hosts set them."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox import Sandbox
from services import llm_client
from services.llm_client import BedrockClient, ConfigurationError, GroqClient
from tests.wire.conftest import OpenFace
from tests.wire.faces import ACCESS_KEY_ID, KEY, MODEL, SECRET_KEY, settings

BEARER = "bedrock-api-key-of-somebody"
NOWHERE = "http://127.0.0.1:9"


class NotSentError(Exception):
    """What boto3 was about to send."""

    def __init__(self, request: Any) -> None:
        super().__init__(request.url)
        self.url: str = request.url
        self.headers = {name.lower(): str(value) for name, value in request.headers.items()}


def sent_by(client: BedrockClient) -> NotSentError:
    """The signed request of one call, which is not sent."""

    def stop(request: Any, **_: object) -> None:
        raise NotSentError(request)

    client.client.meta.events.register("before-send.bedrock-runtime.*", stop)
    with pytest.raises(Exception, match=r"https?://") as caught:
        client.generate("hi", model="us.anthropic.claude-sonnet-4-6", max_retries=0)
    cause = caught.value.__cause__
    assert isinstance(cause, NotSentError)
    return cause


@pytest.mark.parametrize("kind", ["groq", "bedrock"])
def test_the_endpoint_is_that_of_the_settings(
    open_client: OpenFace, sandbox: Sandbox, kind: str
) -> None:
    open_client(kind).generate("hi")
    assert 1 == len(sandbox.exchanges)


def test_the_argument_wins_over_the_settings(open_client: OpenFace, sandbox: Sandbox) -> None:
    nowhere = {"GROQ_BASE_URL": NOWHERE, "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": NOWHERE}
    open_client("groq", {"base_url": sandbox.url}, **nowhere).generate("hi")
    open_client("bedrock", {"endpoint_url": sandbox.url}, **nowhere).generate("hi")
    assert ["groq", "bedrock"] == [exchange.provider for exchange in sandbox.exchanges]


def test_boto3s_own_environment_variable_leads_it_too(
    open_client: OpenFace, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", sandbox.url)
    open_client("bedrock", AWS_ENDPOINT_URL_BEDROCK_RUNTIME="").generate("hi")
    assert 1 == len(sandbox.exchanges)


def test_a_base_url_with_the_sdks_own_path_is_refused(open_client: OpenFace) -> None:
    with pytest.raises(ConfigurationError, match="leave out /openai/v1"):
        open_client("groq", {"base_url": "https://api.groq.com/openai/v1/"})


def test_the_keys_of_the_settings_sign(open_client: OpenFace) -> None:
    headers = sent_by(open_client("bedrock").client).headers
    assert f"Credential={ACCESS_KEY_ID}/" in headers["authorization"]
    assert "x-amz-security-token" not in headers


def test_a_session_token_goes_with_its_keys(open_client: OpenFace) -> None:
    client = open_client("bedrock", AWS_SESSION_TOKEN="a-temporary-token").client
    assert "a-temporary-token" in sent_by(client).headers["x-amz-security-token"]


def test_without_keys_boto3_finds_its_own(
    open_client: OpenFace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAFROMENVIRONMENT0")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    face = open_client("bedrock", AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    assert "Credential=AKIAFROMENVIRONMENT0/" in sent_by(face.client).headers["authorization"]


@pytest.mark.parametrize("keys", [{}, {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}])
def test_a_bearer_token_wins_over_keys(
    open_client: OpenFace, monkeypatch: pytest.MonkeyPatch, keys: dict[str, str]
) -> None:
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", BEARER)
    face = open_client("bedrock", AWS_ENDPOINT_URL_BEDROCK_RUNTIME="", **keys)
    sent = sent_by(face.client)
    assert f"Bearer {BEARER}" == sent.headers["authorization"].removeprefix("b'").rstrip("'")
    assert sent.url.startswith("https://bedrock-runtime.us-east-1.amazonaws.com/")


def test_a_bearer_token_over_plain_http_is_a_clear_error(
    open_client: OpenFace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", BEARER)
    with pytest.raises(ConfigurationError) as caught:
        open_client("bedrock").generate("hi")
    assert BEARER not in str(caught.value)


def test_the_region_is_part_of_the_endpoint(open_client: OpenFace) -> None:
    face = open_client("bedrock", {"region_name": "eu-west-1"}, AWS_ENDPOINT_URL_BEDROCK_RUNTIME="")
    assert "https://bedrock-runtime.eu-west-1.amazonaws.com" in sent_by(face.client).url


def test_the_environments_groq_key_is_not_consulted(
    open_client: OpenFace, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROQ_API_KEY", "gsk_of_somebody_else")
    monkeypatch.setenv("GROQ_BASE_URL", NOWHERE)
    monkeypatch.setattr(llm_client, "settings", settings(sandbox.url, GROQ_API_KEY=""))
    with pytest.raises(ValueError, match="GROQ_API_KEY"):
        GroqClient()
    with GroqClient(api_key=KEY) as client:
        client.generate("hi", model=MODEL)
    assert KEY == client.client.api_key


def test_the_factorys_client_speaks_with_the_provider_of_the_settings(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for use_groq, kind in ((True, GroqClient), (False, BedrockClient)):
        monkeypatch.setattr(llm_client, "settings", settings(sandbox.url, USE_GROQ=use_groq))
        with llm_client.create_llm_client() as client:
            assert isinstance(client, kind)
            assert "Sandbox: hi" == client.generate("hi")
