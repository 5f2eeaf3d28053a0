"""A stream that breaks off and goes on: what was shown stays, and is not shown again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sandbox import Answer, Fault, Sandbox
from services.llm.errors import (
    ConfigurationError,
    InvalidRequestError,
    LLMError,
    LLMTimeoutError,
    ProviderUnavailableError,
    TruncatedError,
)
from services.llm.types import Usage
from tests.timing import with_more_time
from tests.wire.conftest import OpenFace
from tests.wire.faces import Face
from tests.wire.streaming import Read, read

#: It takes the beginning of an answer; the next one refuses it, and so does every model of Groq's.
TAKES, REFUSES = (
    "us.anthropic.claude-haiku-4-5-20251001-v1:0",
    "us.anthropic.claude-sonnet-4-6",
)
PIECES = ("Chapter", " 94", " has", " chairs.")
TEXT = "".join(PIECES)
REST = Answer.streams(" has", " chairs.")
KINDS = ("bedrock", "bedrock async")


def broken(kind: Any = "cut", pieces: int = 2, *texts: str, **how: Any) -> Fault:
    return Fault.in_stream(kind, pieces=pieces, answer=Answer.streams(*(texts or PIECES)), **how)


pytestmark = pytest.mark.usefixtures("short_backoff")


@pytest.fixture(params=KINDS)
def face(request: pytest.FixtureRequest, open_client: OpenFace) -> Face:
    made: Face = open_client(request.param)
    return made


def resumed(face: Face, model: str = TAKES, **how: Any) -> Read:
    return read(face, "Which chapter?", model=model, resume=True, **how)


def assert_healthy(face: Face) -> None:
    assert 64 == face.client._account.concurrency.free
    assert 0 == len(face.client._account.single_flight)


def beginning(sandbox: Sandbox, number: int = 1) -> str:
    """What the request gave the model as its answer's beginning."""
    last = sandbox.exchanges[number].body["messages"][-1]
    assert "assistant" == last["role"]
    text: str = last["content"][0]["text"]
    return text


def assert_goes_on_where_it_stopped(face: Face, sandbox: Sandbox) -> None:
    got = resumed(face)
    assert got.error is None
    assert got.reply is not None
    assert (list(PIECES), TEXT, 1) == (got.texts, got.reply.text, got.reply.resumed)
    assert "Chapter 94" == beginning(sandbox)
    assert [True, False] == [each.error is not None for each in got.reply.attempts]
    assert_healthy(face)


@pytest.mark.parametrize("kind", ["cut", "reset", "tear", "damage", "end", "error"])
def test_a_stream_that_breaks_goes_on_where_it_stopped(
    face: Face, sandbox: Sandbox, kind: str
) -> None:
    how = {"status": 503} if kind == "error" else {}
    sandbox.script(broken(kind, **how), REST)
    assert_goes_on_where_it_stopped(face, sandbox)


@pytest.mark.parametrize("kind", KINDS)
def test_so_does_one_that_stands_still(open_client: OpenFace, sandbox: Sandbox, kind: str) -> None:
    def scene(seconds: float) -> None:
        face = open_client(kind, LLM_STREAM_IDLE_TIMEOUT=seconds)
        sandbox.clear()
        sandbox.script(broken("stall", seconds=60), REST)
        assert_goes_on_where_it_stopped(face, sandbox)

    with_more_time(scene)


def test_usage_is_that_of_all_attempts_and_an_unknown_cost_is_none(
    face: Face, sandbox: Sandbox
) -> None:
    sandbox.script(broken(), REST)
    got = resumed(face)
    assert got.reply is not None
    assert got.reply.usage == sum((each.usage for each in got.reply.attempts), Usage())
    assert None is got.reply.cost  # nobody said what the first attempt took
    whole = resumed(face)
    assert whole.reply is not None
    assert (0, True) == (whole.reply.resumed, whole.reply.cost is not None)


def test_a_stream_may_break_more_than_once(face: Face, sandbox: Sandbox) -> None:
    sandbox.script(broken(), broken("cut", 1, " has", " chairs."), Answer.streams(" chairs."))
    got = resumed(face)
    assert got.reply is not None
    assert (list(PIECES), 2, 3) == (got.texts, got.reply.resumed, len(got.reply.attempts))
    assert ["Chapter 94", "Chapter 94 has"] == [beginning(sandbox, n) for n in (1, 2)]


def test_a_continuation_that_fails_before_it_begins_is_tried_again(
    face: Face, sandbox: Sandbox
) -> None:
    sandbox.script(broken(), Fault.error(503), REST)
    got = resumed(face)
    assert got.reply is not None
    assert (TEXT, 1, 3) == (got.text, got.reply.resumed, len(got.reply.attempts))


@pytest.mark.parametrize(
    ("shown", "rest"),
    [
        (("One", "\n\n"), ("\n", "\nTwo")),
        (("One", "\n\n"), ("Two",)),
        (("One", "\n\n"), ("\n\nTwo",)),
        (("One", "\n\n"), (" ", " Two")),
    ],
)
def test_white_space_is_shown_once(
    face: Face, sandbox: Sandbox, shown: tuple[str, ...], rest: tuple[str, ...]
) -> None:
    sandbox.script(broken("cut", 2, *shown, "Two"), Answer.streams(*rest))
    got = resumed(face)
    assert "One\n\nTwo" == got.text
    assert got.reply is not None
    assert ("One\n\nTwo", "One") == (got.reply.text, beginning(sandbox))


def test_an_answer_of_which_only_the_end_was_missing_is_whole(face: Face, sandbox: Sandbox) -> None:
    sandbox.script(broken("cut", 4), Answer(text="", reasoning="", finish="stop"))
    got = resumed(face)
    assert got.reply is not None
    assert (TEXT, TEXT, 1) == (got.text, got.reply.text, got.reply.resumed)


def test_the_longest_answer_is_that_of_all_attempts_together(face: Face, sandbox: Sandbox) -> None:
    sandbox.script(broken(), REST)
    resumed(face, max_tokens=100)
    first, second = (each.body["inferenceConfig"]["maxTokens"] for each in sandbox.exchanges)
    assert 100 == first
    assert 90 <= second < 100


def assert_stands(got: Read, face: Face, attempts: int = 1) -> None:
    """The error that broke the stream off is what it ends in, with the text so far."""
    assert isinstance(got.error, ProviderUnavailableError)
    assert got.error.partial is not None
    assert ("Chapter 94", "Chapter 94") == (got.text, got.error.partial.text)
    assert attempts == len(got.error.attempts)
    assert_healthy(face)


@pytest.mark.parametrize("model", [REFUSES, "amazon.nova-pro-v1:0"])
def test_a_model_that_takes_no_beginning_leaves_the_error(
    face: Face, sandbox: Sandbox, model: str
) -> None:
    sandbox.script(broken(), REST)
    assert_stands(resumed(face, model), face)


def test_nothing_goes_on_unless_that_is_asked_for(face: Face, sandbox: Sandbox) -> None:
    sandbox.script(broken(), REST)
    assert_stands(read(face, "Which chapter?", model=TAKES), face)


def test_no_model_of_groqs_goes_on(open_client: OpenFace, sandbox: Sandbox) -> None:
    face = open_client("groq")
    sandbox.script(broken(), REST)
    got = resumed(face, "openai/gpt-oss-120b")
    assert "Chapter 94" == got.text
    assert got.error is not None


def test_a_refused_continuation_leaves_the_error(face: Face, sandbox: Sandbox) -> None:
    sandbox.script(broken(), Fault.error(400))
    got = resumed(face)
    assert not isinstance(got.error, InvalidRequestError)
    assert_stands(got, face, attempts=2)


def test_an_answer_that_had_ended_does_not_go_on(face: Face, sandbox: Sandbox) -> None:
    whole = Answer.streams(*PIECES)
    sandbox.script(Fault.in_stream("error", frame=-1, status=503, answer=whole), REST)
    got = resumed(face)
    assert isinstance(got.error, ProviderUnavailableError)
    assert got.error.partial is not None
    assert (TEXT, TEXT, 1) == (got.text, got.error.partial.text, len(sandbox.exchanges))
    assert_healthy(face)


def test_the_retries_bound_how_often_a_stream_goes_on(face: Face, sandbox: Sandbox) -> None:
    sandbox.script(broken(), REST)
    assert_stands(resumed(face, max_retries=0), face)
    sandbox.clear()
    sandbox.script(broken(), Fault.error(503), REST)
    got = resumed(face, max_retries=1)
    assert isinstance(got.error, ProviderUnavailableError)
    assert got.error.partial is not None
    assert ("Chapter 94", 2) == (got.error.partial.text, len(got.error.attempts))


def test_a_window_that_is_full_leaves_the_error(open_client: OpenFace, sandbox: Sandbox) -> None:
    face = open_client("bedrock", BEDROCK_REQUESTS_PER_MINUTE=1)
    sandbox.script(broken(), REST)
    assert_stands(resumed(face), face)


def test_the_deadline_holds_for_all_attempts(face: Face, sandbox: Sandbox) -> None:
    def scene(seconds: float) -> None:
        sandbox.clear()
        sandbox.script(broken(), Fault.silent(60))
        got = resumed(face, timeout=seconds)
        assert isinstance(got.error, (LLMTimeoutError, ProviderUnavailableError))
        assert got.error.partial is not None
        assert "Chapter 94" == got.error.partial.text
        assert_healthy(face)

    with_more_time(scene)


def test_a_continuation_that_is_cut_off_has_the_whole_text(face: Face, sandbox: Sandbox) -> None:
    sandbox.script(broken(), Answer(pieces=(" has",), finish="length"))
    got = resumed(face)
    assert isinstance(got.error, TruncatedError)
    assert ("Chapter 94 has", "Chapter 94 has") == (got.error.text, got.text)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(pieces=("Chapter", " 94"), reasoning="Hm, chairs."),
        Answer(text="", reasoning="Hm, chairs."),
        Answer.streams("\n", "\n", "x"),
    ],
)
def test_thoughts_and_blanks_are_no_beginning(face: Face, sandbox: Sandbox, answer: Answer) -> None:
    sandbox.script(Fault.in_stream("cut", pieces=2, answer=answer), REST)
    assert isinstance(resumed(face).error, LLMError)
    assert 1 == len(sandbox.exchanges)


def test_a_call_of_a_tool_is_no_beginning(face: Face, sandbox: Sandbox) -> None:
    function = {"name": "weather", "parameters": {"type": "object", "properties": {}}}
    tools = [{"type": "function", "function": function}]
    sandbox.script(Fault.in_stream("cut", pieces=1, answer=Answer.calls("weather")), REST)
    assert isinstance(resumed(face, tools=tools).error, LLMError)
    assert 1 == len(sandbox.exchanges)


def test_a_task_cancelled_during_a_continuation_leaves_nothing(
    open_client: OpenFace, sandbox: Sandbox
) -> None:
    face = open_client("bedrock async", LLM_MAX_CONCURRENCY=1)
    sandbox.script(broken(), Fault.silent(60))

    async def scene() -> None:
        got = Read()
        stream = face.client.astream("Which chapter?", model=TAKES, resume=True)
        reading = asyncio.create_task(got.aread(stream))
        await asyncio.to_thread(sandbox.wait_for, 2)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        assert {asyncio.current_task()} == asyncio.all_tasks()
        assert "Chapter 94" == got.text

    face.run(scene())
    assert "Sandbox: still there?" == face.generate("still there?", timeout=30)


def test_resume_is_true_or_false(face: Face) -> None:
    with pytest.raises(ConfigurationError, match="resume is 'yes'"):
        read(face, "hi", resume="yes")
