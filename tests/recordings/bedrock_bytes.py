"""What both files of Bedrock recordings ask again, and how they read the raw bytes."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from services.llm.errors import LLMError, TruncatedError
from services.llm.providers.bedrock import classify, from_converse, from_invoke, to_converse
from services.llm.providers.bedrock.stream import fold_converse, fold_invoke
from services.llm.types import Reply, Request, Usage

Record = dict[str, Any]

# What the answer's own words for its end make of it; any other is an end.
_CUT = {"max_tokens", "length"}
_WITHHELD = {"content_filtered", "guardrail_intervened"}


def request_of(record: Record) -> Request:
    return Request(record["model"], ({"role": "user", "content": "as recorded"},), max_tokens=9)


def _call(client: Any, record: Record) -> Reply:
    """Ask again what was asked then, over the operation that was used then."""
    request = request_of(record)
    operation = record["request"]["path"].rpartition("/")[2]
    if operation in ("converse", "converse-stream"):
        wire = to_converse(request) | {"modelId": record["id"]}
        if operation == "converse":
            return from_converse(client.converse(**wire), request)
        stream = client.converse_stream(**wire)
        with closing(stream["stream"]) as events:
            return fold_converse(events, request, stream["ResponseMetadata"])
    invoked = {"modelId": record["id"], "body": "{}"}
    if operation == "invoke":
        answer = client.invoke_model(**invoked)
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        return from_invoke(answer["body"].read(), request, headers)
    answer = client.invoke_model_with_response_stream(**invoked)
    with closing(answer["body"]) as events:
        return fold_invoke(events, request, answer["ResponseMetadata"]["HTTPHeaders"])


def outcome_of(client: Any, record: Record) -> Reply | LLMError:
    try:
        return _call(client, record)
    except Exception as error:
        return classify(error, record["model"], wall=0.0)


def said(outcome: Reply | LLMError) -> dict[str, Any]:
    if isinstance(outcome, Reply):
        kind, reason = "whole", outcome.finish_reason
        text: str | None = outcome.text
        usage, calls = outcome.usage, [(one.id, one.name) for one in outcome.tool_calls]
        given = [json.loads(one.arguments) for one in outcome.tool_calls]
    else:
        kind = type(outcome).__name__
        text = outcome.text if isinstance(outcome, TruncatedError) else None
        reason, calls, given = outcome.code, [], []
        usage = outcome.partial.usage if outcome.partial else Usage()
    tokens = (usage.input_tokens, usage.output_tokens, usage.cached_input_tokens)
    return {
        "kind": kind,
        "text": text,
        "reason": reason,
        "tokens": tokens,
        "calls": calls,
        "given": given,
    }


def expected_of(
    text: str, reason: str | None, tokens: tuple[int, int, int], calls: list[dict[str, Any]]
) -> dict[str, Any]:
    kind = "ContentFilteredError" if reason in _WITHHELD else "whole"
    if reason in _CUT or reason is None or not (text.strip() or calls or kind != "whole"):
        kind = "TruncatedError"
    whole = kind == "whole"
    return {
        "kind": kind,
        "text": None if kind == "ContentFilteredError" else text,
        "reason": reason,
        "tokens": tokens,
        "calls": [(one["id"], one["name"]) for one in calls] if whole else [],
        "given": [one["input"] for one in calls] if whole else [],
    }


def converse_tokens(usage: dict[str, Any]) -> tuple[int, int, int]:
    read, written = usage.get("cacheReadInputTokens", 0), usage.get("cacheWriteInputTokens", 0)
    assert usage["totalTokens"] == usage["inputTokens"] + read + written + usage["outputTokens"]
    return usage["inputTokens"] + read + written, usage["outputTokens"], read


def frames_of(raw: bytes) -> Iterator[tuple[dict[str, str], bytes]]:
    """The frames of an AWS event stream: lengths, a checksum, headers of strings, the payload."""
    while raw:
        total, head = struct.unpack(">II", raw[:8])
        headers, at = {}, 12
        while at < 12 + head:
            name = raw[at + 1 : at + 1 + raw[at]]
            at += 1 + raw[at] + 1
            (size,) = struct.unpack(">H", raw[at : at + 2])
            headers[name.decode()] = raw[at + 2 : at + 2 + size].decode()
            at += 2 + size
        yield headers, raw[12 + head : total - 4]
        raw = raw[total:]
