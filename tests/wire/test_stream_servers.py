"""Streams of servers that speak as no sandbox does: bytes of the test's own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from types import FrameType, SimpleNamespace
from typing import Any, NoReturn

import pytest
import trustme

from sandbox import Answer, Fault, Sandbox
from sandbox.bedrock.event_stream import event
from services import llm_client
from services.llm.account.single_flight import SingleFlight
from services.llm.call.demand import partly_spent
from services.llm.call.drivers import arun, run
from services.llm.call.streaming import stream_events_of
from services.llm.effects import Effects, emit, open_stream, pull
from services.llm.errors import (
    ConfigurationError,
    LLMError,
    LLMTimeoutError,
    ProviderUnavailableError,
    RateLimitError,
    ResponseTooLargeError,
    TruncatedError,
)
from services.llm.http import opened
from services.llm.http.http1_async import AsyncConnection
from services.llm.http.origin import Origin
from services.llm.providers.bedrock import INVOKE_MODELS
from services.llm.providers.bedrock.errors import classify
from services.llm.stream_types import ReasoningPiece, TextPiece, ToolCallPiece, UsageReport
from services.llm.types import Reply, Request, ToolCall, Usage
from tests.http.servers import Server, answer, serving
from tests.wire.conftest import OpenFace
from tests.wire.faces import KINDS, Face, settings
from tests.wire.streaming import read

SSE = "content-type: text/event-stream"
FRAMES = "content-type: application/vnd.amazon.eventstream"
Handle = Callable[[Server, socket.socket], None]


def chunk(text: str, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\r\n\r\n"


def always(*parts: bytes, then: Callable[[], object] = bool) -> Handle:
    """Answer every request of a connection with these bytes."""

    def handle(server: Server, connection: socket.socket) -> None:
        while server.read_request(connection):
            for part in parts:
                connection.sendall(part)
            then()

    return handle


@pytest.fixture
def face_at(open_client: OpenFace, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Face]:
    """Make a face whose provider is at *url*."""

    def made(kind: str, url: str, **knobs: object) -> Face:
        arguments = {"base_url" if kind.startswith("groq") else "endpoint_url": url}
        return open_client(kind, arguments, **knobs)

    return made


@pytest.mark.parametrize("kind", ["groq", "groq async"])
def test_a_server_that_knows_no_streams_is_read_all_the_same(
    face_at: Callable[..., Face], kind: str
) -> None:
    function = {"name": "look", "arguments": "{}"}
    calls = [{"id": name, "function": function} for name in ("a", "b")]
    message = {"content": "All of it.", "tool_calls": calls}
    whole = json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}).encode()
    with serving(always(answer(whole, "content-type: application/json"))) as server:
        got = read(face_at(kind, server.url), "hi")
    assert ["All of it."] == got.texts
    assert got.reply is not None
    assert ["a", "b"] == [call.id for call in got.reply.tool_calls]


@pytest.mark.parametrize("kind", ["groq", "groq async"])
def test_an_error_or_a_page_in_a_streams_place_is_an_error(
    face_at: Callable[..., Face], kind: str
) -> None:
    body = json.dumps({"error": {"message": "slow down", "code": "rate_limit_exceeded"}})
    with serving(always(answer(body.encode(), "content-type: application/json"))) as server:
        got = read(face_at(kind, server.url), "hi", max_retries=0)
    assert isinstance(got.error, RateLimitError)
    with serving(always(answer(b"<html>hello</html>", "content-type: text/html"))) as server:
        got = read(face_at(kind, server.url), "hi", max_retries=0)
    assert "from a proxy before Groq" in str(got.error)


@pytest.mark.parametrize("kind", ["bedrock", "bedrock async"])
@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"message": "try later"}', "try later"),
        (b'{"a": 1}', "no event stream"),
        (b"<html>", "from a proxy before Bedrock"),
        (b'{"a', "not whole JSON"),
    ],
)
def test_what_is_no_event_stream_is_an_error(
    face_at: Callable[..., Face], kind: str, body: bytes, told: str
) -> None:
    with serving(always(answer(body, "content-type: application/json"))) as server:
        got = read(face_at(kind, server.url), "hi", max_retries=0)
    assert told in str(got.error)


@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_that_is_too_large_is_an_error(face_at: Callable[..., Face], kind: str) -> None:
    media = SSE if kind.startswith("groq") else FRAMES
    body = chunk("x" * 1000) * 200 if media is SSE else b"\0\1\0\0" + bytes(200_000)
    with serving(always(answer(body, media))) as server:
        got = read(face_at(kind, server.url, LLM_MAX_RESPONSE_MB=0.1), "hi", max_retries=0)
    assert isinstance(got.error, (ResponseTooLargeError, ProviderUnavailableError))


@pytest.mark.parametrize("kind", KINDS)
def test_bytes_that_are_no_http_are_an_error(face_at: Callable[..., Face], kind: str) -> None:
    with serving(always(b"hello\r\n\r\n")) as server:
        got = read(face_at(kind, server.url), "hi", max_retries=0)
    assert isinstance(got.error, ProviderUnavailableError)


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_at_the_endpoint_is_an_error(face_at: Callable[..., Face], kind: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    got = read(face_at(kind, f"http://127.0.0.1:{port}"), "hi", max_retries=0)
    assert isinstance(got.error, ProviderUnavailableError)


@pytest.mark.parametrize("kind", ["bedrock", "bedrock async"])
def test_a_certificate_that_does_not_verify_is_an_error(
    face_at: Callable[..., Face], kind: str
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    with serving(always(answer()), context) as server:
        got = read(face_at(kind, server.url), "hi", max_retries=0)
    assert isinstance(got.error, ProviderUnavailableError)


@pytest.mark.parametrize("kind", ["bedrock", "bedrock async"])
def test_a_header_that_cannot_be_sent_is_an_error(face_at: Callable[..., Face], kind: str) -> None:
    with serving(always(answer())) as server:
        face = face_at(kind, server.url)

        def spoil(request: Any, **_: object) -> None:
            request.headers["x-bad"] = "a\nb"

        spoil.__module__ = "botocore.of_the_test"
        face.client.client.meta.events.register("before-send.bedrock-runtime", spoil)
        face.client.client.meta.events.register_first("before-send.bedrock-runtime", spoil)
        got = read(face, "hi", max_retries=0)
    assert isinstance(got.error, LLMError)


@pytest.mark.parametrize("kind", ["bedrock async"])
def test_a_slow_reader_stops_the_socket(face_at: Callable[..., Face], kind: str) -> None:
    sent = 0
    stopped = threading.Event()

    def flood(server: Server, connection: socket.socket) -> None:
        nonlocal sent
        server.read_request(connection)
        head = f"HTTP/1.1 200 OK\r\n{FRAMES}\r\ncontent-length: 1000000000\r\n\r\n"
        connection.sendall(head.encode())
        connection.settimeout(0.3)
        frame = text_frame("x" * 10_000)
        try:
            while True:
                connection.sendall(frame)
                sent += len(frame)
        except TimeoutError:
            stopped.set()

    with serving(flood) as server:
        face = face_at(kind, server.url)

        async def scene() -> None:
            async with face.client.astream("hi") as stream:
                await anext(stream)
                # While nobody reads on, the server cannot send on.
                await asyncio.to_thread(stopped.wait, 20)
                for _ in range(200):
                    await anext(stream)

        face.run(scene())
    assert stopped.is_set()
    assert sent < 20_000_000


def text_frame(text: str) -> bytes:
    return event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": text}})


@pytest.mark.parametrize("raised", [ZeroDivisionError, KeyboardInterrupt])
def test_what_a_signal_handler_raises_goes_through(
    face_at: Callable[..., Face], raised: type[BaseException]
) -> None:
    def strike(_: int, __: FrameType | None) -> NoReturn:
        raise raised

    before, struck = signal.signal(signal.SIGALRM, strike), threading.Event()
    head = f"HTTP/1.1 200 OK\r\n{SSE}\r\nconnection: close\r\n\r\n".encode()
    try:
        with serving(always(head, chunk("One"), then=lambda: struck.wait(10))) as server:
            face = face_at("groq", server.url)
            stream = face.client.stream("hi")
            assert "One" == next(stream)
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(raised):
                next(stream)
            struck.set()
            assert 64 == face.client._account.concurrency.free
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_stream_ends_with_its_loop(face_at: Callable[..., Face]) -> None:
    head = f"HTTP/1.1 200 OK\r\n{SSE}\r\nconnection: close\r\n\r\n".encode()
    with serving(always(head, chunk("One"))) as server:
        client: Any = face_at("groq", server.url).client
        stream = client.astream("hi")
        assert "One" == asyncio.run(stream.__anext__())
        assert (64, False) == (client._account.concurrency.free, stream._reader.is_open)


class Streaming:
    """A transport of the test's, whose stream has one piece."""

    answer_has_ended = True
    pieces: list[Any]

    def open(self, request: Request, timeout: float) -> Any:
        self.pieces = [[TextPiece(request.model)], None]
        return self

    async def aopen(self, request: Request, timeout: float) -> Any:
        self.pieces = [[TextPiece(request.model)], None]
        return AsyncPull(self)

    def pull(self, timeout: float) -> Any:
        return self.pieces.pop(0)


class AsyncPull:
    def __init__(self, of: Streaming) -> None:
        self.of = of

    async def pull(self, timeout: float) -> Any:
        return self.of.pull(timeout)


def told() -> Effects[list[Any]]:
    channel = yield from open_stream(Request("m", ()), 1.0)
    said: list[Any] = []
    while (events := (yield from pull(channel, 1.0))) is not None:
        said += events
        yield from emit(events)
    return said


def test_who_reads_nothing_on_the_way_is_given_the_end() -> None:
    transport: Any = Streaming()
    flow: Any = told()
    assert [TextPiece("m")] == run(flow, transport)
    flow = told()
    assert [TextPiece("m")] == asyncio.run(arun(flow, transport))


def test_a_refusal_in_the_first_event_spends_no_tokens() -> None:
    request, nothing = Request("m", ()), Reply("", "m", "groq")
    refused = RateLimitError("no", status=429)
    assert {} == partly_spent(request, nothing)
    assert 0 == partly_spent(request, nothing, refused)["tokens"]
    assert 0 < partly_spent(request, Reply("text", "m", "groq"))["tokens"]


def test_a_streams_own_error_that_passes_is_known_by_its_words() -> None:
    from botocore.exceptions import EventStreamError

    def failed(words: str) -> LLMError:
        error: Any = {"Error": {"Code": "modelStreamErrorException", "Message": words}}
        return classify(EventStreamError(error, "ConverseStream"), "m", wall=0.0)

    assert isinstance(failed("Unexpected. Try your request again."), ProviderUnavailableError)
    assert not isinstance(failed("Malformed."), ProviderUnavailableError)


def test_a_leader_that_reads_on_keeps_its_call() -> None:
    flight: SingleFlight[str] = SingleFlight()
    leader: Any = flight.claim("key")
    follower: Any = flight.claim("key")
    leader.reader_wait = object()
    for wait, seconds in enumerate(follower._waits(600)):
        assert seconds > 0
        leader.reader_wait = object()  # it reads on while the follower waits
        if wait == 5:
            leader.set_result("done")
    assert (5, "done") == (wait, follower._result())


def test_a_deadline_that_has_passed_ends_a_stream_of_which_more_has_come(
    face_at: Callable[..., Face],
) -> None:
    head = f"HTTP/1.1 200 OK\r\n{SSE}\r\nconnection: close\r\n\r\n".encode()
    with serving(always(head, chunk("One"))) as server:
        face = face_at("groq", server.url)
        stream = face.client.stream("hi", timeout=60.0)
        assert "One" == next(stream)
        now = face.client._account.now
        face.client._account.now = lambda: now() + 90
        with pytest.raises(LLMTimeoutError, match="deadline of 60 seconds passed") as caught:
            next(stream)
    assert caught.value.partial is not None
    assert "One" == caught.value.partial.text


def test_an_answer_that_has_ended_is_whole_though_its_reader_took_longer_than_the_call_may(
    face_at: Callable[..., Face],
) -> None:
    head = f"HTTP/1.1 200 OK\r\n{SSE}\r\nconnection: close\r\n\r\n".encode()
    end = b'data: {"choices": [{"delta": {"content": "."}, "finish_reason": "stop"}]}\n\n'
    with serving(always(head, end, then=lambda: time.sleep(1))) as server:
        face = face_at("groq", server.url)
        stream = face.client.stream("hi", timeout=60.0)
        assert "." == next(stream)
        now = face.client._account.now
        face.client._account.now = lambda: now() + 90
        assert [] == list(stream)
        assert (".", "stop") == (stream.reply.text, stream.reply.finish_reason)


def test_a_stream_of_an_unknown_family_is_refused() -> None:
    from services.llm.providers.bedrock.invoke_stream import InvokeReader

    with pytest.raises(ConfigurationError):
        InvokeReader(Request("amazon.titan-text-express-v1", ()))


def test_the_older_form_of_claude_is_read() -> None:
    from services.llm.providers.bedrock.stream import fold_invoke

    def said(**piece: Any) -> dict[str, Any]:
        return {"chunk": {"bytes": json.dumps(piece).encode()}}

    request = Request("anthropic.claude-v2", ({"role": "user", "content": "hi"},))
    events = [said(completion=" Par", stop_reason=None), said(completion="is", stop_reason="stop")]
    assert " Paris" == fold_invoke(events, request).text
    for piece in ({"type": "error", "error": {"message": "broken"}}, {"message": "broken"}):
        with pytest.raises(LLMError, match="broken"):
            fold_invoke([said(completion="x"), said(**piece)], request)
    with pytest.raises(TruncatedError):
        fold_invoke([said(completion="x"), said()], request)
    with pytest.raises(LLMError, match="without words"):
        fold_invoke([said(type="error"), said()], request)


def test_a_closed_client_streams_again(open_client: OpenFace) -> None:
    for kind in ("groq", "bedrock"):
        face = open_client(kind)
        assert "Sandbox: hi" == read(face, "hi").text
        face.client.close()
        assert "Sandbox: hi" == read(face, "hi").text
    assert settings("x").GROQ_BASE_URL == "x"
    assert llm_client.Stream is not None


def chunked(*parts: bytes) -> list[bytes]:
    return [b"%x\r\n%s\r\n" % (len(part), part) for part in parts] + [b"0\r\n\r\n"]


def whole_stream() -> list[bytes]:
    counts = {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}
    return [
        text_frame("One"),
        event("messageStop", {"stopReason": "end_turn"}),
        event("metadata", {"usage": counts}),
    ]


@pytest.mark.parametrize("kind", ["bedrock", "bedrock async"])
def test_what_follows_a_streams_last_event_is_read_for_the_next(
    face_at: Callable[..., Face], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opened, "_LINGER", 20.0)  # whatever else the machine does
    head = f"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n{FRAMES}\r\n".encode()
    head += b"transfer-encoding: chunked\r\n\r\n"

    def handle(server: Server, connection: socket.socket) -> None:
        while server.read_request(connection):
            *parts, end = chunked(*whole_stream())
            connection.sendall(head + b"".join(parts))
            time.sleep(0.02)
            connection.sendall(chunked(event("ping", {}))[0])
            time.sleep(0.02)
            connection.sendall(end)

    with serving(handle) as server:
        face = face_at(kind, server.url)
        for _ in range(2):
            got = read(face, "hi")
            assert got.reply is not None
            assert "One" == got.reply.text
        assert 1 == len(server.taken)


@pytest.mark.parametrize("kind", ["bedrock", "bedrock async"])
def test_a_kept_connection_that_was_closed_is_not_used(
    face_at: Callable[..., Face], kind: str
) -> None:
    body = b"".join(whole_stream())
    closed = threading.Semaphore(0)

    def once(server: Server, connection: socket.socket) -> None:
        server.read_request(connection)
        connection.sendall(answer(body, FRAMES))
        connection.shutdown(socket.SHUT_RDWR)
        closed.release()

    with serving(once) as server:
        face = face_at(kind, server.url)
        for _ in range(2):
            got = read(face, "hi", max_retries=0)
            assert got.reply is not None, got.error
            closed.acquire()
            if face.loop is not None:
                face.run(asyncio.sleep(0.01))
        assert 2 == len(server.taken)


@pytest.mark.parametrize("kind", ["bedrock", "bedrock async"])
@pytest.mark.parametrize("model", INVOKE_MODELS)
def test_each_model_of_invoke_model_streams(open_client: OpenFace, kind: str, model: str) -> None:
    got = read(open_client(kind), "hi", model=model)
    assert got.reply is not None
    assert ("Sandbox: hi", True) == (got.text, got.reply.usage.reported)


def test_a_whole_reply_is_worth_its_events() -> None:
    usage = Usage(1, 1, 2, reported=True)
    reply = Reply("It rains.", "m", "groq", usage=usage, reasoning="Look.")
    calls = (ToolCall("a", "look", "{}"),)
    assert [
        ReasoningPiece("Look."),
        TextPiece("It rains."),
        UsageReport(usage),
    ] == list(stream_events_of(reply))
    called = Reply("", "m", "groq", tool_calls=calls)
    assert [ToolCallPiece(0, "{}", "a", "look")] == list(stream_events_of(called))


def test_what_was_aborted_is_no_end() -> None:
    from services.llm.providers.bedrock.stream_call import StreamCall
    from services.llm.providers.bedrock.stream_transport import _watched

    blocking = StreamCall(time.monotonic() + 5, 1000)
    with pytest.raises(TimeoutError, match="aborted"):
        _watched(blocking.abort, blocking, 5.0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no child processes")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # it is what is tried
def test_a_stream_of_botocores_is_aborted_with_its_call() -> None:
    from services.llm.providers.bedrock.stream_call import StreamCall
    from services.llm.providers.bedrock.stream_transport import _Watched

    blocking = StreamCall(time.monotonic() + 1, 1000)
    _Watched(iter(()), blocking, ExitStack()).abort()
    assert blocking.aborted.done()


def test_a_stream_of_another_transport_is_left_alone() -> None:
    from services.llm.http.deadline import TimeLeft
    from services.llm.providers.groq.stream_transport import _ResponseBytes

    response = SimpleNamespace(iter_bytes=lambda: iter([b"piece"]), extensions={})
    source = _ResponseBytes(response, TimeLeft(time.monotonic() + 1))
    source.abort()
    assert b"piece" == source.read(time.monotonic() + 1)


def test_a_child_streams_over_connections_of_its_own(open_client: OpenFace) -> None:
    face = open_client("bedrock")
    assert "Sandbox: hi" == read(face, "hi").text
    child = os.fork()
    if child == 0:
        kept = True
        try:
            kept = face.client._transport._calls._connections._idle.of_threads.take() is not None
        finally:
            os._exit(kept)
    assert 0 == os.waitpid(child, 0)[1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no child processes")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # it is what is tried
@pytest.mark.parametrize("kind", ["groq", "bedrock"])
def test_a_child_takes_nothing_of_its_parents_stream(open_client: OpenFace, kind: str) -> None:
    with open_client(kind).client.stream("hi", model="sandbox/paced?every=0.01") as stream:
        shown = next(stream)
        child = os.fork()
        if child == 0:
            taken = True
            try:
                next(stream)
            except RuntimeError as error:
                taken = "in the process that began it" not in str(error)
            finally:
                os._exit(taken)
        assert 0 == os.waitpid(child, 0)[1]
        assert "Sandbox: hi" == shown + "".join(stream)


@pytest.mark.parametrize("kind", ["bedrock", "bedrock async"])
def test_a_connection_that_the_server_will_close_is_not_kept(
    face_at: Callable[..., Face], kind: str
) -> None:
    body = b"".join(whole_stream())
    with serving(always(answer(body, FRAMES, "connection: close"))) as server:
        face = face_at(kind, server.url)
        for _ in range(2):
            assert "One" == read(face, "hi").text
        assert 2 == len(server.taken)


@pytest.mark.parametrize("kind", ["bedrock", "bedrock async"])
def test_a_stream_of_invoke_model_that_is_cut_is_an_error(
    open_client: OpenFace, sandbox: Sandbox, kind: str
) -> None:
    answered = Answer.streams("One", " two")
    sandbox.script(Fault.in_stream("cut", pieces=1, answer=answered))
    got = read(open_client(kind), "hi", model=INVOKE_MODELS[3])
    assert isinstance(got.error, ProviderUnavailableError)
    assert "One" == got.text


def test_news_of_a_connection_that_nobody_waits_for_is_kept() -> None:
    connection = AsyncConnection(Origin("localhost", 1, None), 1000)
    connection.connection_lost(None)
    assert not connection.is_reusable
    connection.close()
