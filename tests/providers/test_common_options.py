"""The options that both providers share, as members of Converse and InvokeModel."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.llm.errors import InvalidRequestError
from services.llm.providers.bedrock import to_converse, to_invoke
from services.llm.types import Output, Request

CLAUDE_3 = "anthropic.claude-3-haiku-20240307-v1:0"
LLAMA = "meta.llama3-8b-instruct-v1:0"
TALK = ({"role": "user", "content": "hi"},)
TOOL = {
    "type": "function",
    "function": {"name": "look", "description": "Look.", "parameters": {"type": "object"}},
}


def converse(model: str = "m", *messages: Any, **changes: Any) -> dict[str, Any]:
    options = changes.pop("options", {})
    return to_converse(Request(model, messages or TALK, options=options, **changes))


def invoke(model: str = CLAUDE_3, *messages: Any, **options: Any) -> dict[str, Any]:
    return to_invoke(Request(model, messages or TALK, options=options))


def body(model: str = CLAUDE_3, *messages: Any, **options: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(invoke(model, *messages, **options)["body"])
    return found


def test_common_options_are_members_of_converse() -> None:
    guardrail = {"id": "g", "version": "1"}
    call = converse(
        options={
            "service_tier": "on_demand",
            "guardrail": guardrail,
            "metadata": {"a": "b"},
            "extra_headers": {"x": "y"},
        }
    )
    assert {"type": "default"} == call["serviceTier"]
    assert {"guardrailIdentifier": "g", "guardrailVersion": "1"} == call["guardrailConfig"]
    assert {"a": "b"} == call["requestMetadata"]
    assert "extra_headers" not in call


@pytest.mark.parametrize("model", [CLAUDE_3, LLAMA, "mistral.mixtral-8x7b-instruct-v0:1"])
def test_common_options_are_keywords_of_invoke_model(model: str) -> None:
    guardrail = {"id": "g", "version": "1", "trace": True}
    call = invoke(
        model,
        service_tier="flex",
        guardrail=guardrail,
        metadata={"a": "b"},
        extra_headers={"x": "y"},
    )
    members = {"serviceTier": "flex", "guardrailIdentifier": "g", "guardrailVersion": "1"}
    members |= {"trace": "ENABLED", "requestMetadata": '{"a": "b"}'}
    assert members == {name: call[name] for name in members}
    assert members.keys() | {"modelId", "body", "contentType", "accept"} == call.keys()
    quiet = invoke(model, guardrail={"id": "g", "version": "1"})
    assert "trace" not in quiet


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"service_tier": "performance"}, "no service_tier 'performance': give default, prior"),
        ({"service_tier": 5}, "no service_tier 5"),
        ({"guardrail": "g"}, "guardrail must be"),
        ({"guardrail": {"id": "g"}}, "guardrail must be"),
        ({"guardrail": {"version": "1"}}, "guardrail must be"),
        ({"guardrail": {"id": "g", "version": "1", "x": 1}}, "guardrail must be"),
        ({"metadata": ["a"]}, "metadata must be a mapping of texts to texts"),
        ({"metadata": {"a": 1}}, "metadata must be a mapping of texts to texts"),
        ({"metadata": {"a": "b", "c": 1}}, "metadata must be a mapping of texts to texts"),
        ({"metadata": {}}, "metadata must be a mapping of texts to texts, 1 to 16 of them"),
        ({"metadata": {str(n): "" for n in range(17)}}, "1 to 16 of them"),
        ({"metadata": {"a": "b"}, "requestMetadata": {}}, "metadata and requestMetadata are one"),
        ({"service_tier": "flex", "serviceTier": "flex"}, "service_tier and serviceTier are one"),
    ],
)
def test_a_value_that_bedrock_has_no_form_for_is_named(
    options: dict[str, Any], problem: str
) -> None:
    for form in (converse, lambda options: invoke(**options)):
        with pytest.raises(InvalidRequestError, match=problem):
            form(options=options)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, None),
        ("auto", {"type": "auto"}),
        ("required", {"type": "any"}),
        ("any", {"type": "any"}),
        ({"type": "function", "function": {"name": "look"}}, {"type": "tool", "name": "look"}),
        ({"type": "any", "x": 1}, {"type": "any", "x": 1}),
    ],
)
def test_tools_are_claudes_own_in_its_body(choice: Any, expected: Any) -> None:
    options = {"tools": [TOOL], **({"tool_choice": choice} if choice else {})}
    found = body(**options)
    tool = {"name": "look", "description": "Look.", "input_schema": {"type": "object"}}
    assert [tool] == found["tools"]
    assert expected == found.get("tool_choice")


def test_a_tool_in_claudes_own_form_stays_as_it_is() -> None:
    own = {"name": "look", "input_schema": {"type": "object"}}
    bare = {"function": {"name": "look"}}
    assert [own, own] == body(tools=[own, bare])["tools"]


def test_where_no_tool_may_be_called_claude_is_shown_none() -> None:
    assert "tools" not in body(tools=[TOOL], tool_choice="none")
    assert "tool_choice" not in body(tool_choice="auto")
    called = {
        "role": "assistant",
        "tool_calls": [{"id": "1", "function": {"name": "look", "arguments": "{}"}}],
    }
    with pytest.raises(InvalidRequestError, match="tool_choice 'none' after messages that hold"):
        body(CLAUDE_3, *TALK, called, tools=[TOOL], tool_choice="none")
    for choice in ("all", ["all"]):
        with pytest.raises(InvalidRequestError, match=r"InvokeModel knows no tool_choice .*all"):
            body(tools=[TOOL], tool_choice=choice)


def test_a_form_that_is_a_tool_takes_the_place_of_the_callers() -> None:
    request = Request(
        CLAUDE_3, TALK, output=Output("tool", {"type": "object"}), options={"tools": [TOOL]}
    )
    assert ["answer"] == [tool["name"] for tool in json.loads(to_invoke(request)["body"])["tools"]]


@pytest.mark.parametrize(
    ("effort", "most", "budget"),
    [("low", 8000, 2000), ("medium", 8000, 4000), ("high", 8000, 6000), ("low", 2000, 1024)],
)
def test_claude_may_think_a_share_of_its_answer(effort: str, most: int, budget: int) -> None:
    model = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
    call = converse(model, max_tokens=most, options={"reasoning_effort": effort})
    thinking = {"type": "enabled", "budget_tokens": budget}
    assert {"thinking": thinking} == call["additionalModelRequestFields"]
    assert {"maxTokens": most} == call["inferenceConfig"]


@pytest.mark.parametrize(
    ("model", "effort", "fields"),
    [
        ("openai.gpt-oss-120b-1:0", "low", {"reasoning_effort": "low"}),
        ("somebody.new", "minimal", {"reasoning_effort": "minimal"}),
        (
            "us.amazon.nova-2-lite-v1:0",
            "high",
            {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}},
        ),
        ("us.amazon.nova-2-lite-v1:0", "none", {"reasoningConfig": {"type": "disabled"}}),
        ("us.anthropic.claude-sonnet-5-5", "none", {"thinking": {"type": "disabled"}}),
    ],
)
def test_other_models_are_told_in_their_own_words(
    model: str, effort: str, fields: dict[str, Any]
) -> None:
    call = converse(model, temperature=0.5, options={"reasoning_effort": effort})
    assert fields == call["additionalModelRequestFields"]
    assert 0.5 == call["inferenceConfig"]["temperature"]


@pytest.mark.parametrize(("effort", "kept"), [("high", {}), ("low", {"temperature": 0.7})])
def test_nova_takes_no_temperature_that_is_a_default_while_it_reasons_hard(
    effort: str, kept: dict[str, float]
) -> None:
    call = converse(
        "us.amazon.nova-2-lite-v1:0",
        temperature=0.7,
        defaulted=frozenset({"temperature"}),
        options={"reasoning_effort": effort},
    )
    assert {"maxTokens": 4096, **kept} == call["inferenceConfig"]
    asked_for = converse(
        "us.amazon.nova-2-lite-v1:0", temperature=0.7, options={"reasoning_effort": effort}
    )
    assert 0.7 == asked_for["inferenceConfig"]["temperature"]


def test_what_the_caller_says_in_the_models_own_words_stands() -> None:
    own = {"thinking": {"type": "enabled", "budget_tokens": 1500}, "top_k": 3}
    options = {
        "reasoning_effort": "low",
        "additionalModelRequestFields": own,
        "outputConfig": {"effort": "max"},
    }
    call = converse("us.anthropic.claude-sonnet-4-6", options=options)
    assert own == call["additionalModelRequestFields"]
    assert {"effort": "max"} == call["outputConfig"]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"max_tokens": 1024}, "takes at least 1024 tokens of this model's max_tokens, which is 1"),
        ({"max_tokens": 9, "temperature": 0.5}, "takes no temperature but 1 while it reasons"),
        ({"options": {"reasoning_effort": "max"}}, "reasons at low, medium, high, not at 'max'"),
        ({"options": {"reasoning_effort": 5}}, "reasoning_effort must be a text"),
        ({"output": Output("tool", {})}, "cannot be forced to call a tool while it reasons"),
        (
            {"options": {"reasoning_effort": "low", "tools": [TOOL], "tool_choice": "required"}},
            "cannot be forced to call a tool while it reasons",
        ),
        (
            {
                "options": {"reasoning_effort": "low", "inferenceConfig": {"temperature": 0.1}},
                "defaulted": frozenset({"temperature"}),
            },
            "takes no temperature but 1",
        ),
        ({"omitted": frozenset({"max_tokens"})}, "max_tokens, which is None"),
    ],
    ids=range(8),
)
def test_what_claude_does_not_take_while_it_thinks_is_named(
    changes: dict[str, Any], problem: str
) -> None:
    changes = {"options": {"reasoning_effort": "low"}, **changes}
    with pytest.raises(InvalidRequestError, match=problem):
        converse("us.anthropic.claude-haiku-4-5-20251001-v1:0", **changes)


def test_a_temperature_that_is_a_default_is_left_out_while_claude_thinks() -> None:
    defaulted = frozenset({"temperature"})
    options = {"reasoning_effort": "low"}
    model = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
    for temperature, kept in ((0.7, {}), (1, {"temperature": 1})):
        call = converse(model, temperature=temperature, defaulted=defaulted, options=options)
        assert {"maxTokens": 4096, **kept} == call["inferenceConfig"]


NAMES = st.lists(st.text(max_size=250), min_size=1, max_size=5)


@given(names=NAMES)
def test_documents_have_names_that_converse_takes_each_once(names: list[str]) -> None:
    url = "data:text/plain;base64,YQ=="
    parts = [{"type": "file", "file": {"filename": n, "file_data": url}} for n in names]
    (message,) = converse("m", {"role": "user", "content": parts})["messages"]
    found = [block["document"]["name"] for block in message["content"]]
    assert len(set(found)) == len(names)
    for name in found:
        assert 1 <= len(name) <= 200
        assert "  " not in name
        assert all(each.isascii() and (each.isalnum() or each in " -()[]") for each in name)
