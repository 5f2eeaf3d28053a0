"""A server of one fixed chat completion, in a process of its own: what is left is the client."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any


def completion(text: str) -> dict[str, Any]:
    """Return a chat completion as Groq writes it."""
    usage = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12, "total_time": 0.001}
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return {
        "id": "chatcmpl-0",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": "openai/gpt-oss-120b",
        "choices": [choice],
        "usage": usage,
        "service_tier": "on_demand",
        "system_fingerprint": "fp_0",
        "x_groq": {"id": "req_0"},
    }


@contextmanager
def server(text: str = "Hello!") -> Iterator[str]:
    """Serve the completion of *text* to every POST; yields the server's URL."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_serve, args=(theirs, text), daemon=True)
    process.start()
    yield f"http://127.0.0.1:{ours.recv()}"
    process.terminate()
    process.join()


def _serve(pipe: Connection, text: str) -> None:
    body = json.dumps(completion(text)).encode()
    head = (
        f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    answer = head.encode() + body

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await _head(reader):
            length = next(
                line for line in request.lower().split(b"\r\n") if b"content-length" in line
            )
            await reader.readexactly(int(length.split(b":")[1]))
            writer.write(answer)
            await writer.drain()
        writer.close()

    async def main() -> None:
        listening = await asyncio.start_server(talk, "127.0.0.1", 0)
        pipe.send(listening.sockets[0].getsockname()[1])
        await listening.serve_forever()

    asyncio.run(main())


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""
