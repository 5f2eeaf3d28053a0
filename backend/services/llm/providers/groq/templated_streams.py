"""A stream that is asked for as the client's first request was sent: over our own connections."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, ExitStack
from typing import Any

from ...http.http1 import Answer
from ...http.httpx_parts import httpx_error
from ...http.opened import AsyncOpened, Opened
from ...runtime.coroutines import run_without_loop
from ..sources import AsyncLeased, Leased
from . import request_templates as templates
from .stream_transport import StreamResponse


def begin(
    sdk: Any, stack: ExitStack, body: Mapping[str, Any], until: float
) -> StreamResponse | None:
    """Send *body* and return what has come before *until*; None where it has to go by the SDK.

    A source closes *stack* in the end. Raises the SDK's errors.
    """
    if (known := templates.template_for(sdk)) is None:
        return None
    own = sdk._client.original_transport

    async def open_(sent: templates.TemplatedRequest) -> Opened:
        opened: Opened = own.open(known.origin, sent, until)
        return opened

    async def whole(opened: Opened) -> bytes:
        return opened.whole(until)

    def source(opened: Opened) -> Leased:
        return Leased(_OpenedBytes(opened), stack)

    return run_without_loop(_begin(sdk, known, body, until, open_, whole, source))


async def abegin(
    sdk: Any, stack: AsyncExitStack, body: Mapping[str, Any], until: float
) -> StreamResponse | None:
    """Do as `begin` does, without blocking the event loop."""
    if (known := templates.template_for(sdk)) is None:
        return None
    own = sdk._client.original_transport
    return await _begin(
        *(sdk, known, body, until),
        lambda sent: own.open(known.origin, sent, until),
        lambda opened: opened.whole(until),
        lambda opened: AsyncLeased(_AsyncOpenedBytes(opened), stack),
    )


async def _begin(
    sdk: Any,
    known: templates.RequestTemplate,
    body: Mapping[str, Any],
    until: float,
    open_: Callable[[templates.TemplatedRequest], Coroutine[Any, Any, Any]],
    whole: Callable[[Any], Coroutine[Any, Any, bytes]],
    source: Callable[[Any], Any],
) -> StreamResponse:
    sent = templates.TemplatedRequest(known, body, until - time.monotonic())
    try:
        opened = await open_(sent)
        headers = dict(opened.head.headers)
        if is_stream(opened.head.status, headers):
            return StreamResponse(headers, source=source(opened))
        answer = Answer(opened.head.status, opened.head.headers, await whole(opened))
    except Exception as error:
        failure = error
    else:
        return StreamResponse(headers, answer=templates.read_answer(sdk, sent, answer))
    raise templates.as_groq(failure, sent)


def is_stream(status: int, headers: Mapping[str, str]) -> bool:
    """Whether an answer is a stream."""
    kind = headers.get("content-type", "")
    return 200 <= status < 300 and kind.startswith("text/event-stream")


class _OpenedBytes:
    """The bytes of a stream, for threads."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        self.close = opened.close
        self.abort = opened.abort

    def read(self, until: float) -> bytes | None:
        """Return what comes next before *until*, or None at the end; raises httpx's errors."""
        try:
            return self._opened.read(until)
        except Exception as error:
            failure = httpx_error(error)
        raise failure


class _AsyncOpenedBytes:
    """The same for an event loop."""

    def __init__(self, opened: AsyncOpened) -> None:
        self._opened = opened
        self.aclose = opened.aclose

    async def read(self, until: float) -> bytes | None:
        """Return what comes next before *until*, or None at the end; raises httpx's errors."""
        try:
            return await self._opened.read(until)
        except Exception as error:
            failure = httpx_error(error)
        raise failure
