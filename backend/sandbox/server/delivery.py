"""Sends a response, as well or as badly as a fault says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from ..faults import Fault
from ..http_types import HttpResponse
from ..streams import Frame
from .protocol import ClientGoneError, Connection

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Delivery:
    """One response on its way; `frames_sent` counts the frames of a stream that went out whole."""

    def __init__(
        self, response: HttpResponse, fault: Fault, connection: Connection, send: Send
    ) -> None:
        self.frames_sent = 0
        self._response = response
        self._fault = fault
        self._connection = connection
        self._send = send

    async def run(self) -> None:
        """Send it all; raises ClientGoneError where the connection ends first."""
        response, fault = self._response, self._fault
        if fault.silence:
            await self._connection.pause(fault.silence)
        # A silence may end in a hang-up: the service that dies while it works.
        if fault.hang_up:
            await self._end_connection(reset=fault.hang_up == "reset")
        # Without a length, the server sends the body in chunks.
        length = {} if response.frames else {"content-length": str(len(response.body))}
        headers = {**length, **response.headers}
        start = [(name.encode("latin-1"), text.encode("latin-1")) for name, text in headers.items()]
        await self._send(
            {"type": "http.response.start", "status": response.status, "headers": start}
        )
        if fault.stall:
            await self._connection.pause(fault.stall)
        if response.frames and fault.cut is None and not fault.drip:
            await self._send_frames(response.frames)
        else:
            body = response.body or b"".join(frame.data for frame in response.frames)
            await self._send_body(body)
            self.frames_sent = len(response.frames)
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_body(self, body: bytes) -> None:
        fault = self._fault
        sent = body if fault.cut is None else body[: int(len(body) * fault.cut)]
        size = fault.drip or len(sent) or 1
        for start in range(0, len(sent), size):
            if start and fault.drip_every:
                await self._connection.pause(fault.drip_every)
            await self._send_some(sent[start : start + size])
        # The length that was declared is never reached, so the message is left unfinished.
        if fault.cut is not None:
            await self._end_connection(reset=False)

    async def _send_frames(self, frames: tuple[Frame, ...]) -> None:
        fault = self._fault
        stop = fault.stream_break
        at = stop.index(frames) if stop else -1
        for place, frame in enumerate(frames):
            if place and fault.frame_every:
                await self._connection.pause(fault.frame_every)
            if place == at and stop:
                await self._break(stop.kind, stop.seconds, frame.data)
            await self._send_some(frame.data)
            self.frames_sent = place + 1
        if stop and at == len(frames):
            await self._break(stop.kind, stop.seconds, b"")

    async def _break(self, kind: str, seconds: float, data: bytes) -> None:
        if kind == "stall":
            await self._connection.pause(seconds)
        elif kind == "tear":
            await self._send_some(data[: len(data) // 2])
            await self._end_connection(reset=False)
        elif kind in ("cut", "reset"):
            await self._end_connection(reset=kind == "reset")

    async def _send_some(self, data: bytes) -> None:
        if self._connection.is_lost:
            raise ClientGoneError
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def _end_connection(self, *, reset: bool) -> None:
        await (self._connection.reset() if reset else self._connection.close())
        raise ClientGoneError
