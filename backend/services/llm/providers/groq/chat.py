"""Groq's words: keywords for `chat.completions.create`, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import LLMError, Verdict
from ...types import Output, Reply, Request, ToolCall, Usage
from ..completeness import check_whole, in_form, readable
from ..fields import count, first, member, rows, seconds, text
from ..request_checks import messages, refused, settings
from .errors import amount_of as amount_of
from .errors import classify as classify
from .errors import limit_of as limit_of
from .errors import organization_of as organization_of
from .errors import within_ok

#: Groq's own endpoint, to which the SDK adds its path.
BASE_URL = "https://api.groq.com"

#: Keywords that every SDK from 0.4.2 on takes; any other option goes through `extra_body`, since
#: the typed method raises TypeError for a keyword that its release does not know.
_KEYWORDS = frozenset(
    {"temperature", "max_tokens", "top_p", "stop", "seed", "n", "user", "logit_bias", "logprobs"}
    | {"top_logprobs", "frequency_penalty", "presence_penalty", "response_format", "tools"}
    | {"tool_choice", "extra_headers", "extra_query", "extra_body"}
)

# A request says these itself, or the caller of the dialect does.
_RESERVED = frozenset({"model", "messages", "stream", "timeout"})


def to_wire(request: Request) -> dict[str, Any]:
    """Keyword arguments for the SDK's `chat.completions.create`.

    An option named like one of the request's own parameters replaces it, and the form of the
    output replaces both. Raises InvalidRequestError for a parameter of an unreadable type or an
    option that is not the provider's.
    """
    wire: dict[str, Any] = {
        "model": request.model,
        "messages": [dict(message) for message in messages(request, "groq")],
        **settings(request, "groq"),
    }
    extra: dict[str, Any] = {}
    for name, value in request.options.items():
        if name in _RESERVED:
            raise refused("groq", f"{name!r} cannot be given as an option")
        (wire if name in _KEYWORDS else extra)[name] = value
    # Two names of one limit; the newer one is what the caller wrote.
    if "max_completion_tokens" in extra:
        wire.pop("max_tokens", None)
    if extra:
        wire["extra_body"] = {**extra, **(wire.get("extra_body") or {})}
    return {**wire, **(_form(request.output) if request.output else {})}


def _form(output: Output) -> dict[str, Any]:
    schema = dict(output.schema)
    if output.mode in ("strict", "schema"):
        form = {"name": output.name, "schema": schema, "strict": output.mode == "strict"}
        return {"response_format": {"type": "json_schema", "json_schema": form}}
    if output.mode == "object":
        return {"response_format": {"type": "json_object"}}
    if output.mode == "tool":
        function = {"name": output.name, "parameters": schema}
        forced = {"type": "function", "function": {"name": output.name}}
        return {"tools": [{"type": "function", "function": function}], "tool_choice": forced}
    return {}


@readable("groq")
def from_wire(response: object, request: Request) -> Reply:
    """Read what the SDK returned for *request*: its object, its JSON as a dict, or a test's mock.

    `processing` is Groq's `total_time` in seconds: the sum of its `prompt_time` and
    `completion_time`, without its `queue_time` (so in all 292 recorded answers).

    Raises TruncatedError where the answer is not whole, ContentFilteredError where it was
    withheld, each with the reply as its `partial`; LLMError where it is no chat completion, and
    the one that fits where it is an error under a status of 200.
    """
    # Groq takes no `n` but 1, so that there is one choice.
    choice = first(response, "choices")
    message = member(choice, "message")
    if message is None:
        raise within_ok(response, request.model) or _no_completion(response)
    usage = member(response, "usage")
    reply = in_form(
        Reply(
            text=text(message, "content") or "",
            model=text(response, "model") or request.model,
            provider="groq",
            finish_reason=text(choice, "finish_reason"),
            usage=usage_of(usage),
            request_id=text(member(response, "x_groq"), "id") or text(response, "_request_id"),
            reasoning=text(message, "reasoning"),
            tool_calls=_tool_calls(message),
            processing=seconds(usage, "total_time"),
        ),
        request.output,
    )
    return check_whole(reply, real=_is_real(response))


def usage_of(usage: object) -> Usage:
    """Groq's own count of tokens."""
    given, written = count(usage, "prompt_tokens"), count(usage, "completion_tokens")
    if given is None or written is None:
        return Usage()
    return Usage(
        input_tokens=given,
        output_tokens=written,
        total_tokens=count(usage, "total_tokens") or given + written,
        cached_input_tokens=count(member(usage, "prompt_tokens_details"), "cached_tokens") or 0,
        reasoning_tokens=count(member(usage, "completion_tokens_details"), "reasoning_tokens") or 0,
        reported=True,
    )


def _tool_calls(message: object) -> tuple[ToolCall, ...]:
    calls = []
    for call in rows(message, "tool_calls"):
        function = member(call, "function")
        name, arguments = text(function, "name"), text(function, "arguments")
        if name is not None and arguments is not None:
            calls.append(ToolCall(text(call, "id") or "", name, arguments))
    return tuple(calls)


def _is_real(response: object) -> bool:
    """Whether it came over the wire, so that a finish reason must be there; a mock has none."""
    return isinstance(response, Mapping) or type(response).__module__.partition(".")[0] == "groq"


def _no_completion(response: object) -> LLMError:
    # The SDK hands over a body that is not JSON as a plain string: a proxy's page, most often.
    kind = "a page of text" if isinstance(response, str) else f"a {type(response).__name__}"
    return LLMError(
        f"Groq API error: the reply is no chat completion but {kind} without choices;"
        " check the base URL and what stands between",
        provider="groq",
        status=200,
        verdict=Verdict.UNKNOWN,
    )
