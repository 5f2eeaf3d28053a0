"""Whether a request makes its model think, and what is wrong with how it asks for that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .catalogue import BedrockModel
from .errors import MODEL_SAID, invalid

# Opaque to clients, who only hand it back.
SIGNATURE = "c2FuZGJveA=="
_LEAST_BUDGET = 1_024
_EFFORTS = ("low", "medium", "high", "xhigh", "max")


def check_effort(effort: Any, where: str) -> None:
    """Raise RefusedError for an effort that there is not."""
    if effort is not None and effort not in _EFFORTS:
        raise invalid(f"The value at {where} must be one of the following: {', '.join(_EFFORTS)}.")


def reasons(fields: Any, max_tokens: int | None, model: BedrockModel) -> bool:
    """Whether the model thinks first, by Converse's additional fields or of itself."""
    options = fields if isinstance(fields, Mapping) else {}
    nova = options.get("reasoningConfig")
    if isinstance(nova, Mapping):
        return nova.get("type") == "enabled"
    wanted = options.get("thinking", options.get("reasoning_config"))
    effort = options.get("reasoning_effort", wanted if isinstance(wanted, str) else None)
    if effort is not None:
        return effort not in ("none", "disabled")
    return thinks(wanted, max_tokens, model, prefix=MODEL_SAID)


def check_thoughts(messages: list[dict[str, Any]], model: BedrockModel) -> None:
    """Raise RefusedError for what the model is said to have thought, and did not sign."""
    if model.family != "claude":
        return
    for index, message in enumerate(messages):
        for place, block in enumerate(message["content"]):
            reasoning = block.get("reasoningContent")
            thought = reasoning.get("reasoningText") if isinstance(reasoning, Mapping) else None
            # The words are those of Anthropic's API, as public issues quote them.
            where = f"{MODEL_SAID}messages.{index}.content.{place}"
            if isinstance(thought, Mapping) and not thought.get("signature"):
                raise invalid(f"{where}.thinking.signature: Field required")
            if isinstance(thought, Mapping) and thought["signature"] != SIGNATURE:
                raise invalid(f"{where}: Invalid `signature` in `thinking` block")


def thinks(thinking: Any, max_tokens: int | None, model: BedrockModel, prefix: str = "") -> bool:
    """Whether Claude's `thinking` makes the model think; raises RefusedError where it cannot be."""
    if not isinstance(thinking, Mapping):
        return model.thinks
    kind = thinking.get("type")
    if kind not in ("enabled", "adaptive", "disabled"):
        raise invalid(f"{prefix}thinking.type: Input should be 'enabled', 'disabled' or 'adaptive'")
    if kind == "enabled":
        budget = thinking.get("budget_tokens")
        if not isinstance(budget, int):
            raise invalid(f"{prefix}thinking.enabled.budget_tokens: Field required")
        if budget < _LEAST_BUDGET:
            raise invalid(
                f"{prefix}thinking.enabled.budget_tokens: "
                f"Input should be greater than or equal to {_LEAST_BUDGET}"
            )
        if max_tokens is not None and budget >= max_tokens:
            raise invalid(f"{prefix}`max_tokens` must be greater than `thinking.budget_tokens`.")
    return bool(kind != "disabled")
