"""What follows a client's first request is sent without the SDK, and is as if it were with it."""

from __future__ import annotations

import gzip
import json
import logging
import socket
import ssl
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import groq
import httpx
import pytest
import trustme

from services.llm.http.idle_pools import close
from services.llm.providers.groq import request_templates, transport
from services.llm.providers.groq.sdk_parts import accepts
from services.llm_client import LLMError, LLMTimeoutError, ResponseTooLargeError
from tests.http.servers import Server, answer, answering, serving
from tests.timing import with_more_time
from tests.wire.conftest import OpenAt, OpenFace
from tests.wire.faces import KEY, Face

OK = json.dumps(
    {
        "id": "one",
        "choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }
).encode()
JSON = "content-type: application/json"


def test_it_says_what_the_first_one_says(open_at: OpenAt, sent_around_the_sdk: list[str]) -> None:
    with serving(answering(*[answer(OK, JSON)] * 3)) as server:
        face = open_at(server.url)
        for _ in range(3):
            assert "Hello" == face.generate("h\xe9llo", top_k=3, timeout=17.0)
        first, *others = [_read(each) for each in server.requests]
        assert [first, first] == others
        assert (1, 2) == (len(server.taken), len(sent_around_the_sdk))


def _read(request: bytes) -> tuple[str, dict[str, str], Any]:
    head, _, body = request.partition(b"\r\n\r\n")
    line, *lines = head.decode().split("\r\n")
    headers = {name.lower(): text for name, text in (each.split(": ", 1) for each in lines)}
    assert float(headers.pop("x-stainless-read-timeout")) <= 17.0
    return line, headers, body


BROKEN = {
    "status": answer(b'{"error": {"message": "no", "code": "x"}}', JSON, status="422 No"),
    "limit": answer(b'{"error": {"message": "slow"}}', "retry-after: 7", status="429 Slow"),
    "page": answer(b"<html>no</html>", "content-type: text/html"),
    "redirect": answer(b"", "location: https://b.test/", status="302 Go"),
    "half": answer(OK, JSON)[:-5],
    "mangled": answer(b'{"a": ', JSON),
    "nothing": b"",
    "no HTTP": b"SSH-2.0-OpenSSH\r\n\r\n",
    "coding": answer(gzip.compress(OK)[:-9], JSON, "content-encoding: gzip"),
    "unasked": answer(OK, JSON, "content-encoding: br"),
    "large": answer(bytes(3 * 2**20)),
    "bomb": answer(gzip.compress(bytes(64 * 2**20)), "content-encoding: gzip"),
}
#: After these the server closes.
CUT_OFF = ("half", "nothing", "no HTTP")


@pytest.mark.parametrize("fault", BROKEN)
def test_it_fails_as_the_first_one_fails(open_at: OpenAt, fault: str) -> None:
    def failing(server: Server, connection: socket.socket) -> None:
        while server.read_request(connection):
            connection.sendall(answer(OK, JSON) if len(server.requests) == 2 else BROKEN[fault])
            if len(server.requests) != 2 and fault in CUT_OFF:
                return

    with serving(failing) as server:
        face, failures = open_at(server.url, LLM_MAX_RESPONSE_MB=2), []
        for turn in range(3):
            if turn == 1:
                face.generate("hi", timeout=20)
                continue
            with pytest.raises(LLMError) as caught:
                face.generate("hi", timeout=20)
            failures.append(caught.value)
            assert KEY not in "".join(traceback.format_exception(caught.value))
            face.client.forget()
        first, second = failures
        assert _told(first) == _told(second)
        assert 3 == len(server.requests)


def _told(error: LLMError) -> tuple[Any, ...]:
    kind = type(error.__cause__)
    return type(error), str(error), error.status, error.code, error.provider, error.retry, kind


def test_an_answer_is_decoded(open_at: OpenAt, sent_around_the_sdk: list[str]) -> None:
    small = answer(gzip.compress(OK), JSON, "content-encoding: gzip")
    with serving(answering(*[small] * 2)) as server:
        face = open_at(server.url)
        assert ["Hello", "Hello"] == [face.generate("hi") for _ in range(2)]
        assert ["sent"] == sent_around_the_sdk


def test_it_ends_at_its_deadline(open_at: OpenAt) -> None:
    def scene(seconds: float) -> None:
        with serving(answering(answer(OK, JSON), answer(OK, JSON)[:-1])) as server:
            face = open_at(server.url)
            face.generate("hi")
            with pytest.raises(LLMTimeoutError) as caught:
                face.generate("hi", timeout=seconds)
            assert isinstance(caught.value.__cause__, groq.APITimeoutError)

    with_more_time(scene)


def test_where_nobody_listens_any_more_is_no_connection(open_at: OpenAt) -> None:
    with serving(answering(answer(OK, JSON, "connection: close"))) as server:
        face = open_at(server.url)
        face.generate("hi")
    with pytest.raises(LLMError, match="ConnectError") as caught:
        face.generate("hi")
    assert isinstance(caught.value.__cause__, groq.APIConnectionError)


def test_what_the_server_closed_before_it_could_read_is_sent_anew(open_at: OpenAt) -> None:
    with serving(answering(answer(OK, JSON), answer(OK, JSON), answer(OK, JSON))) as server:
        face = open_at(server.url)
        for closed in range(3):
            assert "Hello" == face.generate("hi")
            server.taken[closed].shutdown(socket.SHUT_RDWR)
        assert (3, 3) == (len(server.taken), len(server.requests))


def test_over_tls_too(
    open_at: OpenAt,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sent_around_the_sdk: list[str],
) -> None:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with serving(answering(*[answer(OK, JSON)] * 3), context) as server:
        face = open_at(server.url)
        assert ["Hello"] * 3 == [face.generate("hi") for _ in range(3)]
        assert (1, 2) == (len(server.taken), len(sent_around_the_sdk))


def _another_key(sdk: Any) -> None:
    sdk.api_key = "gsk_another"


def _another_url(sdk: Any) -> None:
    sdk.base_url = str(sdk.base_url)


def _another_header(sdk: Any) -> None:
    sdk._client.headers["x-mine"] = "1"


def _a_hook(sdk: Any) -> None:
    async def nothing(_: Any) -> None: ...

    is_async = isinstance(sdk, groq.AsyncGroq)
    sdk._client.event_hooks = {"request": [nothing if is_async else lambda _: None]}


def _a_transport(sdk: Any) -> None:
    is_async = isinstance(sdk, groq.AsyncGroq)
    close(sdk._client.original_transport.pool.idle.drain())
    sdk._client._transport = httpx.AsyncHTTPTransport() if is_async else httpx.HTTPTransport()


def _a_log(_: Any) -> None:
    logging.getLogger("httpx").setLevel(logging.INFO)


def _a_subclass_method(sdk: Any) -> None:
    sdk._client.send = _noted(sdk._client.send)


def _a_post(sdk: Any) -> None:
    sdk.post = _noted(sdk.post)


def _other_headers(sdk: Any) -> None:
    sdk._build_headers = _noted(sdk._build_headers)


def _noted(call: Any) -> Any:
    return lambda *args, **kwargs: call(*args, **kwargs)


@pytest.fixture
def quiet_log() -> Iterator[None]:
    log = logging.getLogger("httpx")
    before = log.level
    yield
    log.setLevel(before)


@pytest.mark.usefixtures("quiet_log")
@pytest.mark.parametrize(
    "change",
    [
        *(_another_key, _another_url, _another_header, _a_hook, _a_transport, _a_log),
        *(_a_subclass_method, _a_post, _other_headers),
    ],
)
def test_what_a_host_changes_is_minded(
    open_at: OpenAt, sent_around_the_sdk: list[str], change: Callable[[Any], None]
) -> None:
    with serving(answering(*[answer(OK, JSON)] * 4)) as server:
        face = open_at(server.url)
        face.generate("hi")
        change(_sdk_of(face))
        face.generate("hi")
        assert [] == sent_around_the_sdk
        assert (b"gsk_another" in server.requests[1]) == (change is _another_key)
        assert (b"x-mine" in server.requests[1].lower()) == (change is _another_header)


def _sdk_of(face: Face) -> Any:
    if face.loop is None:
        return face.client.client
    (held,) = face.client._transport._async_clients._resources.values()
    return held.resource


def test_extra_headers_and_another_query_go_through_the_sdk(
    open_at: OpenAt, sent_around_the_sdk: list[str]
) -> None:
    with serving(answering(*[answer(OK, JSON)] * 3)) as server:
        face = open_at(server.url)
        face.generate("hi", extra_headers={"x-mine": "1"})
        face.generate("hi", extra_query={"a": "1"})
        face.generate("hi")
        assert [] == sent_around_the_sdk
        assert [True, False, False] == [b"x-mine" in each.lower() for each in server.requests]


def test_a_proxy_is_gone_through_by_the_sdk(
    open_at: OpenAt, monkeypatch: pytest.MonkeyPatch, sent_around_the_sdk: list[str]
) -> None:
    with serving(answering(*[answer(OK, JSON)] * 2)) as server:
        monkeypatch.setenv("HTTP_PROXY", server.url)
        monkeypatch.setenv("NO_PROXY", "")
        face = open_at("http://a.test")
        assert ["Hello", "Hello"] == [face.generate("hi") for _ in range(2)]
        assert [] == sent_around_the_sdk


def test_many_threads_share_one_client(
    open_client: OpenFace, sent_around_the_sdk: list[str]
) -> None:
    with serving(answering(*[answer(OK, JSON)] * 41)) as server:
        face = open_client("groq", GROQ_BASE_URL=server.url, GROQ_REQUESTS_PER_MINUTE=1000)
        face.generate("hi")

        def some() -> None:
            for _ in range(10):
                assert "Hello" == face.generate("hi")

        threads = [threading.Thread(target=some) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (41, 40) == (len(server.requests), len(sent_around_the_sdk))


def test_a_larger_answer_than_allowed_is_the_providers(open_at: OpenAt) -> None:
    with serving(answering(answer(OK, JSON), BROKEN["large"])) as server:
        face = open_at(server.url, LLM_MAX_RESPONSE_MB=2)
        face.generate("hi")
        with pytest.raises(ResponseTooLargeError, match="LLM_MAX_RESPONSE_MB") as caught:
            face.generate("hi")
        assert "groq" == caught.value.provider


def _without_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "_make_status_error_from_response"
    kinds = {*groq.Groq.__mro__, *groq.AsyncGroq.__mro__}
    for kind in [each for each in kinds if name in vars(each)]:
        monkeypatch.delattr(kind, name)


def _without_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_templates, "_settings_of", lambda sdk: sdk.no_such_setting)


@pytest.mark.parametrize("remove", [_without_its_error, _without_its_settings])
@pytest.mark.parametrize("is_learnt", [False, True])
def test_an_sdk_that_lacks_a_part_is_called_itself(
    open_at: OpenAt,
    sent_around_the_sdk: list[str],
    monkeypatch: pytest.MonkeyPatch,
    remove: Callable[[pytest.MonkeyPatch], None],
    is_learnt: bool,
) -> None:
    with serving(answering(*[answer(OK, JSON)] * 3)) as server:
        face = open_at(server.url)
        if is_learnt:
            assert "Hello" == face.generate("hi")
        remove(monkeypatch)
        assert ["Hello", "Hello"] == [face.generate("hi") for _ in range(2)]
    assert [] == sent_around_the_sdk


def test_a_part_that_is_called_otherwise_is_not_called(
    open_at: OpenAt, sent_around_the_sdk: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_templates, "STATUS_ERROR", ("answer",))
    monkeypatch.setattr(transport, "POST_PARAMETERS", ("address",))
    with serving(answering(*[answer(OK, JSON)] * 3)) as server:
        face = open_at(server.url)
        assert ["Hello", "Hello"] == [face.generate("hi") for _ in range(2)]
    assert [] == sent_around_the_sdk


@pytest.mark.parametrize("function", [None, type])
def test_what_tells_no_parameters_takes_none(function: object) -> None:
    assert not accepts(function, ("response",))
