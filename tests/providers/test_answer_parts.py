"""What an answer holds beside its text: reasoning to be handed back, citations, a trace, a tier."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.llm.errors import InvalidRequestError
from services.llm.providers.bedrock import from_converse, from_invoke, to_converse, to_invoke
from services.llm.providers.bedrock.answer_parts import plain_text, texts_in
from services.llm.providers.bedrock.stream import fold_converse, fold_invoke
from services.llm.providers.groq import from_chat_completion
from services.llm.providers.groq.stream import fold
from services.llm.types import Citation, Message, Reply, Request

CLAUDE = "us.anthropic.claude-sonnet-4-6"
CLAUDE_3 = "anthropic.claude-3-haiku-20240307-v1:0"
HELLO: Message = {"role": "user", "content": "hi"}
ASKED = Request(CLAUDE, (HELLO,))
SIGNED = {"reasoningContent": {"reasoningText": {"text": "Well.", "signature": "c2ln"}}}
HIDDEN = {"reasoningContent": {"redactedContent": b"\x00secret"}}
OMITTED = {"reasoningContent": {"reasoningText": {"text": "", "signature": "c2ln"}}}
LOCATION = {"documentChar": {"documentIndex": 0, "start": 1, "end": 2}}
CITATION = {
    "title": "Tariff",
    "source": "s",
    "sourceContent": [{"text": "94"}, {"text": "01"}],
    "location": LOCATION,
}
CITED = {"citationsContent": {"content": [{"text": "Chapter 94."}], "citations": [CITATION]}}


@given(st.lists(st.text(max_size=3)))
def test_a_message_of_texts_is_read_as_if_there_were_more(texts: list[str]) -> None:
    message = {"content": [{"text": each} for each in texts]}

    assert "".join(texts_in(message)) == plain_text(message)


@pytest.mark.parametrize(
    "block", [SIGNED, CITED, {"text": 1}, {"text": "a", "more": 1}, "text", {}, None]
)
def test_a_message_that_holds_more_is_no_plain_text(block: object) -> None:
    assert plain_text({"content": [{"text": "a"}, block]}) is None


def answered(*blocks: Mapping[str, Any], **more: Any) -> Reply:
    message = {"role": "assistant", "content": list(blocks)}
    return from_converse({"output": {"message": message}, "stopReason": "end_turn", **more}, ASKED)


def streamed(*deltas: tuple[int, Mapping[str, Any]], **metadata: Any) -> Reply:
    events: list[dict[str, Any]] = [
        {"contentBlockDelta": {"contentBlockIndex": place, "delta": delta}}
        for place, delta in deltas
    ]
    events += [{"messageStop": {"stopReason": "end_turn"}}, {"metadata": metadata}]
    return fold_converse(events, ASKED)


def handed_back(reply: Reply, model: str = CLAUDE) -> Any:
    """The blocks in which a reply's message goes back to *model*."""
    return to_converse(Request(model, (HELLO, reply.message)))["messages"][1]["content"]


@pytest.mark.parametrize(
    "blocks",
    [
        (SIGNED, {"text": "hi"}),
        (HIDDEN, SIGNED, {"text": "hi"}),
        (OMITTED, {"text": "hi"}),
        (SIGNED, {"text": "a"}, HIDDEN, {"text": "b"}),
        (SIGNED, {"text": "hi"}, {"toolUse": {"toolUseId": "1", "name": "f", "input": {"a": 1}}}),
    ],
    ids=range(5),
)
def test_signed_reasoning_goes_back_as_it_came(blocks: tuple[Any, ...]) -> None:
    assert list(blocks) == handed_back(answered(*blocks))


@given(
    text=st.text(max_size=20),
    signature=st.text(min_size=1, max_size=20),
    cuts=st.tuples(st.integers(0, 20), st.integers(0, 20)),
)
def test_a_streams_reasoning_goes_back_as_it_came(
    text: str, signature: str, cuts: tuple[int, int]
) -> None:
    deltas = [
        *({"text": piece} for piece in (text[: cuts[0]], text[cuts[0] :])),
        *({"signature": piece} for piece in (signature[: cuts[1]], signature[cuts[1] :])),
    ]
    thought = [(0, {"reasoningContent": delta}) for delta in deltas]
    whole = {"reasoningContent": {"reasoningText": {"text": text, "signature": signature}}}
    reply = streamed(*thought, (1, {"text": "hi"}))
    assert [whole, {"text": "hi"}] == handed_back(reply)
    assert (text or None) == reply.reasoning


@pytest.mark.parametrize("sent", [b"\x00secret", base64.b64encode(b"\x00secret").decode()])
def test_reasoning_that_a_stream_encrypts_goes_back_as_it_came(sent: Any) -> None:
    reply = streamed((0, {"reasoningContent": {"redactedContent": sent}}), (1, {"text": "hi"}))
    assert [HIDDEN, {"text": "hi"}] == handed_back(reply)
    assert None is reply.reasoning


def test_a_model_that_wants_no_reasoning_back_gets_none() -> None:
    reply = answered(SIGNED, {"text": "hi"})
    assert [{"text": "hi"}] == handed_back(reply, "amazon.nova-lite-v1:0")
    hidden = "arn:aws:bedrock:us-east-1:1:application-inference-profile/a"
    assert SIGNED == handed_back(reply, hidden)[0]
    for model, held in ((CLAUDE_3, '"content": "hi"'), ("meta.llama3-8b-instruct-v1:0", "hi<|eot")):
        body = to_invoke(Request(model, (HELLO, reply.message)))["body"]
        assert held in body
        assert "Well." not in body


def test_reasoning_without_a_signature_is_told_and_not_handed_back() -> None:
    reply = answered({"reasoningContent": {"reasoningText": {"text": "Well."}}}, {"text": "hi"})
    assert ("Well.", ()) == (reply.reasoning, reply.parts)
    unsigned = {"type": "reasoning", "text": "Well."}
    message = {"role": "assistant", "content": [unsigned, {"type": "text", "text": "hi"}]}
    assert [{"text": "hi"}] == to_converse(Request(CLAUDE, (HELLO, message)))["messages"][1][
        "content"
    ]


def test_reasoning_that_is_no_base64_is_named() -> None:
    part = {"type": "reasoning", "redacted": "?"}
    message = {"role": "assistant", "content": [part]}
    with pytest.raises(InvalidRequestError, match=r"messages\[1\]\.content\[0\] is not valid base"):
        to_converse(Request(CLAUDE, (HELLO, message)))


EXPECTED = Citation("Chapter 94.", "9401", "Tariff", "s", LOCATION)


def test_what_an_answer_rests_on_is_on_the_reply() -> None:
    reply = answered({"text": "See: "}, CITED)
    assert ("See: Chapter 94.", (EXPECTED,)) == (reply.text, reply.citations)
    assert () == reply.parts
    signed = answered(SIGNED, CITED)
    assert [SIGNED, {"text": "Chapter 94."}] == handed_back(signed)


def test_a_stream_tells_what_it_rests_on() -> None:
    pieces: list[Any] = [
        (1, {"text": "Chapter"}),
        (1, {"citation": CITATION}),
        (1, {"text": " 94."}),
    ]
    reply = streamed((0, {"text": "See: "}), *pieces)
    assert ("See: Chapter 94.", (EXPECTED,)) == (reply.text, reply.citations)


@pytest.mark.parametrize("odd", [5, "x", [], {"location": 5}, {"sourceContent": {}}])
def test_an_odd_citation_says_nothing(odd: Any) -> None:
    cited = {"citationsContent": {"content": [{"text": "hi"}], "citations": [odd]}}
    assert (Citation("hi"),) == answered(cited).citations


@pytest.mark.parametrize("odd", [5, [], {"redactedContent": 5}, {"reasoningText": 5}, None])
def test_odd_reasoning_says_nothing(odd: Any) -> None:
    reply = answered({"reasoningContent": odd}, {"text": "hi"})
    assert ((), None) == (reply.parts, reply.reasoning)


@pytest.mark.parametrize("odd", [[], {"redactedContent": 5}, {"reasoningText": 5}, None])
def test_odd_reasoning_in_a_stream_says_nothing(odd: Any) -> None:
    assert () == streamed((0, {"reasoningContent": odd}), (1, {"text": "hi"})).parts


TRACE: dict[str, Any] = {"inputAssessment": {"g": {}}}


def test_a_trace_and_a_tier_are_on_the_reply() -> None:
    more = {"trace": {"guardrail": TRACE}, "serviceTier": {"type": "flex"}}
    for reply in (answered({"text": "hi"}, **more), streamed((0, {"text": "hi"}), **more)):
        assert (TRACE, "flex") == (reply.guardrail_trace, reply.service_tier)
    assert (None, None) == (
        (plain := answered({"text": "hi"}, trace=5)).guardrail_trace,
        plain.service_tier,
    )


def test_invoke_model_tells_a_trace_too() -> None:
    request = Request(CLAUDE_3, (HELLO,))
    members = {"amazon-bedrock-trace": {"guardrail": TRACE}, "amazon-bedrock-guardrailAction": "NO"}
    body = {"content": [{"type": "text", "text": "hi"}], "stop_reason": "end_turn", **members}
    assert TRACE == from_invoke(json.dumps(body), request).guardrail_trace
    pieces = [
        {"type": "content_block_delta", "delta": {"text": "hi"}, **members},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
    ]
    events = [{"chunk": {"bytes": json.dumps(piece).encode()}} for piece in pieces]
    assert TRACE == fold_invoke(events, request).guardrail_trace


ANNOTATIONS = [
    {"document_citation": {"document_id": "d", "start_index": 0, "end_index": 7}},
    {"function_citation": {"tool_call_id": "t", "start_index": 8, "end_index": 10}},
    {"document_citation": {"document_id": "d"}},
    "odd",
]
GROQS = (Citation("Chapter", source="d"), Citation("94", source="t"))


def test_groq_tells_what_it_rests_on_and_its_tier() -> None:
    message = {"content": "Chapter 94", "annotations": ANNOTATIONS}
    choice = {"message": message, "finish_reason": "stop"}
    answer = {"choices": [choice], "service_tier": "flex"}
    reply = from_chat_completion(answer, Request("m", (HELLO,)))
    assert (GROQS, "flex") == (reply.citations, reply.service_tier)
    chunks = [
        {"choices": [{"delta": {"content": "Chapter 94"}}], "service_tier": "flex"},
        {"choices": [{"delta": {"annotations": ANNOTATIONS}, "finish_reason": "stop"}]},
    ]
    reply = fold(chunks, Request("m", (HELLO,)))
    assert (GROQS, "flex") == (reply.citations, reply.service_tier)
