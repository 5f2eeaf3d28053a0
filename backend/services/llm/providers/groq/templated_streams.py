"""A stream that is asked for as the client's first request was sent: over our own connections."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, ExitStack
from typing import Any

from ...http.http1 import Answer
from ...http.httpx_parts import httpx_error
from ...http.opened import AsyncOpened, Opened
from ...runtime.coroutines import as_coroutine, run_without_loop
from ..sources import AsyncOwningSource, OwningSource
from . import request_templates as templates
from .stream_transport import StreamResponse


def begin(
    sdk: Any, stack: ExitStack, until: float, body: Mapping[str, Any]
) -> StreamResponse | None:
    """Send *body* and return what has come before *until*; None where it has to go by the SDK.

    A source closes *stack* in the end. Raises the SDK's errors.
    """
    if (known := templates.template_for(sdk)) is None:
        return None
    return run_without_loop(
        _begin(
            *(sdk, known, body, until),
            whole=as_coroutine(lambda opened: opened.whole(until)),
            source_of=lambda opened: OwningSource(_OpenedBytes(opened), stack),
        )
    )


async def abegin(
    sdk: Any, stack: AsyncExitStack, until: float, body: Mapping[str, Any]
) -> StreamResponse | None:
    """Do as `begin` does, without blocking the event loop."""
    if (known := templates.template_for(sdk)) is None:
        return None
    return await _begin(
        *(sdk, known, body, until),
        whole=lambda opened: opened.whole(until),
        source_of=lambda opened: AsyncOwningSource(_AsyncOpenedBytes(opened), stack),
    )


async def _begin(
    sdk: Any,
    known: templates.RequestTemplate,
    body: Mapping[str, Any],
    until: float,
    *,
    whole: Callable[[Any], Coroutine[Any, Any, bytes]],
    source_of: Callable[[Any], Any],
) -> StreamResponse:
    request = templates.TemplatedRequest(known, body, until - time.monotonic())
    try:
        own = sdk._client.original_transport
        opened = await own.open(known.origin, request, until)
        headers = dict(opened.head.headers)
        if is_stream(opened.head.status, headers):
            return StreamResponse(headers, source=source_of(opened))
        answer = Answer(opened.head.status, opened.head.headers, await whole(opened))
    except Exception as error:
        failure = error
    else:
        return StreamResponse(headers, answer=templates.read_answer(sdk, request, answer))
    raise templates.as_groq(failure, request)


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
