"""Checks a chat completion request as Groq does and reads out of it what the answer needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..completion import ModelRequest
from ..messages import conversation, schema_in, texts_of
from ..request_shapes import shape_error
from ..schema.rules import groq_strict_fault
from .catalogue import GroqModel
from .errors import invalid

# `developer` is OpenAI's newer word for `system`, `function` its older one for `tool`.
_ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_PART_TYPES = ("text", "image_url", "document")
# Documented as refused. Null and false are what SDKs send for "not set".
_UNSUPPORTED = ("logprobs", "top_logprobs", "logit_bias")
# The parameters of the groq SDK's `create`; the service refuses what it does not know.
_KNOWN = frozenset(
    {
        "model",
        "messages",
        "temperature",
        "top_p",
        "n",
        "stream",
        "stream_options",
        "stop",
        "max_tokens",
        "max_completion_tokens",
        "seed",
        "user",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "response_format",
        "reasoning_effort",
        "reasoning_format",
        "include_reasoning",
        "service_tier",
        "frequency_penalty",
        "presence_penalty",
        "metadata",
        "store",
        "search_settings",
        "documents",
        "citation_options",
        "functions",
        "function_call",
        "exclude_domains",
        "include_domains",
        "compound_custom",
        "disable_tool_validation",
    }
)
_RANGES: dict[str, tuple[int, int]] = {
    "n": (1, 1),
    "temperature": (0, 2),
    "top_p": (0, 1),
    "frequency_penalty": (-2, 2),
    "presence_penalty": (-2, 2),
}


def read_chat(body: Any, model: GroqModel) -> ModelRequest:
    """What the request asks for; raises RefusedError where `model` does not serve it."""
    wrong = shape_error(body, "groq chat")
    if wrong is not None:
        where, message = wrong
        raise invalid(f"'{'.'.join(where) or 'body'}' : {message}", param=".".join(where))
    _check_parameters(body, model)
    _check_messages(body["messages"], model)
    tool, parameters = _forced_tool(body)
    stop = body.get("stop") or ()
    limit = body.get("max_completion_tokens")  # wins over the deprecated max_tokens
    return conversation(
        body["messages"],
        schema=parameters if tool else _response_schema(body, model),
        extra=body.get("tools"),
        max_tokens=body.get("max_tokens") if limit is None else limit,
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        tool=tool,
        reasons=bool(model.efforts) and body.get("reasoning_effort") != "none",
    )


def _check_parameters(body: Mapping[str, Any], model: GroqModel) -> None:
    for name in body:
        if name in _UNSUPPORTED and body[name] not in (None, False):
            raise invalid(f"`{name}` is not supported with this model", param=name)
        if name not in _KNOWN and name not in _UNSUPPORTED:
            raise invalid(f"property '{name}' is unsupported")
    ranges = {**_RANGES, "max_tokens": (1, model.max_output)}
    ranges["max_completion_tokens"] = ranges["max_tokens"]
    for name, (low, high) in ranges.items():
        value = body.get(name)
        if value is not None and not low <= value <= high:
            raise invalid(f"'{name}' : number must be between {low} and {high}", param=name)
    _check_reasoning(body, model)
    if body.get("stream"):
        raise invalid("the sandbox does not stream yet: send `stream: false`", param="stream")


def _check_reasoning(body: Mapping[str, Any], model: GroqModel) -> None:
    effort = body.get("reasoning_effort")
    if effort is not None and not model.efforts:
        raise invalid("reasoning_effort is not supported with this model", param="reasoning_effort")
    if effort is not None and effort not in model.efforts:
        wanted = ", ".join(f"`{name}`" for name in model.efforts)
        raise invalid(f"`reasoning_effort` must be one of {wanted}", param="reasoning_effort")
    # Documented: raw reasoning would stand in the content, before the JSON.
    style, wanted_format = body.get("reasoning_format"), body.get("response_format") or {}
    if style is not None and body.get("include_reasoning") is not None:
        raise invalid(
            "cannot specify both reasoning_format and include_reasoning", param="reasoning_format"
        )
    if style == "raw" and (body.get("tools") or wanted_format.get("type", "text") != "text"):
        raise invalid(
            "reasoning_format `raw` is not supported with JSON mode or tools",
            param="reasoning_format",
        )


def _check_messages(messages: list[dict[str, Any]], model: GroqModel) -> None:
    for index, message in enumerate(messages):
        where, role = f"messages[{index}]", message["role"]
        if role not in _ROLES:
            raise invalid(f"'{where}.role' : must be one of {', '.join(_ROLES)}", param=where)
        # Documented as refused, though OpenAI takes it.
        if message.get("name") is not None and role not in ("tool", "function"):
            raise invalid(f"'{where}' : property 'name' is unsupported", param=where)
        if role == "tool" and not isinstance(message.get("tool_call_id"), str):
            raise invalid(f"'{where}' : property 'tool_call_id' is missing", param=where)
        if message.get("content") is None and role != "assistant":
            raise invalid(f"'{where}' : property 'content' is missing", param=where)
        parts = message["content"] if isinstance(message.get("content"), list) else ()
        for part in parts:
            if part["type"] not in _PART_TYPES:
                wanted = ", ".join(_PART_TYPES)
                raise invalid(f"'{where}.content' : type must be one of {wanted}", param=where)
            # Recorded: a model without eyes complains of the list, not of the image in it.
            if part["type"] == "image_url" and not model.images:
                raise invalid(f"{where}.content must be a string", param=f"{where}.content")


def _response_schema(body: Mapping[str, Any], model: GroqModel) -> Any:
    wanted = body.get("response_format") or {"type": "text"}
    kind = wanted["type"]
    if kind == "text":
        return None
    if kind == "json_object":
        if not model.json_object:
            raise _unsupported_format(kind)
        texts = [text for message in body["messages"] for text in texts_of(message.get("content"))]
        # Documented; the words are those of the API that Groq is compatible with.
        if not any("json" in text.lower() for text in texts):
            raise invalid(
                "'messages' must contain the word 'json' in some form, "
                "to use 'response_format' of type 'json_object'.",
                param="response_format",
            )
        return schema_in(texts) or {"type": "object", "properties": {"answer": {"type": "string"}}}
    if kind != "json_schema":
        raise invalid(
            "'response_format.type' : must be one of text, json_object, json_schema",
            param="response_format",
        )
    return _json_schema(wanted, body, model)


def _json_schema(wanted: Any, body: Mapping[str, Any], model: GroqModel) -> Any:
    if not model.json_schema:
        raise _unsupported_format("json_schema")
    # Documented: structured outputs go neither with tools nor with streaming.
    if body.get("tools"):
        raise invalid(
            "json schema response format cannot be combined with tools", param="response_format"
        )
    spec = wanted.get("json_schema") or {}
    schema = spec.get("schema")
    if not isinstance(schema, dict):
        raise invalid("json schema is required", param="response_format")
    if not isinstance(spec.get("name"), str) or not spec["name"]:
        raise invalid(
            "'response_format.json_schema' : property 'name' is missing", param="response_format"
        )
    if spec.get("strict"):
        if not model.strict:
            raise invalid(
                "This model does not support `strict` structured outputs", param="response_format"
            )
        fault = groq_strict_fault(schema)
        if fault is not None:
            text = f"invalid JSON schema for response_format: '{spec['name']}': {fault.message}"
            raise invalid(text, param="response_format", **fault.groq_members())
    return schema


def _unsupported_format(kind: str) -> Exception:
    return invalid(
        f"This model does not support response format `{kind}`. See supported models at "
        "https://console.groq.com/docs/structured-outputs#supported-models"
    )


def _forced_tool(body: Mapping[str, Any]) -> tuple[str | None, Any]:
    functions: dict[str, Any] = {}
    for index, tool in enumerate(body.get("tools") or ()):
        if tool["type"] not in ("function", "mcp"):
            raise invalid(f"tools[{index}].type must be one of [function, mcp]")
        function = tool.get("function") or {"name": ""}
        functions[function["name"]] = function.get("parameters") or {"type": "object"}
    choice = body.get("tool_choice")
    if isinstance(choice, dict):
        name = choice.get("function", {}).get("name")
        if name not in functions:
            raise invalid(f"tool_choice: no tool is named `{name}`", param="tool_choice")
        return name, functions[name]
    # Any tool would do; the first is as good as any and always the same.
    if choice == "required" and functions:
        return next(iter(functions.items()))
    return None, None
