"""The benches' provider: one fixed answer of Groq's and one of Bedrock's, after a fixed time.

    python -m bench.serving MILLISECONDS

It prints its port. It speaks the least HTTP that all clients understand, on uvloop where that is
installed, so that it is not what the rows measure.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

#: Many callers connect at once.
_BACKLOG = 8192

#: The least that it answers.
REQUEST = b"POST /openai/v1/chat/completions HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}"


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


def converse(text: str) -> dict[str, Any]:
    """Return an answer as Bedrock's Converse writes it."""
    return {
        "output": {"message": {"role": "assistant", "content": [{"text": text}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 9, "outputTokens": 3, "totalTokens": 12},
        "metrics": {"latencyMs": 50},
    }


def _whole(answer: dict[str, Any]) -> bytes:
    body = json.dumps(answer).encode()
    head = (
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-amzn-requestid: 0\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


_GROQ, _BEDROCK = _whole(completion("Hello!")), _whole(converse("Hello!"))


class _Talk(asyncio.Protocol):
    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._read = b""

    def connection_made(self, transport: Any) -> None:  # uvloop's is of no class of asyncio's
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, end, body = self._read.partition(b"\r\n\r\n")
        if not end:
            return
        length = head.lower().partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]
        if len(body) < int(length or 0):
            return
        self._read = b""
        answer = _BEDROCK if head.startswith(b"POST /model/") else _GROQ
        if self._seconds:
            asyncio.get_running_loop().call_later(self._seconds, self._transport.write, answer)
        else:
            self._transport.write(answer)


async def _serve(seconds: float) -> None:
    listening = await asyncio.get_running_loop().create_server(
        lambda: _Talk(seconds), "127.0.0.1", 0, backlog=_BACKLOG
    )
    print(listening.sockets[0].getsockname()[1], flush=True)
    await listening.serve_forever()


def main() -> None:
    """Serve until the process is ended."""
    try:
        import uvloop
    except ImportError:
        run = asyncio.run
    else:
        run = uvloop.run
    run(_serve(float(sys.argv[1]) / 1000))


if __name__ == "__main__":
    main()
