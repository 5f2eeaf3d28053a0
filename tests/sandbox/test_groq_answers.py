"""Groq's answers, as its own SDK reads them."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import date
from typing import Any

import groq
import jsonschema_rs
import pytest

from sandbox import Answer, Sandbox
from tests.sandbox.groq_calls import GPT, SCHEMA, hello, json_schema, post


def test_an_answer_echoes_the_prompt(groq_client: groq.Groq) -> None:
    reply = groq_client.chat.completions.create(**hello("What  is\n an HS code?"))
    assert "Sandbox: What is an HS code?" == reply.choices[0].message.content
    assert "stop" == reply.choices[0].finish_reason
    assert GPT == reply.model


def test_usage_is_a_token_for_four_characters(groq_client: groq.Groq) -> None:
    usage = groq_client.chat.completions.create(**hello("a" * 41)).usage
    assert usage is not None
    assert 11 == usage.prompt_tokens
    assert usage.completion_tokens_details is not None
    assert 4 == usage.completion_tokens_details.reasoning_tokens
    assert 4 + 13 == usage.completion_tokens
    assert 28 == usage.total_tokens
    assert (
        pytest.approx((usage.prompt_time or 0) + (usage.completion_time or 0)) == usage.total_time
    )


def test_a_small_token_limit_truncates(groq_client: groq.Groq) -> None:
    options = {"model": "qwen/qwen3.8-27b", "reasoning_effort": "none", "max_tokens": 3}
    reply = groq_client.chat.completions.create(**{**hello("one two three"), **options})
    assert "Sandbox: one" == reply.choices[0].message.content
    assert "length" == reply.choices[0].finish_reason
    assert reply.usage is not None
    assert 3 == reply.usage.completion_tokens


def test_reasoning_can_eat_the_whole_budget(groq_client: groq.Groq) -> None:
    reply = groq_client.chat.completions.create(**hello(max_completion_tokens=2))
    assert "" == reply.choices[0].message.content
    assert "length" == reply.choices[0].finish_reason


def test_a_stop_sequence_ends_the_answer(groq_client: groq.Groq) -> None:
    reply = groq_client.chat.completions.create(**hello("one two three", stop=" two"))
    assert "Sandbox: one" == reply.choices[0].message.content
    assert "stop" == reply.choices[0].finish_reason


@pytest.mark.parametrize(
    ("options", "content", "reasoning"),
    [
        ({}, "Sandbox: hello", "Echo the prompt."),
        ({"reasoning_format": "hidden"}, "Sandbox: hello", None),
        ({"include_reasoning": False}, "Sandbox: hello", None),
        (
            {"reasoning_format": "raw"},
            "<think>\nEcho the prompt.\n</think>\n\nSandbox: hello",
            None,
        ),
    ],
)
def test_reasoning_is_told_as_asked(
    groq_client: groq.Groq, options: dict[str, Any], content: str, reasoning: str | None
) -> None:
    message = groq_client.chat.completions.create(**hello(**options)).choices[0].message
    assert (content, reasoning) == (message.content, message.reasoning)


@pytest.mark.parametrize("strict", [True, False])
def test_a_json_schema_is_satisfied(groq_client: groq.Groq, strict: bool) -> None:
    reply = groq_client.chat.completions.create(
        **hello(response_format=json_schema(SCHEMA, strict=strict))
    )
    content = json.loads(reply.choices[0].message.content or "")
    assert jsonschema_rs.is_valid(SCHEMA, content)


def test_json_object_mode_follows_a_schema_in_the_prompt(groq_client: groq.Groq) -> None:
    text = f"Answer in JSON that fits {json.dumps(SCHEMA)}, not {{this}}."
    reply = groq_client.chat.completions.create(
        **hello(text, response_format={"type": "json_object"})
    )
    assert jsonschema_rs.is_valid(SCHEMA, json.loads(reply.choices[0].message.content or ""))


def test_json_object_mode_without_a_schema_gives_some_object(groq_client: groq.Groq) -> None:
    reply = groq_client.chat.completions.create(
        **hello("as JSON please", response_format={"type": "json_object"})
    )
    assert {"answer": "text"} == json.loads(reply.choices[0].message.content or "")


def test_a_schema_in_the_prompt_that_nothing_satisfies_does_not_bind(
    groq_client: groq.Groq,
) -> None:
    text = 'Use {"type": "string", "enum": [1]}.'
    reply = groq_client.chat.completions.create(**hello(text))
    assert f"Sandbox: {text}" == reply.choices[0].message.content


def test_a_forced_tool_is_called_with_arguments_that_fit(groq_client: groq.Groq) -> None:
    tools = [{"type": "function", "function": {"name": "classify", "parameters": SCHEMA}}]
    for choice in ("required", {"type": "function", "function": {"name": "classify"}}):
        reply = groq_client.chat.completions.create(**hello(tools=tools, tool_choice=choice))
        calls = reply.choices[0].message.tool_calls
        assert calls is not None
        assert "classify" == calls[0].function.name
        assert jsonschema_rs.is_valid(SCHEMA, json.loads(calls[0].function.arguments))
        assert reply.choices[0].message.content is None
        assert "tool_calls" == reply.choices[0].finish_reason


def test_a_tool_call_that_outgrows_the_token_limit_is_cut(groq_client: groq.Groq) -> None:
    tools = [{"type": "function", "function": {"name": "classify", "parameters": SCHEMA}}]
    reply = groq_client.chat.completions.create(
        **hello(tools=tools, tool_choice="required", max_completion_tokens=5)
    )
    assert "length" == reply.choices[0].finish_reason
    assert reply.choices[0].message.tool_calls is None


def test_no_tool_is_called_where_none_may_be(groq_client: groq.Groq) -> None:
    tools = [{"type": "function", "function": {"name": "f"}}, {"type": "mcp"}]
    reply = groq_client.chat.completions.create(**hello(tools=tools, tool_choice="none"))
    assert "Sandbox: hello" == reply.choices[0].message.content


def test_messages_of_every_kind_are_accepted(sandbox: Sandbox) -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Look:"},
                {"type": "image_url", "image_url": {"url": "x"}},
            ],
        },
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function"}]},
        {"role": "tool", "tool_call_id": "1", "name": "f", "content": "42"},
        {"role": "user", "content": [{"type": "text", "text": "And?"}]},
    ]
    reply = post(sandbox, {"model": "qwen/qwen3.8-27b", "messages": messages})
    assert 200 == reply.status_code
    assert "Sandbox: And?" == reply.json()["choices"][0]["message"]["content"]
    assert 3 + 2 + 2048 + 1 + 1 == reply.json()["usage"]["prompt_tokens"]


def test_best_effort_mode_takes_any_schema(sandbox: Sandbox) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "minLength": 5}}}
    reply = post(sandbox, hello(response_format=json_schema(schema)))
    assert {"a": "textt"} == json.loads(reply.json()["choices"][0]["message"]["content"])


def test_on_an_earlier_day_a_retired_model_still_answers() -> None:
    with Sandbox(today=date(2024, 6, 1)) as sandbox:
        reply = post(sandbox, {**hello(), "model": "mixtral-8x7b-32768"})
    assert {
        "role": "assistant",
        "content": "Sandbox: hello",
    } == reply.json()["choices"][0]["message"]


def test_the_model_list_holds_those_in_service(groq_client: groq.Groq) -> None:
    listed = {model.id: model for model in groq_client.models.list().data}
    assert GPT in listed
    assert "mixtral-8x7b-32768" not in listed
    assert "OpenAI" == groq_client.models.retrieve(GPT).owned_by
    with pytest.raises(groq.NotFoundError):
        groq_client.models.retrieve("mixtral-8x7b-32768")


def test_every_reply_has_a_request_id_and_a_date(sandbox: Sandbox) -> None:
    replies = [post(sandbox, hello()), post(sandbox, hello(n=2))]
    assert [
        "req_01sandbox00000000000000001",
        "req_01sandbox00000000000000002",
    ] == [reply.headers["x-request-id"] for reply in replies]
    assert all(
        re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT", r.headers["date"]) for r in replies
    )
    assert replies[0].json()["x_groq"]["id"] == replies[0].headers["x-request-id"]


def test_the_async_client_works_too(sandbox: Sandbox) -> None:
    async def ask() -> str:
        async with groq.AsyncGroq(api_key="k", base_url=sandbox.url, max_retries=0) as client:
            reply = await client.chat.completions.create(**hello())
            return str(reply.choices[0].message.content)

    assert "Sandbox: hello" == asyncio.run(ask())


def test_a_scripted_answer_is_sent_as_it_is(sandbox: Sandbox, groq_client: groq.Groq) -> None:
    sandbox.script(
        Answer(
            text="a long text",
            reasoning="",
            finish="odd",
            input_tokens=7,
            output_tokens=9,
            model="other",
        )
    )
    reply = groq_client.chat.completions.create(**hello(max_completion_tokens=1))
    assert "a long text" == reply.choices[0].message.content
    assert "odd" == reply.choices[0].finish_reason
    assert "other" == reply.model
    assert reply.usage is not None
    assert (7, 9) == (reply.usage.prompt_tokens, reply.usage.completion_tokens)
