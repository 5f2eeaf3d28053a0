from __future__ import annotations

import asyncio
import gc
import json
import queue
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox import Answer, Exchange, Fault, Sandbox
from sandbox.journal import Journal

GPT = "openai/gpt-oss-120b"
CHAT = "/openai/v1/chat/completions"
HEADERS = {"authorization": "Bearer gsk_secret", "x-trace": "7"}
BODY = {"model": GPT, "messages": [{"role": "user", "content": "hello"}]}


def post(sandbox: Sandbox, model: str = GPT, client: httpx.Client | None = None) -> httpx.Response:
    with httpx.Client(trust_env=False, verify=False, timeout=10) as fresh:
        return (client or fresh).post(
            sandbox.url + CHAT, json={**BODY, "model": model}, headers=HEADERS
        )


def connected(sandbox: Sandbox) -> socket.socket:
    """A plain connection to the sandbox."""
    host, _, port = sandbox.url.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=10)


def request() -> bytes:
    """A whole request as it is on the wire."""
    body = json.dumps(BODY).encode()
    head = f"POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer k\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def sandbox_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "sandbox"]


def open_files() -> int:
    """How many there are, of which other tests may have left some that are closed meanwhile."""
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))


def test_it_starts_and_stops_and_leaves_nothing() -> None:
    before = open_files()
    sandbox = Sandbox()
    assert sandbox.start() is sandbox
    assert sandbox.start() is sandbox
    assert ["sandbox"] == sandbox_threads()
    assert 200 == post(sandbox).status_code
    sandbox.stop()
    sandbox.stop()
    assert [] == sandbox_threads()
    assert open_files() <= before
    with pytest.raises(httpx.ConnectError):
        post(sandbox)


def test_it_has_no_url_before_it_starts() -> None:
    with pytest.raises(RuntimeError, match="no URL before start"):
        _ = Sandbox().url
    Sandbox().stop()


def test_it_starts_again_on_the_same_port() -> None:
    with Sandbox() as sandbox:
        url = sandbox.url
    with sandbox:
        assert url == sandbox.url
        assert 200 == post(sandbox).status_code
    assert 1 == len(sandbox.exchanges)


def test_a_port_that_is_taken_is_an_error() -> None:
    with Sandbox() as sandbox, pytest.raises(OSError, match="in use"):
        Sandbox(port=int(sandbox.url.rpartition(":")[2])).start()


def test_a_failure_to_start_is_raised_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    before = open_files()
    monkeypatch.setattr("uvicorn.Config.load", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        Sandbox().start()
    assert [] == sandbox_threads()
    assert open_files() <= before


def test_it_works_inside_an_event_loop() -> None:
    async def visit() -> int:
        async with Sandbox() as sandbox, httpx.AsyncClient(trust_env=False, verify=False) as client:
            return (await client.post(sandbox.url + CHAT, json=BODY, headers=HEADERS)).status_code

    assert 200 == asyncio.run(visit())
    assert [] == sandbox_threads()


@pytest.mark.parametrize(
    "fault",
    [Fault.silent(3600), Fault.slow_body(3600), Fault.dripped(1, 3600), Fault.reset(silence=3600)],
)
def test_stopping_releases_whoever_is_held(fault: Fault) -> None:
    before = open_files()
    with ThreadPoolExecutor() as pool, Sandbox() as sandbox:
        sandbox.script(*[fault] * 3)
        held = [pool.submit(post, sandbox) for _ in range(3)]
        sandbox.wait_for(3)
        sandbox.stop()
        for future in held:
            assert isinstance(future.exception(), httpx.TransportError)
    assert [] == sandbox_threads()
    assert open_files() <= before


def test_a_client_that_leaves_releases_its_request() -> None:
    ended: queue.Queue[Exchange] = queue.Queue()
    with Sandbox(on_exchange=ended.put) as sandbox:
        sandbox.script(Fault.silent(3600))
        with connected(sandbox) as leaving:
            leaving.sendall(request())
            sandbox.wait_for(1)
        assert ended.get(timeout=30).status is None


def test_a_client_that_leaves_before_its_request_is_whole_is_nobody() -> None:
    with Sandbox() as sandbox:
        with connected(sandbox) as half:
            half.sendall(request()[:-5])
        assert 200 == post(sandbox).status_code
        assert 1 == len(sandbox.exchanges)


def test_a_client_that_speaks_http_2_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    with Sandbox() as sandbox, connected(sandbox) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 4")
    assert "new NodeHttpHandler()" in caplog.text


def test_a_slow_body_has_its_headers_first() -> None:
    with Sandbox() as sandbox, connected(sandbox) as client:
        sandbox.script(Fault.slow_body(3600))
        client.sendall(request())
        received = b""
        while b"\r\n\r\n" not in received:
            received += client.recv(4096)
        assert received.startswith(b"HTTP/1.1 200 OK\r\n")
        assert received.endswith(b"\r\n\r\n")
        client.settimeout(0.05)
        with pytest.raises(socket.timeout):
            client.recv(1)


def test_an_exchange_tells_all_but_the_credentials() -> None:
    now = iter(range(100, 200))
    with Sandbox(clock=lambda: next(now)) as sandbox:
        sandbox.script(Answer.says("four"))
        post(sandbox)
        (exchange,) = sandbox.exchanges
    assert "7" == exchange.headers["x-trace"]
    assert "gsk_secret" not in repr(exchange)
    assert (
        Exchange(
            provider="groq",
            operation="chat",
            path=CHAT,
            model=GPT,
            organisation="org_00000000000000000000sandbox",
            headers=exchange.headers,
            body=BODY,
            connection=1,
            arrived_at=100,
            step=Answer.says("four"),
            status=200,
            answered_at=101,
            input_tokens=2,
            output_tokens=5,
        )
        == exchange
    )


def test_connections_are_numbered() -> None:
    with Sandbox() as sandbox:
        with httpx.Client(trust_env=False, verify=False) as client:
            for _ in range(2):
                post(sandbox, client=client)
        post(sandbox)
        assert [1, 1, 2] == [exchange.connection for exchange in sandbox.exchanges]


def test_what_is_no_request_of_a_provider_is_logged_too() -> None:
    with Sandbox() as sandbox:
        assert 404 == httpx.get(sandbox.url + "/nowhere", trust_env=False, verify=False).status_code
        (exchange,) = sandbox.exchanges
    assert (None, "unknown", 404) == (exchange.provider, exchange.operation, exchange.status)


def test_clear_forgets_exchanges_and_scripted_steps() -> None:
    with Sandbox() as sandbox:
        post(sandbox)
        sandbox.script(Fault.error(500))
        sandbox.clear()
        assert [] == sandbox.exchanges
        assert 200 == post(sandbox).status_code


def test_steps_for_a_model_wait_for_that_model() -> None:
    with Sandbox() as sandbox:
        sandbox.script(Fault.error(500), model="openai/gpt-oss-20b")
        sandbox.script(Fault.error(503))
        statuses = [post(sandbox, model).status_code for model in (GPT, GPT, "openai/gpt-oss-20b")]
    assert [503, 200, 500] == statuses


def test_waiting_for_requests_that_do_not_come_times_out() -> None:
    with Sandbox() as sandbox:
        post(sandbox)
        assert 1 == len(sandbox.wait_for(1))
        with pytest.raises(TimeoutError, match=r"1 of 2 requests arrived within 0\.01 s"):
            sandbox.wait_for(2, timeout=0.01)


def test_the_log_forgets_amendments_to_what_was_cleared() -> None:
    journal = Journal()
    journal.add(1, Exchange("groq", "chat", "/", None, None, {}, None, 1, 0.0))
    journal.clear()
    journal.amend(1, status=200)
    assert [] == journal.snapshot()
    assert journal.find(1) is None


def test_latency_comes_before_every_answer() -> None:
    with Sandbox(latency=0.05) as sandbox:
        started = time.monotonic()
        post(sandbox)
        assert time.monotonic() - started >= 0.05


def test_fifty_clients_at_once_are_all_answered() -> None:
    with Sandbox() as sandbox, ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(lambda _: post(sandbox), range(50)))
        assert {200} == {reply.status_code for reply in replies}
        assert 50 == len({reply.headers["x-request-id"] for reply in replies})
        assert 50 == len(sandbox.exchanges)


def test_the_environment_leads_both_sdks_here() -> None:
    with Sandbox() as sandbox:
        assert {
            "GROQ_BASE_URL": sandbox.url,
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": sandbox.url,
        } == sandbox.environment


def test_the_fixture_is_a_running_sandbox(sandbox: Sandbox) -> None:
    assert 200 == post(sandbox).status_code
    assert 1 == len(sandbox.exchanges)


def test_each_exchange_is_told_when_it_ends() -> None:
    told: list[Any] = []
    with Sandbox(on_exchange=told.append) as sandbox:
        sandbox.script(Fault.reset())
        with pytest.raises(httpx.ReadError):
            post(sandbox)
        post(sandbox)
        sandbox.stop()
    assert [None, 200] == [exchange.status for exchange in told]
