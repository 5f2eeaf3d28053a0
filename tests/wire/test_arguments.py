"""What callers and settings may say beyond a prompt, and that it reaches the provider."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sandbox import Sandbox
from services.llm.types import Reply, Request
from services.llm_client import (
    ConfigurationError,
    ContextLengthError,
    InvalidRequestError,
    LLMError,
    RateLimitError,
)
from tests.wire.clock import VirtualTime
from tests.wire.conftest import OpenFace
from tests.wire.faces import Face


def test_a_conversation_is_sent_in_its_order(face: Face, sandbox: Sandbox) -> None:
    said = [{"role": "user", "content": "one"}, {"role": "assistant", "content": "two"}]
    face.respond("three", "Be brief.", messages=said)
    body = sandbox.exchanges[0].body
    assert "Be brief." in str(body.get("system", body["messages"][0]))
    turns = [turn for turn in body["messages"] if turn["role"] != "system"]
    assert ["user", "assistant", "user"] == [turn["role"] for turn in turns]
    assert all(word in str(turn) for word, turn in zip(["one", "two", "three"], turns, strict=True))


def test_messages_alone_are_enough(face: Face) -> None:
    assert "Sandbox: hi" == face.respond(messages=[{"role": "user", "content": "hi"}]).text


def test_every_call_takes_messages(face: Face, sandbox: Sandbox) -> None:
    said = [{"role": "user", "content": "hi"}]
    assert "Sandbox: hi" == face.generate(messages=said)
    assert "Sandbox: hi" == face.generate_with_retry(messages=said, max_retries=1)
    assert {"a": "text"} == face.structured(messages=said, schema={"properties": {"a": {}}})


TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]


@pytest.mark.parametrize("method", ["generate", "generate_with_retry"])
def test_a_call_of_a_tool_is_no_text(face: Face, sandbox: Sandbox, method: str) -> None:
    with pytest.raises(LLMError, match="is no text, but a call of look: ask with respond") as told:
        getattr(face, method)("Look.", tools=TOOLS, tool_choice="required")
    assert told.value.partial is not None
    assert ["look"] == [call.name for call in told.value.partial.tool_calls]
    assert [200] == [attempt.status for attempt in told.value.attempts]


@pytest.mark.parametrize("nothing", [{}, {"messages": []}, {"system_prompt": "Be brief."}])
def test_there_must_be_something_to_ask(
    face: Face, sandbox: Sandbox, nothing: dict[str, object]
) -> None:
    with pytest.raises(ConfigurationError, match="give a prompt, or messages"):
        face.respond(**nothing)
    assert [] == sandbox.exchanges


def test_groqs_newer_name_of_the_length_is_understood(face: Face, sandbox: Sandbox) -> None:
    face.generate("hi", max_completion_tokens=77)
    body = sandbox.exchanges[0].body
    assert 77 == body.get("max_tokens", body.get("inferenceConfig", {}).get("maxTokens"))
    with pytest.raises(ConfigurationError, match="max_completion_tokens is 0"):
        face.generate("hi", max_completion_tokens=0)
    with pytest.raises(ConfigurationError, match="max_completion_tokens are one: give either"):
        face.generate("hi", max_tokens=9, max_completion_tokens=9)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"model": 5}, "model is 5: give a model's id"),
        ({"model": 0}, "model is 0: give a model's id"),
        ({"system_prompt": []}, "system_prompt is a list: give a str"),
        ({"messages": 0}, "messages is a int: give a chat list"),
        ({"max_tokens": "9"}, "max_tokens is '9': give a whole number from 1 on"),
        ({"max_tokens": -1}, "max_tokens is -1: give a whole number from 1 on"),
        ({"max_tokens": 1.5}, r"max_tokens is 1\.5: give a whole number from 1 on"),
    ],
)
def test_an_argument_that_cannot_work_is_named_and_nothing_is_sent(
    face: Face, sandbox: Sandbox, given: dict[str, object], problem: str
) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        face.generate("hi", **given)
    assert [] == sandbox.exchanges
    assert [] == face.client._request_times


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({"prompt": "a\ud83d b"}, "prompt"),
        ({"prompt": b"raw"}, "prompt"),
        ({"prompt": "hi", "system_prompt": "\udc00"}, "system_prompt"),
        ({"messages": [{"role": "user", "content": "a\ud83d b"}]}, r"messages\[0\]\.content"),
        ({"messages": [{"role": "user", "content": Decimal(1)}]}, r"messages\[0\]\.content"),
        ({"messages": ["hi"]}, r"messages\[0\]"),
        ({"prompt": "hi", "response_format": dict}, "response_format"),
        ({"prompt": "hi", "top_p": math.nan}, "top_p"),
        ({"prompt": "hi", "stop": [b"raw"]}, r"stop\[0\]"),
        ({"prompt": "hi", "temperature": math.nan}, "temperature"),
    ],
)
def test_what_cannot_be_encoded_is_named_before_a_slot_is_taken(
    face: Face, sandbox: Sandbox, given: dict[str, object], place: str
) -> None:
    for _ in range(60):
        with pytest.raises(InvalidRequestError, match=f"{place} "):
            face.respond(**given)
    assert ([], []) == (sandbox.exchanges, list(face.client._request_times))


def _meanwhile(face: Face, change: Callable[[], None]) -> None:
    """Have *change* happen just before each request of *face* is sent."""
    send, asend = face.client._transport.send, face.client._transport.asend

    def changed(request: Request, timeout: float) -> Reply:
        change()
        reply: Reply = send(request, timeout)
        return reply

    async def achanged(request: Request, timeout: float) -> Reply:
        change()
        reply: Reply = await asend(request, timeout)
        return reply

    face.client._transport.send, face.client._transport.asend = changed, achanged


def test_what_its_owner_changes_while_a_call_waits_changes_nothing(
    open_face: OpenFace, sandbox: Sandbox, tmp_path: Path
) -> None:
    part: dict[str, Any] = {"type": "text", "text": "old"}
    message: dict[str, Any] = {"role": "user", "content": [part]}
    stop = ["old"]

    def change() -> None:
        part["text"] = message["name"] = stop[0] = "new"

    face = open_face(LLM_CACHE_URL=f"json:{tmp_path / 'answers.json'}")
    _meanwhile(face, change)
    face.respond(messages=[message], stop=stop)
    assert "new" == message["name"]
    assert ["old"] == [word for word in ("old", "new") if word in str(sandbox.exchanges[0].body)]
    part, message, stop = {**part, "text": "old"}, {"role": "user", "content": []}, ["old"]
    message["content"].append(part)
    assert face.respond(messages=[message], stop=stop).cached


def test_a_schema_that_its_owner_changes_is_the_one_that_was_given(
    face: Face, sandbox: Sandbox
) -> None:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {"old": {"type": "string"}},
        "required": ["old"],
    }
    _meanwhile(face, schema.clear)
    assert ["old"] == list(face.structured("hi", schema))
    assert {} == schema
    assert "old" in str(sandbox.exchanges[0].body)


@pytest.mark.parametrize("schema", [{"description": "\ud83d"}, {"\ud83d": 1}, {"const": b"raw"}])
def test_a_schema_that_cannot_be_encoded_is_an_error_before_any_call(
    face: Face, sandbox: Sandbox, schema: object
) -> None:
    with pytest.raises(ConfigurationError, match="schema"):
        face.structured("hi", schema)
    assert [] == sandbox.exchanges


def test_a_schema_that_is_none_is_an_error_before_any_call(face: Face, sandbox: Sandbox) -> None:
    with pytest.raises(ConfigurationError):
        face.structured("hi", {"type": "no such type"})
    assert [] == sandbox.exchanges


def test_a_structured_answer_is_the_object_itself(face: Face) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    assert isinstance(face.structured("hi", schema)["n"], int)


@pytest.mark.parametrize(("given", "sent"), [({}, 0.3), ({"temperature": 0.9}, 0.9)])
def test_a_structured_answer_is_asked_for_coolly_unless_told_otherwise(
    face: Face, sandbox: Sandbox, given: dict[str, float], sent: float
) -> None:
    face.structured("hi", {"type": "object"}, **given)
    body = sandbox.exchanges[0].body
    assert sent == body.get("inferenceConfig", body)["temperature"]


def test_the_days_requests_are_limited_per_model(
    open_face: OpenFace, sandbox: Sandbox, virtual: VirtualTime
) -> None:
    face = open_face(GROQ_REQUESTS_PER_DAY=2, BEDROCK_REQUESTS_PER_DAY=2)
    for _ in range(2):
        face.generate("hi")
    with pytest.raises(RateLimitError, match=r"Please wait 43200\.0 seconds"):
        face.generate("hi")
    face.generate("hi", model="sandbox/text?text=another")
    assert 3 == len(sandbox.exchanges)


def test_the_days_tokens_are_limited_per_model(
    open_face: OpenFace, sandbox: Sandbox, virtual: VirtualTime
) -> None:
    face = open_face(GROQ_TOKENS_PER_DAY=4000, BEDROCK_TOKENS_PER_DAY=4000)
    with pytest.raises(ContextLengthError):
        face.generate("hi")
    assert "Sandbox: hi" == face.generate("hi", max_tokens=100)


def test_an_answer_is_kept_where_the_settings_say_so(
    open_face: OpenFace, sandbox: Sandbox, tmp_path: Path
) -> None:
    place = f"json:{tmp_path / 'answers.json'}"
    first, second = open_face(LLM_CACHE_URL=place), open_face(LLM_CACHE_URL=place)
    sent, kept = first.respond("hi"), second.respond("hi")
    assert (False, True, 1) == (sent.cached, kept.cached, len(sandbox.exchanges))
    assert (sent.text, sent.usage, sent.model) == (kept.text, kept.usage, kept.model)
    second.respond("hi", temperature=0.1)
    assert 2 == len(sandbox.exchanges)


def test_a_place_that_is_none_is_named(open_face: OpenFace) -> None:
    with pytest.raises(ConfigurationError, match="LLM_CACHE_URL"):
        open_face(LLM_CACHE_URL="no-such-store:x")


@pytest.mark.parametrize("kind", ["groq async", "bedrock async"])
def test_identical_calls_at_one_time_are_one_call(
    open_client: OpenFace, sandbox: Sandbox, tmp_path: Path, kind: str
) -> None:
    face = open_client(kind, LLM_CACHE_URL=f"sqlite:{tmp_path / 'answers.db'}")

    async def scene() -> list[str]:
        return list(await asyncio.gather(*(face.client.agenerate("hi") for _ in range(20))))

    assert ["Sandbox: hi"] * 20 == face.run(scene())
    assert 1 == len(sandbox.exchanges)
