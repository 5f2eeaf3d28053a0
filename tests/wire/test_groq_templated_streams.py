"""A stream that follows a client's first request is asked for without the SDK, as with it."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import socket
import threading
import traceback
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
import trustme

from services.llm.errors import LLMError, LLMTimeoutError
from services.llm.http.deadline import TimeLeft
from services.llm.http.http1_async import AsyncConnection
from services.llm.http.http1_connections import Connection
from services.llm.providers.groq import templated_streams
from services.llm.providers.groq.stream_transport import _AsyncResponseBytes, _ResponseBytes
from tests.http.servers import Server, answer, answering, serving, tunnelling_to
from tests.timing import with_more_time
from tests.wire.conftest import OpenAt
from tests.wire.faces import KEY
from tests.wire.streaming import read

SSE = "content-type: text/event-stream"
JSON = "content-type: application/json"


def chunk(text: str, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


BODY = chunk("One") + chunk(" two", "stop") + b"data: [DONE]\n\n"
WHOLE = json.dumps(
    {"choices": [{"message": {"content": "One two"}, "finish_reason": "stop"}]}
).encode()


def chunked(body: bytes, *headers: str) -> bytes:
    """The same as a server streams it."""
    lines = ["HTTP/1.1 200 OK", SSE, "transfer-encoding: chunked", *headers, "", ""]
    return "\r\n".join(lines).encode() + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


OK = chunked(BODY)


def test_it_says_what_the_first_one_says(open_at: OpenAt, sent_around_the_sdk: list[str]) -> None:
    with serving(answering(*[OK] * 3)) as server:
        face = open_at(server.url)
        for _ in range(3):
            got = read(face, "h\xe9llo", top_k=3, timeout=17.0)
            assert (["One", " two"], None) == (got.texts, got.error)
        first, *others = [_heard(each) for each in server.requests]
        assert [first, first] == others
        assert (1, 2) == (len(server.taken), len(sent_around_the_sdk))


def _heard(request: bytes) -> tuple[str, dict[str, str], Any]:
    head, _, body = request.partition(b"\r\n\r\n")
    line, *lines = head.decode().split("\r\n")
    headers = {name.lower(): text for name, text in (each.split(": ", 1) for each in lines)}
    assert float(headers.pop("x-stainless-read-timeout")) <= 17.0
    headers.pop("x-stainless-raw-response", None)
    return line, headers, body


def test_plain_calls_and_streams_share_what_they_know_and_their_connection(
    open_at: OpenAt, sent_around_the_sdk: list[str]
) -> None:
    whole = answer(WHOLE, JSON)
    with serving(answering(whole, OK, whole, OK)) as server:
        face = open_at(server.url)
        for question in ("a", "b"):
            assert "One two" == face.generate(question)
            assert "One two" == read(face, question).text
        assert (1, 3) == (len(server.taken), len(sent_around_the_sdk))


BROKEN = {
    "status": answer(b'{"error": {"message": "no", "code": "x"}}', JSON, status="422 No"),
    "limit": answer(b'{"error": {"message": "slow"}}', "retry-after: 7", status="429 Slow"),
    "stream": answer(b"data: no\n\n", SSE, status="503 Not now"),
    "page": answer(b"<html>no</html>", "content-type: text/html"),
    "redirect": answer(b"", "location: https://b.test/", status="302 Go"),
    "half": OK[:-40],
    "mangled": chunked(b"data: {\n\n"),
    "mangled later": chunked(chunk("One") + b"data: {\n\n"),
    "error later": chunked(chunk("One") + b'data: {"error": {"message": "no"}}\n\n'),
    "nothing": b"",
    "no HTTP": b"SSH-2.0-OpenSSH\r\n\r\n",
    "no chunk": OK[: OK.index(b"\r\n\r\n") + 4] + b"xx\r\n",
    "coding": chunked(gzip.compress(BODY)[:-30], "content-encoding: gzip"),
    "no coding": chunked(b"\x00" * 99, "content-encoding: gzip"),
    "unasked": chunked(BODY, "content-encoding: br"),
    "large": answer(bytes(3 * 2**20), SSE),
    "bomb": chunked(gzip.compress(bytes(64 * 2**20)), "content-encoding: gzip"),
}
#: After these the server closes.
CUT_OFF = ("half", "nothing", "no HTTP")


@pytest.mark.parametrize("fault", BROKEN)
def test_it_fails_as_the_first_one_fails(open_at: OpenAt, fault: str) -> None:
    def failing(server: Server, connection: socket.socket) -> None:
        while server.read_request(connection):
            connection.sendall(OK if len(server.requests) == 2 else BROKEN[fault])
            if len(server.requests) != 2 and fault in CUT_OFF:
                return

    with serving(failing) as server:
        face, ends = open_at(server.url, LLM_MAX_RESPONSE_MB=2), []
        for turn in range(3):
            got = read(face, "hi", timeout=20)
            if turn == 1:
                assert got.error is None
                continue
            assert isinstance(got.error, LLMError)
            ends.append((got.texts, *_told(got.error)))
            assert KEY not in "".join(traceback.format_exception(got.error))
            face.client.forget()
        first, second = ends
        assert first == second
        assert 3 == len(server.requests)


def _told(error: LLMError) -> tuple[Any, ...]:
    kind = type(error.__cause__)
    return type(error), str(error), error.status, error.code, error.provider, error.retry, kind


@pytest.mark.parametrize("said", [answer(WHOLE, JSON), answer(WHOLE)])
def test_a_server_that_knows_no_streams_says_all_at_once(
    open_at: OpenAt, sent_around_the_sdk: list[str], said: bytes
) -> None:
    with serving(answering(OK, said)) as server:
        face = open_at(server.url)
        assert ["One two"] == [read(face, "hi").text for _ in range(2)][1:]
        assert ["sent"] == sent_around_the_sdk


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_stream_is_decoded(open_at: OpenAt, sent_around_the_sdk: list[str], coding: str) -> None:
    import zlib

    pack = gzip.compress if coding == "gzip" else zlib.compress
    packed = chunked(pack(BODY), f"content-encoding: {coding}")
    with serving(answering(*[packed] * 2)) as server:
        face = open_at(server.url)
        assert ["One two", "One two"] == [read(face, "hi").text for _ in range(2)]
        assert (["sent"], 1) == (sent_around_the_sdk, len(server.taken))


def test_a_connection_that_was_closed_meanwhile_is_replaced_unseen(open_at: OpenAt) -> None:
    ended = threading.Event()

    def once(server: Server, connection: socket.socket) -> None:
        server.read_request(connection)
        connection.sendall(OK)
        connection.close()  # whole: a request that comes now is refused, not read
        ended.set()

    with serving(once) as server:
        face = open_at(server.url)
        read(face, "hi")
        assert ended.wait(10)
        # The end of the connection is on its way while the request is sent.
        with (
            patch.object(Connection, "is_alive", lambda _: True),
            patch.object(AsyncConnection, "is_alive", lambda _: True),
        ):
            got = read(face, "hi")
        assert ("One two", None, 2) == (got.text, got.error, len(server.requests))


@pytest.mark.parametrize("said", [b"", OK[:-60]])
def test_it_ends_at_its_deadline(open_at: OpenAt, said: bytes) -> None:
    def scene(seconds: float) -> None:
        with serving(answering(OK, said)) as server:
            face = open_at(server.url)
            read(face, "hi")
            got = read(face, "hi", timeout=seconds)
            assert isinstance(got.error, LLMTimeoutError)
            assert ("One" if said else "") == got.text

    with_more_time(scene)


def test_a_stream_that_stands_still_is_left(open_at: OpenAt) -> None:
    def scene(seconds: float) -> None:
        with serving(answering(OK, OK[:-60])) as server:
            face = open_at(server.url, LLM_STREAM_IDLE_TIMEOUT=seconds)
            read(face, "hi")
            got = read(face, "hi", timeout=60)
            assert isinstance(got.error, LLMTimeoutError)
            assert f"stood still for {seconds:g} seconds" in str(got.error)

    with_more_time(scene)


def test_one_who_leaves_closes_the_connection_at_once(open_at: OpenAt) -> None:
    left = threading.Event()

    def handle(server: Server, connection: socket.socket) -> None:
        while server.read_request(connection):
            connection.sendall(OK if len(server.requests) == 1 else OK[:-60])
        left.set()

    with serving(handle) as server:
        face = open_at(server.url)
        read(face, "hi")
        assert ["One"] == read(face, "hi", leave_after=1).texts
        assert left.wait(20)


@pytest.mark.parametrize("road", ["headers", "log"])
def test_what_others_are_to_see_goes_by_the_sdk(
    open_at: OpenAt, sent_around_the_sdk: list[str], road: str, caplog: pytest.LogCaptureFixture
) -> None:
    more: dict[str, Any] = {"extra_headers": {"x-mine": "1"}} if road == "headers" else {}
    if road == "log":
        caplog.set_level(logging.INFO, "httpx")
    with serving(answering(*[OK] * 2)) as server:
        face = open_at(server.url)
        assert ["One two"] * 2 == [read(face, "hi", **more).text for _ in range(2)]
        assert [] == sent_around_the_sdk


def test_a_stream_goes_by_tls_and_through_a_tunnel(
    open_at: OpenAt,
    monkeypatch: pytest.MonkeyPatch,
    sent_around_the_sdk: list[str],
    tmp_path: Path,
) -> None:
    import ssl

    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)

    with (
        serving(answering(*[OK] * 2), context) as server,
        serving(tunnelling_to(server.port)) as between,
    ):
        monkeypatch.setenv("HTTPS_PROXY", between.url)
        monkeypatch.setenv("NO_PROXY", "")
        face = open_at(server.url)
        assert ["One two"] * 2 == [read(face, "hi").text for _ in range(2)]
        assert (1, ["sent"]) == (len(between.taken), sent_around_the_sdk)


class Response:
    """A response of httpx of which two pieces have not been read."""

    def __init__(self) -> None:
        self.left = [b"a", b"b"]

    def iter_bytes(self) -> Iterator[bytes]:
        while self.left:
            yield self.left.pop()

    async def aiter_bytes(self) -> AsyncIterator[bytes]:
        while self.left:
            yield self.left.pop()


def test_the_rest_of_a_message_that_came_by_the_sdk_is_read() -> None:
    async def aclosed(response: Response) -> None:
        await _AsyncResponseBytes(response, TimeLeft(0.0)).aclose(is_done=True)

    one, other = Response(), Response()
    _ResponseBytes(one, TimeLeft(0.0)).close(is_done=True)
    asyncio.run(aclosed(other))
    assert ([], []) == (one.left, other.left)


def test_a_read_in_another_thread_is_ended_by_its_connection() -> None:
    class Opened:
        close = None

        def abort(self) -> None:
            ended.append("templated")

    ended: list[str] = []
    opened: Any = Opened()
    templated_streams._OpenedBytes(opened).abort()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        response, stream = Response(), SimpleNamespace(get_extra_info=lambda _: ours)
        vars(response)["extensions"] = {"network_stream": stream}
        _ResponseBytes(response, TimeLeft(0.0)).abort()
        assert (b"", ["templated"]) == (ours.recv(1), ended)
