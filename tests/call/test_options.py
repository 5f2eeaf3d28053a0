from __future__ import annotations

import pytest

from services.llm.client.options import check_names, checked
from services.llm.errors import ConfigurationError
from services.llm.types import Provider


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("temprature", "temperature"),
        ("Temperature", "temperature"),
        ("temp", "temperature"),
        ("max_token", "max_tokens"),
        ("maxtokens", "max_tokens"),
        ("tokens", "max_tokens"),
        ("max_retry", "max_retries"),
        ("timout", "timeout"),
        ("sytem_prompt", "system_prompt"),
        ("modle", "model"),
        ("model_id", "model"),
        ("message", "messages"),
        ("stopp", "stop"),
        ("tool", "tools"),
        ("toolconfig", "toolConfig"),
        ("inference_config", "inferenceConfig"),
        ("reasoning_efort", "reasoning_effort"),
        ("service-tier", "service_tier"),
    ],
)
def test_a_misspelt_keyword_is_an_error_that_names_the_likely_one(given: str, meant: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"^{given} is neither .* mean {meant}\?"):
        check_names({"top_p": 1, given: 1}, "bedrock")


@pytest.mark.parametrize(
    "given",
    [
        *("top_p", "top_k", "stop", "seed", "tools", "tool_choice", "reasoning_effort", "n"),
        *("reasoning_format", "service_tier", "extra_headers", "extra_body", "extra_query"),
        *("user", "inferenceConfig", "toolConfig", "guardrailConfig", "serviceTier", "topP"),
        *("additionalModelRequestFields", "stop_sequences", "min_tokens", "thinking"),
        *("response_format", "max_completion_tokens", "some_new_option", "x", "cache_control"),
    ],
)
def test_what_is_known_and_what_is_new_goes_to_the_provider(given: str) -> None:
    check_names([given], "bedrock")


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("maxTokens", "max_tokens"),
        ("topP", "top_p"),
        ("system", "system_prompt"),
        ("num_retries", "max_retries"),
        ("request_timeout", "timeout, or request_timeout where the client is made"),
        ("max_quota_wait", "LLM_MAX_QUOTA_WAIT, or max_quota_wait where the client is made"),
        ("api_key", "api_key of the client"),
        ("response_model", "the schema of generate_structured"),
        ("stop_sequences", "stop"),
    ],
)
def test_groq_is_not_sent_what_others_call_an_argument_of_ours(given: str, meant: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"^{given} is neither .* mean {meant}\?"):
        checked({given: 1}, "groq")


@pytest.mark.parametrize("provider", ["groq", "bedrock"])
def test_a_stream_is_refused_and_none_is_no_option(provider: Provider) -> None:
    assert {"top_p": 1} == checked({"stream": False, "top_p": 1}, provider)
    with pytest.raises(
        ConfigurationError, match=r"^stream cannot be given: the methods stream and"
    ):
        checked({"stream": True}, provider)


@pytest.mark.parametrize("given", ["schema", "max_retries"])
def test_an_argument_of_another_call_is_no_option(given: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{given} is no argument of this call"):
        check_names([given], "bedrock")
