"""What can go wrong between boto3 and Bedrock, over our connections and over the SDK's own."""

from __future__ import annotations

import json
import os
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import trustme
from botocore.credentials import Credentials, RefreshableCredentials
from botocore.stub import Stubber

from sandbox import Sandbox
from sandbox.bedrock.event_stream import event
from services.llm.runtime import workers
from services.llm_client import (
    LLMError,
    LLMTimeoutError,
    ProviderUnavailableError,
    ResponseTooLargeError,
)
from tests.http.servers import Server, answer, serving, tunnelling_to
from tests.wire.conftest import OpenFace
from tests.wire.faces import ACCESS_KEY_ID, SECRET_KEY, Face
from tests.wire.streaming import read

HANG = 20.0
SAID = {
    "output": {"message": {"role": "assistant", "content": [{"text": "hello"}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
    "metrics": {"latencyMs": 1},
}
WHOLE = json.dumps(SAID).encode()

#: Makes a client that asks at a URL.
Open = Callable[[str], Face]

Talk = Callable[[Server, socket.socket], None]


@pytest.fixture(params=["bedrock", "bedrock async"])
def manner(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(params=["our connections", "the SDK's"])
def open_at(request: pytest.FixtureRequest, open_client: OpenFace, manner: str) -> Open:
    def opened(url: str) -> Face:
        # Of a megabyte, so that a longer answer is soon sent.
        face = open_client(manner, AWS_ENDPOINT_URL_BEDROCK_RUNTIME=url, LLM_MAX_RESPONSE_MB=1)
        if request.param == "the SDK's":
            # Whoever listens to the SDK's events has it called as it comes.
            face.client.client.meta.events.register("before-sign.*.*", lambda **_: None)
        return face

    return opened


def asked(face: Face) -> str:
    return face.generate("hi", max_retries=0, timeout=HANG)


def test_where_nobody_listens_the_provider_is_unavailable(open_at: Open) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
    face = open_at(f"http://127.0.0.1:{port}")
    with pytest.raises(ProviderUnavailableError, match=r"Bedrock .*127\.0\.0\.1"):
        asked(face)


@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "chunked"])
def test_an_answer_that_is_too_long_is_read_no_further(open_at: Open, chunked: bool) -> None:
    def talk(server: Server, connection: socket.socket) -> None:
        server.read_request(connection)
        if not chunked:
            connection.sendall(answer(b" " * (2**20 + 1)))
            return
        connection.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        for _ in range(1024):  # until the client has left
            connection.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")
        pytest.fail("all of it was read")

    with serving(talk) as server:
        face = open_at(server.url)
        with pytest.raises(ResponseTooLargeError, match=r"1 MiB.*LLM_MAX_RESPONSE_MB"):
            asked(face)


def test_a_connection_that_breaks_makes_it_unavailable(open_at: Open) -> None:
    def talk(server: Server, connection: socket.socket) -> None:
        server.read_request(connection)

    with serving(talk) as server:
        face = open_at(server.url)
        with pytest.raises(ProviderUnavailableError, match="Bedrock"):
            asked(face)


def ending(*, saying: bytes = b"", headers: tuple[str, ...] = ()) -> Talk:
    """Answer once, say something more, and close."""

    def talk(server: Server, connection: socket.socket) -> None:
        if server.read_request(connection):
            told = answer(WHOLE, "content-type: application/json", *headers)
            connection.sendall(told + saying)

    return talk


@pytest.mark.parametrize(
    "talk",
    [
        ending(),
        ending(saying=b"HTTP/1.1 408 Timeout\r\n\r\n"),
        ending(headers=("connection: close",)),
    ],
    ids=["closed", "more is said", "closed as was said"],
)
def test_a_connection_of_ours_that_cannot_be_used_again_is_replaced_unseen(
    open_client: OpenFace, manner: str, talk: Talk
) -> None:
    with serving(talk) as server:
        face = open_client(manner, AWS_ENDPOINT_URL_BEDROCK_RUNTIME=server.url)
        for _ in range(3):
            assert "hello" == asked(face)
            server.wait_until_closed()  # else it may have been read
        assert (3, 3) == (len(server.taken), len(server.requests))


def test_an_answer_without_a_length_ends_with_its_connection(open_at: Open) -> None:
    def talk(server: Server, connection: socket.socket) -> None:
        if server.read_request(connection):
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n" + WHOLE)

    with serving(talk) as server:
        face = open_at(server.url)
        assert ["hello", "hello"] == [asked(face), asked(face)]
        assert 2 == len(server.taken)


@pytest.fixture
def authority(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> trustme.CA:
    """One whom boto3 trusts."""
    made = trustme.CA()
    made.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    return made


def secured(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


def telling(server: Server, connection: socket.socket) -> None:
    while server.read_request(connection):
        connection.sendall(answer(WHOLE, "content-type: application/json"))


def test_a_trusted_server_is_asked_by_tls(open_at: Open, authority: trustme.CA) -> None:
    with serving(telling, secured(authority)) as server:
        face = open_at(server.url)
        assert ["hello", "hello"] == [asked(face), asked(face)]
        assert 1 == len(server.taken)


STREAM = b"".join(
    event(kind, payload)
    for kind, payload in (
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "hello"}}),
        ("messageStop", {"stopReason": "end_turn"}),
    )
)


def telling_both(server: Server, connection: socket.socket) -> None:
    """Answer, or stream, whatever is asked."""
    while request := server.read_request(connection):
        is_stream = b"converse-stream" in request
        kind = "vnd.amazon.eventstream" if is_stream else "json"
        body = STREAM if is_stream else WHOLE
        connection.sendall(answer(body, f"content-type: application/{kind}"))


def test_answers_and_streams_come_through_a_proxy(
    open_client: OpenFace, manner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(telling_both) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        face = open_client(manner, AWS_ENDPOINT_URL_BEDROCK_RUNTIME="http://bedrock.test")
        assert ("hello", "hello") == (asked(face), read(face, "hi").text)
    lines = [each.partition(b"\r\n")[0] for each in proxy.requests]
    path = b"POST http://bedrock.test/model/sandbox%2Fok/"
    assert [path + b"converse HTTP/1.1", path + b"converse-stream HTTP/1.1"] == lines


def test_a_proxy_sees_nothing_of_what_is_secured(
    open_client: OpenFace, manner: str, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        serving(telling_both, secured(authority)) as server,
        serving(tunnelling_to(server.port)) as proxy,
    ):
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        face = open_client(manner, AWS_ENDPOINT_URL_BEDROCK_RUNTIME=server.url)
        assert ("hello", "hello") == (asked(face), read(face, "hi").text)
        assert 2 == len(server.requests)
    asking = {each.partition(b" HTTP")[0] for each in proxy.requests}
    assert {b"CONNECT localhost:%d" % server.port} == asking


def test_a_server_that_nobody_vouches_for_is_not_asked(
    open_at: Open, authority: trustme.CA
) -> None:
    with serving(telling, secured(trustme.CA())) as server:
        face = open_at(server.url)
        with pytest.raises(
            ProviderUnavailableError, match=r"certificate verify .*: AWS_CA_BUNDLE "
        ):
            face.generate("hi", max_retries=2, timeout=HANG)
    assert [] == server.requests


def test_a_host_may_have_certificates_go_unchecked(open_client: OpenFace, manner: str) -> None:
    with serving(telling, secured(trustme.CA())) as server:
        face = open_client(manner, AWS_ENDPOINT_URL_BEDROCK_RUNTIME=server.url)
        face.client.client._endpoint.http_session._verify = False
        assert "hello" == asked(face)


def test_without_the_list_of_certificates_nobody_is_asked(
    open_client: OpenFace, manner: str, authority: trustme.CA, tmp_path: Path
) -> None:
    with serving(telling, secured(authority)) as server:
        face = open_client(manner, AWS_ENDPOINT_URL_BEDROCK_RUNTIME=server.url)
        (tmp_path / "ca.pem").unlink()
        with pytest.raises(ProviderUnavailableError, match="Could not connect"):
            asked(face)
        assert [] == server.requests


def test_a_host_that_has_no_list_of_its_own_has_botocores(
    open_client: OpenFace, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in list(os.environ):
        if name.endswith("_CA_BUNDLE"):
            monkeypatch.delenv(name)
    sdk = open_client("bedrock", AWS_ENDPOINT_URL_BEDROCK_RUNTIME="https://localhost:9")
    assert sdk.client.client._endpoint.http_session._verify is True


def test_the_sdks_stubber_answers_as_it_always_does(open_client: OpenFace, manner: str) -> None:
    face = open_client(manner, AWS_ENDPOINT_URL_BEDROCK_RUNTIME="http://127.0.0.1:9")
    with Stubber(face.client.client) as stub:
        stub.add_response("converse", SAID)
        assert "hello" == asked(face)


def test_a_host_may_call_our_sdk_client_itself(open_client: OpenFace, sandbox: Sandbox) -> None:
    sdk = open_client("bedrock").client.client
    message = {"role": "user", "content": [{"text": "hi"}]}
    said = sdk.converse(modelId="sandbox/ok", messages=[message])
    assert [{"text": "Sandbox: hi"}] == said["output"]["message"]["content"]


def refreshing(face: Face, refresh: Callable[[], dict[str, str]]) -> None:
    """Give *face* credentials that have to be fetched first."""
    past = datetime.now(timezone.utc) - timedelta(hours=1)
    stale = RefreshableCredentials("AKIASTALE", "stale", "stale", past, refresh, "sts")
    face.client.client._request_signer._credentials = stale


def fresh() -> dict[str, str]:
    later = datetime.now(timezone.utc) + timedelta(hours=1)
    return {
        "access_key": ACCESS_KEY_ID,
        "secret_key": SECRET_KEY,
        "token": "",
        "expiry_time": later.isoformat(),
    }


def test_credentials_are_fetched_in_a_thread(
    open_client: OpenFace, sandbox: Sandbox, manner: str
) -> None:
    fetched: list[str] = []

    def fetch() -> dict[str, str]:
        fetched.append(threading.current_thread().name)
        return fresh()

    face = open_client(manner)
    refreshing(face, fetch)
    assert ["Sandbox: hi", "Sandbox: hi"] == [asked(face), asked(face)]
    assert ["bedrock-0"] == fetched


def test_credentials_that_do_not_come_are_left_at_the_deadline(
    open_client: OpenFace, sandbox: Sandbox, manner: str
) -> None:
    never = threading.Event()

    def fetch() -> dict[str, str]:
        never.wait(HANG)
        return fresh()

    face = open_client(manner)
    refreshing(face, fetch)
    with pytest.raises(LLMTimeoutError):
        face.generate("hi", timeout=0.1)
    assert not sandbox.exchanges
    never.set()
    assert "Sandbox: hi" == asked(face)


def test_a_thread_that_cannot_be_started_is_an_error_to_be_tried_again(
    open_client: OpenFace, sandbox: Sandbox, manner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Unstarted(threading.Thread):
        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    face = open_client(manner)
    refreshing(face, fresh)
    with monkeypatch.context() as patch:
        patch.setattr(workers, "Thread", Unstarted)
        with pytest.raises(LLMError, match="no thread can be started for the call: can't start"):
            asked(face)
    assert "Sandbox: hi" == asked(face)


def test_a_header_that_cannot_be_sent_is_not_sent(
    open_client: OpenFace, sandbox: Sandbox, manner: str
) -> None:
    face = open_client(manner)
    broken = Credentials(ACCESS_KEY_ID, SECRET_KEY, "a token\r\nof two lines")
    face.client.client._request_signer._credentials = broken
    with pytest.raises(LLMError, match="cannot be sent"):
        asked(face)
    assert not sandbox.exchanges
