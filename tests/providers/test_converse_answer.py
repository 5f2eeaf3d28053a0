from __future__ import annotations

from typing import Any

import pytest

from services.llm.errors import (
    ContentFilteredError,
    LLMError,
    ProviderUnavailableError,
    Retry,
    TruncatedError,
)
from services.llm.providers.bedrock import from_converse
from services.llm.types import Output, Reply, Request, ToolCall, Usage

MODEL = "us.anthropic.claude-sonnet-4-6"


def _request(*messages: Any, **changes: Any) -> Request:
    asked = messages or ({"role": "user", "content": "Hello"},)
    return Request(**{"model": MODEL, "messages": asked, **changes})


def _response(**changes: Any) -> dict[str, Any]:
    content = changes.pop("content", [{"text": "Hi"}])
    return {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 5, "outputTokens": 2, "totalTokens": 7},
        "metrics": {"latencyMs": 1500},
        **changes,
    }


def test_a_whole_answer_is_read() -> None:
    about = {"RequestId": "r-1", "HTTPStatusCode": 200}

    assert from_converse(_response(ResponseMetadata=about), _request()) == Reply(
        text="Hi",
        model=MODEL,
        provider="bedrock",
        finish_reason="end_turn",
        usage=Usage(5, 2, 7, reported=True),
        request_id="r-1",
        processing=1.5,
    )


def test_what_the_cache_was_read_and_written_for_counts_as_input() -> None:
    usage = {"inputTokens": 5, "outputTokens": 2, "cacheReadInputTokens": 10}
    usage |= {"cacheWriteInputTokens": 100}

    assert from_converse(_response(usage=usage), _request()).usage == Usage(
        115, 2, 117, 10, reported=True, cache_write_input_tokens=100
    )


def test_an_answer_without_counts_has_none() -> None:
    reply = from_converse(_response(usage={}, metrics={}), _request())

    assert (reply.usage, reply.processing) == (Usage(), None)


def test_thoughts_citations_and_calls_are_read() -> None:
    content = [
        {"reasoningContent": {"reasoningText": {"text": "Hm."}}},
        {"reasoningContent": {"redactedContent": b"x"}},
        {"text": "It says "},
        {"citationsContent": {"content": [{"text": "so"}], "citations": []}},
        {"toolUse": {"toolUseId": "s", "name": "run", "input": {}, "type": "server_tool_use"}},
        {"toolUse": {"toolUseId": "t1", "name": "look", "input": {"wo": "Köln"}}},
    ]
    reply = from_converse(_response(content=content, stopReason="tool_use"), _request())

    assert (reply.text, reply.reasoning) == ("It says so", "Hm.")
    assert reply.tool_calls == (ToolCall("t1", "look", '{"wo": "Köln"}'),)
    forced = _request(output=Output("tool", name="look"))
    answered = from_converse(_response(content=content), forced)
    assert (answered.text, answered.tool_calls) == ('{"wo": "Köln"}', ())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"stopReason": "max_tokens"}, r"cut off after 2 tokens \(max_tokens\); raise max_tokens"),
        (
            {"stopReason": "model_context_window_exceeded"},
            r"cut off after 2 tokens .*; shorten the conversation",
        ),
        ({"stopReason": None}, "ended without a finish reason; ask again"),
        ({"content": []}, "empty after 2 tokens; ask again"),
    ],
)
def test_an_answer_that_is_not_whole_is_an_error(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(TruncatedError, match=f"^Bedrock API error: the answer .*{words}") as caught:
        from_converse(_response(**changes), _request())

    assert caught.value.text == ("" if "content" in changes else "Hi")
    assert caught.value.partial is not None
    assert caught.value.partial.usage.total_tokens == 7


@pytest.mark.parametrize("reason", ["guardrail_intervened", "content_filtered"])
def test_an_answer_that_was_withheld_is_an_error(reason: str) -> None:
    with pytest.raises(ContentFilteredError, match=reason) as caught:
        from_converse(_response(stopReason=reason), _request())

    assert caught.value.code == reason


@pytest.mark.parametrize("reason", ["malformed_model_output", "malformed_tool_use"])
def test_an_answer_that_is_malformed_may_be_asked_for_again(reason: str) -> None:
    with pytest.raises(LLMError, match=f"malformed \\({reason}\\)") as caught:
        from_converse(_response(stopReason=reason), _request())

    assert type(caught.value) is LLMError
    assert caught.value.retry is Retry.IF_REQUESTED


def test_a_response_without_a_message_is_no_answer() -> None:
    about = {"RequestId": "r-1", "HTTPStatusCode": 200}

    with pytest.raises(LLMError, match="the reply holds no message") as caught:
        from_converse({"ResponseMetadata": about, "stopReason": "end_turn"}, _request())

    error = caught.value
    assert (error.status, error.request_id, error.retry) == (200, "r-1", Retry.IF_REQUESTED)


def test_what_was_counted_beside_no_message_is_known() -> None:
    usage = {"inputTokens": 5, "outputTokens": 2, "totalTokens": 7}

    with pytest.raises(LLMError, match="the reply holds no message") as caught:
        from_converse({"usage": usage}, _request())

    assert caught.value.partial is not None
    assert (5, 2) == (
        caught.value.partial.usage.input_tokens,
        caught.value.partial.usage.output_tokens,
    )


def test_a_response_without_anything_was_cut_off_on_its_way() -> None:
    with pytest.raises(ProviderUnavailableError) as caught:
        from_converse({"ResponseMetadata": {"HTTPStatusCode": 200}}, _request())

    assert (200, Retry.AFTER_BACKOFF) == (caught.value.status, caught.value.retry)
