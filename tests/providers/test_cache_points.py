"""Prompt caching on Bedrock: asked for in Anthropic's words or Converse's, and never lost."""

from __future__ import annotations

from typing import Any

import pytest

from services.llm.errors import InvalidRequestError
from services.llm.providers.bedrock import to_converse, to_invoke
from services.llm.types import Request

MODEL = "us.anthropic.claude-sonnet-4-6"
EPHEMERAL, POINT = {"type": "ephemeral"}, {"cachePoint": {"type": "default"}}
WORDS = {"type": "text", "text": "long"}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
SPEC = {"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object"}}}}


def _call(*messages: Any, model: str = MODEL, **options: Any) -> dict[str, Any]:
    return to_converse(Request(model, messages, options=options))


@pytest.mark.parametrize(
    ("control", "point"),
    [
        (EPHEMERAL, {"type": "default"}),
        ({**EPHEMERAL, "ttl": "1h"}, {"type": "default", "ttl": "1h"}),
        ({**EPHEMERAL, "ttl": None}, {"type": "default"}),
    ],
)
def test_a_parts_cache_control_is_a_cache_point_after_it(
    control: dict[str, Any], point: dict[str, Any]
) -> None:
    said = [{**WORDS, "cache_control": control}, {"type": "text", "text": "short"}]
    (message,) = _call({"role": "user", "content": said})["messages"]
    assert [{"text": "long"}, {"cachePoint": point}, {"text": "short"}] == message["content"]


def test_a_cache_control_of_none_asks_for_nothing() -> None:
    said = {"role": "user", "content": [{**WORDS, "cache_control": None}], "cache_control": None}
    assert [{"text": "long"}] == _call(said)["messages"][0]["content"]


def test_converses_own_cache_point_passes_as_it_is() -> None:
    own = {"cachePoint": {"type": "default", "ttl": "5m"}}
    call = _call(
        {"role": "system", "content": [WORDS, own]},
        {"role": "user", "content": [WORDS, own, {**WORDS, "text": "short"}]},
        tools=[TOOL, own],
    )
    assert [{"text": "long"}, own] == call["system"]
    assert [{"text": "long"}, own, {"text": "short"}] == call["messages"][0]["content"]
    assert [SPEC, own] == call["toolConfig"]["tools"]


def test_so_does_the_text_beside_it_in_converses_own_form() -> None:
    (message,) = _call({"role": "user", "content": [{"text": "long"}, POINT]})["messages"]
    assert [{"text": "long"}, POINT] == message["content"]
    with pytest.raises(InvalidRequestError, match=r"messages\[0\]\.content\[0\]"):
        _call({"role": "user", "content": [{"text": 7}]})


def test_a_messages_cache_control_is_a_cache_point_at_its_end() -> None:
    call = _call(
        {"role": "system", "content": "Be brief.", "cache_control": EPHEMERAL},
        {"role": "user", "content": "long", "cache_control": EPHEMERAL},
        {"role": "assistant", "content": None, "tool_calls": [CALL], "cache_control": EPHEMERAL},
        {"role": "tool", "tool_call_id": "c", "content": [{**WORDS, "cache_control": EPHEMERAL}]},
    )
    assert [{"text": "Be brief."}, POINT] == call["system"]
    use = {"toolUse": {"toolUseId": "c", "name": "f", "input": {}}}
    result = {"toolResult": {"toolUseId": "c", "content": [{"text": "long"}]}}
    assert [[{"text": "long"}, POINT], [use, POINT], [result, POINT]] == [
        message["content"] for message in call["messages"]
    ]


@pytest.mark.parametrize(
    "tool",
    [
        {**TOOL, "cache_control": EPHEMERAL},
        {**TOOL, "function": {**TOOL["function"], "cache_control": EPHEMERAL}},  # type: ignore[dict-item]  # it is a mapping
    ],
)
def test_a_tools_cache_control_is_a_cache_point_after_it(tool: dict[str, Any]) -> None:
    assert [SPEC, POINT] == _call({"role": "user", "content": "hi"}, tools=[tool])["toolConfig"][
        "tools"
    ]


IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "size": 1}}
BAD: list[tuple[dict[str, Any], str]] = [
    ({"content": [{**WORDS, "cache": 1}]}, r"messages\[0\]\.content\[0\]\.cache is not understood"),
    ({"content": [IMAGE]}, r"content\[0\]\.image_url\.size is not understood"),
    ({"content": [{**POINT, "text": "x"}]}, r"content\[0\]\.text is not understood: known are"),
    ({"content": "x", "cacheControl": EPHEMERAL}, r"messages\[0\]\.cacheControl is not understood"),
    ({"content": "x", "tool_calls": [{**CALL, "x": 1}]}, r"tool_calls\[0\]\.x is not understood"),
    (
        {"content": "x", "tool_calls": [{"function": {"name": "f", "arguments": "", "x": 1}}]},
        r"tool_calls\[0\]\.function\.x is not understood",
    ),
    ({"content": [{**WORDS, "cache_control": {"type": "forever"}}]}, r"\.cache_control must be"),
    ({"content": [{**WORDS, "cache_control": True}]}, r"content\[0\]\.cache_control must be"),
    ({"content": "x", "cache_control": {**EPHEMERAL, "a": 1}}, r"\]\.cache_control\.a is not und"),
]


@pytest.mark.parametrize(("message", "problem"), BAD, ids=range(len(BAD)))
def test_a_key_that_is_not_understood_is_named(message: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidRequestError, match=problem):
        _call({"role": "user", **message})


@pytest.mark.parametrize(
    ("tool", "problem"),
    [
        ({**TOOL, "cache": 1}, r"tools\[0\]\.cache is not understood"),
        ({"function": {"name": "f", "schema": {}}}, r"tools\[0\]\.function\.schema is not und"),
        ({**TOOL, "cache_control": {}}, r"tools\[0\]\.cache_control must be"),
    ],
)
def test_a_tools_key_that_is_not_understood_is_named(tool: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidRequestError, match=problem):
        _call({"role": "user", "content": "hi"}, tools=[tool])


def test_what_other_providers_answers_bring_along_is_let_be() -> None:
    brought: dict[str, Any] = {
        "name": "ann",
        "refusal": None,
        "annotations": [],
        "reasoning": "Well.",
        "x": None,
    }
    (message,) = _call({"role": "user", "content": "hi", **brought})["messages"]
    assert [{"text": "hi"}] == message["content"]


@pytest.mark.parametrize("role", ["system", "user"])
@pytest.mark.parametrize(
    "model", ["anthropic.claude-3-haiku-20240307-v1:0", "meta.llama3-8b-instruct-v1:0"]
)
def test_a_model_without_a_prompt_cache_says_so(role: str, model: str) -> None:
    said = {"role": role, "content": [{**WORDS, "cache_control": EPHEMERAL}]}
    with pytest.raises(InvalidRequestError, match=r"no prompt cache|not the CachePoint"):
        to_invoke(Request(model, (said, {"role": "user", "content": "hi"})))
