"""How much a model is to reason, in the form that its family takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...models import abilities
from ...types import Request
from ..fields import member
from ..request_checks import invalid_request

_FIELDS = "additionalModelRequestFields"
#: The least budget that Claude takes, in tokens (Anthropic, "Extended thinking").
_LEAST = 1024
#: How much of the answer's longest length Claude may think, by effort.
_SHARES = {"low": 0.25, "medium": 0.5, "high": 0.75}


def reasoning_members(request: Request, call: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members of *call* that a `reasoning_effort` adds to or changes, by its model.

    Raises InvalidRequestError for what Claude does not take while it thinks.
    """
    effort = request.options.get("reasoning_effort")
    if effort is None:
        return {}
    if not isinstance(effort, str):
        raise invalid_request("bedrock", "reasoning_effort must be a text, such as low or high")
    form = abilities(request.model).features.reasoning_control
    own = call.get(_FIELDS) or {}
    if form == "effort":
        return {_FIELDS: {"reasoning_effort": effort, **own}}
    if form == "reasoning_config":
        config = {"type": "disabled"}
        if effort != "none":
            config = {"type": "enabled", "maxReasoningEffort": effort}
        fields = {_FIELDS: {"reasoningConfig": config, **own}}
        return fields | (_without_default(request, call) if effort == "high" else {})
    if effort == "none":
        return {_FIELDS: {"thinking": {"type": "disabled"}, **own}}
    inference = _checked_sampling(request, call["inferenceConfig"])
    if form == "adaptive":
        output = {"effort": effort, **(call.get("outputConfig") or {})}
        fields = {"thinking": {"type": "adaptive"}, **own}
        return {_FIELDS: fields, "outputConfig": output, "inferenceConfig": inference}
    budget = {"type": "enabled", "budget_tokens": _budget(effort, inference)}
    return {_FIELDS: {"thinking": budget, **own}, "inferenceConfig": inference}


def _without_default(request: Request, call: Mapping[str, Any]) -> dict[str, Any]:
    """Nova takes no temperature while it reasons as hard as it can (AWS, "Extended thinking")."""
    kept = dict(call["inferenceConfig"])
    if "temperature" in request.defaulted:
        kept.pop("temperature", None)
    return {"inferenceConfig": kept}


def _budget(effort: str, inference: Mapping[str, Any]) -> int:
    length = inference.get("maxTokens")
    if effort not in _SHARES:
        known = ", ".join(_SHARES)
        raise invalid_request("bedrock", f"this model reasons at {known}, not at {effort!r:.40}")
    if not isinstance(length, int) or length <= _LEAST:
        raise invalid_request(
            "bedrock",
            f"reasoning takes at least {_LEAST} tokens of this model's max_tokens, which is"
            f" {length}: raise it, or leave out reasoning_effort",
        )
    return max(_LEAST, int(length * _SHARES[effort]))


def _checked_sampling(request: Request, inference: Mapping[str, Any]) -> dict[str, Any]:
    """The inference configuration as Claude takes it while it thinks, defaults left out."""
    kept = dict(inference)
    if kept.get("temperature") not in (None, 1):
        is_default = "temperature" in request.defaulted
        if not is_default or kept["temperature"] != request.temperature:
            raise invalid_request(
                "bedrock",
                "this model takes no temperature but 1 while it reasons: leave out temperature,"
                " or reasoning_effort",
            )
        del kept["temperature"]
    if request.options.get("tool_choice") not in (None, "auto", "none") or (
        member(request.output, "mode") == "tool"
    ):
        raise invalid_request(
            "bedrock",
            "this model cannot be forced to call a tool while it reasons: leave out tool_choice,"
            " or reasoning_effort",
        )
    return kept
