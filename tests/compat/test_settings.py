"""The host's settings may be any object: what is not there, or not of its type, has its default."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock, Mock, patch

import pytest

import config
from services.llm_client import BedrockClient, ConfigurationError, GroqClient, create_llm_client

BASIC: dict[str, Any] = {
    "USE_GROQ": True,
    "GROQ_API_KEY": "test-key",
    "GROQ_MODEL": "gemma-7b-it",
    "AWS_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "AKIDTEST",
    "AWS_SECRET_ACCESS_KEY": "test-secret",
    "BEDROCK_MODEL_ID": "meta.llama3-8b-instruct-v1:0",
    "BEDROCK_TEMPERATURE": 0.2,
    "BEDROCK_MAX_TOKENS": 1000,
}


class Basic:
    """A plain class, its fields on the class."""


for _name, _value in BASIC.items():
    setattr(Basic, _name, _value)


HOSTS: dict[str, Callable[[], Any]] = {
    "a plain class": lambda: Basic,
    "an instance": Basic,
    "a namespace": lambda: SimpleNamespace(**BASIC),
    "a mock": lambda: MagicMock(**BASIC),
    "a mock of the basic fields alone": lambda: MagicMock(spec=list(BASIC), **BASIC),
    "our own": lambda: config.Settings(**BASIC),
}
NOTHING_SET: dict[str, Callable[[], Any]] = {
    "a mock": MagicMock,
    "a mock without a field": lambda: Mock(spec=[]),
    "our own": config.Settings,
    "None in every field": lambda: SimpleNamespace(**dict.fromkeys(BASIC)),
}


@pytest.fixture
def host(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    made = request.param()
    monkeypatch.setattr("services.llm_client.settings", made)
    return made


@pytest.mark.parametrize("host", HOSTS.values(), ids=HOSTS, indirect=True)
def test_the_factory_reads_the_basic_fields_for_groq(host: Any) -> None:
    with patch("services.llm_client.Groq") as sdk:
        client = create_llm_client()

    assert isinstance(client, GroqClient)
    assert (client.api_key, client.default_model) == ("test-key", "gemma-7b-it")
    assert (client.default_temperature, client.default_max_tokens) == (0.7, 4096)
    assert sdk.call_args.kwargs["api_key"] == "test-key"


@pytest.mark.parametrize("host", HOSTS.values(), ids=HOSTS, indirect=True)
def test_the_factory_reads_the_basic_fields_for_bedrock(
    host: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "USE_GROQ", False)
    with patch("services.llm_client.boto3.client") as build:
        client = create_llm_client()

    assert isinstance(client, BedrockClient)
    assert client.region_name == "eu-west-1"
    assert client.default_model_id == "meta.llama3-8b-instruct-v1:0"
    assert (client.default_temperature, client.default_max_tokens) == (0.2, 1000)
    given = build.call_args.kwargs
    assert given["region_name"] == "eu-west-1"
    assert given["aws_access_key_id"] == "AKIDTEST"
    assert given["aws_secret_access_key"] == "test-secret"


@pytest.mark.parametrize("host", NOTHING_SET.values(), ids=NOTHING_SET, indirect=True)
def test_what_is_not_set_has_its_default(host: Any) -> None:
    with patch("services.llm_client.boto3.client") as build:
        client = create_llm_client()

    assert isinstance(client, BedrockClient)
    assert client.region_name == "us-east-1"
    assert client.default_model_id == "anthropic.claude-3-sonnet-20240229-v1:0"
    assert (client.default_temperature, client.default_max_tokens) == (0.7, 4096)
    # Without keys of ours, boto3 goes down its own chain.
    assert not {"aws_access_key_id", "aws_secret_access_key"} & set(build.call_args.kwargs)


@pytest.mark.parametrize("host", NOTHING_SET.values(), ids=NOTHING_SET, indirect=True)
def test_no_settings_hold_a_groq_key_by_default(host: Any) -> None:
    with patch("services.llm_client.Groq"):
        with pytest.raises(ValueError, match="Groq API key is required"):
            GroqClient()
        assert GroqClient(api_key="test-key").default_model == "mixtral-8x7b-32768"


@pytest.mark.parametrize(
    ("field", "value", "attribute", "expected"),
    [
        ("GROQ_MODEL", MagicMock(), "default_model", "mixtral-8x7b-32768"),
        ("GROQ_REQUESTS_PER_MINUTE", "60", "_max_requests_per_window", 60),
        ("GROQ_REQUESTS_PER_MINUTE", "", "_max_requests_per_window", 30),
        ("GROQ_REQUESTS_PER_MINUTE", object(), "_max_requests_per_window", 30),
        ("GROQ_REQUESTS_PER_MINUTE", 60, "_max_requests_per_window", 60),
        ("LLM_MAX_RETRIES", " 5\r", "max_retries", 5),
        ("LLM_MAX_RETRIES", None, "max_retries", 2),
        ("LLM_TIMEOUT", MagicMock(), "timeout", 120.0),
        ("LLM_TIMEOUT", 30, "timeout", 30.0),
    ],
)
def test_a_knob_is_read_whatever_type_says_it_and_what_says_nothing_is_not_set(
    settings: SimpleNamespace, field: str, value: object, attribute: str, expected: object
) -> None:
    setattr(settings, field, value)
    with patch("services.llm_client.Groq"):
        client = GroqClient(api_key="test-key")

    assert getattr(client, attribute) == expected


def test_a_value_out_of_bounds_is_named(settings: SimpleNamespace) -> None:
    settings.BEDROCK_TEMPERATURE = 1.5
    with pytest.raises(ValueError, match=r"BEDROCK_TEMPERATURE is 1\.5: .*less than or equal to 1"):
        create_llm_client()


@pytest.mark.parametrize("path", ["/openai/v1", "/openai/v1/"])
def test_a_base_url_with_the_path_that_the_sdk_adds_is_refused(
    settings: SimpleNamespace, path: str
) -> None:
    settings.GROQ_BASE_URL = f"https://proxy.example{path}"

    with pytest.raises(ValueError, match=r"GROQ_BASE_URL is .*: leave out /openai/v1"):
        GroqClient(api_key="test-key")


@pytest.mark.parametrize("argument", [True, False])
def test_an_aws_endpoint_is_a_web_address_without_blanks_around_it(
    settings: SimpleNamespace, argument: bool
) -> None:
    def made(url: str) -> BedrockClient:
        settings.AWS_ENDPOINT_URL_BEDROCK_RUNTIME = "" if argument else url
        return BedrockClient(" eu-west-1\r", "m\r", endpoint_url=url if argument else None)

    with patch("services.llm_client.boto3.client") as build:
        made("https://vpce.example\r\n")
        assert "https://vpce.example" == build.call_args.kwargs["endpoint_url"]
        assert "eu-west-1" == build.call_args.kwargs["region_name"]
        named = "endpoint_url" if argument else "AWS_ENDPOINT_URL_BEDROCK_RUNTIME"
        with pytest.raises(ConfigurationError, match=rf"^{named} is 'vpce'"):
            made("vpce")


def test_our_own_settings_read_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USE_GROQ", "true")
    monkeypatch.setenv("GROQ_API_KEY", "test-key")
    monkeypatch.setenv("GROQ_MODEL", "")
    monkeypatch.setattr("services.llm_client.settings", config.Settings())

    with patch("services.llm_client.Groq"):
        client = create_llm_client()

    assert isinstance(client, GroqClient)
    assert (client.api_key, client.default_model) == ("test-key", "mixtral-8x7b-32768")


def test_the_modules_settings_are_those_of_config() -> None:
    from tests.compat.support import BACKEND, run_python

    code = (
        "import json, config; from services.llm_client import settings;"
        "print(json.dumps(settings is config.settings))"
    )

    assert run_python(code, BACKEND) is True
