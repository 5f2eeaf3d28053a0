"""uvicorn's HTTP/1.1 protocol, with a handle on the socket below it for the faults."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

log = logging.getLogger(__name__)

#: How a connection begins that speaks HTTP/2 (RFC 9113, 3.4).
_HTTP2 = b"PRI * HTTP/2.0"


class ClientGoneError(Exception):
    """The connection ended while the sandbox was still answering."""


class Connection:
    """One client connection: its ordinal, its end, and ways to end it."""

    def __init__(self, transport: asyncio.Transport, ordinal: int) -> None:
        self.ordinal = ordinal
        self._transport = transport
        self._lost = asyncio.Event()

    async def pause(self, seconds: float) -> None:
        """Sleep in real time; raises ClientGoneError as soon as the connection ends."""
        try:
            await asyncio.wait_for(self._lost.wait(), seconds)
        except asyncio.TimeoutError:  # the connection outlived the pause, which is what was wanted
            return
        raise ClientGoneError

    async def reset(self) -> None:
        """End the connection with a TCP RST, and return when it has ended."""
        # A linger time of 0 makes the kernel send RST instead of FIN.
        raw = self._transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()
        await self._lost.wait()

    async def close(self) -> None:
        """End the connection with a TCP FIN after what was written; returns when it has ended."""
        self._transport.close()
        await self._lost.wait()

    @property
    def is_lost(self) -> bool:
        """Whether the connection has ended."""
        return self._lost.is_set()

    def mark_lost(self) -> None:
        """Called by the protocol when the connection has ended."""
        self._lost.set()


class SandboxProtocol(H11Protocol):
    """Puts the `Connection` into the ASGI scope's state, where the application finds it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the base class
        """Number the connection and start it."""
        super().connection_made(transport)
        # asyncio does this only for sockets whose protocol number says TCP, and one that was
        # accepted from `socket.create_server` has 0: each answer would wait for a delayed ACK.
        raw = transport.get_extra_info("socket")
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.access_log = False  # uvicorn logs once anything has a handler, such as a test run
        self.connection = Connection(transport, next(self.app_state["ordinals"]))
        self.app_state = {"connection": self.connection}

    def data_received(self, data: bytes) -> None:
        """Take what was received; tell of a client that speaks HTTP/2, as AWS's for JavaScript."""
        if data.startswith(_HTTP2):
            log.warning(
                "A client speaks HTTP/2, and the sandbox HTTP/1.1 alone: AWS's JavaScript SDK needs"
                " requestHandler: new NodeHttpHandler(), of @smithy/node-http-handler"
            )
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake whoever is pausing or waiting on this connection."""
        super().connection_lost(exc)
        self.connection.mark_lost()


def connection_of(scope: Any) -> Connection:
    """The connection on which the request of this ASGI scope came."""
    connection = scope["state"]["connection"]
    assert isinstance(connection, Connection)
    return connection
