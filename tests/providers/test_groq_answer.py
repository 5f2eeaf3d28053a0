from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock, Mock

import pytest
from groq.types.chat import ChatCompletion

from services.llm.errors import ContentFilteredError, LLMError, Retry, TruncatedError
from services.llm.limit_types import LimitReport
from services.llm.providers.groq import from_chat_completion
from services.llm.types import Output, Reply, Request, ToolCall, Usage

ASKED = ({"role": "user", "content": "What is red teaming?"},)
SCHEMA = {"type": "object", "properties": {"code": {"type": "string"}}}


def _request(**changes: Any) -> Request:
    return Request(**{"model": "m", "messages": ASKED, **changes})


def _body(**changes: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": "Attacking oneself."} | changes.pop("message", {})
    choice = {"index": 0, "message": message, "finish_reason": "stop"} | changes.pop("choice", {})
    usage = {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14, "total_time": 0.25}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m-2",
        "choices": [choice],
        "usage": usage,
        "x_groq": {"id": "req_1"},
        **changes,
    }


def _read(body: dict[str, Any], **changes: Any) -> Reply:
    return from_chat_completion(ChatCompletion.construct(**body), _request(**changes))


def test_a_whole_answer_is_read() -> None:
    assert _read(_body()) == Reply(
        text="Attacking oneself.",
        model="m-2",
        provider="groq",
        finish_reason="stop",
        usage=Usage(10, 4, 14, reported=True),
        request_id="req_1",
        processing=0.25,
    )


def test_what_the_headers_said_of_limits_is_on_the_reply() -> None:
    limits = (LimitReport("tokens", 60.0, 8_000, 10),)

    assert from_chat_completion(_body(_limits=limits), _request()).limits == limits
    assert from_chat_completion(_body(_limits=[5]), _request()).limits == ()


def test_tokens_in_detail_are_read() -> None:
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 4,
        "prompt_tokens_details": {"cached_tokens": 8},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }

    assert _read(_body(usage=usage)).usage == Usage(10, 4, 14, 8, 3, reported=True)


@pytest.mark.parametrize("bad", [True, -1, 1.5, "4", None])
def test_a_count_of_the_wrong_type_is_no_count(bad: object) -> None:
    usage = {"prompt_tokens": bad, "completion_tokens": 4, "total_time": "fast"}
    reply = from_chat_completion(_body(usage=usage), _request())

    assert reply.usage == Usage()
    assert reply.processing is None


@pytest.mark.parametrize("bad", [True, -0.5, float("inf"), float("nan")])
def test_a_time_that_cannot_be_is_none(bad: object) -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_time": bad}

    assert from_chat_completion(_body(usage=usage), _request()).processing is None


def test_tools_that_the_model_asks_for_are_read() -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": "{}"}}
    broken = {"id": "call_2", "type": "function", "function": {"name": "add"}}
    body = _body(
        message={"content": None, "tool_calls": [call, broken]},
        choice={"finish_reason": "tool_calls"},
    )
    message = body["choices"][0]["message"]

    reply = from_chat_completion(body, _request())

    assert reply.text == ""
    assert reply.tool_calls == (ToolCall("call_1", "add", "{}"),)
    assert message["content"] is None


def test_where_one_tool_is_forced_its_arguments_are_the_text() -> None:
    other = {"id": "1", "function": {"name": "other", "arguments": "[]"}}
    mine = {"id": "2", "function": {"name": "answer", "arguments": '{"code": "36"}'}}
    body = _body(message={"content": "", "tool_calls": [other, mine]})

    reply = from_chat_completion(body, _request(output=Output("tool", SCHEMA)))

    assert (reply.text, reply.tool_calls) == ('{"code": "36"}', ())


def test_a_model_that_answers_in_words_where_a_tool_was_forced_keeps_them() -> None:
    assert _read(_body(), output=Output("tool", SCHEMA)).text == "Attacking oneself."


def test_an_answer_that_a_limit_cut_off_carries_what_came_and_what_it_cost() -> None:
    with pytest.raises(TruncatedError) as caught:
        _read(_body(choice={"finish_reason": "length"}))

    error = caught.value
    assert str(error) == (
        "Groq API error: the answer was cut off after 4 tokens (length); raise max_tokens"
    )
    assert error.text == "Attacking oneself."
    assert (error.code, error.status, error.request_id) == ("length", 200, "req_1")
    assert error.partial is not None
    assert error.partial.usage == Usage(10, 4, 14, reported=True)
    assert error.partial.model == "m-2"


@pytest.mark.parametrize("reason", [None, 0, Mock()])
def test_a_real_answer_without_a_finish_reason_is_cut_off(reason: object) -> None:
    with pytest.raises(TruncatedError, match="ended without a finish reason; ask again"):
        _read(_body(choice={"finish_reason": reason}))


@pytest.mark.parametrize("content", ["", " \n", None])
def test_an_empty_answer_is_no_answer(content: str | None) -> None:
    with pytest.raises(TruncatedError, match="the answer is empty after 4 tokens; ask again"):
        _read(_body(message={"content": content}))


def test_an_answer_that_was_all_reasoning_says_so() -> None:
    with pytest.raises(TruncatedError) as caught:
        _read(_body(message={"content": "", "reasoning": "Well..."}, usage=None))

    assert str(caught.value) == (
        "Groq API error: the answer is empty after an unknown number of tokens;"
        " raise max_tokens or ask for less reasoning"
    )
    with pytest.raises(TruncatedError, match="empty after 4 tokens, reasoning included; raise"):
        _read(_body(message={"content": "", "reasoning": "Well..."}))


def test_an_answer_that_was_filtered_is_withheld() -> None:
    with pytest.raises(ContentFilteredError, match=r"Groq API error: .*withheld") as caught:
        _read(_body(choice={"finish_reason": "content_filter"}))

    assert caught.value.partial is not None
    assert caught.value.partial.usage.total_tokens == 14


def test_a_finish_reason_that_is_new_is_an_end() -> None:
    assert _read(_body(choice={"finish_reason": "eos"})).finish_reason == "eos"


def _mock(kind: type[Any], content: object) -> Any:
    reply = kind()
    reply.choices = [kind()]
    reply.choices[0].message.content = content
    return reply


@pytest.mark.parametrize("kind", [Mock, MagicMock])
def test_a_mock_is_believed_for_its_text_alone(kind: type[Any]) -> None:
    reply = from_chat_completion(_mock(kind, "Mocked."), _request())

    assert reply == Reply(text="Mocked.", model="m", provider="groq")


def test_a_mock_that_is_indexed_without_a_list_is_believed() -> None:
    reply = MagicMock()
    reply.choices[0].message.content = "Mocked."

    assert from_chat_completion(reply, _request()).text == "Mocked."


def test_a_fake_without_a_finish_reason_is_believed() -> None:
    message = SimpleNamespace(content="Faked.")
    reply = SimpleNamespace(choices=[SimpleNamespace(message=message)])

    assert from_chat_completion(reply, _request()).text == "Faked."


def test_a_mocks_finish_reason_counts_where_it_is_a_string() -> None:
    reply = _mock(Mock, "Mocked.")
    reply.choices[0].finish_reason = "length"

    with pytest.raises(TruncatedError):
        from_chat_completion(reply, _request())


@pytest.mark.parametrize("content", [None, Mock(), 5])
def test_a_mock_without_a_text_is_no_answer(content: object) -> None:
    with pytest.raises(TruncatedError, match="empty"):
        from_chat_completion(_mock(Mock, content), _request())


def test_what_was_counted_beside_no_answer_is_known() -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": 2}
    with pytest.raises(LLMError, match="no chat completion") as caught:
        from_chat_completion({"choices": [], "usage": usage}, _request())
    assert caught.value.partial is not None
    assert (5, 2) == (
        caught.value.partial.usage.input_tokens,
        caught.value.partial.usage.output_tokens,
    )


@pytest.mark.parametrize(
    ("response", "words"),
    [
        ("<html>Sign in</html>", "no chat completion but a page of text without choices"),
        ({"choices": []}, "no chat completion but a dict without choices"),
        (None, "no chat completion but a NoneType"),
    ],
)
def test_what_is_no_completion_is_no_answer(response: object, words: str) -> None:
    with pytest.raises(LLMError, match=words) as caught:
        from_chat_completion(response, _request())

    assert caught.value.retry is Retry.IF_REQUESTED
