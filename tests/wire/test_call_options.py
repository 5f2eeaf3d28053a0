"""What both providers take under one name, plain and streamed, through the real SDKs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from sandbox import Answer, Exchange, Fault, Sandbox
from services.llm.providers.bedrock.signing import sign
from services.llm_client import (
    ConfigurationError,
    ContentFilteredError,
    Document,
    Image,
    InvalidRequestError,
    Reply,
    tool_results,
)
from tests.wire.clock import VirtualTime
from tests.wire.conftest import OpenFace
from tests.wire.faces import KINDS, Face
from tests.wire.streaming import read

CLAUDE = "us.anthropic.claude-sonnet-4-6"
#: A model of each provider that reasons and calls tools.
THINKS = {"groq": "openai/gpt-oss-120b", "bedrock": CLAUDE}
PNG = bytes.fromhex("89504e470d0a1a0a0000000d4948445200000001000000010802000000")
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}
Ask = Callable[..., Reply]


def plain(face: Face, *args: Any, **kwargs: Any) -> Reply:
    return face.respond(*args, **kwargs)


def streamed(face: Face, *args: Any, **kwargs: Any) -> Reply:
    got = read(face, *args, **kwargs)
    assert got.reply is not None, got.error
    return got.reply


ways = pytest.mark.parametrize("ask", [plain, streamed])


def groqs(exchange: Exchange) -> bool:
    return "chat/completions" in exchange.path


@ways
def test_each_option_reaches_its_provider_in_the_providers_own_form(
    face: Face, sandbox: Sandbox, ask: Ask
) -> None:
    ask(
        face,
        "hi",
        temperature=None,
        stop=["END"],
        top_p=0.5,
        service_tier="default",
        metadata={"team": "chairs"},
        extra_headers={"X-Team": "chairs"},
        seed=None,
    )
    (exchange,) = sandbox.exchanges
    body = exchange.body
    if groqs(exchange):
        assert (["END"], 0.5) == (body["stop"], body["top_p"])
        assert ("on_demand", {"team": "chairs"}) == (body["service_tier"], body["metadata"])
        assert "seed" not in body
    else:
        assert {"maxTokens": 4096, "topP": 0.5, "stopSequences": ["END"]} == body["inferenceConfig"]
        assert {"type": "default"} == body["serviceTier"]
        assert {"team": "chairs"} == body["requestMetadata"]
    assert "chairs" == exchange.headers["x-team"]


SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("generate", {}),
        ("generate_with_retry", {}),
        ("generate_structured", {"schema": SCHEMA}),
        ("respond_structured", {"schema": SCHEMA}),
    ],
)
def test_every_method_takes_what_a_call_may_carry(
    face: Face, sandbox: Sandbox, method: str, arguments: dict[str, Any]
) -> None:
    document = {"role": "user", "content": ["Sum up.", Document(b"Chairs.")]}
    options = {"stop": ["END"], "service_tier": "flex", "extra_headers": {"X-Team": "chairs"}}
    face._call(method, messages=[document], **arguments, **options)
    (exchange,) = sandbox.exchanges
    assert "chairs" == exchange.headers["x-team"]
    stops = exchange.body.get("stop") or exchange.body["inferenceConfig"]["stopSequences"]
    assert ["END"] == stops
    assert "flex" in json.dumps(exchange.body)
    wrong: dict[str, Any] = {"guardrail": {}} if face.provider == "groq" else {"seed": 1}
    with pytest.raises(InvalidRequestError, match=r"seed|guardrail"):
        face._call(method, "hi", **arguments, **wrong)


def test_a_header_of_one_call_is_not_sent_with_the_next(face: Face, sandbox: Sandbox) -> None:
    for headers in ({"X-Team": "chairs"}, None, {"X-Team": "tables"}, None):
        face.respond("hi", extra_headers=headers)
    sent = [exchange.headers.get("x-team") for exchange in sandbox.exchanges]
    assert ["chairs", None, "tables", None] == sent


def test_a_header_of_bedrocks_is_signed(open_client: OpenFace, sandbox: Sandbox) -> None:
    sdk = open_client("bedrock").client.client
    arguments = {"modelId": CLAUDE, "messages": [{"role": "user", "content": [{"text": "hi"}]}]}
    signed = sign(sdk, "converse", arguments, {"X-Team": "chairs"})
    assert b";x-team," in bytes(signed.encode() or b"").lower()


@ways
@pytest.mark.parametrize(
    ("effort", "groq_effort", "claude_effort"), [("low", "low", "low"), ("high", "high", "high")]
)
def test_an_effort_makes_the_model_reason_and_the_reply_tells_what_it_thought(
    face: Face, sandbox: Sandbox, ask: Ask, effort: str, groq_effort: str, claude_effort: str
) -> None:
    sandbox.script(Answer(text="It rains.", reasoning="Look outside."))
    reply = ask(face, "hi", model=THINKS[face.provider], reasoning_effort=effort)
    body = sandbox.exchanges[0].body
    if face.provider == "groq":
        assert groq_effort == body["reasoning_effort"]
    else:
        assert {"thinking": {"type": "adaptive"}} == body["additionalModelRequestFields"]
        assert {"effort": claude_effort} == body["outputConfig"]
        assert "temperature" not in body["inferenceConfig"]
    assert ("It rains.", "Look outside.") == (reply.text, reply.reasoning)


@ways
def test_tools_are_called_and_their_results_are_answered(
    face: Face, sandbox: Sandbox, ask: Ask
) -> None:
    question = [{"role": "user", "content": "How is the weather in Rome?"}]
    options = {"model": THINKS[face.provider], "tools": [WEATHER], "tool_choice": "auto"}
    called = ask(face, messages=question, **options)
    (call,) = called.tool_calls
    assert "weather" == call.name
    results = tool_results(called, {call.id: {"sky": "blue"}})
    told = ask(face, messages=[*question, *results], **options)
    assert "blue" in told.text
    assert () == told.tool_calls


@ways
def test_what_a_model_thought_goes_back_with_the_results_as_it_was(
    face: Face, sandbox: Sandbox, ask: Ask
) -> None:
    question = [{"role": "user", "content": "How is the weather in Rome?"}]
    options = {
        "model": THINKS[face.provider],
        "tools": [WEATHER],
        "reasoning_effort": "low",
        "max_tokens": 4000,
    }
    called = ask(face, messages=question, **options)
    assert called.reasoning
    (call,) = called.tool_calls
    ask(face, messages=[*question, *tool_results(called, {call.id: "blue"})], **options)
    sent = sandbox.exchanges[1].body["messages"][1]
    if face.provider == "groq":
        assert called.reasoning == sent["reasoning"]
        return
    thought = {"text": called.reasoning, "signature": "c2FuZGJveA=="}
    assert {"reasoningContent": {"reasoningText": thought}} == sent["content"][0]
    assert call.id == sent["content"][-1]["toolUse"]["toolUseId"]


@ways
def test_a_picture_is_sent_as_its_provider_takes_it(
    face: Face, sandbox: Sandbox, ask: Ask, tmp_path: Any
) -> None:
    (tmp_path / "chair").write_bytes(PNG)
    message = {"role": "user", "content": ["What is this?", Image(tmp_path / "chair")]}
    ask(face, messages=[message])
    text, picture = sandbox.exchanges[0].body["messages"][0]["content"]
    assert "What is this?" == text["text"]
    if face.provider == "groq":
        assert picture["image_url"]["url"].startswith("data:image/png;base64,iVBOR")
    else:
        assert "png" == picture["image"]["format"]
        assert picture["image"]["source"]["bytes"].startswith("iVBOR")


@ways
def test_a_document_of_text_is_read_by_both(face: Face, sandbox: Sandbox, ask: Ask) -> None:
    message = {"role": "user", "content": ["Sum up.", Document(b"Chairs.", "a.b.txt")]}
    ask(face, messages=[message])
    document = sandbox.exchanges[0].body["messages"][0]["content"][1]
    if face.provider == "groq":
        assert '<document name="a.b.txt">\nChairs.\n</document>' == document["text"]
    else:
        named = {"format": "txt", "name": "a-b-txt"}
        assert named == {name: document["document"][name] for name in ("format", "name")}


@ways
@pytest.mark.parametrize("kind", ["bedrock", "bedrock async"])
def test_an_answer_tells_what_it_rests_on(open_client: OpenFace, ask: Ask, kind: str) -> None:
    policy = Document(b"20 days.", "policy.txt", citations=True)
    reply = ask(open_client(kind), messages=[{"role": "user", "content": ["How many?", policy]}])
    (citation,) = reply.citations
    assert ("Sandbox: How many?", "20 days.", "policy-txt") == (
        citation.text,
        citation.quoted,
        citation.title,
    )
    assert "Sandbox: How many?" == reply.text == reply.message["content"]


@ways
@pytest.mark.parametrize("kind", ["bedrock", "bedrock async"])
def test_a_guardrails_findings_are_on_the_reply(
    open_client: OpenFace, sandbox: Sandbox, ask: Ask, kind: str
) -> None:
    guardrail = {"id": "abc", "version": "1", "trace": True}
    reply = ask(open_client(kind), "hi", guardrail=guardrail)
    assert reply.guardrail_trace is not None
    assert "abc" in reply.guardrail_trace["inputAssessment"]
    sent = {"guardrailIdentifier": "abc", "guardrailVersion": "1", "trace": "enabled"}
    assert sent == sandbox.exchanges[0].body["guardrailConfig"]


@pytest.mark.parametrize("manner", ["", " async"])
@pytest.mark.parametrize("model", [CLAUDE, "mistral.mixtral-8x7b-instruct-v0:1"])
def test_what_a_guardrail_blocks_is_an_error_that_says_what_it_found(
    open_client: OpenFace, sandbox: Sandbox, model: str, manner: str
) -> None:
    face = open_client(f"bedrock{manner}")
    options: dict[str, Any] = {
        "model": model,
        "guardrail": {"id": "abc", "version": "1", "trace": True},
    }
    with pytest.raises(ContentFilteredError) as caught:
        face.respond("sandbox/blocked", **options)
    for error in (caught.value, read(face, "sandbox/blocked", **options).error):
        assert isinstance(error, ContentFilteredError)
        assert error.partial is not None
        assert error.partial.guardrail_trace


def test_one_mark_of_the_prompt_cache_serves_both(face: Face, sandbox: Sandbox) -> None:
    mark = {"cache_control": {"type": "ephemeral"}}
    long = {"role": "system", "content": "word " * 2000, **mark}
    tool = {**WEATHER, **mark}
    talk = [long, {"role": "user", "content": "hi", **mark}]
    for _ in range(2):
        reply = face.respond(
            messages=talk, tools=[tool], tool_choice="auto", model=THINKS[face.provider]
        )
    assert "cache_control" not in json.dumps(sandbox.exchanges[0].body)
    if face.provider == "bedrock":
        assert reply.usage.cached_input_tokens > 1000


@pytest.mark.parametrize("kind", ["groq", "groq async"])
def test_no_capacity_of_the_flexible_tier_passes(
    open_client: OpenFace, sandbox: Sandbox, virtual: VirtualTime, kind: str
) -> None:
    sandbox.script(Fault.error(498, code="capacity_exceeded"))
    reply = open_client(kind).respond("hi", service_tier="flex")
    assert [498, 200] == [attempt.status for attempt in reply.attempts]
    assert "flex" == reply.service_tier


@ways
@pytest.mark.parametrize("kind", ["bedrock", "bedrock async"])
def test_a_tier_whose_price_is_not_known_has_no_cost(
    open_client: OpenFace, sandbox: Sandbox, ask: Ask, kind: str
) -> None:
    face = open_client(kind)
    flexible = ask(face, "hi", model=CLAUDE, service_tier="flex")
    assert ("flex", None, None) == (
        flexible.service_tier,
        flexible.cost,
        flexible.attempts[0].cost,
    )
    assert (ask(face, "hi", model=CLAUDE).cost or 0) > 0


IMAGE = [{"role": "user", "content": [Image(PNG)]}]
PDF = [{"role": "user", "content": [Document(b"%PDF-1.7")]}]
TALK = [{"role": "user", "content": "hi"}]
MISTAKES: list[tuple[str, dict[str, Any], str]] = [
    ("groq", {"messages": IMAGE, "model": "openai/gpt-oss-20b"}, "sees no images"),
    ("groq", {"messages": [TALK[0], *IMAGE * 4], "model": "qwen/qwen3.8-27b"}, "at most 3 images"),
    ("groq", {"messages": PDF}, r"messages\[0\]\.content\[0\] is no text"),
    ("groq", {"messages": TALK, "guardrail": {"id": "a", "version": "1"}}, "has no guardrails"),
    ("groq", {"messages": TALK, "service_tier": "priority"}, "no service_tier 'priority'"),
    (
        "groq",
        {"messages": TALK, "reasoning_effort": "max", "model": "openai/gpt-oss-20b"},
        "knows no reasoning_effort 'max', only low, medium, high",
    ),
    (
        "groq",
        {"messages": TALK, "tools": [WEATHER], "model": "meta-llama/llama-prompt-guard-2-22m"},
        "calls no tools",
    ),
    ("bedrock", {"messages": IMAGE, "model": "openai.gpt-oss-20b-1:0"}, "sees no images"),
    ("bedrock", {"messages": PDF, "model": "amazon.nova-micro-v1:0"}, "reads no documents"),
    ("bedrock", {"messages": TALK, "seed": 1}, "Converse has no option 'seed'"),
    ("bedrock", {"messages": TALK, "service_tier": "auto"}, "no service_tier 'auto'"),
    ("bedrock", {"messages": TALK, "guardrail": {"id": "a"}}, "guardrail must be"),
    ("bedrock", {"messages": TALK, "metadata": {"a": 1}}, "metadata must be a mapping of texts"),
    (
        "bedrock",
        {"messages": TALK, "reasoning_effort": "low", "model": "amazon.nova-lite-v1:0"},
        "does not reason: leave out reasoning_effort",
    ),
    (
        "bedrock",
        {"messages": TALK, "reasoning_effort": "low", "model": CLAUDE, "temperature": 0.5},
        "takes no temperature but 1 while it reasons",
    ),
    (
        "bedrock",
        {
            "messages": TALK,
            "reasoning_effort": "low",
            "model": CLAUDE,
            "tools": [WEATHER],
            "tool_choice": "required",
        },
        "cannot be forced to call a tool while it reasons",
    ),
    (
        "bedrock",
        {
            "messages": TALK,
            "tools": [WEATHER],
            "model": "mistral.mixtral-8x7b-instruct-v0:1",
        },
        "calls no tools",
    ),
]


@pytest.mark.parametrize("manner", ["", " async"])
@pytest.mark.parametrize(("provider", "given", "problem"), MISTAKES, ids=range(len(MISTAKES)))
def test_what_cannot_be_is_an_error_before_the_call(
    open_client: OpenFace,
    sandbox: Sandbox,
    provider: str,
    manner: str,
    given: dict[str, Any],
    problem: str,
) -> None:
    face = open_client(provider + manner)
    with pytest.raises(InvalidRequestError, match=problem) as told:
        face.respond(**given)
    assert () == told.value.attempts
    with pytest.raises(ConfigurationError, match=problem):
        read(face, **given)
    assert ([], []) == (sandbox.exchanges, list(face.client._request_times))


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_that_the_table_does_not_know_is_asked(
    open_client: OpenFace, sandbox: Sandbox, kind: str
) -> None:
    face = open_client(kind)
    sandbox.script(Answer.says("A chair."))
    reply = face.respond(messages=IMAGE, reasoning_effort="low", tools=[WEATHER])
    assert "A chair." == reply.text


@pytest.mark.parametrize("kind", ["bedrock", "bedrock async"])
def test_a_schema_and_an_effort_stand_beside_each_other(
    open_client: OpenFace, sandbox: Sandbox, kind: str
) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    found = open_client(kind).structured("hi", schema, model=CLAUDE, reasoning_effort="low")
    assert isinstance(found["n"], int)
    (exchange,) = sandbox.exchanges
    assert {"effort", "textFormat"} == exchange.body["outputConfig"].keys()
    assert "temperature" not in exchange.body["inferenceConfig"]


@pytest.mark.parametrize("kind", ["bedrock", "bedrock async"])
def test_a_tool_is_not_forced_for_a_schema_where_the_model_reasons(
    open_client: OpenFace, sandbox: Sandbox, kind: str
) -> None:
    model = "us.anthropic.claude-opus-4-1-20250805-v1:0"
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    face = open_client(kind)
    face.structured("hi", schema, model=model, reasoning_effort="low")
    assert ["toolConfig" in exchange.body for exchange in sandbox.exchanges] == [False]
    face.structured("hi", schema, model=model)
    assert "toolConfig" in sandbox.exchanges[1].body


def test_what_is_kept_in_the_cache_is_the_whole_reply(
    open_face: OpenFace, sandbox: Sandbox, tmp_path: Any
) -> None:
    face = open_face(LLM_CACHE_URL=f"json:{tmp_path / 'answers.json'}")
    options: dict[str, Any] = {"model": THINKS[face.provider], "reasoning_effort": "low"}
    sent, kept = face.respond("hi", **options), face.respond("hi", **options)
    assert kept.cached
    assert (sent.message, sent.parts, sent.reasoning) == (kept.message, kept.parts, kept.reasoning)
    face.respond("hi", **{**options, "reasoning_effort": "high"})
    assert 2 == len(sandbox.exchanges)


@pytest.mark.parametrize("provider", ["groq", "bedrock"])
def test_what_was_sent_is_in_no_error(
    open_client: OpenFace, sandbox: Sandbox, provider: str
) -> None:
    secret = "Tok-5150"
    words = f"you sent {secret} and {Image(PNG).as_part('x')['image_url']['url']}"
    sandbox.script(Fault.error(400, message=words))
    with pytest.raises(InvalidRequestError) as told:
        open_client(provider).respond(messages=IMAGE, extra_headers={"X-Token": secret})
    assert secret not in str(told.value)
    assert "iVBORw0KGgo" not in json.dumps([str(told.value), repr(told.value.__cause__)])


@ways
@pytest.mark.parametrize("kind", ["bedrock", "bedrock async"])
def test_an_sdk_that_others_listen_to_is_given_the_headers_too(
    open_client: OpenFace, sandbox: Sandbox, ask: Ask, kind: str
) -> None:
    def listener(**_: object) -> None:
        heard.append(True)

    heard: list[bool] = []
    face = open_client(kind)
    face.client.client.meta.events.register("before-send.bedrock-runtime", listener)
    for headers in ({"X-Team": "chairs"}, None):
        ask(face, "hi", extra_headers=headers)
    sent = [exchange.headers.get("x-team") for exchange in sandbox.exchanges]
    assert (["chairs", None], [True, True]) == (sent, heard)
