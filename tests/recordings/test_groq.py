"""Every recorded exchange with Groq, through the real SDK, against the raw JSON."""

from __future__ import annotations

import json
from typing import Any

import groq
import pytest

from services.llm.errors import (
    AuthenticationError,
    InvalidRequestError,
    LLMError,
    ModelNotFoundError,
    ProviderUnavailableError,
    RateLimitError,
    Retry,
    TruncatedError,
)
from services.llm.models.catalogue import GROQ
from services.llm.providers.groq import (
    classify,
    from_chat_completion,
    organization_of,
    to_chat_completion,
)
from services.llm.providers.groq.stream import fold
from services.llm.types import Reply, Request

Record = dict[str, Any]

_OWN = ("model", "messages", "temperature", "max_tokens", "stream")


def _request(record: Record) -> Request:
    body = record["request"]["body"]
    rest = {name: value for name, value in body.items() if name not in _OWN}
    return Request(
        model=body["model"],
        messages=tuple(body["messages"]),
        temperature=body.get("temperature"),
        max_tokens=body.get("max_tokens"),
        options=rest | {"extra_headers": {"x-recording": record["id"]}},
    )


def _outcome(client: groq.Groq, record: Record) -> Reply | LLMError:
    request = _request(record)
    try:
        if record["request"]["body"].get("stream"):
            chunks = client.chat.completions.create(**to_chat_completion(request), stream=True)
            return fold(chunks, request)
        return from_chat_completion(
            client.chat.completions.create(**to_chat_completion(request)), request
        )
    except Exception as error:
        return classify(error, request.model, wall=0.0)


def _said(outcome: Reply | LLMError) -> dict[str, Any]:
    """What the dialect read, in the words of `_expected`."""
    if isinstance(outcome, Reply):
        usage, model, reason, text = (
            *(outcome.usage, outcome.model, outcome.finish_reason, outcome.text),
        )
        calls = [(call.id, call.name, call.arguments) for call in outcome.tool_calls]
    else:
        assert isinstance(outcome, TruncatedError)
        assert outcome.partial is not None
        usage, model = outcome.partial.usage, outcome.partial.model
        reason, text, calls = outcome.code, outcome.text, []
    return {
        "whole": isinstance(outcome, Reply),
        "text": text,
        "reason": reason,
        "model": model,
        "calls": calls,
        "request_id": outcome.request_id,
        "tokens": (usage.input_tokens, usage.output_tokens, usage.total_tokens),
        "details": (usage.cached_input_tokens, usage.reasoning_tokens),
    }


def _expected(message: dict[str, Any], reason: str, top: dict[str, Any]) -> dict[str, Any]:
    text, calls, usage = message.get("content") or "", message["tool_calls"], top["usage"]
    whole = reason != "length" and bool(text.strip() or calls)
    return {
        "whole": whole,
        "text": text,
        "reason": reason,
        "model": top["model"],
        "calls": calls if whole else [],
        "request_id": top.get("id"),
        "tokens": (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]),
        "details": (
            usage.get("prompt_tokens_details", {}).get("cached_tokens", 0),
            usage.get("completion_tokens_details", {}).get("reasoning_tokens", 0),
        ),
    }


def _written(calls: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(call["id"], call["function"]["name"], call["function"]["arguments"]) for call in calls]


def test_every_answer_is_read_as_it_was_written(
    groq_answer: Record, groq_client: groq.Groq
) -> None:
    raw = json.loads(groq_answer["response"]["body_text"])
    choice = raw["choices"][0]
    message = choice["message"] | {"tool_calls": _written(choice["message"].get("tool_calls", []))}
    top = {"usage": raw["usage"], "model": raw["model"], "id": raw["x_groq"]["id"]}

    outcome = _outcome(groq_client, groq_answer)

    assert _said(outcome) == _expected(message, choice["finish_reason"], top)
    if isinstance(outcome, Reply):
        assert outcome.reasoning == choice["message"].get("reasoning")
        assert outcome.processing == pytest.approx(raw["usage"]["total_time"])
        working = raw["usage"]["prompt_time"] + raw["usage"]["completion_time"]
        assert outcome.processing == pytest.approx(working, abs=1e-5), "queue_time is not in it"


def test_every_stream_is_folded_into_what_it_spells(
    groq_stream: Record, groq_client: groq.Groq
) -> None:
    lines = groq_stream["response"]["body_text"].splitlines()
    data = [line[5:].strip() for line in lines if line.startswith("data:")]
    message: dict[str, Any] = {"content": "", "reasoning": "", "tool_calls": []}
    reason, top = "", dict[str, Any]()
    for chunk in (json.loads(one) for one in data if one != "[DONE]"):
        top |= {"model": chunk["model"]}
        extra = chunk.get("x_groq") or {}
        top |= {"id": extra["id"]} if "id" in extra else {}
        top |= {"usage": extra["usage"]} if "usage" in extra else {}
        for choice in chunk["choices"]:
            reason = choice["finish_reason"] or reason
            message["content"] += choice["delta"].get("content") or ""
            message["reasoning"] += choice["delta"].get("reasoning") or ""
            message["tool_calls"] += _written(choice["delta"].get("tool_calls") or [])

    outcome = _outcome(groq_client, groq_stream)

    assert _said(outcome) == _expected(message, reason, top)
    if isinstance(outcome, Reply):
        assert (outcome.reasoning or "") == message["reasoning"]


_KINDS: dict[tuple[int, str | None], type[LLMError]] = {
    (400, None): InvalidRequestError,
    (400, "tool_use_failed"): InvalidRequestError,
    (400, "model_decommissioned"): ModelNotFoundError,
    (400, "model_terms_required"): AuthenticationError,
    (401, "invalid_api_key"): AuthenticationError,
    (404, "model_not_found"): ModelNotFoundError,
    (429, "rate_limit_exceeded"): RateLimitError,
    (500, None): ProviderUnavailableError,
}


def test_every_error_is_classified(groq_error: Record, groq_client: groq.Groq) -> None:
    response = groq_error["response"]
    raw = response["body_text"]
    if response["status"] == 200:
        raw = raw.partition("event: error\ndata: ")[2]
    error = json.loads(raw)["error"]
    status, code = error.get("status_code", response["status"]), error.get("code")

    outcome = _outcome(groq_client, groq_error)

    assert isinstance(outcome, LLMError)
    assert type(outcome) is _KINDS[status, code]
    assert (outcome.status, outcome.code) == (status, code)
    in_stream = response["status"] == 200
    assert outcome.request_id == (None if in_stream else response["headers"].get("x-request-id"))
    waits = response["headers"].get("retry-after")
    assert outcome.retry_after == (float(waits) if waits else None)
    assert outcome.retry is (Retry.AFTER_BACKOFF if status == 500 else Retry.NEVER)
    assert getattr(outcome, "failed_generation", None) == error.get("failed_generation")
    assert "org_0" not in str(outcome)
    if not isinstance(outcome, ModelNotFoundError):
        shown = error["message"].replace("org_" + 26 * "0", "org_***")
        assert str(outcome).endswith(shown.replace("?model=mistral-saba-24b", "?***"))


def test_the_organisation_behind_a_refusal_is_known_by_a_hash(
    everything: dict[str, list[Record]], groq_client: groq.Groq
) -> None:
    named = set()
    for record in everything["groq"]:
        if record["response"]["status"] == 429:
            with pytest.raises(groq.RateLimitError) as refusal:
                groq_client.chat.completions.create(**to_chat_completion(_request(record)))
            named.add(organization_of(refusal.value))

    assert len(named) == 1
    assert all(name and len(name) == 16 for name in named)


def test_every_request_reaches_the_wire_as_it_was_recorded(
    groq_answer: Record, groq_client: groq.Groq, sent: dict[str, Any]
) -> None:
    _outcome(groq_client, groq_answer)

    recorded = {**groq_answer["request"]["body"]}
    recorded.pop("stream", None)
    # A caller who names the newer parameter means it alone.
    if "max_completion_tokens" in recorded:
        recorded.pop("max_tokens", None)
    assert sent[groq_answer["id"]] == recorded


def test_the_table_agrees_with_every_list_of_models(
    groq_models: Record, groq_client: groq.Groq
) -> None:
    listed = groq_client.models.list(extra_headers={"x-recording": groq_models["id"]})
    raw = json.loads(groq_models["response"]["body_text"])["data"]

    assert [model.id for model in listed.data] == [model["id"] for model in raw]
    for model in raw:
        if model["id"] in GROQ:
            context, output = GROQ[model["id"]][:2]
            assert context == model["context_window"]
            assert model.get("max_completion_tokens") in (output, None)


def test_no_recording_is_left_out(everything: dict[str, list[Record]]) -> None:
    kinds = [record["kind"] for record in everything["groq"]]

    assert {kind: kinds.count(kind) for kind in set(kinds)} == {
        "chat": 147,
        "json": 18,
        "tools": 127,
        "stream": 151,
        "error": 79,
        "models": 10,
    }
