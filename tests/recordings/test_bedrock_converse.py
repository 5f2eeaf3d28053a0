"""Every recorded Converse answer and every error of Bedrock, against the raw bytes."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from services.llm.errors import (
    AuthenticationError,
    ContentFilteredError,
    ContextLengthError,
    InvalidRequestError,
    LLMError,
    ModelNotFoundError,
    ProviderUnavailableError,
    RateLimitError,
    Retry,
)
from services.llm.types import Reply
from tests.recordings.bedrock_bytes import (
    Record,
    converse_tokens,
    expected_of,
    frames_of,
    outcome_of,
    said,
)


def test_every_converse_answer_is_read_as_it_was_written(
    converse_answer: Record, bedrock_client: Any
) -> None:
    raw = json.loads(converse_answer["response"]["body_text"])
    blocks = raw["output"]["message"]["content"]
    parts = [[block, *block.get("citationsContent", {}).get("content", [])] for block in blocks]
    text = "".join(part.get("text", "") for both in parts for part in both)
    used = [block["toolUse"] for block in blocks if "toolUse" in block]
    own = [one for one in used if one.get("type") != "server_tool_use"]
    calls = [one | {"id": one["toolUseId"]} for one in own]
    thoughts = [block["reasoningContent"] for block in blocks if "reasoningContent" in block]

    outcome = outcome_of(bedrock_client, converse_answer)

    tokens = converse_tokens(raw["usage"])
    assert said(outcome) == expected_of(text, raw["stopReason"], tokens, calls)
    requested = converse_answer["response"]["headers"].get("x-amzn-requestid")
    assert outcome.request_id == requested
    if isinstance(outcome, Reply):
        assert outcome.processing == pytest.approx(raw["metrics"]["latencyMs"] / 1000)
        spelled = "".join(one.get("reasoningText", {}).get("text", "") for one in thoughts)
        assert (outcome.reasoning or "") == spelled


def test_every_converse_stream_is_folded_into_what_it_spells(
    converse_stream: Record, bedrock_client: Any
) -> None:
    text, pieces, tools = "", dict[int, str](), dict[int, dict[str, Any]]()
    stop: dict[str, Any] = {}
    usage: dict[str, Any] = {}
    for headers, payload in frames_of(base64.b64decode(converse_stream["response"]["body_b64"])):
        event, place = json.loads(payload), json.loads(payload).get("contentBlockIndex", 0)
        if headers[":event-type"] == "contentBlockStart" and "toolUse" in event["start"]:
            tools[place] = event["start"]["toolUse"]
        if headers[":event-type"] == "contentBlockDelta":
            text += event["delta"].get("text", "")
            piece = event["delta"].get("toolUse", {}).get("input", "")
            pieces[place] = pieces.get(place, "") + piece
        stop = event if headers[":event-type"] == "messageStop" else stop
        usage = event["usage"] if headers[":event-type"] == "metadata" else usage
    calls = [
        {"id": tool["toolUseId"], "name": tool["name"], "input": json.loads(pieces[place] or "{}")}
        for place, tool in tools.items()
        if tool.get("type") != "server_tool_use"
    ]

    outcome = outcome_of(bedrock_client, converse_stream)

    tokens = converse_tokens(usage)
    assert said(outcome) == expected_of(text, stop["stopReason"], tokens, calls)


_KINDS: dict[str, type[LLMError]] = {
    "ThrottlingException": RateLimitError,
    "ServiceUnavailableException": ProviderUnavailableError,
    "AccessDeniedException": AuthenticationError,
    "UnrecognizedClientException": AuthenticationError,
    "InvalidSignatureException": AuthenticationError,
    "ResourceNotFoundException": ModelNotFoundError,
    "ValidationException": InvalidRequestError,
    "validationException": InvalidRequestError,
    # The recorder dropped the header that names the exception.
    "400": InvalidRequestError,
    "503": ProviderUnavailableError,
}
_TRANSIENT = {"ThrottlingException", "ServiceUnavailableException", "503"}


def test_every_error_is_classified(bedrock_error: Record, bedrock_client: Any) -> None:
    response = bedrock_error["response"]
    if "body_b64" in response:
        ((headers, payload),) = frames_of(base64.b64decode(response["body_b64"]))
        code, message = headers[":exception-type"], json.loads(payload)["message"]
    else:
        named = response["headers"].get("x-amzn-errortype", str(response["status"]))
        code, message = named.partition(":")[0], json.loads(response["body_text"])["message"]
    expected = _KINDS[code]
    if message == "The provided model identifier is invalid.":
        expected = ModelNotFoundError
    elif "too long" in message or "too many total" in message:
        expected = ContextLengthError

    outcome = outcome_of(bedrock_client, bedrock_error)

    assert isinstance(outcome, LLMError)
    assert type(outcome) is expected
    assert outcome.code == code
    assert outcome.status == (response["status"] if response["status"] != 200 else None)
    assert outcome.retry is (Retry.AFTER_BACKOFF if code in _TRANSIENT else Retry.NEVER)
    assert str(outcome).startswith(f"Bedrock API error: {message}")


def test_a_withheld_answer_was_recorded(
    everything: dict[str, list[Record]], bedrock_client: Any
) -> None:
    converse = [record for record in everything["bedrock"] if record["kind"] == "converse"]
    outcomes = [outcome_of(bedrock_client, record) for record in converse]

    assert sum(isinstance(outcome, ContentFilteredError) for outcome in outcomes) == 3
