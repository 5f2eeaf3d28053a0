"""A web application under uvicorn, and a browser that may go away while it is answered."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from uvicorn.server import ServerState


@asynccontextmanager
async def serving(respond: Callable[[Request], Response]) -> AsyncGenerator[int, None]:
    """Serve *respond* at every path, on the port that this yields."""

    async def route(request: Request) -> Response:
        return respond(request)

    app = Starlette(routes=[Route("/", route)])
    config = uvicorn.Config(app, log_config=None, lifespan="off", ws="none", http="h11")
    config.load()
    state = ServerState()

    def protocol() -> asyncio.Protocol:
        made: asyncio.Protocol = config.http_protocol_class(  # type: ignore[call-arg] # of uvicorn's own two
            config=config, server_state=state, app_state={}
        )
        return made

    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.gather(*state.tasks)


async def visit(port: int, leave_at: str = r"\Z(?!)") -> str:
    """Return the body of the page, as far as it was read before *leave_at* matched."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    page = b""
    try:
        while not re.search(leave_at.encode(), page, re.DOTALL):
            if not (part := await reader.read(65536)):
                break
            page += part
    finally:
        writer.close()
        await writer.wait_closed()
    assert b"content-type: text/event-stream" in page
    return page.partition(b"\r\n\r\n")[2].decode()


def parsed(frames: str) -> list[tuple[str, Any]]:
    """Read *frames* as a browser does: each event's name and its data; comments are passed over."""
    events = []
    for frame in frames.split("\n\n"):
        lines = [line.partition(": ") for line in frame.split("\n") if line]
        fields = {name: value for name, _, value in lines if name}
        if fields:
            events.append((fields["event"], json.loads(fields["data"])))
    return events
