"""Every recorded answer of InvokeModel, against the raw bytes."""

from __future__ import annotations

import base64
import json
from collections import Counter
from typing import Any

import pytest

from services.llm.errors import ConfigurationError, LLMError
from services.llm.providers.bedrock import parse_response
from services.llm.types import Reply
from tests.recordings.bedrock_bytes import Record, expected_of, frames_of, outcome_of, said


def _vendor(record: Record) -> str:
    parts = record["model"].rpartition("/")[2].split(".")
    return next((part for part in parts if part in ("anthropic", "meta", "mistral")), "another")


def _body_of(record: Record) -> str:
    """Which form the answer's body has, read off the body alone."""
    raw = json.loads(record["response"]["body_text"])
    for name, form in (("completion", "text completion"), ("generation", "llama")):
        if name in raw:
            return form
    if "outputs" in raw:
        return "mistral"
    return "claude" if _vendor(record) == "anthropic" else "of another family"


def _header_tokens(headers: dict[str, str]) -> tuple[int, int]:
    given, written = (
        headers.get(f"x-amzn-bedrock-{side}-token-count", "0") for side in ("input", "output")
    )
    return int(given), int(written)


def test_every_invoked_answer_is_read_as_it_was_written(
    invoke_answer: Record, bedrock_client: Any
) -> None:
    raw, form = json.loads(invoke_answer["response"]["body_text"]), _body_of(invoke_answer)
    headers = invoke_answer["response"]["headers"]
    outcome = outcome_of(bedrock_client, invoke_answer)

    if form == "of another family":
        assert isinstance(outcome, ConfigurationError)
        assert str(outcome) == f"Unsupported model: {invoke_answer['model']}"
    elif form == "text completion":
        assert isinstance(outcome, LLMError)
        assert "not of its family's form" in str(outcome)
    elif form == "claude":
        texts = [part["text"] for part in raw["content"] if part["type"] == "text"]
        calls = [part for part in raw["content"] if part["type"] == "tool_use"]
        usage = raw["usage"]
        read = usage.get("cache_read_input_tokens", 0)
        given = usage["input_tokens"] + read + usage.get("cache_creation_input_tokens", 0)
        tokens = (given, usage["output_tokens"], read)
        assert said(outcome) == expected_of("".join(texts), raw["stop_reason"], tokens, calls)
    elif form == "llama":
        tokens = (raw["prompt_token_count"], raw["generation_token_count"], 0)
        assert tokens[:2] == _header_tokens(headers)
        assert said(outcome) == expected_of(raw["generation"], raw["stop_reason"], tokens, [])
    else:
        output = raw["outputs"][0]
        tokens = (*_header_tokens(headers), 0)
        assert said(outcome) == expected_of(output["text"], output["stop_reason"], tokens, [])


def test_every_invoked_text_is_what_the_face_reads(invoke_answer: Record) -> None:
    raw, form = json.loads(invoke_answer["response"]["body_text"]), _body_of(invoke_answer)
    if form == "claude":
        text = "".join(part.get("text", "") for part in raw["content"])
        assert parse_response(raw, invoke_answer["model"]) == text
    elif form == "llama":
        assert parse_response(raw, invoke_answer["model"]) == raw["generation"]
    elif form == "mistral":
        assert parse_response(raw, invoke_answer["model"]) == raw["outputs"][0]["text"]
    elif form == "of another family":
        with pytest.raises(ValueError, match="Unsupported model"):
            parse_response(raw, invoke_answer["model"])
    else:
        with pytest.raises(LLMError, match="not of its family's form"):
            parse_response(raw, invoke_answer["model"])


def test_every_invoked_stream_is_folded_into_what_it_spells(
    invoke_stream: Record, bedrock_client: Any
) -> None:
    frames = frames_of(base64.b64decode(invoke_stream["response"]["body_b64"]))
    pieces = [json.loads(base64.b64decode(json.loads(payload)["bytes"])) for _, payload in frames]
    metrics = pieces[-1].get("amazon-bedrock-invocationMetrics", {})
    vendor = _vendor(invoke_stream)

    outcome = outcome_of(bedrock_client, invoke_stream)

    if vendor == "another":
        assert isinstance(outcome, ConfigurationError)
        assert str(outcome) == f"Unsupported model: {invoke_stream['model']}"
    elif vendor == "anthropic" and "completion" in pieces[0]:
        # The text completions of the first Claudes.
        text = "".join(piece.get("completion", "") for piece in pieces)
        tokens = (metrics["inputTokenCount"], metrics["outputTokenCount"], 0)
        assert said(outcome) == expected_of(text, pieces[-1]["stop_reason"], tokens, [])
    elif vendor == "anthropic":
        _check_claude(outcome, pieces)
    else:
        one = [piece["outputs"][0] if "outputs" in piece else piece for piece in pieces]
        text = "".join(part.get("text", part.get("generation", "")) for part in one)
        tokens = (metrics["inputTokenCount"], metrics["outputTokenCount"], 0)
        assert said(outcome) == expected_of(text, one[-1]["stop_reason"], tokens, [])


def _check_claude(outcome: Reply | LLMError, pieces: list[dict[str, Any]]) -> None:
    deltas = [piece["delta"] for piece in pieces if piece["type"] == "content_block_delta"]
    started = [piece for piece in pieces if piece["type"] == "content_block_start"]
    (end,) = [piece for piece in pieces if piece["type"] == "message_delta"]
    calls = [piece["content_block"] for piece in started]
    spelled: dict[int, str] = {}
    for piece in pieces:
        if piece["type"] == "content_block_delta":
            words = piece["delta"].get("partial_json", "")
            spelled[piece["index"]] = spelled.get(piece["index"], "") + words
    calls = [
        piece["content_block"] | {"input": json.loads(spelled[piece["index"]] or "{}")}
        for piece in started
        if piece["content_block"]["type"] == "tool_use"
    ]
    usage = pieces[0]["message"]["usage"] | end["usage"]
    read = usage.get("cache_read_input_tokens", 0)
    given = usage["input_tokens"] + read + usage.get("cache_creation_input_tokens", 0)
    text = "".join(delta.get("text", "") for delta in deltas)
    tokens = (given, usage["output_tokens"], read)
    assert said(outcome) == expected_of(text, end["delta"]["stop_reason"], tokens, calls)
    if isinstance(outcome, Reply):
        thoughts = "".join(delta.get("thinking", "") for delta in deltas)
        assert (outcome.reasoning or "") == thoughts


def test_no_recording_is_left_out(everything: dict[str, list[Record]]) -> None:
    records = everything["bedrock"]
    invoked = [_body_of(record) for record in records if record["kind"] == "invoke"]

    assert Counter(record["kind"] for record in records) == {
        "converse": 266,
        "converse-stream": 78,
        "invoke": 126,
        "invoke-stream": 91,
        "error": 73,
    }
    assert Counter(invoked) == {
        "claude": 90,
        "llama": 7,
        "mistral": 1,
        "text completion": 3,
        "of another family": 25,
    }
    streamed = [_vendor(record) for record in records if record["kind"] == "invoke-stream"]
    assert Counter(streamed) == {"anthropic": 69, "meta": 2, "mistral": 1, "another": 19}
