"""httpx is held to a moment, where it knows but seconds for each read."""

from __future__ import annotations

import time

import httpx
import pytest

from services.llm import deadline
from services.llm.deadline import Left, Until, hold_to_deadline, http_client


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The moment it is, which a test moves."""
    now = [100.0]
    monkeypatch.setattr(deadline, "time", _Clock(now))
    return now


class _Clock:
    def __init__(self, now: list[float]) -> None:
        self._now = now

    def monotonic(self) -> float:
        return self._now[0]


def held(timeout: object) -> httpx.Request:
    """A request of these timeouts, after the hook has seen it."""
    extensions = {} if timeout is None else {"timeout": timeout}
    request = httpx.Request("GET", "http://example.test", extensions=extensions)
    hold_to_deadline(request)
    return request


def test_every_phase_gets_what_is_left(clock: list[float]) -> None:
    until = held({"connect": 9.0, "read": 9.0, "write": 9.0, "pool": 9.0}).extensions["timeout"]
    assert 9.0 == until.get("connect")
    clock[0] += 4
    assert [5.0, 5.0] == [until.get("read"), until.get("pool")]


def test_after_the_deadline_nothing_is_left_and_yet_no_socket_becomes_non_blocking(
    clock: list[float],
) -> None:
    assert 0 < Left(clock[0] - 50) < 0.001


def test_a_request_without_a_timeout_is_left_alone() -> None:
    assert {} == held(None).extensions
    assert {"timeout": {"read": None}} == held({"read": None}).extensions


class Stream:
    """A connection that keeps the timeouts it was read with."""

    def __init__(self) -> None:
        self.timeouts: list[float | None] = []
        self.written = b""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self.timeouts.append(timeout)
        return b"x" * max_bytes

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.timeouts.append(timeout)
        self.written += buffer


@pytest.mark.parametrize(
    "event", ["connection.connect_tcp.complete", "connection.start_tls.complete"]
)
def test_each_read_of_a_new_connection_asks_anew(clock: list[float], event: str) -> None:
    request, stream = held({"read": 9.0}), Stream()
    request.extensions["trace"](event, {"return_value": stream})
    once = request.extensions["timeout"].get("read")  # as httpcore does, for all of the body
    for _ in range(3):
        assert b"xx" == stream.read(2, once)
        clock[0] += 3
    stream.read(2, 7.0)
    assert [9.0, 6.0, 3.0, 7.0] == stream.timeouts


def test_a_long_write_is_made_in_pieces_that_ask_anew(clock: list[float]) -> None:
    request, stream = held({"write": 9.0, "read": 9.0}), Stream()
    request.extensions["trace"]("connection.connect_tcp.complete", {"return_value": stream})
    text, once = bytes(range(256)) * 100, request.extensions["timeout"].get("write")
    clock[0] += 2
    stream.write(text, once)
    stream.write(b"", once)
    assert ([7.0, 7.0], text) == (stream.timeouts, stream.written)


def test_other_events_change_nothing() -> None:
    request, stream = held({"read": 9.0}), Stream()
    request.extensions["trace"]("http11.receive_response_body.started", {"return_value": stream})
    assert "read" not in vars(stream)


def test_what_is_left_shrinks_by_the_real_clock() -> None:
    until = Until(time.monotonic() + 60)
    assert 0 < until.get("read") <= 60


@pytest.mark.parametrize(("kind", "hooks"), [("Client", 1), ("AsyncClient", 0)])
def test_only_the_blocking_client_needs_the_hook(kind: str, hooks: int) -> None:
    client = http_client(kind, 7, 9.0)  # type: ignore[arg-type] # one of the two, as a parameter
    assert hooks == len(client.event_hooks["request"])
    assert httpx.Timeout(9.0) == client.timeout
