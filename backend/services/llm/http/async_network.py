"""httpcore's network for asyncio: a protocol of its own, with no task and no lock to a read."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import anyio
import httpcore

from .addresses import attempts, names
from .deadline import TimeLeft, seconds_left
from .dial import first_to_answer
from .network import CONNECT_FAILURES, TOGETHER, of_look_up
from .refused import is_broken_pipe, was_reset

#: Bytes that wait to be read until the transport is told to read no more.
_FULL = 256 * 1024


class Wire(asyncio.Protocol):
    """What asyncio tells of a connection, kept until it is asked for."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.received = bytearray()
        self.is_over = False
        self.error: Exception | None = None
        #: The server had closed the connection before it could read the last request.
        self.was_refused = False
        self._is_full = False
        self._may_write = True
        self._waiter: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Keep the data, and ask for no more once there is much."""
        self.received += data
        if len(self.received) > _FULL and not self._is_full:
            self._is_full = True
            self.transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        """Take note that nothing more comes."""
        if not self.is_over:
            self.is_over = True
            self.was_refused |= was_reset(self.transport.get_extra_info("socket"))
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note of the end, and of its reason."""
        self.is_over = True
        self.error = exc
        self.was_refused |= is_broken_pipe(exc)
        self._wake()

    def pause_writing(self) -> None:
        """Let writers wait."""
        self._may_write = False

    def resume_writing(self) -> None:
        """Let them go on."""
        self._may_write = True
        self._wake()

    def take(self, size: int) -> bytes:
        """Return up to *size* bytes of what has come."""
        data = bytes(self.received[:size])
        del self.received[:size]
        if self._is_full and not self.received and not self.is_over:
            self._is_full = False
            self.transport.resume_reading()
        return data

    async def readable(self, left: float | None) -> None:
        """Wait until there is something to read, or the end; raises TimeoutError."""
        while not (self.received or self.is_over):
            await self._wait(left)

    async def writable(self, left: float | None) -> None:
        """Wait until what is written can leave; raises TimeoutError."""
        while not (self._may_write or self.is_over):
            await self._wait(left)

    async def _wait(self, left: float | None) -> None:
        loop = asyncio.get_running_loop()
        self._waiter = waiter = loop.create_future()
        timer = None if left is None else loop.call_later(left, _late, waiter)
        try:
            await waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _late(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError())


class AsyncStream(httpcore.AsyncNetworkStream):
    """A connection on the running loop; nothing in it waits but for the network."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._unsent = b""

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what there is, once all is sent; raises ReadTimeout at the deadline."""
        if self._unsent:
            # As httpcore does it: a server that reads no further may have answered.
            with suppress(httpcore.WriteError):
                await self._flush(timeout)
        left = seconds_left(timeout, httpcore.ReadTimeout)
        try:
            await self._wire.readable(left)
        except TimeoutError as error:
            raise httpcore.ReadTimeout("the call's deadline has passed") from error
        if not self._wire.received and self._wire.error is not None:
            raise httpcore.ReadError(str(self._wire.error)) from self._wire.error
        return self._wire.take(max_bytes)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all, at last when the answer is read; raises WriteTimeout at the deadline."""
        self._unsent += buffer
        if len(self._unsent) > TOGETHER:
            await self._flush(timeout)

    async def _flush(self, timeout: float | None) -> None:
        unsent, self._unsent = self._unsent, b""
        left = seconds_left(timeout, httpcore.WriteTimeout)
        if self._wire.is_over:
            self._wire.was_refused = True  # a request whose end was never sent
            raise httpcore.WriteError("the connection is closed")
        self._wire.transport.write(unsent)
        try:
            await self._wire.writable(left)
        except TimeoutError as error:
            raise httpcore.WriteTimeout("the call's deadline has passed") from error

    async def aclose(self) -> None:
        """Close the connection at once."""
        self._wire.transport.abort()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Return the same connection under TLS; raises ConnectTimeout at the deadline."""
        wire, loop = self._wire, asyncio.get_running_loop()
        try:
            with anyio.fail_after(seconds_left(timeout, httpcore.ConnectTimeout)):
                wire.transport = await loop.start_tls(
                    wire.transport, wire, ssl_context, server_hostname=server_hostname
                )
        except TimeoutError as error:
            raise httpcore.ConnectTimeout("no TLS in time") from error
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        if wire.transport is None:  # closed while it shook hands, which asyncio says so
            raise httpcore.ConnectError("the connection was closed")
        return self

    def get_extra_info(self, info: str) -> Any:
        """Return what httpcore asks for: `is_readable`, `ssl_object`, `socket`, addresses."""
        if info == "is_readable":
            return self._wire.is_over or bool(self._wire.received)
        known = {"client_addr": "sockname", "server_addr": "peername"}
        return self._wire.transport.get_extra_info(known.get(info, info))


class AsyncNetwork(httpcore.AsyncNetworkBackend):
    """Connects one connection of a pool, and knows what became of it."""

    def __init__(self) -> None:
        self._wire: Wire | None = None

    @property
    def was_refused(self) -> bool:
        """The server had closed the connection before it could read the last request."""
        return self._wire is not None and self._wire.was_refused

    def abort(self) -> None:
        """Close the connection, whatever is under way on it."""
        if self._wire is not None and self._wire.transport is not None:
            self._wire.transport.abort()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address of *host* that answers; raises ConnectTimeout."""
        left = seconds_left(timeout, httpcore.ConnectTimeout)
        try:
            with anyio.fail_after(left):
                addresses = await names.alook_up(host, port)
        except OSError as error:
            raise of_look_up(error) from error
        trying = attempts(addresses, timeout.at if isinstance(timeout, TimeLeft) else None)
        return await first_to_answer(
            trying, lambda *trial: self._connect(port, *trial), *CONNECT_FAILURES
        )

    async def _connect(self, port: int, address: str, seconds: float | None) -> AsyncStream:
        loop = asyncio.get_running_loop()
        try:
            with anyio.fail_after(seconds):
                _, self._wire = await loop.create_connection(Wire, address, port)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout("no address answered in time") from error
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        return AsyncStream(self._wire)
