"""A connection of httpcore's on an event loop, whatever becomes of it and whenever."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from typing import Any
from unittest.mock import patch

import httpcore
import pytest

from services.llm.http.async_network import AsyncNetwork, AsyncStream, Wire
from services.llm.http.network import TOGETHER

#: Seconds that nothing comes in, where nothing will.
SOON = 0.001


class LoopTransport:
    """A loop's transport that keeps what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.is_aborted = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def abort(self) -> None:
        self.is_aborted = True

    def pause_reading(self) -> None:
        """Do nothing."""

    def get_extra_info(self, name: str) -> Any:
        return f"the {name}"


def connected() -> tuple[Wire, Any]:
    wire, transport = Wire(), LoopTransport()
    wire.connection_made(transport)  # type: ignore[arg-type] # as much of one as is used
    return wire, transport


def run(call: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    return asyncio.run(call())


def test_who_cannot_write_on_stops_at_the_deadline() -> None:
    wire, transport = connected()
    wire.pause_writing()
    with pytest.raises(httpcore.WriteTimeout, match="deadline"):
        run(lambda: AsyncStream(wire).write(bytes(TOGETHER + 1), SOON))
    assert [TOGETHER + 1] == [len(each) for each in transport.written]


def test_what_is_short_is_sent_as_the_answer_is_read() -> None:
    wire, transport = connected()
    stream = AsyncStream(wire)

    async def ask() -> bytes:
        await stream.write(bytes(TOGETHER), 9.0)
        assert [] == transport.written
        wire.data_received(b"answer")
        return await stream.read(3, 9.0)

    assert b"ans" == run(ask)
    assert [bytes(TOGETHER)] == transport.written


def test_on_a_connection_that_was_closed_meanwhile_nothing_is_sent() -> None:
    wire, transport = connected()
    stream, network = AsyncStream(wire), AsyncNetwork()
    network._wire = wire
    wire.connection_lost(None)
    with pytest.raises(httpcore.WriteError, match="closed"):
        run(lambda: stream.write(bytes(TOGETHER + 1), 9.0))
    assert ([], True) == (transport.written, network.was_refused)


def test_what_came_before_the_end_is_read_though_the_request_cannot_be_sent() -> None:
    wire, _ = connected()
    stream = AsyncStream(wire)

    async def ask() -> tuple[bytes, bytes]:
        await stream.write(b"head")
        wire.data_received(b"413")
        wire.connection_lost(None)
        return await stream.read(9, 9.0), await stream.read(9, 9.0)

    assert (b"413", b"") == run(ask)


def test_a_connection_that_breaks_is_an_error_of_whoever_reads() -> None:
    wire, _ = connected()
    wire.connection_lost(ConnectionResetError("reset by peer"))
    with pytest.raises(httpcore.ReadError, match="reset by peer"):
        run(lambda: AsyncStream(wire).read(9, 9.0))
    assert not wire.was_refused


def test_one_that_the_server_had_closed_before_the_request_was_refused() -> None:
    wire, _ = connected()
    wire.connection_lost(BrokenPipeError())
    assert (True, True) == (wire.is_over, wire.was_refused)


def test_nothing_that_comes_is_a_timeout() -> None:
    wire, _ = connected()
    with pytest.raises(httpcore.ReadTimeout, match="deadline"):
        run(lambda: AsyncStream(wire).read(9, SOON))


def test_whoever_waits_reads_what_comes() -> None:
    wire, _ = connected()

    async def ask() -> bytes:
        reading = asyncio.ensure_future(AsyncStream(wire).read(9, 9.0))
        await asyncio.sleep(0)
        wire.data_received(b"here")
        return await reading

    assert b"here" == run(ask)


@pytest.mark.parametrize(
    ("happens", "expected"),
    [
        (lambda wire: None, False),
        (lambda wire: wire.data_received(b"x"), True),
        (lambda wire: wire.connection_lost(None), True),
    ],
)
def test_a_connection_is_readable_once_something_came(
    happens: Callable[[Wire], None], expected: bool
) -> None:
    wire, _ = connected()
    happens(wire)
    assert expected is AsyncStream(wire).get_extra_info("is_readable")
    assert "the peername" == AsyncStream(wire).get_extra_info("server_addr")


def shaken(how: Callable[..., Coroutine[Any, Any, Any]], wire: Wire, seconds: float) -> Any:
    """What a handshake that ends as *how* leads to."""

    async def shake() -> Any:
        with patch.object(asyncio.get_running_loop(), "start_tls", how):
            context = ssl.create_default_context()
            return await AsyncStream(wire).start_tls(context, "a.test", seconds)

    return asyncio.run(shake())


async def _never(*_: Any, **__: Any) -> None:
    await asyncio.Event().wait()


async def _refused(*_: Any, **__: Any) -> None:
    raise ConnectionRefusedError("nobody is there")


def test_a_handshake_that_does_not_come_is_a_timeout() -> None:
    with pytest.raises(httpcore.ConnectTimeout, match="TLS"):
        shaken(_never, connected()[0], SOON)


def test_a_handshake_that_fails_is_no_connection() -> None:
    with pytest.raises(httpcore.ConnectError, match="nobody is there"):
        shaken(_refused, connected()[0], 9.0)


def test_a_secured_connection_is_the_same_one() -> None:
    wire, above = connected()[0], LoopTransport()

    async def secured(*_: Any, **__: Any) -> LoopTransport:
        return above

    stream = shaken(secured, wire, 9.0)
    asyncio.run(stream.aclose())
    assert above.is_aborted


@pytest.mark.parametrize(
    ("how", "expected"), [(_never, httpcore.ConnectTimeout), (_refused, httpcore.ConnectError)]
)
def test_an_address_that_does_not_answer_is_no_connection(
    how: Callable[..., Coroutine[Any, Any, Any]], expected: type[Exception]
) -> None:
    network = AsyncNetwork()

    async def connect() -> None:
        with patch.object(asyncio.get_running_loop(), "create_connection", how):
            await network._connect(80, "192.0.2.1", SOON if how is _never else 9.0)

    with pytest.raises(expected):
        asyncio.run(connect())
    assert not network.was_refused


def test_a_network_aborts_the_connection_that_it_made() -> None:
    network, (wire, transport) = AsyncNetwork(), connected()
    network._wire = wire
    network.abort()
    assert transport.is_aborted
