"""Every way in which a stream breaks, at a chosen frame, as the real SDKs meet it."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import groq
import httpx
import pytest
from botocore.eventstream import ChecksumMismatch
from botocore.exceptions import EventStreamError
from hypothesis import given
from hypothesis import strategies as st

from sandbox import Answer, Fault, Sandbox
from sandbox.streams import Frame, StreamBreak, broken_frames, pieces_of
from tests.sandbox.bedrock_calls import turn
from tests.sandbox.groq_calls import GPT, hello
from tests.sandbox.stream_calls import converse_events, converse_text, groq_chunks, invoke_events
from tests.timing import with_more_time

FOUR = Answer.streams("one", " two", " three", " four")


def groq_until(client: groq.Groq, model: str = GPT) -> tuple[str, Exception | None]:
    """The text that a stream gave before it ended, and the error with which it did."""
    text = ""
    message: Any = [{"role": "user", "content": "hello"}]
    try:
        with client.chat.completions.create(model=model, messages=message, stream=True) as chunks:
            for chunk in chunks:
                text += chunk.choices[0].delta.content or ""
    except (groq.APIError, httpx.HTTPError, ValueError) as error:
        return text, error
    return text, None


def converse_until(client: Any, model: str = "sandbox/ok") -> tuple[str, Exception | None]:
    """The same for ConverseStream."""
    text = ""
    try:
        with closing(client.converse_stream(modelId=model, messages=turn())["stream"]) as events:
            for event in events:
                text += converse_text([event])
    except Exception as error:
        return text, error
    return text, None


@pytest.mark.parametrize("kind", ["cut", "reset", "tear"])
def test_a_broken_connection_is_an_error_after_the_pieces_before_it(
    sandbox: Sandbox, groq_client: groq.Groq, bedrock_client: Any, kind: Any
) -> None:
    sandbox.script(Fault.in_stream(kind, pieces=2, answer=FOUR), times=2)
    text, error = groq_until(groq_client)
    assert text in ("one two", "one", "")  # a reset may overtake what was sent
    assert isinstance(error, httpx.TransportError)
    text, failure = converse_until(bedrock_client)
    assert text in ("one two", "one", "")
    assert failure is not None
    if kind == "cut":
        assert "one two" == text


def test_a_quiet_end_is_no_error_to_the_sdks(
    sandbox: Sandbox, groq_client: groq.Groq, bedrock_client: Any
) -> None:
    sandbox.script(Fault.in_stream("end", pieces=3, answer=FOUR), times=2)
    assert ("one two three", None) == groq_until(groq_client)
    assert ("one two three", None) == converse_until(bedrock_client)


def test_an_error_frame_is_the_providers_error(
    sandbox: Sandbox, groq_client: groq.Groq, bedrock_client: Any
) -> None:
    sandbox.script(Fault.in_stream("error", pieces=1, answer=FOUR), times=2)
    text, error = groq_until(groq_client)
    assert "one" == text
    assert isinstance(error, groq.APIError)
    assert isinstance(error.body, dict)
    assert 500 == error.body["status_code"]
    text, failure = converse_until(bedrock_client)
    assert "one" == text
    assert isinstance(failure, EventStreamError)
    assert "modelStreamErrorException" == failure.response["Error"]["Code"]


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "validationException"),
        (429, "throttlingException"),
        (500, "internalServerException"),
        (503, "serviceUnavailableException"),
    ],
)
def test_an_error_frame_has_the_status_that_is_asked_for(
    sandbox: Sandbox, groq_client: groq.Groq, bedrock_client: Any, status: int, code: str
) -> None:
    sandbox.script(Fault.in_stream("error", frame=0, status=status), times=2)
    _, error = groq_until(groq_client)
    assert isinstance(error, groq.APIError)
    assert isinstance(error.body, dict)
    assert status == error.body["status_code"]
    _, failure = converse_until(bedrock_client)
    assert isinstance(failure, EventStreamError)
    assert code == failure.response["Error"]["Code"]


def test_a_tool_use_that_failed_comes_as_recorded(sandbox: Sandbox, groq_client: groq.Groq) -> None:
    sandbox.script(Fault.in_stream("error", frame=0, code="tool_use_failed"))
    _, error = groq_until(groq_client)
    assert isinstance(error, groq.APIError)
    assert isinstance(error.body, dict)
    assert ("tool_use_failed", 400) == (error.body["code"], error.body["status_code"])


def test_a_damaged_frame_cannot_be_read(
    sandbox: Sandbox, groq_client: groq.Groq, bedrock_client: Any
) -> None:
    sandbox.script(Fault.in_stream("damage", pieces=1, answer=FOUR), times=2)
    text, error = groq_until(groq_client)
    assert ("one", True) == (text, isinstance(error, ValueError))
    text, failure = converse_until(bedrock_client)
    assert ("one", True) == (text, isinstance(failure, ChecksumMismatch))


def test_a_stalled_stream_goes_on_afterwards(sandbox: Sandbox, groq_client: groq.Groq) -> None:
    sandbox.script(Fault.in_stream("stall", pieces=1, seconds=0.05, answer=FOUR))
    started = time.monotonic()
    assert ("one two three four", None) == groq_until(groq_client)
    assert time.monotonic() - started >= 0.05


def test_a_client_that_leaves_a_stalled_stream_ends_it(sandbox: Sandbox) -> None:
    def scene(seconds: float) -> None:
        sandbox.clear()
        sandbox.script(Fault.in_stream("stall", pieces=2, seconds=3600, answer=FOUR))
        client = groq.Groq(api_key="k", base_url=sandbox.url, max_retries=0, timeout=seconds)
        with client:
            text, error = groq_until(client)
        assert "one two" == text
        assert isinstance(error, httpx.ReadTimeout)

    with_more_time(scene)


def test_a_paced_stream_takes_its_time(sandbox: Sandbox, groq_client: groq.Groq) -> None:
    sandbox.script(Fault.paced(0.02, answer=FOUR))
    started = time.monotonic()
    assert ("one two three four", None) == groq_until(groq_client)
    assert time.monotonic() - started >= 0.1


def test_a_stream_can_drip_byte_by_byte(
    sandbox: Sandbox, groq_client: groq.Groq, bedrock_client: Any
) -> None:
    sandbox.script(Fault(answer=FOUR, drip=1), times=2)
    assert ("one two three four", None) == groq_until(groq_client)
    assert ("one two three four", None) == converse_until(bedrock_client)


@pytest.mark.parametrize(
    ("step", "finish", "done"),
    [(Answer.unfinished(), False, True), (Answer(without=frozenset({"done"})), True, False)],
)
def test_a_stream_may_lack_its_finish_or_its_done(
    sandbox: Sandbox, step: Answer, finish: bool, done: bool
) -> None:
    sandbox.script(step)
    body = {"model": GPT, "messages": [{"role": "user", "content": "x"}], "stream": True}
    reply = httpx.post(
        f"{sandbox.url}/openai/v1/chat/completions",
        json=body,
        headers={"authorization": "Bearer k"},
        trust_env=False,
        verify=False,
    )
    assert (finish, done) == ('"finish_reason":"stop"' in reply.text, "[DONE]" in reply.text)


def test_bedrocks_streams_may_lack_their_finish(sandbox: Sandbox, bedrock_client: Any) -> None:
    sandbox.script(Answer.unfinished(), times=2)
    assert not any("messageStop" in event for event in converse_events(bedrock_client))
    types = [event["type"] for event in invoke_events(bedrock_client)]
    assert not {"message_delta", "message_stop"} & set(types)


def test_breaks_can_be_asked_for_by_name(groq_client: groq.Groq, bedrock_client: Any) -> None:
    text, error = groq_until(groq_client, "sandbox/stream-error?pieces=6&status=503&text=a b c")
    assert ("a b c", True) == (text, isinstance(error, groq.APIError))
    text, failure = converse_until(bedrock_client, "sandbox/stream-cut?pieces=1&text=a b c")
    assert ("a", True) == (text, failure is not None)
    text, failure = converse_until(bedrock_client, "sandbox/stream-end?frame=-2&text=a b c")
    assert ("a b c", None) == (text, failure)


def test_a_break_does_not_touch_a_whole_answer(groq_client: groq.Groq) -> None:
    reply = groq_client.chat.completions.create(
        model="sandbox/stream-cut?frame=0", messages=[{"role": "user", "content": "hello"}]
    )
    assert "Sandbox: hello" == reply.choices[0].message.content


def test_an_error_before_the_stream_is_an_http_error(
    sandbox: Sandbox, groq_client: groq.Groq
) -> None:
    sandbox.script(Fault.error(503))
    with pytest.raises(groq.InternalServerError):
        groq_chunks(groq_client)


def test_a_slow_reader_stops_the_socket(sandbox: Sandbox) -> None:
    pieces = ("x" * 1000,) * 30_000
    sandbox.script(Answer.streams(*pieces))
    body = json.dumps(hello(stream=True))
    host, _, port = sandbox.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.sendall(
            (
                "POST /openai/v1/chat/completions HTTP/1.1\r\nhost: x\r\n"
                f"authorization: Bearer k\r\ncontent-length: {len(body)}\r\n\r\n{body}"
            ).encode()
        )
        sandbox.wait_for(1)
        assert reader.recv(100)
    assert sandbox.exchanges[0].frames_sent < len(pieces)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Fault.in_stream("explode"),  # type: ignore[arg-type]  # what is refused
        lambda: Fault.in_stream("cut", frame=1, pieces=1),
        lambda: Fault.in_stream("cut", pieces=-1),
        lambda: Fault.in_stream("stall", seconds=-1),
    ],
)
def test_what_is_no_break_is_refused(make: Callable[[], Fault]) -> None:
    with pytest.raises(ValueError, match="in_stream"):
        make()


FRAMES = st.lists(st.booleans(), max_size=12).map(
    lambda pieces: tuple(Frame(b"%d" % place, piece) for place, piece in enumerate(pieces))
)


@given(FRAMES, st.integers(-15, 15))
def test_a_break_is_before_the_frame_that_is_named(frames: tuple[Frame, ...], frame: int) -> None:
    at = StreamBreak("end", frame=frame).index(frames)
    assert 0 <= at <= len(frames)
    if 0 <= frame <= len(frames):
        assert frame == at
    if -len(frames) <= frame < 0:
        assert frame + len(frames) == at


@given(FRAMES, st.integers(0, 12))
def test_a_break_comes_after_so_many_pieces(frames: tuple[Frame, ...], pieces: int) -> None:
    at = StreamBreak("end", pieces=pieces).index(frames)
    sent = sum(frame.piece for frame in frames[:at])
    assert min(pieces, sum(frame.piece for frame in frames)) == sent or at == len(frames)


@given(FRAMES, st.sampled_from(["end", "damage", "error", "cut"]), st.integers(0, 12))
def test_frames_before_a_break_are_whole(frames: tuple[Frame, ...], kind: Any, frame: int) -> None:
    stop = StreamBreak(kind, frame=frame)
    left = broken_frames(frames, stop, damaged=lambda data: b"?", error=lambda: b"!")
    at = stop.index(frames)
    assert frames[:at] == left[:at]


@given(st.text())
def test_the_pieces_of_a_text_make_the_text(text: str) -> None:
    assert text == "".join(pieces_of(text))
