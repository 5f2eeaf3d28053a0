"""The client as a host's own suite tests it: with mocks alone, without a key or a network."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any
from unittest.mock import MagicMock, Mock, patch

import pytest
from pytest_mock import MockerFixture

from services.llm_client import BedrockClient, GroqClient, ModelType, create_llm_client

SCHEMA = {
    "type": "object",
    "properties": {
        "code": {"type": "string", "pattern": "^[0-9]{4}$"},
        "score": {"type": "number", "minimum": 0, "maximum": 1},
    },
}
FOUND = {"code": "8471", "score": 0.9}


def completion(text: str) -> Mock:
    """Return what Groq answers, as far as a test sets it: every other attribute is a mock."""
    reply = Mock()
    reply.choices = [Mock()]
    reply.choices[0].message.content = text
    return reply


def invocation(text: str) -> dict[str, Any]:
    """Return what Claude answers through `invoke_model`."""
    body = Mock()
    body.read.return_value = json.dumps({"content": [{"type": "text", "text": text}]}).encode()
    return {"body": body}


@pytest.fixture(autouse=True)
def settings() -> Iterator[MagicMock]:
    """Settings in which nothing is set, whatever this machine's environment holds."""
    with patch("services.llm_client.settings") as unset:
        yield unset


class TestGroqClient:
    @pytest.fixture
    def client(self) -> GroqClient:
        with patch("services.llm_client.Groq"):
            return GroqClient(api_key="test-key", model="llama3-70b-8192")

    @pytest.fixture
    def create(self, client: GroqClient) -> Mock:
        create: Mock = client.client.chat.completions.create
        create.return_value = completion("Hello!")
        return create

    def test_the_constructor_builds_the_sdk_client(self) -> None:
        with patch("services.llm_client.Groq") as sdk:
            client = GroqClient(api_key="test-key")

        assert sdk.return_value is client.client
        assert "test-key" == client.api_key == sdk.call_args.kwargs["api_key"]
        assert "mixtral-8x7b-32768" == client.default_model

    def test_the_key_and_the_model_come_from_the_settings(self, settings: MagicMock) -> None:
        settings.GROQ_API_KEY, settings.GROQ_MODEL = "settings-key", "gemma-7b-it"
        with patch("services.llm_client.Groq"):
            client = GroqClient()

        assert ("settings-key", "gemma-7b-it") == (client.api_key, client.default_model)

    def test_a_missing_key_is_refused(self) -> None:
        with patch("services.llm_client.Groq"), pytest.raises(ValueError, match="API key") as no:
            GroqClient()

        assert "Groq API key is required. Set GROQ_API_KEY in environment." == str(no.value)

    @patch("services.llm_client.GROQ_AVAILABLE", False)
    def test_a_missing_library_is_reported(self) -> None:
        with pytest.raises(ImportError, match="Groq library not installed"):
            GroqClient(api_key="test-key")

    def test_generate_success(self, client: GroqClient, create: Mock) -> None:
        assert "Hello!" == client.generate("Say hello")

        create.assert_called_once_with(
            model="llama3-70b-8192",
            messages=[{"role": "user", "content": "Say hello"}],
            temperature=0.7,
            max_tokens=4096,
        )

    def test_generate_takes_what_the_caller_gives(self, client: GroqClient, create: Mock) -> None:
        client.generate(
            prompt="Say hello",
            system_prompt="Be brief.",
            temperature=0.1,
            model="gemma-7b-it",
            max_tokens=50,
        )

        create.assert_called_once_with(
            model="gemma-7b-it",
            messages=[
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Say hello"},
            ],
            temperature=0.1,
            max_tokens=50,
        )

    @pytest.mark.parametrize(
        ("raised", "told"),
        [
            ("rate_limit_exceeded", "Groq rate limit exceeded: rate_limit_exceeded"),
            ("Invalid API Key", "Groq authentication error: Invalid API Key"),
            ("Model not found", "Groq model not found: llama3-70b-8192"),
            ("Something else", "Groq API error: Something else"),
        ],
    )
    def test_an_error_of_the_sdk_is_told_by_its_words(
        self, client: GroqClient, create: Mock, raised: str, told: str
    ) -> None:
        create.side_effect = Exception(raised)

        with pytest.raises(Exception, match=r"^Groq") as caught:
            client.generate("Say hello")

        assert told == str(caught.value)
        assert create.side_effect is caught.value.__cause__

    def test_a_full_window_is_refused_without_a_call(
        self, client: GroqClient, create: Mock
    ) -> None:
        client._request_times = [time.time()] * 30

        with pytest.raises(Exception, match=r"Rate limit exceeded\. Please wait \d+\.\d seconds"):
            client.generate("Say hello")

        create.assert_not_called()

    def test_a_window_assigned_later_is_obeyed(self, client: GroqClient, create: Mock) -> None:
        client._max_requests_per_window = 2
        client.generate("one")
        client.generate("two")
        with pytest.raises(Exception, match="Rate limit exceeded"):
            client.generate("three")

        client._max_requests_per_window = 3
        assert "Hello!" == client.generate("three")

    @pytest.mark.parametrize("form", ["{}", "```json\n{}\n```"])
    def test_generate_structured_returns_a_dict(
        self, client: GroqClient, create: Mock, form: str
    ) -> None:
        create.return_value = completion(form.replace("{}", json.dumps(FOUND)))

        assert client.generate_structured("Classify a laptop", SCHEMA) == FOUND
        assert create.call_args.kwargs["temperature"] == 0.3

    def test_an_answer_that_is_not_json_is_refused(self, client: GroqClient, create: Mock) -> None:
        with pytest.raises(Exception, match="LLM did not return valid JSON"):
            client.generate_structured("Classify a laptop", SCHEMA)

    def test_generate_with_retry_tries_again_after_one_second(
        self, client: GroqClient, create: Mock
    ) -> None:
        create.side_effect = [Exception("Temporary error"), completion("Hello!")]

        with patch("services.llm_client.time.sleep") as sleep:
            assert "Hello!" == client.generate_with_retry("Say hello", max_retries=3)

        sleep.assert_called_once_with(1.0)
        assert create.call_count == 2

    def test_generate_with_retry_gives_up(self, client: GroqClient, create: Mock) -> None:
        create.side_effect = Exception("Temporary error")

        with (
            patch("services.llm_client.time.sleep") as sleep,
            pytest.raises(Exception, match=r"Failed after 3 attempts: .*Temporary error"),
        ):
            client.generate_with_retry("Say hello", max_retries=3)

        assert create.call_count == 3
        assert sum(slept.args[0] for slept in sleep.call_args_list) == 3.0

    @pytest.mark.parametrize("words", ["rate limit", "authentication failed"])
    def test_generate_with_retry_does_not_insist(
        self, client: GroqClient, create: Mock, words: str
    ) -> None:
        create.side_effect = Exception(words)

        with pytest.raises(Exception, match=words):
            client.generate_with_retry("Say hello", max_retries=3)

        assert create.call_count == 1

    def test_the_awaiting_twin_uses_the_same_mock(self, client: GroqClient, create: Mock) -> None:
        assert asyncio.run(client.agenerate("Say hello")) == "Hello!"
        assert create.call_count == 1


class TestBedrockClient:
    @pytest.fixture
    def client(self) -> BedrockClient:
        with patch("services.llm_client.boto3"):
            return BedrockClient(region_name="eu-west-1")

    @pytest.fixture
    def invoke(self, client: BedrockClient) -> Mock:
        invoke: Mock = client.client.invoke_model
        invoke.return_value = invocation("Hello!")
        return invoke

    def test_the_constructor_builds_the_sdk_client(self) -> None:
        with patch("services.llm_client.boto3.client") as build:
            client = BedrockClient(region_name="eu-west-1", model_id=ModelType.CLAUDE_3_HAIKU.value)

        assert build.return_value is client.client
        assert build.call_args.args == ("bedrock-runtime",)
        assert "eu-west-1" == client.region_name == build.call_args.kwargs["region_name"]
        assert ModelType.CLAUDE_3_HAIKU.value == client.default_model_id

    def test_generate_success(self, client: BedrockClient, invoke: Mock) -> None:
        assert "Hello!" == client.generate("Say hello", system_prompt="Be brief.")

        sent = invoke.call_args.kwargs
        assert sent["modelId"] == ModelType.CLAUDE_3_SONNET.value
        assert json.loads(sent["body"]) == {
            "anthropic_version": "bedrock-2023-05-31",
            "messages": [{"role": "user", "content": "Say hello"}],
            "system": "Be brief.",
            "max_tokens": 4096,
            "temperature": 0.7,
        }

    def test_a_bare_error_is_told(self, client: BedrockClient, invoke: Mock) -> None:
        invoke.side_effect = Exception("Something else")

        with pytest.raises(Exception, match=r"^Bedrock API error: Something else$"):
            client.generate("Say hello")

    def test_a_full_window_is_refused_without_a_call(
        self, client: BedrockClient, invoke: Mock
    ) -> None:
        client._request_times = [time.time()] * 50

        with pytest.raises(Exception, match="Rate limit exceeded"):
            client.generate("Say hello")

        invoke.assert_not_called()

    def test_generate_structured_returns_a_dict(self, client: BedrockClient, invoke: Mock) -> None:
        invoke.return_value = invocation(json.dumps(FOUND))

        assert client.generate_structured("Classify a laptop", SCHEMA) == FOUND
        assert json.loads(invoke.call_args.kwargs["body"])["temperature"] == 0.3

    def test_generate_with_retry_makes_the_attempts_it_is_told(
        self, client: BedrockClient, invoke: Mock, mocker: MockerFixture
    ) -> None:
        sleep = mocker.patch("services.llm_client.time.sleep")
        invoke.side_effect = Exception("Temporary error")

        with pytest.raises(Exception, match="Failed after 4 attempts"):
            client.generate_with_retry("Say hello", max_retries=4)

        assert invoke.call_count == 4
        assert [slept.args for slept in sleep.call_args_list] == [(1.0,), (2.0,), (4.0,)]


class TestLLMClientFactory:
    def test_groq_where_the_settings_say_so(self, settings: MagicMock) -> None:
        settings.USE_GROQ, settings.GROQ_API_KEY = True, "test-key"
        with patch("services.llm_client.Groq"):
            client = create_llm_client()

        assert isinstance(client, GroqClient)

    def test_bedrock_otherwise(self, settings: MagicMock) -> None:
        settings.USE_GROQ = False
        settings.BEDROCK_TEMPERATURE, settings.BEDROCK_MAX_TOKENS = 0.2, 1000
        with patch("services.llm_client.boto3.client"):
            client = create_llm_client()

        assert isinstance(client, BedrockClient)
        assert (client.default_temperature, client.default_max_tokens) == (0.2, 1000)

    @patch("services.llm_client.GROQ_AVAILABLE", False)
    def test_a_missing_library_is_reported(self, settings: MagicMock) -> None:
        settings.USE_GROQ, settings.GROQ_API_KEY = True, "test-key"
        with pytest.raises(ImportError, match="Groq library not installed"):
            create_llm_client()
