"""The benches' provider: one fixed answer of Groq's and one of Bedrock's, after a fixed time.

A chat completion that is to be streamed comes as so many pieces: each a moment after the last, or
all at once from a server that answers at once.

    python -m bench.serving MILLISECONDS

It prints its port. It speaks the least HTTP that all clients understand, on uvloop where that is
installed, so that it is not what the rows measure.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

#: Many callers connect at once.
_BACKLOG = 8192

#: The pieces of a stream, and the seconds between two of them.
PIECES, PACE = 300, 0.01

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


def _chunk(delta: dict[str, Any], **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None, **more}
    chunk = {**completion(""), "object": "chat.completion.chunk", "choices": [choice]}
    if "finish_reason" not in more:  # the last one alone tells these
        del chunk["usage"], chunk["x_groq"]
    data = b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n"
    return b"%x\r\n%b\r\n" % (len(data), data)


_STREAM = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    + _chunk({"role": "assistant", "content": ""})
)
_CHUNKS = [_chunk({"content": f" {number}"}) for number in range(PIECES)]
_CHUNKS[-1] += _chunk({}, finish_reason="stop") + b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"


class _Ticker:
    """Writes the next piece of every stream, so many times a second: one timer for all."""

    def __init__(self) -> None:
        self._streams: dict[Any, int] = {}

    def add(self, transport: Any) -> None:
        """Begin a stream."""
        transport.write(_STREAM)
        if not self._streams:
            asyncio.get_running_loop().call_later(PACE, self._tick)
        self._streams[transport] = 0

    def end(self, transport: Any) -> None:
        """Write all the pieces of a stream now, if it is one."""
        if self._streams.pop(transport, None) is not None:
            transport.write(b"".join(_CHUNKS))

    def _tick(self) -> None:
        loop, due = asyncio.get_running_loop(), time.monotonic() + PACE
        for transport, number in list(self._streams.items()):
            if transport.is_closing():
                del self._streams[transport]
                continue
            transport.write(_CHUNKS[number])
            self._streams[transport] += 1
            if number + 1 == PIECES:
                del self._streams[transport]
        if self._streams:
            loop.call_later(max(0.0, due - time.monotonic()), self._tick)


class _Talk(asyncio.Protocol):
    def __init__(self, seconds: float, ticker: _Ticker) -> None:
        self._seconds = seconds
        self._ticker = ticker
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
        if b'"stream":true' in body or b'"stream": true' in body:
            begin, argument = self._ticker.add, self._transport
        else:
            answer = _BEDROCK if head.startswith(b"POST /model/") else _GROQ
            begin, argument = self._transport.write, answer
        if self._seconds:
            asyncio.get_running_loop().call_later(self._seconds, begin, argument)
        else:
            begin(argument)
            self._ticker.end(self._transport)


async def _serve(seconds: float) -> None:
    ticker = _Ticker()
    listening = await asyncio.get_running_loop().create_server(
        lambda: _Talk(seconds, ticker), "127.0.0.1", 0, backlog=_BACKLOG
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
