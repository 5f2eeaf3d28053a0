from __future__ import annotations

import json
from typing import Any
from unittest.mock import Mock

import pytest

from services.llm.errors import (
    ContentFilteredError,
    LLMError,
    ProviderUnavailableError,
    Retry,
    TruncatedError,
)
from services.llm.providers.bedrock import INVOKE_MODELS, from_invoke, parse_response
from services.llm.types import Output, Reply, Request, ToolCall, Usage

CLAUDE, LLAMA, MIXTRAL = INVOKE_MODELS[0], INVOKE_MODELS[3], INVOKE_MODELS[5]


def _request(model: str = CLAUDE, **changes: Any) -> Request:
    asked = ({"role": "user", "content": "Hello"},)
    return Request(**{"model": model, "messages": asked, **changes})


MOCKED: dict[str, dict[str, Any]] = {
    CLAUDE: {"content": [{"text": "Hi"}]},
    LLAMA: {"generation": "Hi"},
    MIXTRAL: {"outputs": [{"text": "Hi"}]},
}


@pytest.mark.parametrize("model", MOCKED)
def test_a_mocked_body_need_hold_no_more_than_the_text(model: str) -> None:
    body = json.dumps(MOCKED[model])

    assert parse_response(MOCKED[model], model) == "Hi"
    for given_, headers in ((body, None), (body.encode(), {}), (body, Mock())):
        reply = from_invoke(given_, _request(model), headers)
        assert reply == Reply(text="Hi", model=model, provider="bedrock")


@pytest.mark.parametrize("model", MOCKED)
def test_a_message_beside_an_answer_makes_no_error_of_it(model: str) -> None:
    body = json.dumps({**MOCKED[model], "message": "A new version is out."})
    assert "Hi" == from_invoke(body, _request(model)).text


def _real(model: str, reason: str | None) -> dict[str, Any]:
    if model == CLAUDE:
        usage = {"input_tokens": 5, "output_tokens": 2}
        return {"content": [{"type": "text", "text": "Hi"}], "stop_reason": reason, "usage": usage}
    if model == LLAMA:
        counts = {"prompt_token_count": 5, "generation_token_count": 2}
        return {"generation": "Hi", "stop_reason": reason, **counts}
    return {"outputs": [{"text": "Hi", "stop_reason": reason}]}


@pytest.mark.parametrize(("model", "reason"), [(CLAUDE, "end_turn"), (LLAMA, "stop")])
def test_a_whole_answer_is_read(model: str, reason: str) -> None:
    headers = {"x-amzn-requestid": "r-1", "x-amzn-bedrock-invocation-latency": "1500"}
    reply = from_invoke(json.dumps(_real(model, reason)), _request(model), headers)

    assert reply == Reply(
        text="Hi",
        model=model,
        provider="bedrock",
        finish_reason=reason,
        usage=Usage(5, 2, 7, reported=True),
        request_id="r-1",
        processing=1.5,
    )


def test_tokens_come_from_the_headers_where_the_body_has_none() -> None:
    headers = {
        "x-amzn-bedrock-input-token-count": "5",
        "x-amzn-bedrock-output-token-count": "2",
        "x-amzn-bedrock-cache-read-input-token-count": "10",
        "x-amzn-bedrock-invocation-latency": "soon",
    }
    reply = from_invoke(json.dumps(_real(MIXTRAL, "stop")), _request(MIXTRAL), headers)

    assert reply.usage == Usage(15, 2, 17, cached_input_tokens=10, reported=True)
    assert reply.processing is None


def test_what_the_cache_was_read_and_written_for_counts_as_input() -> None:
    body = _real(CLAUDE, "end_turn")
    body["usage"] |= {"cache_read_input_tokens": 10, "cache_creation_input_tokens": 100}

    assert from_invoke(json.dumps(body), _request()).usage == Usage(
        115, 2, 117, 10, reported=True, cache_write_input_tokens=100
    )


def test_claudes_thoughts_and_calls_are_read() -> None:
    body = _real(CLAUDE, "tool_use")
    body["content"] = [
        {"type": "thinking", "thinking": "Hm."},
        {"type": "tool_use", "id": "t1", "name": "look", "input": {"at": 1}},
    ]
    reply = from_invoke(json.dumps(body), _request())

    assert reply.reasoning == "Hm."
    assert reply.tool_calls == (ToolCall("t1", "look", '{"at": 1}'),)
    forced = from_invoke(json.dumps(body), _request(output=Output("tool", name="look")))
    assert (forced.text, forced.tool_calls) == ('{"at": 1}', ())


@pytest.mark.parametrize(
    ("model", "reason"),
    [(CLAUDE, "max_tokens"), (LLAMA, "length"), (MIXTRAL, "length"), (LLAMA, None), (CLAUDE, None)],
)
def test_an_answer_that_did_not_end_is_an_error_with_what_came(
    model: str, reason: str | None
) -> None:
    with pytest.raises(TruncatedError, match=r"^Bedrock API error: the answer ") as caught:
        from_invoke(json.dumps(_real(model, reason)), _request(model))

    assert caught.value.text == "Hi"
    assert caught.value.code == reason


def test_a_real_answer_without_a_word_on_its_end_did_not_end() -> None:
    body = json.dumps(MOCKED[LLAMA])

    with pytest.raises(TruncatedError, match="without a finish reason"):
        from_invoke(body, _request(LLAMA), {"content-type": "application/json"})


@pytest.mark.parametrize(
    "change", [{"stop_reason": "refusal"}, {"amazon-bedrock-guardrailAction": "INTERVENED"}]
)
def test_an_answer_that_was_withheld_is_an_error(change: dict[str, str]) -> None:
    body = _real(CLAUDE, "end_turn") | change

    with pytest.raises(ContentFilteredError, match="the answer was withheld"):
        from_invoke(json.dumps(body), _request())


def test_a_body_that_is_not_whole_json_was_cut_off() -> None:
    with pytest.raises(ProviderUnavailableError, match="the reply is not whole JSON") as caught:
        from_invoke(b'{"content": [{"te', _request())

    assert caught.value.retry is Retry.AFTER_BACKOFF


def test_what_was_counted_beside_no_answer_is_known() -> None:
    body = json.dumps({"content": "x", "usage": {"input_tokens": 5, "output_tokens": 2}})

    with pytest.raises(LLMError, match="is not of its family's form") as caught:
        from_invoke(body, _request(CLAUDE))

    assert caught.value.partial is not None
    assert (5, 2) == (
        caught.value.partial.usage.input_tokens,
        caught.value.partial.usage.output_tokens,
    )


@pytest.mark.parametrize("model", MOCKED)
@pytest.mark.parametrize("body", ["{}", "[]", "null", '{"content": "x", "outputs": [], "x": 1}'])
def test_a_body_of_another_form_is_no_answer(model: str, body: str) -> None:
    with pytest.raises(LLMError, match="is not of its family's form") as caught:
        from_invoke(body, _request(model))

    assert caught.value.retry is Retry.IF_REQUESTED
