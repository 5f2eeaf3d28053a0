"""Answers of Converse, read into a `Reply`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ...errors import LLMError, ProviderUnavailableError, Retry
from ...types import Reply, Request, ToolCall, Usage
from ..completeness import finish, raises_llm_error, with_usage
from ..fields import count, mapping, member, rows, seconds, short_name, status, text
from ..foreign_errors import unreadable_body
from .answer_parts import citations_in, parts_in, plain_text, texts_in, thoughts_in
from .errors import error_in_ok_body
from .invoke_usage import usage_beside_cache

#: The key of the raw body, in a response in which botocore has recognised no member.
RAW_BODY = "unread"


@raises_llm_error("bedrock")
def from_converse(response: Mapping[str, Any], request: Request) -> Reply:
    """Read what `converse` returned for *request*.

    `processing` is `metrics.latencyMs` in seconds. Raises as `check_complete`, LLMError for a
    response that holds no message (the one that fits where it is an error under a status of 200),
    ProviderUnavailableError for one that holds nothing.
    """
    message = member(member(response, "output"), "message")
    about = member(response, "ResponseMetadata")
    if not isinstance(message, Mapping):
        error = _no_message(response, about, request.model)
        raise with_usage(error, "bedrock", request, usage_of(member(response, "usage")))
    reply = Reply(
        **_content(message),
        model=request.model,
        provider="bedrock",
        finish_reason=text(response, "stopReason"),
        usage=usage_of(member(response, "usage")),
        request_id=short_name(about, "RequestId"),
        processing=seconds(member(response, "metrics"), "latencyMs", 1e-3),
        guardrail_trace=mapping(member(response, "trace"), "guardrail"),
        service_tier=short_name(member(response, "serviceTier"), "type"),
    )
    return finish(reply, request.output, real=True)


def _content(message: Mapping[str, Any]) -> dict[str, Any]:
    """What the *message* consists of, as members of a `Reply`."""
    if (words := plain_text(message)) is not None:
        return {"text": words}
    return {
        "text": "".join(texts_in(message)),
        "reasoning": "".join(thoughts_in(message)) or None,
        "tool_calls": tuple(_tool_calls(message)),
        "citations": citations_in(message),
        "parts": parts_in(message),
    }


def _no_message(response: Mapping[str, Any], about: object, model: str) -> LLMError:
    """The error that a *response* without a message holds, or is."""
    unread = text(response, RAW_BODY)
    if unread:
        try:
            found = error_in_ok_body(json.loads(unread), model)
        except ValueError:
            headers = member(about, "HTTPHeaders")
            return unreadable_body(unread, text(headers, "content-type"), "bedrock")
        if found is not None:
            return found
    # boto3 turns a body that was cut off into an empty response, without a word.
    is_empty = not unread and response.keys() <= {"ResponseMetadata", RAW_BODY}
    kind, retry = (ProviderUnavailableError, None) if is_empty else (LLMError, Retry.IF_REQUESTED)
    return kind(
        "Bedrock API error: the reply holds no message; its body may have been cut off",
        provider="bedrock",
        status=status(about, "HTTPStatusCode"),
        request_id=short_name(about, "RequestId"),
        retry=retry,
    )


def _tool_calls(message: Mapping[str, Any]) -> list[ToolCall]:
    used = [member(block, "toolUse") for block in rows(message, "content")]
    return [
        ToolCall(text(one, "toolUseId") or "", text(one, "name") or "", _input_json(one))
        for one in used
        # What the provider ran itself asks nothing of the caller.
        if isinstance(one, Mapping) and one.get("type") != "server_tool_use"
    ]


def _input_json(used: Mapping[str, Any]) -> str:
    return json.dumps(used.get("input"), ensure_ascii=False)


def usage_of(usage: object) -> Usage:
    """Converse's count; its inputTokens leave out what the cache was read and written for."""
    input_tokens, output_tokens = count(usage, "inputTokens"), count(usage, "outputTokens")
    if input_tokens is None or output_tokens is None:
        return Usage()
    read = count(usage, "cacheReadInputTokens") or 0
    written = count(usage, "cacheWriteInputTokens") or 0
    return usage_beside_cache(input_tokens, output_tokens, read, written)
