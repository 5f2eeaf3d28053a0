"""Thinking, guardrails, token counts, cache points, images and the context's length."""

from __future__ import annotations

import base64
import json
import struct
from functools import partial
from typing import Any

import groq
import pytest

from sandbox import Answer, Sandbox
from sandbox.images import MEDIA_TOKENS, image_size, image_tokens
from tests.sandbox.bedrock_calls import SONNET, claude, error_of, invoke, post, turn
from tests.sandbox.groq_calls import GPT, hello

LONG = "word " * 1_000  # 1,250 tokens


def png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + struct.pack(">II", width, height)


def thinking(budget: Any = 1024, kind: str = "enabled") -> dict[str, Any]:
    return {"thinking": {"type": kind, "budget_tokens": budget}}


@pytest.mark.parametrize(
    "fields",
    [
        thinking(),
        {"reasoning_config": {"type": "enabled", "budget_tokens": 1024}},
        {"reasoning_config": "high"},
        {"thinking": {"type": "adaptive"}},
    ],
)
def test_a_model_thinks_where_it_is_asked_to(bedrock_client: Any, fields: Any) -> None:
    reply = bedrock_client.converse(
        modelId=SONNET, messages=turn(), additionalModelRequestFields=fields
    )
    thought, text = reply["output"]["message"]["content"]
    assert {"text", "signature"} == set(thought["reasoningContent"]["reasoningText"])
    assert {"text": "Sandbox: hello"} == text
    assert 4 + 4 == reply["usage"]["outputTokens"]


def cited(form: str, source: dict[str, Any]) -> list[dict[str, Any]]:
    own = {"format": form, "name": "policy", "source": source, "citations": {"enabled": True}}
    plain = {"format": "txt", "name": "other", "source": {"text": "y"}}
    blocks = [{"text": "How many days?"}, {"document": plain}, {"document": own}]
    return [{"role": "user", "content": blocks}]


CHARACTERS = {"documentChar": {"documentIndex": 1, "start": 0, "end": 8}}
PAGES = {"documentPage": {"documentIndex": 1, "start": 1, "end": 2}}


@pytest.mark.parametrize(
    ("form", "source", "quoted", "location"),
    [
        ("txt", {"bytes": b"20 days."}, "20 days.", CHARACTERS),
        ("txt", {"text": "20 days."}, "20 days.", CHARACTERS),
        ("txt", {"content": [{"text": "20"}, {"text": "days."}]}, "20 days.", CHARACTERS),
        ("pdf", {"bytes": b"%PDF-1.7"}, "", PAGES),
    ],
)
def test_an_answer_rests_on_the_documents_that_are_to_be_cited(
    bedrock_client: Any, form: str, source: Any, quoted: str, location: Any
) -> None:
    asked = {"modelId": SONNET, "messages": cited(form, source)}
    (block,) = bedrock_client.converse(**asked)["output"]["message"]["content"]
    assert [{"text": "Sandbox: How many days?"}] == block["citationsContent"]["content"]
    citation = {"title": "policy", "sourceContent": [{"text": quoted}], "location": location}
    assert [citation] == block["citationsContent"]["citations"]
    deltas = [
        event["contentBlockDelta"]["delta"]
        for event in bedrock_client.converse_stream(**asked)["stream"]
        if "contentBlockDelta" in event
    ]
    assert [{"citation": citation}] == deltas[:1]
    assert "Sandbox: How many days?" == "".join(delta["text"] for delta in deltas[1:])


def test_what_a_guardrail_is_to_look_at_is_part_of_the_question(bedrock_client: Any) -> None:
    content = [{"guardContent": {"text": {"text": "hello"}}}]
    reply = bedrock_client.converse(modelId=SONNET, messages=[{"role": "user", "content": content}])
    assert [{"text": "Sandbox: hello"}] == reply["output"]["message"]["content"]


@pytest.mark.parametrize(
    ("signature", "message"),
    [
        ({}, "messages.1.content.0.thinking.signature: Field required"),
        ({"signature": "bW9kaWZpZWQ="}, "messages.1.content.0: Invalid `signature` in `thinking`"),
        ({"signature": "c2FuZGJveA=="}, None),
    ],
)
def test_what_claude_did_not_sign_it_did_not_think(
    bedrock_client: Any, signature: dict[str, str], message: str | None
) -> None:
    thought = {"reasoningContent": {"reasoningText": {"text": "Well.", **signature}}}
    talk = [*turn(), {"role": "assistant", "content": [thought, {"text": "hi"}]}, *turn()]
    ask = partial(bedrock_client.converse, messages=talk)
    if message is None:
        assert ask(modelId=SONNET)["output"]
    else:
        assert message in error_of(lambda: ask(modelId=SONNET))[2]
    assert ask(modelId="amazon.nova-lite-v1:0")["output"]


@pytest.mark.parametrize(("kind", "blocks"), [("enabled", 2), ("disabled", 1)])
def test_nova_reasons_in_words_of_its_own(bedrock_client: Any, kind: str, blocks: int) -> None:
    reply = bedrock_client.converse(
        modelId="us.amazon.nova-2-lite-v1:0",
        messages=turn(),
        additionalModelRequestFields={"reasoningConfig": {"type": kind}},
    )
    assert blocks == len(reply["output"]["message"]["content"])


@pytest.mark.parametrize(
    ("fields", "most", "message"),
    [
        (thinking(100), 4096, "budget_tokens: Input should be greater than or equal to 1024"),
        (thinking("x"), 4096, "budget_tokens: Field required"),
        (thinking(2048), 2048, "`max_tokens` must be greater than `thinking.budget_tokens`"),
        (thinking(kind="maybe"), 4096, "thinking.type: Input should be"),
    ],
)
def test_thinking_that_cannot_be_is_refused(
    bedrock_client: Any, fields: Any, most: int, message: str
) -> None:
    _, _, text = error_of(
        lambda: bedrock_client.converse(
            modelId=SONNET,
            messages=turn(),
            inferenceConfig={"maxTokens": most},
            additionalModelRequestFields=fields,
        )
    )
    assert text.startswith("The model returned the following errors: ")
    assert message in text
    _, _, text = error_of(lambda: invoke(bedrock_client, SONNET, claude(max_tokens=most, **fields)))
    assert message in text


def test_claudes_own_answer_begins_with_its_thought(bedrock_client: Any) -> None:
    reply, _ = invoke(bedrock_client, SONNET, claude(max_tokens=2048, **thinking()))
    assert ["thinking", "text"] == [block["type"] for block in reply["content"]]


def test_a_thought_may_be_handed_back(bedrock_client: Any) -> None:
    reply = bedrock_client.converse(
        modelId=SONNET, messages=turn(), additionalModelRequestFields=thinking()
    )
    messages = [*turn(), reply["output"]["message"], *turn("And?")]
    again = bedrock_client.converse(modelId=SONNET, messages=messages)
    assert [{"text": "Sandbox: And?"}] == again["output"]["message"]["content"]


def test_an_effort_is_one_of_those_there_are(bedrock_client: Any) -> None:
    reply, _ = invoke(bedrock_client, SONNET, claude(output_config={"effort": "high"}))
    assert "end_turn" == reply["stop_reason"]
    _, _, text = error_of(
        lambda: invoke(bedrock_client, SONNET, claude(output_config={"effort": "huge"}))
    )
    assert "output_config.effort must be one of the following: low, medium, high" in text


def test_claude_names_the_stop_sequence_that_it_met(bedrock_client: Any) -> None:
    question = [{"role": "user", "content": "one two three"}]
    body = claude(messages=question, stop_sequences=["four", " two"])
    reply, _ = invoke(bedrock_client, SONNET, body)
    assert ("stop_sequence", " two") == (reply["stop_reason"], reply["stop_sequence"])
    assert "Sandbox: one" == reply["content"][0]["text"]


def test_an_answer_repeats_how_it_was_served(bedrock_client: Any) -> None:
    asked = {
        "performanceConfig": {"latency": "optimized"},
        "serviceTier": {"type": "priority"},
    }
    reply = bedrock_client.converse(modelId=SONNET, messages=turn(), **asked)
    assert asked == {name: reply[name] for name in asked}
    stream = bedrock_client.converse_stream(modelId=SONNET, messages=turn(), **asked)
    *_, last = stream["stream"]
    assert asked == {name: last["metadata"][name] for name in asked}


def test_a_document_wants_a_text_beside_it(bedrock_client: Any) -> None:
    document = {"document": {"name": "d", "format": "txt", "source": {"bytes": b"x"}}}
    messages = [{"role": "user", "content": [document]}]
    _, _, text = error_of(lambda: bedrock_client.converse(modelId=SONNET, messages=messages))
    assert "A text block must be included when using documents." in text


GUARDRAIL = {
    "guardrailIdentifier": "gr1",
    "guardrailVersion": "DRAFT",
    "trace": "enabled",
}


def test_a_guardrail_lets_most_texts_pass_and_traces_them(bedrock_client: Any) -> None:
    reply = bedrock_client.converse(modelId=SONNET, messages=turn(), guardrailConfig=GUARDRAIL)
    assert "end_turn" == reply["stopReason"]
    trace = reply["trace"]["guardrail"]
    assert "No action." == trace["actionReason"]
    assert {"gr1"} == set(trace["inputAssessment"]) == set(trace["outputAssessments"])


def test_a_guardrail_blocks_and_masks(bedrock_client: Any) -> None:
    for word, text in (("blocked", "Blocked by a guardrail."), ("masked", "Sandbox: {MASKED}")):
        reply = bedrock_client.converse(
            modelId=SONNET, messages=turn(f"sandbox/{word}"), guardrailConfig=GUARDRAIL
        )
        assert "guardrail_intervened" == reply["stopReason"]
        assert [{"text": text}] == reply["output"]["message"]["content"]


def test_without_a_trace_nothing_is_traced_and_half_a_guardrail_is_refused(
    bedrock_client: Any, sandbox: Sandbox
) -> None:
    quiet = {**GUARDRAIL, "trace": "disabled"}
    reply = bedrock_client.converse(modelId=SONNET, messages=turn(), guardrailConfig=quiet)
    assert "trace" not in reply
    half = post(
        sandbox,
        f"/model/{SONNET}/converse",
        {"messages": turn(), "guardrailConfig": {"guardrailIdentifier": "x"}},
    )
    assert (400, True) == (half.status_code, "guardrailVersion" in half.text)


def test_a_streamed_guardrail_traces_in_the_metadata(bedrock_client: Any) -> None:
    stream = bedrock_client.converse_stream(
        modelId=SONNET, messages=turn("sandbox/blocked"), guardrailConfig=GUARDRAIL
    )
    events = list(stream["stream"])
    assert "guardrail_intervened" == events[-2]["messageStop"]["stopReason"]
    assert "Guardrail blocked." == events[-1]["metadata"]["trace"]["guardrail"]["actionReason"]


@pytest.mark.parametrize(
    ("text", "action", "answer"),
    [
        ("hello", "NONE", "Sandbox: hello"),
        ("sandbox/blocked", "INTERVENED", "Blocked by a guardrail."),
    ],
)
def test_invoke_model_tells_of_its_guardrail_beside_the_answer(
    bedrock_client: Any, text: str, action: str, answer: str
) -> None:
    asked = {
        "modelId": SONNET,
        "body": json.dumps(claude(messages=[{"role": "user", "content": text}])),
        "guardrailIdentifier": "gr1",
        "guardrailVersion": "1",
        "trace": "ENABLED",
    }
    reply = json.loads(bedrock_client.invoke_model(**asked)["body"].read())
    assert (action, answer) == (
        reply["amazon-bedrock-guardrailAction"],
        reply["content"][0]["text"],
    )
    assert {"gr1"} == set(reply["amazon-bedrock-trace"]["guardrail"]["input"])
    *_, last = bedrock_client.invoke_model_with_response_stream(**asked)["body"]
    assert action == json.loads(last["chunk"]["bytes"])["amazon-bedrock-guardrailAction"]


def test_apply_guardrail_says_what_it_would_do(bedrock_client: Any) -> None:
    def apply(text: str) -> Any:
        return bedrock_client.apply_guardrail(
            guardrailIdentifier="gr1",
            guardrailVersion="1",
            source="INPUT",
            content=[{"text": {"text": text}}],
        )

    assert ("NONE", []) == (apply("hello")["action"], apply("hello")["outputs"])
    blocked, masked = apply("a sandbox/blocked b"), apply("a sandbox/masked b")
    assert {"GUARDRAIL_INTERVENED"} == {blocked["action"], masked["action"]}
    assert [{"text": "a {MASKED} b"}] == masked["outputs"]
    assert "wordPolicy" in blocked["assessments"][0]


def test_apply_guardrail_refuses_what_is_no_text(sandbox: Sandbox) -> None:
    assert 400 == post(sandbox, "/guardrail/g/version/1/apply", {"source": "X"}).status_code


def test_count_tokens_counts_either_form_and_costs_nothing(
    bedrock_client: Any, sandbox: Sandbox
) -> None:
    sandbox.script(Answer.says("not for a count"))
    by_converse = bedrock_client.count_tokens(
        modelId=SONNET, input={"converse": {"messages": turn("a" * 41)}}
    )
    body = json.dumps(claude(messages=[{"role": "user", "content": "a" * 41}]))
    by_invoke = bedrock_client.count_tokens(modelId=SONNET, input={"invokeModel": {"body": body}})
    assert (11, 11) == (by_converse["inputTokens"], by_invoke["inputTokens"])
    assert 0 == sandbox.exchanges[-1].input_tokens
    reply = bedrock_client.converse(modelId=SONNET, messages=turn())
    assert [{"text": "not for a count"}] == reply["output"]["message"]["content"]


@pytest.mark.parametrize("given", [{}, {"invokeModel": {"body": "!"}}, {"invokeModel": 1}, None])
def test_count_tokens_refuses_what_it_cannot_read(sandbox: Sandbox, given: Any) -> None:
    assert 400 == post(sandbox, f"/model/{SONNET}/count-tokens", {"input": given}).status_code


def cached(client: Any, text: str, *, point: bool = True) -> tuple[int, int, int]:
    """The tokens that were fresh, read and written."""
    content = [{"text": text}, *([{"cachePoint": {"type": "default"}}] if point else [])]
    reply = client.converse(
        modelId=SONNET,
        system=content,
        messages=turn("a" * 40),
    )
    usage = reply["usage"]
    assert usage["totalTokens"] == sum(
        usage[name]
        for name in ("inputTokens", "outputTokens", "cacheReadInputTokens", "cacheWriteInputTokens")
    )
    return usage["inputTokens"], usage["cacheReadInputTokens"], usage["cacheWriteInputTokens"]


def test_a_prefix_is_written_once_and_read_afterwards(bedrock_client: Any) -> None:
    assert (10, 0, 1250) == cached(bedrock_client, LONG)
    assert (10, 1250, 0) == cached(bedrock_client, LONG)
    assert (10, 0, 1250) == cached(bedrock_client, LONG.upper())


def test_a_short_prefix_and_one_without_a_point_are_not_kept(bedrock_client: Any) -> None:
    for _ in range(2):
        assert (10 + 2, 0, 0) == cached(bedrock_client, "shorter")
        assert (10 + 1250, 0, 0) == cached(bedrock_client, LONG, point=False)


def test_a_kept_prefix_expires_and_a_longer_one_builds_on_it() -> None:
    now = [0.0]
    with Sandbox(clock=lambda: now[0]) as sandbox:

        def ask(*texts: str) -> tuple[int, int]:
            blocks = [
                block
                for text in texts
                for block in (
                    {"type": "text", "text": text, "cache_control": {"type": "ephemeral"}},
                )
            ]
            reply = post(sandbox, f"/model/{SONNET}/invoke", claude(system=blocks)).json()
            usage = reply["usage"]
            return usage["cache_read_input_tokens"], usage["cache_creation_input_tokens"]

        assert (0, 1250) == ask(LONG)
        assert (1250, 2) == ask(LONG, "and more")
        now[0] += 299
        assert (1250, 0) == ask(LONG)
        now[0] += 301
        assert (0, 1250) == ask(LONG)


def test_an_image_costs_what_its_size_makes_it_cost(bedrock_client: Any) -> None:
    def count(data: bytes) -> int:
        image = {"image": {"format": "png", "source": {"bytes": data}}}
        content = [{"text": "a" * 40}, image]
        reply = bedrock_client.converse(
            modelId=SONNET, messages=[{"role": "user", "content": content}]
        )
        return int(reply["usage"]["inputTokens"]) - 10

    assert 40_000 // 750 + 1 == count(png(200, 200))
    assert 1_600 == count(png(1_500, 1_500))
    assert MEDIA_TOKENS == count(b"no image")


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (png(3, 4), (3, 4)),
        (b"GIF89a" + struct.pack("<HH", 5, 6), (5, 6)),
        (b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc0\x00\x0b\x08" + struct.pack(">HH", 7, 8), (8, 7)),
        (b"\xff\xd8\xff\xe0", None),
        (png(0, 4), None),
        (b"", None),
    ],
)
def test_sizes_are_read_from_png_gif_and_jpeg(data: bytes, size: Any) -> None:
    assert size == image_size(data)


def test_what_is_no_base64_cannot_be_measured() -> None:
    assert MEDIA_TOKENS == image_tokens("%%%") == image_tokens(None)
    assert 1 == image_tokens(base64.b64encode(png(10, 10)))


def test_a_text_document_costs_its_text(bedrock_client: Any) -> None:
    document = {"name": "d", "format": "txt", "source": {"bytes": b"a" * 400}}
    content = [{"text": "a" * 40}, {"document": document}]
    reply = bedrock_client.converse(modelId=SONNET, messages=[{"role": "user", "content": content}])
    assert 10 + 101 >= reply["usage"]["inputTokens"] >= 10 + 100


def test_a_prompt_longer_than_the_context_is_refused(
    groq_client: groq.Groq, bedrock_client: Any
) -> None:
    with pytest.raises(groq.BadRequestError, match="reduce the length") as caught:
        groq_client.chat.completions.create(**hello("x" * 4 * 131_073))
    assert isinstance(caught.value.body, dict)
    assert "context_length_exceeded" == caught.value.body["error"]["code"]
    _, code, text = error_of(
        lambda: bedrock_client.converse(modelId=SONNET, messages=turn("x" * 4 * 200_001))
    )
    assert ("ValidationException", "Input is too long for requested model.") == (code, text)


def test_on_groq_the_declared_tokens_have_to_fit_too(groq_client: groq.Groq) -> None:
    text = "x" * 4 * 100_000
    assert groq_client.chat.completions.create(**hello(text, max_completion_tokens=31_000))
    with pytest.raises(groq.BadRequestError, match="messages or completion"):
        groq_client.chat.completions.create(**hello(text, max_completion_tokens=32_000))
    assert "gpt-oss" in GPT
