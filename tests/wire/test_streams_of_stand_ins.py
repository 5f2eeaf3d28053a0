"""What stands in an SDK's place, or listens to its calls, streams as the SDK itself would."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest

from sandbox import Answer, Fault, Sandbox
from services.llm.errors import LLMTimeoutError, ProviderUnavailableError, TruncatedError
from services.llm.providers.bedrock import INVOKE_MODELS
from tests.timing import with_more_time
from tests.wire.conftest import OpenFace
from tests.wire.faces import Face
from tests.wire.streaming import Read, open_stream, read

PIECES = ("Chapter", " 94")
GROQ, BEDROCK = ("groq", "groq async"), ("bedrock", "bedrock async")


@pytest.fixture(params=GROQ)
def groq(request: pytest.FixtureRequest, open_client: OpenFace) -> Face:
    return open_client(request.param)


@pytest.fixture(params=BEDROCK)
def bedrock(request: pytest.FixtureRequest, open_client: OpenFace) -> Face:
    return open_client(request.param)


def chunk(text: str) -> Any:
    """A chunk as a host's test builds it: it tells of its text alone."""
    made = MagicMock()
    made.choices[0].delta.content = text
    return made


def test_a_mock_of_groq_is_iterated(groq: Face) -> None:
    groq.client.client = mock = MagicMock()
    mock.chat.completions.create.return_value = [chunk(text) for text in PIECES]
    got = read(groq, "hi")
    assert list(PIECES) == got.texts
    assert got.reply is not None
    assert "Chapter 94" == got.reply.text
    assert mock.chat.completions.create.call_args.kwargs["stream"] is True


def test_a_mock_of_groq_that_raises_is_an_error(groq: Face) -> None:
    groq.client.client = mock = MagicMock()
    mock.chat.completions.create.side_effect = Exception("Rate limit exceeded")
    assert "Rate limit" in str(read(groq, "hi").error)


def test_a_mock_of_bedrock_is_iterated(bedrock: Face) -> None:
    bedrock.client.client = mock = MagicMock()
    events = [{"contentBlockDelta": {"delta": {"text": text}}} for text in PIECES]
    ends = [{"messageStop": {"stopReason": "end_turn"}}]
    mock.converse_stream.return_value = {"stream": [*events, *ends]}
    got = read(bedrock, "hi")
    assert list(PIECES) == got.texts
    mock.converse_stream.return_value = {"stream": events}
    assert isinstance(read(bedrock, "hi").error, TruncatedError)


def test_a_mock_of_bedrock_streams_the_bodies_of_invoke_model(bedrock: Face) -> None:
    bedrock.client.client = mock = MagicMock()
    deltas = [{"type": "content_block_delta", "delta": {"text": text}} for text in PIECES]
    ends = [{"type": "message_delta", "delta": {"stop_reason": "end_turn"}}]
    body = [{"chunk": {"bytes": json.dumps(one).encode()}} for one in [*deltas, *ends]]
    mock.invoke_model_with_response_stream.return_value = {"body": body}
    assert list(PIECES) == read(bedrock, "hi", model=INVOKE_MODELS[0]).texts


def listen(face: Face) -> Face:
    """Listen to the calls of a client, as a host may, so that botocore itself sends them."""
    face.client.client.meta.events.register("before-call.bedrock-runtime", lambda **_: None)
    return face


@pytest.fixture
def listened(bedrock: Face) -> Face:
    return listen(bedrock)


def test_botocores_own_streams_are_read(listened: Face, sandbox: Sandbox) -> None:
    sandbox.script(Answer.streams(*PIECES))
    got = read(listened, "hi")
    assert list(PIECES) == got.texts
    assert got.reply is not None
    assert got.reply.request_id
    assert "Sandbox: hi" == read(listened, "hi", model=INVOKE_MODELS[0]).text


@pytest.mark.parametrize("kind", ["cut", "damage", "error"])
def test_botocores_own_streams_break_as_ours(listened: Face, sandbox: Sandbox, kind: Any) -> None:
    how: dict[str, Any] = {"status": 503} if kind == "error" else {}
    sandbox.script(Fault.in_stream(kind, pieces=1, answer=Answer.streams(*PIECES), **how))
    got = read(listened, "hi")
    assert isinstance(got.error, ProviderUnavailableError)
    assert got.error.partial is not None
    assert "Chapter" == got.text == got.error.partial.text


@pytest.mark.parametrize("kind", BEDROCK)
def test_botocores_own_streams_stand_still_no_longer_than_ours(
    open_client: OpenFace, sandbox: Sandbox, kind: str
) -> None:
    def scene(seconds: float) -> None:
        listened = listen(open_client(kind, LLM_STREAM_IDLE_TIMEOUT=seconds))
        answer = Answer.streams(*PIECES)
        sandbox.clear()
        sandbox.script(Fault.in_stream("stall", pieces=1, seconds=60, answer=answer))
        got = read(listened, "hi")
        assert isinstance(got.error, LLMTimeoutError)
        assert "Chapter" == got.text
        assert "Sandbox: hi" == listened.generate("hi")

    with_more_time(scene)


def test_botocores_own_streams_can_be_left(listened: Face, sandbox: Sandbox) -> None:
    answer = Answer.streams(*PIECES)
    sandbox.script(Fault.in_stream("stall", pieces=1, seconds=60, answer=answer))
    assert ["Chapter"] == read(listened, "hi", leave_after=1).texts
    assert "Sandbox: hi" == listened.generate("hi")


def test_a_cancelled_call_of_botocore_ends(open_client: OpenFace, sandbox: Sandbox) -> None:
    import asyncio

    face = open_client("bedrock async")
    face.client.client.meta.events.register("before-call.bedrock-runtime", lambda **_: None)

    async def scene(step: Fault) -> None:
        sandbox.clear()
        sandbox.script(step)
        got = Read()
        task = asyncio.create_task(got.aread(open_stream(face, "hi")))
        await asyncio.to_thread(sandbox.wait_for, 1)
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    face.run(scene(Fault.silent(60)))
    answer = Answer.streams(*PIECES)
    face.run(scene(Fault.in_stream("stall", pieces=1, seconds=60, answer=answer)))
    assert 64 == face.client._account.concurrency.free


def test_a_stub_of_botocore_answers(bedrock: Face) -> None:
    from botocore.stub import Stubber

    stubber: Any = Stubber(bedrock.client.client)
    events = [{"contentBlockDelta": {"delta": {"text": text}}} for text in PIECES]
    stream = [*events, {"messageStop": {"stopReason": "end_turn"}}]

    def answer(**_: object) -> Any:
        return (SimpleNamespace(status_code=200), {"stream": stream})

    answer.__module__ = "botocore.stub"
    stubber.client.meta.events.register_first(
        "before-call.bedrock-runtime.ConverseStream", answer, "llm-test"
    )
    assert list(PIECES) == read(bedrock, "hi").texts


@pytest.mark.parametrize("kind", GROQ)
def test_an_instrumented_create_is_called_and_iterated(
    open_client: OpenFace, sandbox: Sandbox, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import groq.resources.chat.completions as of_sdk

    owner = of_sdk.AsyncCompletions if "async" in kind else of_sdk.Completions
    original, seen = owner.create, list[bool]()

    def create(self: Any, **kwargs: Any) -> Any:
        seen.append(kwargs["stream"])
        return original(self, **kwargs)

    monkeypatch.setattr(owner, "create", create)
    answer = Answer.streams(*PIECES)

    def scene(seconds: float) -> None:
        face = open_client(kind, LLM_STREAM_IDLE_TIMEOUT=seconds)
        seen.clear()
        sandbox.clear()
        sandbox.script(
            answer,
            Fault.in_stream("stall", pieces=1, seconds=60, answer=answer),
            Fault.in_stream("error", pieces=1, status=503, answer=answer),
            Fault.in_stream("stall", pieces=1, seconds=60, answer=answer),
        )
        assert list(PIECES) == read(face, "hi").texts
        for error in (LLMTimeoutError, ProviderUnavailableError):
            got = read(face, "hi")
            assert (error, "Chapter") == (type(got.error), got.text)
        assert ["Chapter"] == read(face, "hi", leave_after=1).texts
        assert [True] * 4 == seen
        assert 64 == face.client._account.concurrency.free

    with_more_time(scene)


#: An error event whose data have no field `error`, after a character that is cut in two.
CHUNK = 'data: {"choices":[{"index":0,"delta":{"content":"%s"}}]}\r\r'
BROKEN = (CHUNK % "a\\ud83d" + CHUNK % "\\ude00" + "event: error\rdata: %s\r\r").encode()


@pytest.mark.parametrize("kind", GROQ)
@pytest.mark.parametrize("is_own", [True, False])
def test_an_event_named_error_ends_a_stream_of_any_line_ends_as_the_error_that_it_is(
    open_client: OpenFace,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    is_own: bool,
) -> None:
    import groq.resources.chat.completions as of_sdk

    face = open_client(kind)
    if not is_own:
        owner = of_sdk.AsyncCompletions if face.loop else of_sdk.Completions
        original = owner.create
        monkeypatch.setattr(owner, "create", lambda self, **kwargs: original(self, **kwargs))
    body = BROKEN.replace(b"%s", b'{"message": "Overloaded", "code": 503}')
    sandbox.script(Fault(status=200, body=body, headers={"content-type": "text/event-stream"}))
    got = read(face, "hi")
    assert (ProviderUnavailableError, "a\U0001f600") == (type(got.error), got.text)
    assert "Groq API error: Overloaded" == str(got.error)
    assert got.error is not None
    assert got.error.partial is not None
    assert got.text == got.error.partial.text


def _nothing() -> Iterator[Any]:
    yield from ()


def test_a_mock_that_streams_nothing_is_cut_off(groq: Face) -> None:
    groq.client.client = mock = MagicMock()
    mock.chat.completions.create.return_value = _nothing()
    assert isinstance(read(groq, "hi").error, TruncatedError)
