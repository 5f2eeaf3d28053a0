from __future__ import annotations

from typing import Any

import pytest

from services.llm.client.tool_results import tool_results
from services.llm.errors import ConfigurationError, InvalidRequestError
from services.llm.types import Reply, ToolCall

CALLS = (ToolCall("a", "look", "{}"), ToolCall("b", "hear", '{"at": 1}'))
CALLED = Reply("", "m", "bedrock", tool_calls=CALLS)


def test_the_calls_are_followed_by_their_results_in_their_order() -> None:
    assistant, *results = tool_results(CALLED, {"b": {"é": [1]}, "a": "a cat"})
    functions = [{"name": "look", "arguments": "{}"}, {"name": "hear", "arguments": '{"at": 1}'}]
    calls = [
        {"id": identity, "type": "function", "function": function}
        for identity, function in zip("ab", functions, strict=True)
    ]
    assert {"role": "assistant", "content": None, "tool_calls": calls} == assistant
    assert results == [
        {"role": "tool", "tool_call_id": "a", "content": "a cat"},
        {"role": "tool", "tool_call_id": "b", "content": '{"é": [1]}'},
    ]


@pytest.mark.parametrize(
    ("reply", "results", "problem"),
    [
        (Reply("hi", "m", "groq"), {"a": ""}, "the reply calls no tool"),
        (CALLED, None, "results is None: give a mapping"),
        (None, {}, "reply is None: give the reply"),
        ("hi", {}, "reply is 'hi': give the reply"),
        (CALLED, {"a": ""}, "results has none for the call 'b'"),
        (CALLED, {"a": "", "b": "", "c": ""}, "results has 'c', which is no call of the reply"),
    ],
)
def test_calls_and_results_belong_together(reply: Any, results: Any, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        tool_results(reply, results)


def test_a_result_that_json_has_no_form_for_is_named() -> None:
    with pytest.raises(InvalidRequestError, match=r"results\['b'\]\.x is a set"):
        tool_results(CALLED, {"a": "", "b": {"x": set()}})


def test_an_answer_is_a_message_of_its_text() -> None:
    assert {"role": "assistant", "content": "hi"} == Reply("hi", "m", "groq").message


def test_groqs_reasoning_goes_back_where_a_tool_was_called_alone() -> None:
    thought = {"reasoning": "Well.", "tool_calls": CALLS}
    assert "Well." == Reply("", "m", "groq", **thought).message["reasoning"]  # type: ignore[arg-type]  # of two types
    assert "reasoning" not in Reply("hi", "m", "groq", reasoning="Well.").message
    assert "reasoning" not in Reply("", "m", "bedrock", **thought).message  # type: ignore[arg-type]  # of two types


def test_an_answer_of_parts_is_a_message_of_these() -> None:
    parts = ({"type": "reasoning", "text": "", "signature": "s"}, {"type": "text", "text": "hi"})
    assert list(parts) == Reply("hi", "m", "bedrock", parts=parts).message["content"]
