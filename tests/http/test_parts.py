"""The parts of a transport by themselves, where no server shows them."""

from __future__ import annotations

import asyncio
import math
from typing import Any
from unittest.mock import patch

import httpcore
import httpx
import pytest

from services.llm.http.async_network import AsyncNetwork, AsyncStream, Wire, _late
from services.llm.http.body import AsyncBody, Body
from services.llm.http.deadline import TimeLeft, seconds_left
from services.llm.http.network import Network
from services.llm.http.pool import Pool


@pytest.mark.parametrize("timeout", [None, math.inf])
def test_no_timeout_is_no_limit(timeout: float | None) -> None:
    assert seconds_left(timeout, httpx.ReadTimeout) is None


def test_plain_seconds_are_what_is_left() -> None:
    assert 5.0 == seconds_left(5.0, httpx.ReadTimeout)


def test_after_the_moment_nothing_is_left() -> None:
    assert TimeLeft(-1.0) < 0
    with pytest.raises(httpx.ReadTimeout, match="deadline"):
        seconds_left(TimeLeft(-1.0), httpx.ReadTimeout)


class Transport:
    """A transport that keeps what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *_: self.asked.append(name)


def test_who_reads_slowly_lets_the_server_wait() -> None:
    wire = Wire()
    transport: Any = Transport()
    wire.connection_made(transport)
    for _ in range(3):
        wire.data_received(bytes(200 * 1024))
    assert ["pause_reading"] == transport.asked
    assert 100 == len(wire.take(100))
    assert ["pause_reading"] == transport.asked
    assert 600 * 1024 - 100 == len(wire.take(10**6))
    assert ["pause_reading", "resume_reading"] == transport.asked


def test_who_writes_much_waits_until_it_leaves() -> None:
    wire = Wire()

    async def write() -> None:
        wire.pause_writing()
        waiting = asyncio.ensure_future(wire.writable(None))
        await asyncio.sleep(0)
        assert not waiting.done()
        wire.resume_writing()
        await waiting

    asyncio.run(write())


def test_what_comes_after_an_answer_was_given_up_wakes_nobody() -> None:
    wire = Wire()

    async def left() -> None:
        waiting = asyncio.ensure_future(wire.readable(None))
        await asyncio.sleep(0)
        waiter = wire._waiter
        assert waiter is not None
        waiting.cancel()
        wire.data_received(b"x")
        _late(waiter)
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(left())
    assert b"x" == wire.take(1)


def test_a_connection_that_ends_twice_has_ended() -> None:
    wire = Wire()
    wire.connection_lost(None)
    wire.eof_received()
    assert wire.is_over


def test_a_connection_that_is_lost_while_it_shakes_hands_is_none() -> None:
    async def shake() -> None:
        async def lost(*_: Any, **__: Any) -> None:
            return None

        with patch.object(asyncio.get_running_loop(), "start_tls", lost):
            await AsyncStream(Wire()).start_tls(None)  # type: ignore[arg-type] # not used

    with pytest.raises(httpcore.ConnectError, match="closed"):
        asyncio.run(shake())


def test_a_network_that_never_connected_has_nothing_to_abort() -> None:
    network = AsyncNetwork()
    network.abort()
    assert not network.was_refused


class Answer:
    """An answer of httpcore's."""

    headers: tuple[tuple[bytes, bytes], ...] = ()

    def close(self) -> None:
        """Do nothing."""

    async def aclose(self) -> None:
        """Do nothing."""


def test_a_connection_is_given_back_once() -> None:
    given: list[int] = []
    request = httpx.Request("POST", "http://a.test")
    body = Body(Answer(), 9, request, lambda: given.append(1))
    body.close()
    body.close()

    async def give() -> None:
        given.append(2)

    async def twice() -> None:
        body = AsyncBody(Answer(), 9, request, give)
        await body.aclose()
        await body.aclose()

    asyncio.run(twice())
    assert [1, 2] == given


def test_where_nothing_is_asked_by_tls_no_certificates_are_read() -> None:
    with patch("services.llm.http.environment.trusted") as read:
        Pool("Client", 8, 9, "http://a.test")
        read.assert_not_called()
        Pool("Client", 8, 9)
        read.assert_called_once_with()


def test_a_patched_transport_is_made_once() -> None:
    pool = Pool("Client", 8, 9)
    url = httpx.URL("http://a.test")
    assert pool.patched_transport(url) is None
    with patch.object(httpx.HTTPTransport, "handle_request"):
        usual = pool.patched_transport(url)
        assert usual is not None
        assert usual is pool.patched_transport(url)


def test_a_head_and_its_body_are_sent_together() -> None:
    sent: list[bytes] = []

    class Backend(httpcore.NetworkStream):
        """Keeps what is written."""

        def write(self, buffer: bytes, timeout: float | None = None) -> None:
            sent.append(buffer)

        def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
            return b"answer"

    stream = Network().keep(Backend())
    stream.write(b"head ")
    stream.write(b"body")
    assert ([], b"answer", [b"head body"]) == (list(sent), stream.read(9), sent)
    stream.write(bytes(70_000))
    assert 70_000 == len(sent[1])


@pytest.mark.parametrize(
    ("cause", "refused"), [(BrokenPipeError(), True), (ConnectionResetError(), False)]
)
def test_a_request_that_cannot_be_sent_may_have_an_answer(cause: OSError, refused: bool) -> None:
    class Backend(httpcore.NetworkStream):
        """Takes nothing, and has something to say."""

        def write(self, buffer: bytes, timeout: float | None = None) -> None:
            raise httpcore.WriteError from cause

        def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
            return b"413"

    network = Network()
    stream = network.keep(Backend())
    stream.write(b"head")
    assert (b"413", refused) == (stream.read(9), network.was_refused)
