"""What the constructors take, keep and build."""

from __future__ import annotations

from enum import Enum
from unittest.mock import patch

from services.llm_client import BedrockClient, GroqClient, LLMClient, ModelType

MODEL_IDS = {
    "CLAUDE_3_SONNET": "anthropic.claude-3-sonnet-20240229-v1:0",
    "CLAUDE_3_HAIKU": "anthropic.claude-3-haiku-20240307-v1:0",
    "CLAUDE_3_OPUS": "anthropic.claude-3-opus-20240229-v1:0",
    "LLAMA_3_70B": "meta.llama3-70b-instruct-v1:0",
    "LLAMA_3_8B": "meta.llama3-8b-instruct-v1:0",
    "MIXTRAL_8X7B": "mistral.mixtral-8x7b-instruct-v0:1",
}


def test_the_model_types_are_bedrocks_ids() -> None:
    assert {kind.name: kind.value for kind in ModelType} == MODEL_IDS
    assert issubclass(ModelType, str)
    assert issubclass(ModelType, Enum)
    assert ModelType("meta.llama3-8b-instruct-v1:0") is ModelType.LLAMA_3_8B


def test_groq_has_these_defaults() -> None:
    with patch("services.llm_client.Groq") as sdk:
        client = GroqClient(api_key="test-key")

    assert (client.api_key, client.default_model) == ("test-key", "mixtral-8x7b-32768")
    assert (client.default_temperature, client.default_max_tokens) == (0.7, 4096)
    assert client.client is sdk.return_value
    assert sdk.call_count == 1


def test_groq_takes_its_arguments_in_this_order() -> None:
    with patch("services.llm_client.Groq"):
        client = GroqClient("test-key", "gemma-7b-it", 0.1, 50)

    assert (client.api_key, client.default_model) == ("test-key", "gemma-7b-it")
    assert (client.default_temperature, client.default_max_tokens) == (0.1, 50)


def test_groq_takes_its_arguments_by_name() -> None:
    with patch("services.llm_client.Groq"):
        client = GroqClient(max_tokens=50, temperature=0, model="gemma-7b-it", api_key="test-key")

    assert (client.api_key, client.default_model) == ("test-key", "gemma-7b-it")
    assert (client.default_temperature, client.default_max_tokens) == (0, 50)


def test_bedrock_has_these_defaults() -> None:
    with patch("services.llm_client.boto3") as sdk:
        client = BedrockClient()

    assert client.region_name == "us-east-1"
    assert client.default_model_id == MODEL_IDS["CLAUDE_3_SONNET"]
    assert (client.default_temperature, client.default_max_tokens) == (0.7, 4096)
    assert client.client is sdk.client.return_value
    assert sdk.client.call_count == 1
    assert sdk.client.call_args.args == ("bedrock-runtime",)


def test_bedrock_takes_its_arguments_in_this_order() -> None:
    with patch("services.llm_client.boto3"):
        client = BedrockClient("eu-west-1", MODEL_IDS["LLAMA_3_8B"], 0.1, 50)

    assert (client.region_name, client.default_model_id) == ("eu-west-1", MODEL_IDS["LLAMA_3_8B"])
    assert (client.default_temperature, client.default_max_tokens) == (0.1, 50)


def test_bedrock_takes_its_arguments_by_name() -> None:
    with patch("services.llm_client.boto3"):
        client = BedrockClient(
            max_tokens=50, temperature=0, model_id=ModelType.LLAMA_3_8B, region_name="eu-west-1"
        )

    assert (client.region_name, client.default_model_id) == ("eu-west-1", MODEL_IDS["LLAMA_3_8B"])
    assert (client.default_temperature, client.default_max_tokens) == (0, 50)


def test_the_clients_are_llm_clients() -> None:
    assert issubclass(GroqClient, LLMClient)
    assert issubclass(BedrockClient, LLMClient)


def test_the_window_has_these_defaults(
    groq_client: GroqClient, bedrock_client: BedrockClient
) -> None:
    assert (groq_client._request_times, bedrock_client._request_times) == ([], [])
    assert (groq_client._rate_limit_window, bedrock_client._rate_limit_window) == (60.0, 60.0)
    assert groq_client._max_requests_per_window == 30
    assert bedrock_client._max_requests_per_window == 50


def test_the_real_sdk_clients_are_built_too() -> None:
    groq, bedrock = GroqClient(api_key="test-key"), BedrockClient()

    assert type(groq.client).__name__ == "Groq"
    assert type(bedrock.client).__name__ == "BedrockRuntime"
    groq.close()
    bedrock.close()
