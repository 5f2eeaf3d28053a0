"""Sends a response, as well or as badly as a fault says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from ..faults import Fault
from ..http_types import HttpResponse
from .protocol import ClientGoneError, Connection

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


async def deliver(response: HttpResponse, fault: Fault, connection: Connection, send: Send) -> None:
    """Send the response as the fault says; ClientGoneError where the connection ends first."""
    if fault.silence:
        await connection.pause(fault.silence)
    # A silence may end in a hang-up: the service that dies while it works.
    if fault.hang_up:
        await (connection.reset() if fault.hang_up == "reset" else connection.close())
        raise ClientGoneError
    headers = {"content-length": str(len(response.body)), **response.headers}
    start = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": response.status, "headers": start})
    if fault.stall:
        await connection.pause(fault.stall)
    await _send_body(response.body, fault, connection, send)


async def _send_body(body: bytes, fault: Fault, connection: Connection, send: Send) -> None:
    sent = body if fault.cut is None else body[: int(len(body) * fault.cut)]
    size = fault.drip or len(sent) or 1
    for start in range(0, len(sent), size):
        if start and fault.drip_every:
            await connection.pause(fault.drip_every)
        await send(
            {"type": "http.response.body", "body": sent[start : start + size], "more_body": True}
        )
    # The length that was declared is never reached, so the message is left unfinished.
    if fault.cut is not None:
        await connection.close()
        raise ClientGoneError
    await send({"type": "http.response.body", "body": b"", "more_body": False})
