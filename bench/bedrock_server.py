"""A Bedrock of one fixed answer, in a process of its own: what is left is the client."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

_ANSWER = {
    "output": {"message": {"role": "assistant", "content": [{"text": "Hello!"}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 9, "outputTokens": 3, "totalTokens": 12},
    "metrics": {"latencyMs": 50},
}


@contextmanager
def server(latency: float) -> Iterator[str]:
    """Answer every POST after *latency* seconds; yields the server's URL."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, latency), daemon=True)
    process.start()
    yield f"http://127.0.0.1:{ours.recv()}"
    process.terminate()
    process.join()


class _Serving(asyncio.Protocol):
    def __init__(self, answer: bytes, latency: float) -> None:
        self._answer = answer
        self._latency = latency
        self._read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, end, body = self._read.partition(b"\r\n\r\n")
        if not end:
            return
        lines = head.lower().split(b"\r\n")
        length = next(int(line[15:]) for line in lines if line.startswith(b"content-length:"))
        if len(body) < length:
            return
        self._read = b""
        asyncio.get_running_loop().call_later(self._latency, self._transport.write, self._answer)


def _serve(pipe: Connection, latency: float) -> None:
    body = json.dumps(_ANSWER).encode()
    head = (
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-amzn-requestid: 0\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )

    async def main() -> None:
        loop = asyncio.get_running_loop()
        listening = await loop.create_server(
            lambda: _Serving(head.encode() + body, latency), "127.0.0.1", 0, backlog=4096
        )
        pipe.send(listening.sockets[0].getsockname()[1])
        await listening.serve_forever()

    asyncio.run(main())
