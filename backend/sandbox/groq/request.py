"""Checks a chat completion request as Groq does and reads out of it what the answer needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..completion import ModelRequest
from ..messages import conversation, texts_of
from ..request_shapes import shape_error
from ..schema.in_text import schema_in
from ..schema.rules import groq_strict_fault
from ..tool_turns import tool_state
from .catalogue import GroqModel
from .errors import invalid
from .tools import forced_tool, read_tools, read_turns, tool_choice

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
    tools = read_tools(body)
    turns = read_turns(body["messages"])
    stop = body.get("stop") or ()
    limit = body.get("max_completion_tokens")  # wins over the deprecated max_tokens
    return conversation(
        body["messages"],
        schema=_response_schema(body, model),
        extra=body.get("tools"),
        context=model.context,
        tools=tools,
        tool=forced_tool(body, tools),
        tool_choice=tool_choice(body),
        parallel=body.get("parallel_tool_calls") is not False,
        tool_state=tool_state(turns),
        max_tokens=body.get("max_tokens") if limit is None else limit,
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
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
    # Documented: structured outputs go neither with tools nor with streaming; the words are ours.
    if body.get("stream"):
        raise invalid(
            "json schema response format cannot be combined with streaming",
            param="response_format",
        )
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
