"""Bedrock's words: which of its two wires a model is asked over, and both of them."""

from __future__ import annotations

#: The models that hosts' suites expect to be asked through `invoke_model`.
INVOKE_MODELS = (
    "anthropic.claude-3-sonnet-20240229-v1:0",
    "anthropic.claude-3-haiku-20240307-v1:0",
    "anthropic.claude-3-opus-20240229-v1:0",
    "meta.llama3-70b-instruct-v1:0",
    "meta.llama3-8b-instruct-v1:0",
    "mistral.mixtral-8x7b-instruct-v0:1",
)


def uses_invoke(model: str) -> bool:
    """Whether *model* is asked through `invoke_model`; every other one is through Converse."""
    return model in INVOKE_MODELS
