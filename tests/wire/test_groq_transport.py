"""How the groq SDK is asked: below its typed call where that is its own, else as it stands."""

from __future__ import annotations

import functools
import gc
import gzip
import socket
import traceback
import tracemalloc
from collections.abc import Callable
from itertools import pairwise
from typing import Any
from unittest.mock import patch

import groq
import httpx
import pytest
from groq.resources.chat.completions import AsyncCompletions, Completions

import groq_client_compliant
from sandbox import Sandbox
from services.llm_client import (
    ConfigurationError,
    LLMError,
    ProviderUnavailableError,
    ResponseTooLargeError,
)
from tests.http.servers import Server, answer, serving
from tests.wire.conftest import OpenFace
from tests.wire.faces import KEY, Face

KINDS = ("groq", "groq async")
CREATES: dict[str, Any] = {"groq": Completions, "groq async": AsyncCompletions}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def test_the_sdks_own_create_is_gone_around(
    open_client: OpenFace, sandbox: Sandbox, kind: str
) -> None:
    with patch.object(groq._base_client, "construct_type") as built:
        reply = open_client(kind).respond("hi", temperature=0.5, top_p=0.5, service_tier="flex")
    built.assert_not_called()
    assert (True, True) == (bool(reply.text), reply.usage.reported)
    (exchange,) = sandbox.exchanges
    assert {"temperature": 0.5, "top_p": 0.5, "service_tier": "flex"}.items() <= (
        exchange.body.items()
    )


@pytest.mark.parametrize("wrapping", ["wrapped", "replaced"])
def test_what_an_instrumentation_puts_there_is_called(
    open_client: OpenFace, kind: str, wrapping: str
) -> None:
    seen: list[str] = []
    own: Any = CREATES[kind].create

    def traced(*args: Any, **kwargs: Any) -> Any:
        seen.append(kwargs["model"])
        return own(*args, **kwargs)

    made: Any = functools.wraps(own)(traced) if wrapping == "wrapped" else traced
    with patch.object(CREATES[kind], "create", made):
        assert open_client(kind).generate("hi")
    assert ["sandbox/ok"] == seen


def test_the_response_hooks_of_a_hosts_own_client_run(
    open_client: OpenFace, sandbox: Sandbox
) -> None:
    face, seen = open_client("groq"), list[str]()

    def see(response: httpx.Response) -> None:
        seen.append(response.headers["x-ratelimit-limit-requests"])

    with httpx.Client(event_hooks={"response": [see]}) as host:
        face.client.client = groq.Groq(
            api_key=KEY, base_url=sandbox.url, http_client=host, max_retries=2
        )
        assert face.generate("hi")
    assert 1 == len(seen)


@pytest.fixture
def open_at(open_client: OpenFace) -> Callable[..., Face]:
    """A client of that kind, of the server at the URL."""
    return lambda kind, url, **knobs: open_client(kind, GROQ_BASE_URL=url, **knobs)


BOMBS = {
    "plain": (bytes(3 * 2**20), ()),
    "gzip": (gzip.compress(bytes(64 * 2**20)), ("content-encoding: gzip",)),
}


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("status", ["200 OK", "500 Broken"])
def test_no_answer_is_read_beyond_the_knob(
    open_at: Callable[..., Face], kind: str, bomb: str, status: str
) -> None:
    body, headers = BOMBS[bomb]

    def large(server: Server, connection: socket.socket) -> None:
        server.read_request(connection)
        connection.sendall(answer(body, *headers, status=status))

    with serving(large) as server:
        face = open_at(kind, server.url, LLM_MAX_RESPONSE_MB=2)
        with pytest.raises(ResponseTooLargeError, match=r"2 MiB.*LLM_MAX_RESPONSE_MB") as caught:
            face.generate("hi")
        assert (1, "groq") == (len(server.requests), caught.value.provider)
        assert KEY not in "".join(traceback.format_exception(caught.value))


def test_a_redirect_is_an_error_that_says_where_to(open_at: Callable[..., Face], kind: str) -> None:
    def elsewhere(server: Server, connection: socket.socket) -> None:
        server.read_request(connection)
        connection.sendall(answer(b"", "location: https://b.test/x?key=1", status="308 Go"))

    with serving(elsewhere) as server, pytest.raises(LLMError, match=r"HTTP 308.*b\.test/x"):
        open_at(kind, server.url).generate("hi")


def test_a_redirect_to_nowhere_is_one_too(open_at: Callable[..., Face]) -> None:
    def nowhere(server: Server, connection: socket.socket) -> None:
        server.read_request(connection)
        connection.sendall(answer(b"", status="302 Go"))

    with serving(nowhere) as server, pytest.raises(LLMError, match="another place"):
        open_at("groq", server.url).generate("hi")


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        ("text/html", b"<html>", "from a proxy before Groq"),
        ("application/json", b"[]", "a list"),
        ("application/json", b"{", "not whole JSON"),
    ],
)
def test_what_is_no_completion_is_an_error(
    open_at: Callable[..., Face], kind: str, content_type: str, body: bytes, expected: str
) -> None:
    def other(server: Server, connection: socket.socket) -> None:
        server.read_request(connection)
        connection.sendall(answer(body, f"content-type: {content_type}"))

    with serving(other) as server, pytest.raises(LLMError, match=expected):
        open_at(kind, server.url).generate("hi", max_retries=0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SSL_CERT_FILE", "/no/such/file.pem"),
        ("SSL_CERT_DIR", "/no/such/directory"),
        ("NO_PROXY", "localhost,::1/128"),
        ("HTTPS_PROXY", "gopher://a.test"),
        ("GROQ_CUSTOM_HEADERS", "X-A: \u00fc"),
    ],
)
def test_an_environment_that_cannot_work_is_named_at_construction(
    open_client: OpenFace, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=f"^{name} "):
        open_client("groq")
    with pytest.raises(ConfigurationError, match=f"^{name} "):
        groq_client_compliant.GroqClient("k" * 20, cache_path=None)


def test_a_client_that_is_reopened_keeps_no_memory(open_client: OpenFace) -> None:
    face = open_client("groq", GROQ_REQUESTS_PER_MINUTE=10_000)

    def traced_when_reopened(times: int) -> int:
        for _ in range(times):
            with face.client:
                face.generate("hi")
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        traced_when_reopened(5)
        traced = [traced_when_reopened(10) for _ in range(4)]
    finally:
        tracemalloc.stop()
    # A leak grows in each round; another thread's allocation falls into one.
    growth = min(after - before for before, after in pairwise(traced))
    assert growth / 10 < 20_000


def test_a_key_is_in_no_frame_of_a_failure(open_at: Callable[..., Face], kind: str) -> None:
    def leave(server: Server, connection: socket.socket) -> None:
        server.read_request(connection)

    with serving(leave) as server, pytest.raises(ProviderUnavailableError) as caught:
        open_at(kind, server.url).generate("hi", max_retries=0)
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    lines = [line for line in shown.format() if KEY in line and "tests/" not in line]
    assert [] == [line for line in lines if "self.api_key" not in line]
