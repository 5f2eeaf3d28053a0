"""Requests to Groq: the keywords of `chat.completions.create`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...types import Output, Request
from ..request_checks import invalid_request, sampling_settings
from .messages import to_messages, to_tools

#: Groq's own endpoint, to which the SDK adds its path.
BASE_URL = "https://api.groq.com"

#: Keywords that every SDK from 0.4.2 on takes; any other option goes through `extra_body`, since
#: the typed method raises TypeError for a keyword that its release does not know.
_KEYWORDS = frozenset(
    {"temperature", "max_tokens", "top_p", "stop", "seed", "n", "user", "logit_bias", "logprobs"}
    | {"top_logprobs", "frequency_penalty", "presence_penalty", "response_format", "tools"}
    | {"tool_choice", "extra_headers", "extra_query", "extra_body"}
)

# `Request` has a field for these, or the client sets them.
_RESERVED = frozenset({"model", "messages", "stream", "timeout"})


def to_chat_completion(request: Request) -> dict[str, Any]:
    """Return the keyword arguments of the SDK's `chat.completions.create`.

    An option replaces the request's own parameter of that name, and the output mode replaces both.
    Raises InvalidRequestError for an option that is not Groq's.
    """
    arguments: dict[str, Any] = {
        "model": request.model,
        "messages": to_messages(request.messages),
        **sampling_settings(request),
    }
    extra: dict[str, Any] = {}
    for name, value in request.options.items():
        if name in _RESERVED:
            raise invalid_request("groq", f"{name!r} cannot be given as an option")
        if name in ("guardrail", "guardrailConfig"):
            raise invalid_request("groq", f"Groq has no guardrails: leave out {name}")
        write = _WRITERS.get(name)
        (arguments if name in _KEYWORDS else extra)[name] = write(value) if write else value
    # Both name one limit; the caller wrote the newer one.
    if "max_completion_tokens" in extra:
        arguments.pop("max_tokens", None)
    if extra:
        arguments["extra_body"] = {**extra, **(arguments.get("extra_body") or {})}
    return {**arguments, **(_output_fields(request.output) if request.output else {})}


def _service_tier(value: object) -> object:
    if value in ("priority", "reserved"):
        raise invalid_request(
            "groq",
            f"Groq has no service_tier {value!r}: give default, flex, auto or performance",
        )
    return "on_demand" if value == "default" else value


#: The options whose common form is not Groq's own.
_WRITERS: dict[str, Callable[[object], object]] = {
    "service_tier": _service_tier,
    "tools": to_tools,
}


def _output_fields(output: Output) -> dict[str, Any]:
    schema = dict(output.schema)
    if output.mode in ("strict", "schema"):
        json_schema = {"name": output.name, "schema": schema, "strict": output.mode == "strict"}
        return {"response_format": {"type": "json_schema", "json_schema": json_schema}}
    if output.mode == "object":
        return {"response_format": {"type": "json_object"}}
    if output.mode == "tool":
        function = {"name": output.name, "parameters": schema}
        forced = {"type": "function", "function": {"name": output.name}}
        return {"tools": [{"type": "function", "function": function}], "tool_choice": forced}
    return {}
