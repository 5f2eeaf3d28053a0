"""Reads a Converse request as the service would."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..completion import ModelRequest
from ..messages import conversation
from ..request_shapes import shape_error
from ..schema.rules import bedrock_fault
from ..tool_turns import tool_state
from .catalogue import BedrockModel
from .citations import citations_of
from .errors import MODEL_SAID, invalid
from .guardrails import read_guardrail
from .thinking import check_effort, check_thoughts, reasons
from .tools import forced_tool, read_tools, read_turns, tool_choice

# Most messages here are as users of the service quote them; few were recorded.
_NO_USER_MESSAGE = (
    "A conversation must start with a user message. "
    "Try again with a conversation that starts with a user message."
)
REFUSES_PREFILL = (
    "This model does not support assistant message prefill. "
    "The conversation must end with a user message."
)
_INVALID_VALUE = "1 validation error detected: Value '{}' at '{}' failed to satisfy constraint: "
# Recorded: the answer repeats how it was served.
_ECHOED = ("performanceConfig", "serviceTier")
_RANGES = {"temperature": (0.0, 1.0), "topP": (0.0, 1.0)}


def read_converse(body: Any, model: BedrockModel) -> ModelRequest:
    """What the request asks for; raises RefusedError where `model` does not serve it."""
    wrong = shape_error(body, "converse")
    if wrong is not None:
        where, message = wrong
        raise invalid(f"The value at {'.'.join(where) or 'the root'} is invalid: {message}")
    messages = body.get("messages") or []
    _check_messages(messages, model)
    check_thoughts(messages, model)
    inference = _checked_inference(body, model)
    config = body.get("toolConfig")
    tools = read_tools(config, model)
    turns = read_turns(messages, config)
    return conversation(
        messages,
        body.get("system"),
        schema=_text_format(body, model),
        extra=config,
        context=model.context,
        tools=tools,
        tool=forced_tool(config, tools),
        tool_choice=tool_choice(config),
        tool_state=tool_state(turns),
        reasons=reasons(
            body.get("additionalModelRequestFields"), inference.get("maxTokens"), model
        ),
        signed=model.family == "claude",
        echoed={name: body[name] for name in _ECHOED if isinstance(body.get(name), dict)},
        guardrail=read_guardrail(body.get("guardrailConfig")),
        citations=citations_of(messages),
        max_tokens=inference.get("maxTokens"),
        stop=tuple(inference.get("stopSequences") or ()),
    )


def _check_messages(messages: list[dict[str, Any]], model: BedrockModel) -> None:
    if not messages or messages[0]["role"] == "assistant":
        raise invalid(_NO_USER_MESSAGE)
    for index, message in enumerate(messages):
        if message["role"] not in ("user", "assistant", "system"):
            where = f"messages.{index + 1}.member.role"
            wanted = "Member must satisfy enum value set: [user, assistant, system]"
            raise invalid(_INVALID_VALUE.format(message["role"], where) + wanted)
        if not message["content"]:
            raise invalid(
                f"The content field in the Message object at messages.{index} is empty. "
                "Add a ContentBlock object to the content field and try again."
            )
        for place, block in enumerate(message["content"]):
            if not block.get("text", "-").strip():
                raise invalid(
                    f"The text field in the ContentBlock object at messages.{index}.content."
                    f"{place} is blank. Add text to the text field, and try again."
                )
        if _holds(message, "document") and not _holds(message, "text"):
            raise invalid(
                "A text block must be included when using documents. "
                "Add a text block and retry your request."
            )
    if messages[-1]["role"] == "assistant" and model.refuses_prefill:
        raise invalid(MODEL_SAID + REFUSES_PREFILL)


def _holds(message: Mapping[str, Any], kind: str) -> bool:
    return any(kind in block for block in message["content"])


def _checked_inference(body: Mapping[str, Any], model: BedrockModel) -> dict[str, Any]:
    inference: dict[str, Any] = body.get("inferenceConfig") or {}
    limit = inference.get("maxTokens")
    if limit is not None and limit < 1:
        wanted = "Member must have value greater than or equal to 1"
        raise invalid(_INVALID_VALUE.format(limit, "inferenceConfig.maxTokens") + wanted)
    if limit is not None and limit > model.max_output:
        raise invalid(
            f"The maximum tokens you requested exceeds the model limit of {model.max_output}. "
            f"Try again with a maximum tokens value that is lower than {model.max_output}."
        )
    for name, (low, high) in _RANGES.items():
        value = inference.get(name)
        if value is not None and not low <= value <= high:
            wanted = f"Member must have value between {low:g} and {high:g}"
            raise invalid(_INVALID_VALUE.format(value, f"inferenceConfig.{name}") + wanted)
    check_sampling(inference.get("temperature"), inference.get("topP"), model, prefix=MODEL_SAID)
    return inference


def check_sampling(temperature: Any, top_p: Any, model: BedrockModel, prefix: str = "") -> None:
    """Raise RefusedError where the model refuses these sampling parameters."""
    if temperature is not None and model.refuses_temperature:
        raise invalid(f"{prefix}`temperature` is deprecated for this model.")
    if temperature is not None and top_p is not None and model.one_sampling_parameter:
        raise invalid(
            f"{prefix}`temperature` and `top_p` cannot both be specified for this model. "
            "Please use only one."
        )


def _text_format(body: Mapping[str, Any], model: BedrockModel) -> Any:
    check_effort(body.get("outputConfig", {}).get("effort"), "outputConfig.effort")
    text_format = body.get("outputConfig", {}).get("textFormat")
    if not text_format:
        return None
    if not model.text_format:
        raise invalid(
            "This model doesn't support the outputConfig.textFormat field. "
            "Remove outputConfig.textFormat and try again."
        )
    try:
        schema = json.loads(text_format["structure"]["jsonSchema"]["schema"])
    except (ValueError, RecursionError) as error:
        where = "outputConfig.textFormat.structure.jsonSchema.schema"
        raise invalid(f"The value at {where} is not valid JSON.") from error
    fault = bedrock_fault(schema)
    if fault is not None:
        raise invalid(f"{MODEL_SAID}output_config.format.schema: {fault.message}")
    return schema
