"""Structured answers as they come: snapshots that only grow, and the valid value at the end."""

from __future__ import annotations

import asyncio
import itertools
import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydantic import BaseModel, Field

from sandbox import Answer, Fault, Sandbox
from services.llm.call.structured_stream import AsyncStructuredStream
from services.llm.errors import (
    ConfigurationError,
    LLMError,
    ProviderUnavailableError,
    StructuredOutputError,
)
from services.llm.structured import extends
from services.llm.types import StructuredReply
from tests.wire.browser import parsed
from tests.wire.conftest import OpenFace
from tests.wire.faces import KINDS, Face

#: In this order: JSON mode, a schema that is decoded under, a forced tool, words.
GROQ, STRICT, TOOL, WORDS = (
    "openai/gpt-oss-120b",
    "us.anthropic.claude-haiku-4-5-20251001-v1:0",
    "amazon.nova-pro-v1:0",
    "mistral.mistral-large-3-675b-instruct",
)
MODELS = {"groq": [GROQ], "bedrock": [STRICT, TOOL, WORDS]}
ALL = [(kind, model) for kind in KINDS for model in MODELS[kind.split()[0]]]


class Goods(BaseModel):
    name: str
    pieces: int = Field(ge=0)
    tags: list[str] = []


TEXT = '{"name": "wooden chairs", "pieces": 36, "tags": ["oak", "four legs"]}'
GOODS = Goods(name="wooden chairs", pieces=36, tags=["oak", "four legs"])


@dataclass
class Seen:
    """What was read of a stream, and how it ended."""

    snapshots: list[Any] = field(default_factory=list)
    reply: StructuredReply[Any] | None = None
    error: LLMError | None = None


def open_stream(face: Face, *args: Any, **kwargs: Any) -> Any:
    client = face.client
    return (client.astream_structured if face.loop else client.stream_structured)(*args, **kwargs)


def read(face: Face, *args: Any, leave_after: int | None = None, **kwargs: Any) -> Seen:
    seen, stream = Seen(), open_stream(face, *args, **kwargs)

    async def aread(stream: AsyncStructuredStream[Any]) -> None:
        async with stream:
            async for snapshot in stream:
                seen.snapshots.append(snapshot)
                if len(seen.snapshots) == leave_after:
                    return
        seen.reply = stream.reply
        assert stream.value is stream.reply.value

    try:
        if isinstance(stream, AsyncStructuredStream):
            face.run(aread(stream))
            return seen
        with stream:
            for snapshot in stream:
                seen.snapshots.append(snapshot)
                if len(seen.snapshots) == leave_after:
                    return seen
        seen.reply = stream.reply
        assert stream.value is stream.reply.value
    except LLMError as error:
        seen.error = error
    return seen


def pieces(text: str = TEXT, size: int = 5) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


def answer(model: str, text: str = TEXT) -> Answer:
    """An answer of this text, in the form that the model is asked for."""
    if model == TOOL:
        return Answer(tool_input=json.loads(text))
    return Answer.streams(*pieces(text))


def assert_healthy(face: Face) -> None:
    assert 64 == face.client._account.concurrency.free
    assert 0 == len(face.client._account.single_flight)


@pytest.mark.parametrize(("kind", "model"), ALL)
def test_snapshots_grow_up_to_the_valid_value(
    open_client: OpenFace, sandbox: Sandbox, kind: str, model: str
) -> None:
    face = open_client(kind)
    sandbox.script(answer(model))
    seen = read(face, "Which goods?", Goods, model=model)
    assert seen.error is None
    assert seen.reply is not None
    assert GOODS == seen.reply.value
    assert GOODS.model_dump() == seen.snapshots[-1]
    # What one read brings makes one snapshot; how they grow is tried in tests/structured.
    assert all(extends(later, one) for one, later in itertools.pairwise(seen.snapshots))
    assert all(later != one for one, later in itertools.pairwise(seen.snapshots))
    assert seen.reply.usage.reported
    assert seen.reply.time_to_first_token is not None
    assert 1 == len(sandbox.exchanges)
    assert_healthy(face)


def test_a_dict_asks_for_a_dict_and_the_last_snapshot_is_it(face: Face, sandbox: Sandbox) -> None:
    sandbox.script(Answer.streams(*pieces()))
    seen = read(face, "Which goods?", Goods.model_json_schema(), model=model_of(face))
    assert seen.reply is not None
    assert seen.snapshots[-1] == seen.reply.value == GOODS.model_dump()


def model_of(face: Face) -> str:
    return GROQ if face.provider == "groq" else STRICT


def test_an_invalid_end_is_the_error_of_any_structured_call_and_no_second_turn(
    face: Face, sandbox: Sandbox
) -> None:
    wrong = '{"name": "chairs", "pieces": -1, "tags": []}'
    sandbox.script(Answer.streams(*pieces(wrong)))
    seen = read(face, "Which goods?", Goods, model=model_of(face))
    assert isinstance(seen.error, StructuredOutputError)
    assert wrong == seen.error.raw
    assert ["$.pieces"] == [path for path, _ in seen.error.errors]
    assert {"name": "chairs"} == {"name": seen.snapshots[-1]["name"]}
    assert 1 == len(sandbox.exchanges)
    assert_healthy(face)


def test_an_answer_of_which_nothing_was_shown_is_repaired(face: Face, sandbox: Sandbox) -> None:
    sandbox.script(Answer.streams("No ", "JSON."), Answer.streams(*pieces()))
    seen = read(face, "Which goods?", Goods, model=model_of(face))
    assert seen.reply is not None
    assert (GOODS, 2) == (seen.reply.value, len(seen.reply.attempts))
    assert_healthy(face)


@pytest.mark.usefixtures("short_backoff")
@pytest.mark.parametrize("frame", [0, 8])
def test_a_break_is_tried_again_until_something_was_shown(
    face: Face, sandbox: Sandbox, frame: int
) -> None:
    sandbox.script(
        Fault.in_stream("cut", frame=frame, answer=Answer.streams(*pieces())),
        Answer.streams(*pieces()),
    )
    seen = read(face, "Which goods?", Goods, model=model_of(face))
    if frame == 0:
        assert seen.reply is not None
        assert GOODS == seen.reply.value
    else:
        assert isinstance(seen.error, ProviderUnavailableError)
        assert seen.error.partial is not None
        assert seen.error.partial.text.startswith('{"name": "wooden')
        assert seen.snapshots
    assert_healthy(face)


def test_an_answer_that_contradicts_what_was_shown_is_an_error(
    face: Face, sandbox: Sandbox
) -> None:
    first, second = TEXT.replace("36", "35"), TEXT
    sandbox.script(Answer.streams(*pieces(f"{first}\nNo:\n"), second))
    seen = read(face, "Which goods?", Goods, model=model_of(face))
    assert isinstance(seen.error, StructuredOutputError)
    assert "contradicts what was shown" in str(seen.error)
    assert 35 == seen.snapshots[-1]["pieces"]


def test_a_cut_off_answer_is_the_same_error(face: Face, sandbox: Sandbox) -> None:
    sandbox.script(Answer(pieces=tuple(pieces(TEXT[:40])), finish="length"))
    seen = read(face, "Which goods?", Goods, model=model_of(face))
    assert isinstance(seen.error, StructuredOutputError)
    assert {"name": "wooden chairs", "pieces": 36} == seen.snapshots[-1]
    assert 1 == len(sandbox.exchanges)


def test_a_schema_that_is_none_is_refused_before_the_call(face: Face, sandbox: Sandbox) -> None:
    with pytest.raises(ConfigurationError, match="schema is missing"):
        open_stream(face, "hi")
    assert isinstance(read(face, "hi", {"type": "none"}).error, ConfigurationError)
    assert [] == sandbox.exchanges


def test_a_reader_that_leaves_gives_everything_back(face: Face, sandbox: Sandbox) -> None:
    sandbox.script(Fault.paced(0.01, answer=Answer.streams(*pieces(size=1))))
    seen = read(face, "Which goods?", Goods, model=model_of(face), leave_after=3)
    assert (3, None, None) == (len(seen.snapshots), seen.reply, seen.error)
    assert_healthy(face)


def test_a_kept_answer_is_one_snapshot(open_face: OpenFace, sandbox: Sandbox) -> None:
    face = open_face(LLM_CACHE_URL="memory:")
    sandbox.script(Answer.streams(*pieces()))
    read(face, "Which goods?", Goods, model=model_of(face))
    again = read(face, "Which goods?", Goods, model=model_of(face))
    assert again.reply is not None
    assert ([GOODS.model_dump()], True) == (again.snapshots, again.reply.cached)
    assert 1 == len(sandbox.exchanges)


def test_snapshots_are_server_sent_events_too(face: Face, sandbox: Sandbox) -> None:
    sandbox.script(Answer.streams(*pieces()))
    stream = open_stream(face, "Which goods?", Goods, model=model_of(face))
    if isinstance(stream, AsyncStructuredStream):

        async def frames() -> str:
            return "".join([frame async for frame in stream.sse()])

        page = face.run(frames())
    else:
        page = "".join(stream.sse())
    *snapshots, (name, _) = parsed(page)
    assert {"snapshot"} == {each for each, _ in snapshots}
    assert ({"value": GOODS.model_dump()}, "done") == (snapshots[-1][1], name)


def test_a_value_that_is_null_is_a_snapshot_too(face: Face, sandbox: Sandbox) -> None:
    sandbox.script(Answer.streams('{"value": ', "null}"))
    seen = read(face, "None?", {"type": ["null", "string"]}, model=model_of(face))
    assert seen.reply is not None
    assert ([None], None) == (seen.snapshots, seen.reply.value)


def test_a_last_snapshot_that_was_shown_already_is_not_repeated(
    face: Face, sandbox: Sandbox
) -> None:
    sandbox.script(Answer.streams('{"name": "oak"', "}"))
    schema = {"type": "object", "properties": {"name": {"type": "string"}}}
    assert [{"name": "oak"}] == read(face, "Wood?", schema, model=model_of(face)).snapshots


def test_groq_is_asked_for_what_it_streams(open_client: OpenFace, sandbox: Sandbox) -> None:
    face = open_client("groq")
    sandbox.script(Answer.streams(*pieces()))
    read(face, "Which goods?", Goods, model=GROQ)
    assert {"type": "json_object"} == sandbox.exchanges[0].body["response_format"]
    # What a stream takes says nothing of what a whole answer does.
    face.client.generate_structured("Which goods?", Goods, model=GROQ)
    assert "json_schema" == sandbox.exchanges[1].body["response_format"]["type"]


def test_the_compliant_client_streams_snapshots(sandbox: Sandbox) -> None:
    from groq_client_compliant import GroqClient

    async def scene() -> tuple[list[Any], Goods]:
        async with GroqClient("key", cache_path=None, base_url=sandbox.url) as client:
            sandbox.script(Answer.streams(*pieces()))
            question = [{"role": "user", "content": "Which goods?"}]
            async with client.stream_structured(question, Goods) as stream:
                return [each async for each in stream], stream.value

    snapshots, value = asyncio.run(scene())
    assert (GOODS, GOODS.model_dump()) == (value, snapshots[-1])
