"""Answers of Groq: chat completions, read into a `Reply`."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import LLMError, Retry
from ...limit_types import LimitReport
from ...runtime.real_sdk import is_real_sdk
from ...types import Citation, Reply, Request, ToolCall, Usage
from ..completeness import finish, raises_llm_error, with_usage
from ..fields import count, first, member, rows, seconds, short_name, text
from .errors import error_in_ok_body

log = logging.getLogger(__name__)


@raises_llm_error("groq")
def from_chat_completion(response: object, request: Request, *, real: bool | None = None) -> Reply:
    """Read what the SDK returned for *request*: its object, its JSON as a dict, or a test's mock.

    *real* says whether the SDK made it, where the response does not show that.

    `processing` is Groq's `total_time` in seconds: the sum of its `prompt_time` and
    `completion_time`, without its `queue_time` (so in all 292 recorded answers).

    Raises TruncatedError where the answer is incomplete, ContentFilteredError where it was
    withheld, each with the reply as its `partial`; LLMError where it is no chat completion, and
    the one that fits where it is an error under a status of 200.
    """
    found = rows(response, "choices")
    choice = only_choice(found) if len(found) > 1 else first(response, "choices")
    usage = member(response, "usage")
    message = member(choice, "message")
    if message is None:
        error = error_in_ok_body(response, request.model) or _no_completion(response)
        raise with_usage(error, "groq", request, usage_of(usage))
    reply = Reply(
        text=text(message, "content") or "",
        model=short_name(response, "model") or request.model,
        provider="groq",
        finish_reason=text(choice, "finish_reason"),
        usage=usage_of(usage),
        request_id=short_name(member(response, "x_groq"), "id")
        or short_name(response, "_request_id"),
        reasoning=text(message, "reasoning"),
        tool_calls=_tool_calls(message),
        processing=seconds(usage, "total_time"),
        citations=_citations(message),
        service_tier=short_name(response, "service_tier"),
        limits=limits_in(response),
    )
    return finish(reply, request.output, real=is_real(response) if real is None else real)


def only_choice(choices: Sequence[Any], *, warns: bool = True) -> Any:
    """The first choice that has the index 0 or none; None where all have another.

    Groq takes no `n` but 1. With *warns*, the log tells of choices that a gateway has added.
    """
    found = next((each for each in choices if _is_first(each)), None)
    if warns and any(each is not found for each in choices):
        log.warning("Groq's answer has more choices than the one that was asked for")
    return found


def _is_first(choice: object) -> bool:
    index = member(choice, "index")
    # A test's mock has none, whatever it says.
    return not isinstance(index, (int, float, str)) or index == 0


def limits_in(response: object) -> tuple[LimitReport, ...]:
    """What the headers of *response* said of limits, as `read_json` has added it."""
    found = response.get("_limits") if type(response) is dict else None
    return found if isinstance(found, tuple) else ()


def usage_of(usage: object) -> Usage:
    """Groq's own count of tokens."""
    input_tokens, output_tokens = count(usage, "prompt_tokens"), count(usage, "completion_tokens")
    if input_tokens is None or output_tokens is None:
        return Usage()
    return Usage(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        total_tokens=count(usage, "total_tokens") or input_tokens + output_tokens,
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


def _citations(message: object) -> tuple[Citation, ...]:
    """What the answer rests on, by places in its text (SDK 1.7.0, Annotation)."""
    content, found = text(message, "content") or "", []
    for annotation in rows(message, "annotations"):
        cited = member(annotation, "document_citation") or member(annotation, "function_citation")
        start, end = count(cited, "start_index"), count(cited, "end_index")
        source = text(cited, "document_id") or text(cited, "tool_call_id")
        if source and start is not None and end is not None:
            found.append(Citation(content[start:end], source=source))
    return tuple(found)


def is_real(response: object) -> bool:
    """Whether the SDK made the response, so that it must have a finish reason; a mock has none."""
    return isinstance(response, Mapping) or is_real_sdk(response, "groq")


def _no_completion(response: object) -> LLMError:
    # The SDK hands over a body that is not JSON as a plain string: a proxy's page, most often.
    kind = "a page of text" if isinstance(response, str) else f"a {type(response).__name__}"
    return LLMError(
        f"Groq API error: the reply is no chat completion but {kind} without choices;"
        " check the base URL and what stands between",
        provider="groq",
        status=200,
        retry=Retry.IF_REQUESTED,
    )
