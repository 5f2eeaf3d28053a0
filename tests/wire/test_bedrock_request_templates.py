"""What follows the first request of a client's method is made without the rest of botocore."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from botocore.credentials import Credentials
from botocore.signers import RequestSigner

from sandbox import Sandbox
from services.llm.providers.bedrock import request_templates, signing
from services.llm.providers.bedrock.sigv4 import Signer
from services.llm_client import LLMError
from tests.http.servers import Server, answer, serving
from tests.wire.conftest import OpenFace
from tests.wire.faces import ACCESS_KEY_ID, KINDS, SECRETS, Face

INVOKED = "meta.llama3-70b-instruct-v1:0"
CONVERSED = json.dumps(
    {
        "output": {"message": {"role": "assistant", "content": [{"text": "Hello"}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
    }
).encode()
INVOKED_ANSWER = json.dumps({"generation": "Hello", "stop_reason": "stop"}).encode()


@pytest.fixture(params=[kind for kind in KINDS if kind.startswith("bedrock")])
def open_at(open_client: OpenFace, request: pytest.FixtureRequest) -> Callable[..., Face]:
    return lambda url: open_client(
        request.param, AWS_ENDPOINT_URL_BEDROCK_RUNTIME=url, LLM_MAX_RETRIES=0
    )


@pytest.fixture
def made() -> Iterator[list[request_templates.PreparedRequest]]:
    """The requests that were made in the short way."""
    seen: list[request_templates.PreparedRequest] = []
    original = request_templates.RequestTemplate.made

    def noted(self: request_templates.RequestTemplate, client: Any, arguments: Any) -> Any:
        ready, context = original(self, client, arguments)
        seen.append(ready)
        return ready, context

    with patch.object(request_templates.RequestTemplate, "made", noted):
        yield seen


def _talking(server: Server, connection: socket.socket) -> None:
    while request := server.read_request(connection):
        connection.sendall(answer(CONVERSED if b"/converse" in request else INVOKED_ANSWER))


@pytest.mark.parametrize("model", ["sandbox/ok", INVOKED])
def test_it_says_what_the_first_one_says(
    open_at: Callable[..., Face], made: list[request_templates.PreparedRequest], model: str
) -> None:
    with serving(_talking) as server:
        face = open_at(server.url)
        for _ in range(3):
            assert "Hello" == face.generate("h\xe9llo", model=model)
        first, *others = [_read(each) for each in server.requests]
        assert [first, first] == others
        # One was made beside the first, to see whether they are alike.
        assert (1, 3) == (len(server.taken), len(made))
        assert not any(secret in repr(made) for secret in SECRETS)


def _read(request: bytes) -> tuple[str, dict[str, str], bytes]:
    head, _, body = request.partition(b"\r\n\r\n")
    line, *lines = head.decode().split("\r\n")
    headers = {name.lower(): text for name, text in (each.split(": ", 1) for each in lines)}
    assert ACCESS_KEY_ID in headers.pop("authorization")
    assert headers.pop("x-amz-date")
    assert headers.pop("amz-sdk-invocation-id")
    return line, headers, body


def test_each_has_its_own_model_and_body(open_at: Callable[..., Face]) -> None:
    with serving(_talking) as server:
        face = open_at(server.url)
        for model in ("a.b-v1:0", "a.c-v1:0", "a.b-v1:0"):
            face.generate(f"I ask {model}", model=model)
        for model, request in zip(("b", "c", "b"), server.requests, strict=True):
            line, _, body = _read(request)
            assert f"POST /model/a.{model}-v1%3A0/converse HTTP/1.1" == line
            assert f"I ask a.{model}-v1:0".encode() in body


def test_an_error_is_told_as_for_the_first_one(
    open_client: OpenFace, sandbox: Sandbox, made: list[request_templates.PreparedRequest]
) -> None:
    face = open_client("bedrock", LLM_MAX_RETRIES=0)
    told = []
    for model in ("sandbox/400", "sandbox/ok", "sandbox/400"):
        if model == "sandbox/ok":
            face.generate("hi", model=model)
            continue
        with pytest.raises(LLMError) as caught:
            face.generate("hi", model=model)
        told.append((type(caught.value), str(caught.value), type(caught.value.__cause__)))
    assert told[0] == told[1]
    assert 3 == len(made) == len(sandbox.exchanges)


@pytest.mark.parametrize("looks_on", ["log", "lambda"])
def test_where_someone_looks_on_botocore_makes_it(
    open_client: OpenFace,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    made: list[request_templates.PreparedRequest],
    looks_on: str,
) -> None:
    face = open_client("bedrock")
    face.generate("hi")
    made.clear()
    if looks_on == "lambda":
        monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "mine")
        monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1")
    else:
        monkeypatch.setattr(logging.getLogger("botocore"), "level", logging.DEBUG)
        logging.getLogger("botocore").manager._clear_cache()  # type: ignore[attr-defined] # typeshed lacks it
    face.generate("hi")
    assert [] == made
    assert 2 == len(sandbox.exchanges)


@pytest.fixture(autouse=True)
def _a_quiet_log() -> Iterator[None]:
    yield
    logging.getLogger("botocore").manager._clear_cache()  # type: ignore[attr-defined] # typeshed lacks it


def _another_address(client: Any) -> Any:
    original = client._serializer.serialize_to_request

    def elsewhere(arguments: Any, operation: Any) -> Any:
        return {**original(arguments, operation), "url_path": "/else"}

    return SimpleNamespace(serialize_to_request=elsewhere)


def _a_query(client: Any) -> Any:
    original = client._serializer.serialize_to_request

    def with_a_query(arguments: Any, operation: Any) -> Any:
        return {**original(arguments, operation), "query_string": {"a": "1"}}

    return SimpleNamespace(serialize_to_request=with_a_query)


@pytest.mark.parametrize("serializer", [_another_address, _a_query])
def test_a_request_that_would_be_another_is_left_to_botocore(
    open_client: OpenFace, sandbox: Sandbox, serializer: Callable[[Any], Any]
) -> None:
    face = open_client("bedrock")
    client = face.client.client
    seen: dict[str, Any] = {}

    def keep(*given: Any) -> None:
        seen["given"] = given

    with patch.object(request_templates, "learn", keep):
        face.generate("hi")
    with patch.object(client, "_serializer", serializer(client)):
        request_templates.learn(*seen["given"])
    assert request_templates.template_for(client, "converse") is None
    request_templates.learn(*seen["given"])  # it is found out once
    assert request_templates.template_for(client, "converse") is None
    assert face.generate("hi")


def test_an_operation_whose_address_may_vary_is_left_to_botocore(
    open_client: OpenFace, sandbox: Sandbox
) -> None:
    face = open_client("bedrock")
    client = face.client.client
    varying = SimpleNamespace(context_parameters=["Bucket"])
    request_templates.learn(client, "converse", {}, None, varying, {})
    assert request_templates.template_for(client, "converse") is None
    assert ["Sandbox: hi"] * 2 == [face.generate("hi") for _ in range(2)]


def _converse(content: Any, **others: Any) -> bytes:
    whole = {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5},
        "metrics": {"latencyMs": 5},
    }
    return json.dumps({**whole, **others}).encode()


_THOUGHT = {"reasoningContent": {"reasoningText": {"text": "Hm", "signature": "s"}}}
_USED = {"toolUse": {"toolUseId": "1", "name": "look", "input": {"at": [1, None]}}}
_CITED = {"citationsContent": {"content": [{"text": "cited"}], "citations": []}}


@pytest.mark.parametrize(
    ("body", "is_plain"),
    [
        (_converse([{"text": "H\xe9llo"}, {"text": "!"}]), True),
        (_converse([_THOUGHT, {"text": "Hello"}, _USED], stopReason="tool_use"), True),
        (_converse([{"text": "Hel"}], stopReason="max_tokens"), True),
        (_converse([{"text": "Hello"}], usage={"inputTokens": 3, "outputTokens": 2}), True),
        (_converse([_CITED]), False),
        (_converse([{"text": "a", "more": 1}]), False),
        (_converse([{"text": None}]), False),
        (_converse([{"toolUse": {"name": "look", "input": 1}}]), False),
        (_converse([{"reasoningContent": {"redactedContent": "aGk="}}, {"text": "a"}]), False),
        (_converse([{"neverHeardOf": {}}, {"text": "a"}]), False),
        (_converse(["a"]), False),
        (_converse("a"), False),
        (_converse(None), False),
        (_converse([{"text": "a"}], usage=[1]), False),
        (_converse([{"text": "a"}], metrics="fast"), False),
        (_converse([{"text": "a"}], stopReason=None), False),
        (b'{"output": {"message": []}}', False),
        (b'{"output": 1}', False),
        (b"[]", False),
        (b"{}", False),
        (b'{"output": {"message": {"content"', False),
        (b"\xff\xfe{", False),
        (b"[" * 100_000, False),
        (b'{"Output":{"__type":"UnknownOperationException"},"Version":"1.0"}', False),
    ],
)
def test_what_is_read_as_json_is_what_botocore_reads(
    open_client: OpenFace, body: bytes, is_plain: bool
) -> None:
    def talk(server: Server, connection: socket.socket) -> None:
        while server.read_request(connection):
            connection.sendall(answer(body, "x-amzn-requestid: 7", "x-two: a", "x-two: b"))

    with serving(talk) as server, patch.object(signing, "read", wraps=signing.read) as read:
        face = open_client(
            "bedrock", AWS_ENDPOINT_URL_BEDROCK_RUNTIME=server.url, LLM_MAX_RETRIES=0
        )
        first, second = (_outcome(face) for _ in range(2))
    assert first == second
    assert (1 if is_plain else 2) == read.call_count


def _outcome(face: Face) -> Any:
    try:
        reply = face.client.respond("hi", model="a.model")
    except LLMError as error:
        return type(error), str(error), error.status, error.request_id, error.partial
    return replace(reply, latency=0.0, attempts=())


@pytest.fixture
def signed() -> Iterator[Any]:
    """How often botocore signs, which it goes on to do."""
    original = RequestSigner.sign
    with patch.object(RequestSigner, "sign", autospec=True, side_effect=original) as sign:
        yield sign


def test_what_botocore_signs_in_another_way_it_goes_on_to_sign(
    open_at: Callable[..., Face], signed: Any
) -> None:
    with serving(_talking) as server, patch.object(Signer, "of", return_value=None):
        face = open_at(server.url)
        for _ in range(2):
            face.generate("hi", model="a.model")
        assert 1 == server.requests[-1].lower().count(b"\r\nhost: ")
    assert 3 == signed.call_count  # one was made beside the first


def test_credentials_that_change_sign_the_next_request(
    open_at: Callable[..., Face], signed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(_talking) as server:
        face = open_at(server.url)
        face.generate("hi", model="a.model")
        changed = Credentials(ACCESS_KEY_ID, "another", "a token")
        monkeypatch.setattr(face.client.client._request_signer, "_credentials", changed)
        face.generate("hi", model="a.model")
        assert b"x-amz-security-token: a token" in server.requests[-1].lower()
        assert 1 == signed.call_count
        monkeypatch.setattr(face.client.client._request_signer, "_credentials", None)
        with pytest.raises(LLMError, match="credentials"):
            face.generate("hi", model="a.model")
