"""Bedrock's calls go over connections of our own, or through whatever stands in the SDK's place."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from botocore.config import Config
from urllib3.connection import HTTPConnection

from sandbox import Answer, Sandbox
from services.llm.providers.bedrock import instrumentation
from services.llm.providers.bedrock.instrumentation import why_the_sdks_own
from services.llm_client import ResponseTooLargeError
from tests.wire.conftest import OpenFace

MANNERS = ("bedrock", "bedrock async")
INVOKED = "meta.llama3-70b-instruct-v1:0"


def reason(client: Any) -> str | None:
    return why_the_sdks_own(client.client, "converse")


@pytest.mark.parametrize("kind", MANNERS)
@pytest.mark.parametrize("model", ["sandbox/ok", INVOKED])
def test_a_client_as_it_comes_is_asked_over_our_own_connections(
    open_client: OpenFace, sandbox: Sandbox, kind: str, model: str
) -> None:
    face = open_client(kind)
    assert reason(face.client) is None
    for _ in range(3):
        face.generate("hi", model=model)
    assert 1 == len({exchange.connection for exchange in sandbox.exchanges})


def _listening(client: Any, seen: list[str]) -> None:
    client.meta.events.register("after-call.*.*", lambda **_: seen.append("called"))


def _noting(seen: list[str], call: Callable[..., Any]) -> Callable[..., Any]:
    def noted(*args: Any, **kwargs: Any) -> Any:
        seen.append("called")
        return call(*args, **kwargs)

    return noted


def _patched(client: Any, seen: list[str]) -> None:
    client.converse = _noting(seen, client.converse)


def _wrapped(client: Any, seen: list[str]) -> None:
    client._make_api_call = _noting(seen, client._make_api_call)


def _sending(client: Any, seen: list[str]) -> None:
    session = client._endpoint.http_session
    session.send = _noting(seen, session.send)


@pytest.mark.parametrize("kind", MANNERS)
@pytest.mark.parametrize("put", [_listening, _patched, _wrapped, _sending])
def test_what_a_host_puts_in_the_sdks_place_is_called_as_always(
    open_client: OpenFace, sandbox: Sandbox, kind: str, put: Callable[[Any, list[str]], None]
) -> None:
    face, seen = open_client(kind), list[str]()
    face.generate("hi")
    put(face.client.client, seen)
    assert "Sandbox: hi" == face.generate("hi")
    assert ["called"] == seen
    assert reason(face.client)


def test_a_proxy_and_a_certificate_are_left_to_the_sdk(
    open_client: OpenFace, monkeypatch: pytest.MonkeyPatch
) -> None:
    face = open_client("bedrock")
    face.client.client._endpoint.http_session._cert_file = "mine.pem"
    assert "the client shows a certificate" == reason(face.client)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert "a proxy lies between" == reason(open_client("bedrock").client)


def test_a_client_of_another_kind_is_called_as_it_is() -> None:
    assert "the client is not botocore's" == why_the_sdks_own(object(), "converse")
    known = "botocore is not as it is known: 'Config' object has no attribute '_endpoint'"
    assert known == why_the_sdks_own(Config(), "converse")


@pytest.mark.parametrize("kind", MANNERS)
@pytest.mark.parametrize("put", [_patched, None])
def test_an_answer_that_is_too_large_is_named_as_bedrocks(
    open_client: OpenFace, sandbox: Sandbox, kind: str, put: Callable[..., None] | None
) -> None:
    face = open_client(kind, LLM_MAX_RESPONSE_MB=1)
    if put is not None:
        put(face.client.client, [])
    sandbox.script(Answer.says("x" * 2**20))
    with pytest.raises(ResponseTooLargeError, match="larger than 1 MiB") as caught:
        face.generate("hi")
    assert "bedrock" == caught.value.provider


def _its_own_connection(client: Any) -> None:
    pools = client._endpoint.http_session._pool_classes_by_scheme
    pools["http"] = type("Pool", (pools["http"],), {"ConnectionCls": HTTPConnection})


def _patched_pool(client: Any) -> None:
    pools = client._endpoint.http_session._pool_classes_by_scheme
    pools["http"] = type("Pool", (pools["http"],), {"urlopen": lambda *_, **__: None})


def _another_botocore(client: Any) -> None:
    del client._endpoint.http_session._proxy_config


@pytest.mark.parametrize(
    ("put", "expected"),
    [
        (_its_own_connection, "the connection's class is not botocore's own"),
        (_patched_pool, "urlopen is not botocore's own"),
        (_another_botocore, "botocore is not as it is known: .*_proxy_config"),
    ],
)
def test_what_stands_in_the_place_of_urllib3s_parts_is_seen(
    open_client: OpenFace, put: Callable[[Any], None], expected: str
) -> None:
    face = open_client("bedrock")
    put(face.client.client)
    assert re.match(expected, reason(face.client) or "")


def test_where_there_is_no_h11_the_sdk_sends(
    open_client: OpenFace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instrumentation, "_has_h11", lambda: False)
    client = open_client("bedrock").client
    assert "there is no h11" == why_the_sdks_own(client.client, "converse")
