from __future__ import annotations

import pytest

from services.llm.client.options import check_names
from services.llm.errors import ConfigurationError


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
        check_names({"top_p": 1, given: 1})


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
    check_names([given])


@pytest.mark.parametrize("given", ["messages", "schema", "max_retries"])
def test_an_argument_of_another_call_is_no_option(given: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{given} is no argument of this call"):
        check_names([given])
