"""Bedrock's Converse: reads the request as the service would, and writes the answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..completion import Completion, ModelRequest
from ..http_types import HttpResponse, json_response
from ..messages import conversation
from ..request_shapes import shape_error
from ..schema.rules import bedrock_fault
from .catalogue import BedrockModel
from .errors import invalid

_STOP = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool": "tool_use",
    "filter": "content_filtered",
    "guardrail": "guardrail_intervened",
}
# How Converse passes on what the model's own API refused (recorded).
_MODEL_SAID = "The model returned the following errors: "
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
_RANGES = {"temperature": (0.0, 1.0), "topP": (0.0, 1.0)}


def read_converse(body: Any, model: BedrockModel) -> ModelRequest:
    """What the request asks for; raises RefusedError where `model` does not serve it."""
    wrong = shape_error(body, "converse")
    if wrong is not None:
        where, message = wrong
        raise invalid(f"The value at {'.'.join(where) or 'the root'} is invalid: {message}")
    messages = body.get("messages") or []
    _check_messages(messages, model)
    inference = _checked_inference(body, model)
    tool, parameters = _forced_tool(body, model)
    return conversation(
        messages,
        body.get("system"),
        schema=parameters if tool else _text_format(body, model),
        extra=body.get("toolConfig"),
        max_tokens=inference.get("maxTokens"),
        stop=tuple(inference.get("stopSequences") or ()),
        tool=tool,
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
    if messages[-1]["role"] == "assistant" and model.refuses_prefill:
        raise invalid(_MODEL_SAID + REFUSES_PREFILL)


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
    check_sampling(inference.get("temperature"), inference.get("topP"), model, prefix=_MODEL_SAID)
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


def _forced_tool(body: Mapping[str, Any], model: BedrockModel) -> tuple[str | None, Any]:
    config = body.get("toolConfig")
    if not config:
        return None, None
    if not model.tools:
        raise invalid("This model doesn't support tool use.")
    schemas: dict[str, Any] = {}
    specs = [tool["toolSpec"] for tool in config["tools"] if "toolSpec" in tool]
    for index, spec in enumerate(specs):
        schema = spec["inputSchema"].get("json")
        where = f"toolConfig.tools.{index}.toolSpec.inputSchema.json"
        if not isinstance(schema, dict):
            raise invalid(
                f"The format of the value at {where} is invalid. "
                "Provide a json object for the field and try again."
            )
        if schema.get("type") != "object":
            raise invalid(f"The value at {where}.type must be one of the following: object.")
        if spec.get("strict") and (fault := bedrock_fault(schema, of_tool=True)):
            raise invalid(f"{_MODEL_SAID}tools.{index}.custom: {fault.message}")
        schemas[spec["name"]] = schema
    choice = config.get("toolChoice") or {}
    if "tool" in choice:
        name = choice["tool"]["name"]
        if name not in schemas:
            raise invalid(f"The toolChoice names {name}, which is not in toolConfig.tools.")
        return name, schemas[name]
    # `auto` leaves the choice to the model, and this one prefers to talk.
    return next(iter(schemas.items())) if "any" in choice and schemas else (None, None)


def _text_format(body: Mapping[str, Any], model: BedrockModel) -> Any:
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
        raise invalid(f"{_MODEL_SAID}output_config.format.schema: {fault.message}")
    return schema


def converse_response(done: Completion, number: int) -> HttpResponse:
    """The 200 of Converse."""
    usage: dict[str, Any] = {
        # Unlike Groq, without what came from the cache.
        "inputTokens": done.input_tokens - done.cached_tokens,
        "outputTokens": done.output_tokens,
        "totalTokens": done.input_tokens + done.output_tokens,
        # Recorded: these names come twice, with and without `Count`.
        "cacheReadInputTokens": done.cached_tokens,
        "cacheReadInputTokenCount": done.cached_tokens,
        "cacheWriteInputTokens": 0,
        "cacheWriteInputTokenCount": 0,
        "serverToolUsage": {},
    }
    payload: dict[str, Any] = {
        # Made of the tokens, so that the same request has the same answer.
        "metrics": {"latencyMs": 1 + 2 * done.output_tokens},
        "output": {"message": {"role": "assistant", "content": _blocks(done, number)}},
        "stopReason": _STOP.get(done.finish, done.finish),
        "usage": usage,
    }
    for part, member in (
        ("choices", "output"),
        ("finish_reason", "stopReason"),
        ("usage", "usage"),
    ):
        if part in done.without:
            del payload[member]
    return json_response(200, payload)


def _blocks(done: Completion, number: int) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if done.reasoning:
        thought = {"text": done.reasoning, "signature": "c2FuZGJveA=="}
        # The signature is opaque to clients, who only hand it back.
        blocks.append({"reasoningContent": {"reasoningText": thought}})
    if done.tool is not None:
        call = {"toolUseId": f"tooluse_{number:022d}", "name": done.tool, "input": done.tool_input}
        blocks.append({"toolUse": call})
    elif done.text is not None:
        blocks.append({"text": done.text})
    return blocks
