"""Which models are called by InvokeModel, and which by Converse."""

from __future__ import annotations

#: The models that hosts' tests expect to be called by `invoke_model`.
INVOKE_MODELS = (
    "anthropic.claude-3-sonnet-20240229-v1:0",
    "anthropic.claude-3-haiku-20240307-v1:0",
    "anthropic.claude-3-opus-20240229-v1:0",
    "meta.llama3-70b-instruct-v1:0",
    "meta.llama3-8b-instruct-v1:0",
    "mistral.mixtral-8x7b-instruct-v0:1",
)


def uses_invoke(model: str) -> bool:
    """Whether *model* is called by `invoke_model`; all others are by Converse."""
    return model in INVOKE_MODELS
