"""Answers that are not whole, or hold nothing, under a 200."""

from __future__ import annotations

import json
from typing import Any

import groq
import pytest

from sandbox import Answer, Sandbox
from tests.sandbox.bedrock_calls import converse
from tests.sandbox.groq_calls import ask


def test_answers_that_are_not_whole_come_as_200s(sandbox: Sandbox, groq_client: groq.Groq) -> None:
    sandbox.script(
        Answer.truncated("half"),
        Answer.empty(),
        Answer.null(),
        Answer.unfinished(),
        Answer.filtered("no"),
        Answer.guarded(),
        Answer(without=frozenset({"usage"})),
    )
    seen = []
    for _ in range(7):
        reply = ask(groq_client)
        choice = reply.choices[0]
        seen.append((choice.message.content, choice.finish_reason, reply.usage is None))
    assert [
        ("half", "length", False),
        ("", "stop", False),
        (None, "stop", False),
        ("Sandbox: hello", None, False),
        ("no", "content_filter", False),
        ("Blocked by a guardrail.", "content_filter", False),
        ("Sandbox: hello", "stop", True),
    ] == seen


def test_an_answer_without_choices_has_none(sandbox: Sandbox, groq_client: groq.Groq) -> None:
    sandbox.script(Answer.no_choices())
    assert ask(groq_client).choices is None


def test_converse_answers_that_are_not_whole_come_as_200s(
    sandbox: Sandbox, bedrock_client: Any
) -> None:
    sandbox.script(
        Answer.truncated("half"),
        Answer.empty(),
        Answer.null(),
        Answer.unfinished(),
        Answer.filtered("no"),
        Answer.guarded(),
        Answer.no_choices(),
        Answer(without=frozenset({"usage"})),
        Answer(text="x", reasoning="hmm"),
    )
    seen = []
    for _ in range(9):
        reply = converse(bedrock_client)
        content = reply.get("output", {}).get("message", {}).get("content")
        seen.append((content, reply.get("stopReason"), "usage" in reply))
    thought = {"text": "hmm", "signature": "c2FuZGJveA=="}
    assert [
        ([{"text": "half"}], "max_tokens", True),
        ([{"text": ""}], "end_turn", True),
        ([], "end_turn", True),
        ([{"text": "Sandbox: hello"}], None, True),
        ([{"text": "no"}], "content_filtered", True),
        ([{"text": "Blocked by a guardrail."}], "guardrail_intervened", True),
        (None, "end_turn", True),
        ([{"text": "Sandbox: hello"}], "end_turn", False),
        ([{"reasoningContent": {"reasoningText": thought}}, {"text": "x"}], "end_turn", True),
    ] == seen


@pytest.mark.parametrize(
    ("model", "body", "whole", "unfinished"),
    [
        (
            "anthropic.claude-3-opus-20240229-v1:0",
            {
                "anthropic_version": "v",
                "max_tokens": 9,
                "messages": [{"role": "user", "content": "x"}],
            },
            "content",
            "stop_reason",
        ),
        ("meta.llama3-8b-instruct-v1:0", {"prompt": "x"}, "generation", "stop_reason"),
        ("mistral.mixtral-8x7b-instruct-v0:1", {"prompt": "x"}, "outputs", "stop_reason"),
    ],
)
def test_invoke_model_answers_can_lack_their_parts(
    sandbox: Sandbox, bedrock_client: Any, model: str, body: Any, whole: str, unfinished: str
) -> None:
    sandbox.script(
        Answer(), Answer.no_choices(), Answer.unfinished(), Answer(without=frozenset({"usage"}))
    )
    replies = [bedrock_client.invoke_model(modelId=model, body=json.dumps(body)) for _ in range(4)]
    good, empty, open_ended, uncounted = (json.loads(reply["body"].read()) for reply in replies)
    assert whole in good
    assert whole not in empty
    assert unfinished in json.dumps(good)
    assert unfinished not in json.dumps(open_ended)
    assert "usage" not in uncounted
    headers = [reply["ResponseMetadata"]["HTTPHeaders"] for reply in (replies[0], replies[3])]
    assert [True, False] == ["x-amzn-bedrock-input-token-count" in header for header in headers]


def test_a_null_answer_of_claude_has_no_blocks(sandbox: Sandbox, bedrock_client: Any) -> None:
    sandbox.script(Answer.null())
    body = {
        "anthropic_version": "v",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "x"}],
    }
    reply = bedrock_client.invoke_model(
        modelId="anthropic.claude-3-opus-20240229-v1:0", body=json.dumps(body)
    )
    assert [] == json.loads(reply["body"].read())["content"]
