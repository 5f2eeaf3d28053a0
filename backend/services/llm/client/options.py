"""Which further keywords go to the provider, and which are a misspelt argument of ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import ConfigurationError
from ..types import Provider

#: The arguments of the calls; those that a call does not have are none of the provider's either.
_OWN = (
    *("prompt", "schema", "system_prompt", "temperature", "model", "max_tokens", "messages"),
    *("timeout", "max_retries", "tags", "priority"),
    *("concurrency", "ordered", "progress", "hours", "resume"),
)
#: Options that both providers have, under one name here.
_COMMON = ("extra_headers", "guardrail", "metadata", "reasoning_effort", "service_tier")
# Groq's API reference, its SDK and what other servers of the same API take (2026-11).
_GROQ = (
    *("citation_options", "compound_custom", "disable_tool_validation", "documents"),
    *("exclude_domains", "extra_body", "extra_headers", "extra_query", "frequency_penalty"),
    *("function_call", "functions", "include_domains", "include_reasoning", "logit_bias"),
    *("logprobs", "max_completion_tokens", "metadata", "min_p", "min_tokens", "n"),
    *("parallel_tool_calls", "presence_penalty", "reasoning", "reasoning_effort"),
    *("reasoning_format", "repetition_penalty", "response_format", "search_settings", "seed"),
    *("service_tier", "stop", "store", "stream", "stream_options", "tool_choice", "tools"),
    *("top_k", "top_logprobs", "top_p", "user", "verbosity"),
)
# AWS's references of Converse and InvokeModel, and the bodies of the families that these take.
_BEDROCK = (
    *("accept", "additionalModelRequestFields", "additionalModelResponseFieldPaths"),
    *("anthropic_beta", "anthropic_version", "contentType", "guardrailConfig"),
    *("guardrailIdentifier", "guardrailVersion", "inferenceConfig", "max_gen_len", "maxTokens"),
    *("outputConfig", "output_config", "performanceConfig", "performanceConfigLatency"),
    *("promptVariables", "requestMetadata", "serviceTier", "stop_sequences", "stopSequences"),
    *("system", "thinking", "toolConfig", "topK", "topP", "trace"),
)
#: By provider. InvokeModel takes bodies of many families, those in the form of Groq's among them.
_KNOWN: dict[Provider, frozenset[str]] = {
    "groq": frozenset((*_OWN, *_COMMON, *_GROQ)),
    "bedrock": frozenset((*_OWN, *_COMMON, *_GROQ, *_BEDROCK)),
}
#: Names that other libraries have for an argument of ours.
_ELSEWHERE = {
    "api_base": "base_url, or endpoint_url, of the client",
    "api_key": "api_key of the client",
    "base_url": "base_url, or endpoint_url, of the client",
    "completion_window": "hours of submit_batch",
    "max_quota_wait": "LLM_MAX_QUOTA_WAIT, or max_quota_wait where the client is made",
    "num_retries": "max_retries",
    "provider_batch": "submit_batch, which takes the same prompts",
    "request_timeout": "timeout, or request_timeout where the client is made",
    "response_model": "the schema of generate_structured",
    "stop_sequences": "stop",
}
_FOR_NEW_ONES: dict[Provider, str] = {
    "groq": "extra_body",
    "bedrock": "additionalModelRequestFields",
}
#: How alike two names are of which one is the other misspelt: temprature is 0.95, timout 0.92.
_ALIKE = 0.77
#: Letters from which on the beginning of a name is that name cut short, such as temp.
_BEGINNING = 4


def checked(options: Mapping[str, Any], provider: Provider) -> dict[str, Any]:
    """Return *options* but for what asks for nothing, such as `stream=False` or None.

    Raises `ConfigurationError` for a keyword that is an argument misspelt or out of place. What
    resembles no known name is the *provider*'s own, and newer than this list.
    """
    if not options:
        return {}
    if options.get("stream"):
        raise ConfigurationError(
            "stream cannot be given: the methods stream and astream give the answer as it comes"
        )
    check_names(options, provider)
    return {
        name: value for name, value in options.items() if name != "stream" and value is not None
    }


def check_names(options: Iterable[str], provider: Provider) -> None:
    """Raise `ConfigurationError` for a name that is an argument misspelt or out of place."""
    for name in options:
        if name in _OWN:
            raise ConfigurationError(f"{name} is no argument of this call{_PLACES.get(name, '')}")
        if name not in _KNOWN[provider] and (meant := _meant(name, _KNOWN[provider])):
            raise ConfigurationError(
                f"{name} is neither an argument nor a known option of the provider: did you mean"
                f" {meant}? What is new to this library goes into {_FOR_NEW_ONES[provider]}"
            )


_PLACES = {
    "schema": ": generate_structured and respond_structured take it",
}


def _meant(name: str, names: frozenset[str]) -> str | None:
    """Find which of *names* this one most likely is, whatever its case and underscores."""
    if name in _ELSEWHERE:
        return _ELSEWHERE[name]
    from difflib import SequenceMatcher, get_close_matches  # slow to import, and rarely needed

    plain = {_plain(known): known for known in sorted(names)}
    spelled = _plain(name)
    if near := get_close_matches(spelled, plain, 5, _ALIKE):

        def likeness(each: str) -> tuple[float, bool, bool]:
            alike = SequenceMatcher(None, each, spelled).ratio()
            return alike, plain[each] in _OWN, spelled.startswith(each)

        return plain[max(near, key=likeness)]
    if len(spelled) >= _BEGINNING:
        return next((known for each, known in plain.items() if each.startswith(spelled)), None)
    return None


def _plain(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()
