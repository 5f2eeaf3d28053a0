"""Constant answers with little CPU, for benches: what costs is the client.

The first request to a path, for a model and a way to answer, is answered by the sandbox; its bytes
are kept, and sent to all that follow. There are no limits, faults or journal.
"""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from concurrent.futures import Future
from types import TracebackType
from urllib.parse import unquote

from ..answer import Answer
from ..handler import Handler
from ..http_types import HttpRequest, HttpResponse

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_MODEL = re.compile(rb'"model": ?"([^"]*)"')
_STREAM = re.compile(rb'"stream": ?true')
_END = b"0\r\n\r\n"
Key = tuple[bytes, bytes | None, bool]


class NullModel:
    """A server in its own thread; `pieces` are those of an answer, `every` the seconds between.

    With `every` above 0 a stream's frames are sent one by one, else all at once.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        pieces: int = 3,
        every: float = 0.0,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        if pieces < 1 or not every >= 0:
            raise ValueError(f"NullModel(pieces={pieces}, every={every}): must be 1 and 0 or more")
        self.every = every
        self._handler = handler
        self._answer = Answer(pieces=tuple(f"word{number} " for number in range(pieces)))
        self._kept: dict[Key, tuple[bytes, ...]] = {}
        self._host, self._port = host, port
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self.connections: set[asyncio.Transport] = set()

    @property
    def url(self) -> str:
        """`http://host:port`, for both providers."""
        return f"http://{self._host}:{self._port}"

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that lead the groq SDK and boto3 here."""
        return {"GROQ_BASE_URL": self.url, "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": self.url}

    def start(self) -> NullModel:
        """Listen; raises OSError where the port is taken."""
        listener = socket.create_server((self._host, self._port), backlog=4096)
        self._port = listener.getsockname()[1]
        ready: Future[None] = Future()
        self._thread = threading.Thread(
            target=asyncio.run, args=(self._serve(listener, ready),), name="null-model", daemon=True
        )
        self._thread.start()
        ready.result()
        return self

    def stop(self) -> None:
        """Drop every connection and end the thread; harmless when stopped."""
        loop, thread = self._loop, self._thread
        self._loop = self._thread = None
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(self._stopping.set)
            thread.join()

    def __enter__(self) -> NullModel:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.stop()

    async def _serve(self, listener: socket.socket, ready: Future[None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        server = await self._loop.create_server(lambda: _NullProtocol(self), sock=listener)
        ready.set_result(None)
        await self._stopping.wait()
        server.close()
        for transport in list(self.connections):
            transport.abort()
        await server.wait_closed()

    def blocks(self, head: bytes, body: bytes) -> tuple[bytes, ...]:
        """The bytes that answer a request: one block, or one for each frame of a stream."""
        line = head[: head.index(b"\r\n")]
        model = _MODEL.search(body)
        key = (line, model and model[1], _STREAM.search(body) is not None)
        kept = self._kept.get(key)
        return kept if kept is not None else self._first(key, line, head, body)

    def _first(self, key: Key, line: bytes, head: bytes, body: bytes) -> tuple[bytes, ...]:
        method, path, *_ = line.decode("latin-1").split(" ")
        fields = (row.partition(":") for row in head.decode("latin-1").split("\r\n")[1:])
        headers = {name.strip().lower(): value.strip() for name, _, value in fields}
        self._handler.script.add((self._answer,))
        request = HttpRequest(method, unquote(path.partition("?")[0]), headers, body)
        response = self._handler.receive(request, 0).response
        self._handler.clear()
        blocks = _blocks(response)
        # An error is not kept: the next request may be better.
        if response.status == 200 and len(self._kept) < 1_000:
            self._kept[key] = blocks
        return blocks


class _NullProtocol(asyncio.Protocol):
    """One connection: requests one after another, each with a known length."""

    def __init__(self, model: NullModel) -> None:
        self._model = model
        self._received = bytearray()
        self._paced: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._model.connections.add(transport)
        raw = transport.get_extra_info("socket")
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def connection_lost(self, error: Exception | None) -> None:
        self._model.connections.discard(self._transport)
        if self._paced is not None:
            self._paced.cancel()

    def data_received(self, data: bytes) -> None:
        self._received += data
        while self._paced is None and self._answered_one():
            pass

    def _answered_one(self) -> bool:
        received = self._received
        end = received.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = bytes(received[:end])
        length = _LENGTH.search(head)
        size = int(length[1]) if length else 0
        if len(received) < end + 4 + size:
            if b"100-continue" in head and len(received) == end + 4:
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            return False
        body = bytes(received[end + 4 : end + 4 + size])
        del received[: end + 4 + size]
        blocks = self._model.blocks(head, body)
        if self._model.every and len(blocks) > 1:
            self._send_next(blocks, 0, asyncio.get_running_loop().time())
        else:
            self._transport.write(b"".join(blocks))
        return True

    def _send_next(self, blocks: tuple[bytes, ...], place: int, due: float) -> None:
        self._transport.write(blocks[place])
        self._paced = None
        if place + 1 < len(blocks):
            # By the time it was due, so that no delay adds up.
            due += self._model.every
            loop = asyncio.get_running_loop()
            self._paced = loop.call_at(due, self._send_next, blocks, place + 1, due)
        elif self._received:
            self.data_received(b"")


def _blocks(response: HttpResponse) -> tuple[bytes, ...]:
    framed = bool(response.frames)
    length = {"transfer-encoding": "chunked"} if framed else {"content-length": len(response.body)}
    lines = [f"{name}: {value}" for name, value in {**response.headers, **length}.items()]
    status = f"HTTP/1.1 {response.status} OK"
    head = "\r\n".join([status, *lines, "", ""]).encode("latin-1")
    if not framed:
        return (head + response.body,)
    chunks = [b"%x\r\n%s\r\n" % (len(frame.data), frame.data) for frame in response.frames]
    return (
        (head + chunks[0], *chunks[1:-1], chunks[-1] + _END)
        if chunks[1:]
        else (head + chunks[0] + _END,)
    )
