"""A stream that is asked for as the client's first request was sent: over our own connections."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, ExitStack
from functools import partial
from typing import Any, NamedTuple

from ...http.http1 import Answer
from ...http.httpx_parts import httpx_error
from ...http.opened import AsyncOpened, Opened
from ...runtime.coroutines import run_without_loop
from . import request_templates as templates


class Begun(NamedTuple):
    """What has come of a request for a stream: where it is read, or an answer that is none."""

    headers: Mapping[str, str]
    source: Any = None
    answer: Any = None


def begin(sdk: Any, stack: ExitStack, body: Mapping[str, Any], until: float) -> Begun | None:
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

    return run_without_loop(_begin(sdk, known, body, until, open_, whole, partial(_Bytes, stack)))


async def abegin(
    sdk: Any, stack: AsyncExitStack, body: Mapping[str, Any], until: float
) -> Begun | None:
    """Do as `begin` does, without blocking the event loop."""
    if (known := templates.template_for(sdk)) is None:
        return None
    own = sdk._client.original_transport
    return await _begin(
        *(sdk, known, body, until),
        lambda sent: own.open(known.origin, sent, until),
        lambda opened: opened.whole(until),
        partial(_AsyncBytes, stack),
    )


async def _begin(
    sdk: Any,
    known: templates.RequestTemplate,
    body: Mapping[str, Any],
    until: float,
    open_: Callable[[templates.TemplatedRequest], Coroutine[Any, Any, Any]],
    whole: Callable[[Any], Coroutine[Any, Any, bytes]],
    source: Callable[[Any], Any],
) -> Begun:
    sent = templates.TemplatedRequest(known, body, until - time.monotonic())
    try:
        opened = await open_(sent)
        headers = dict(opened.head.headers)
        if is_stream(opened.head.status, headers):
            return Begun(headers, source=source(opened))
        answer = Answer(opened.head.status, opened.head.headers, await whole(opened))
    except Exception as error:
        failure = error
    else:
        return Begun(headers, answer=templates.read_answer(sdk, sent, answer))
    raise templates.as_groq(failure, sent)


def is_stream(status: int, headers: Mapping[str, str]) -> bool:
    """Whether an answer is a stream."""
    kind = headers.get("content-type", "")
    return 200 <= status < 300 and kind.startswith("text/event-stream")


class _Bytes:
    """The bytes of a stream, for threads; it closes *stack* in the end."""

    def __init__(self, stack: ExitStack, opened: Opened) -> None:
        self._stack = stack
        self._opened = opened

    def read(self, until: float) -> bytes | None:
        """Return what comes next before *until*, or None at the end; raises httpx's errors."""
        try:
            return self._opened.read(until)
        except Exception as error:
            failure = httpx_error(error)
        raise failure

    def close(self, *, is_done: bool = False) -> None:
        """Close the connection, or keep it where the message ends with the stream."""
        with self._stack:
            self._opened.close(is_done=is_done)

    def abort(self) -> None:
        """End a read in another thread at once."""
        self._opened.abort()


class _AsyncBytes:
    """The same for an event loop."""

    def __init__(self, stack: AsyncExitStack, opened: AsyncOpened) -> None:
        self._stack = stack
        self._opened = opened

    async def read(self, until: float) -> bytes | None:
        """Return what comes next before *until*, or None at the end; raises httpx's errors."""
        try:
            return await self._opened.read(until)
        except Exception as error:
            failure = httpx_error(error)
        raise failure

    async def aclose(self, *, is_done: bool = False) -> None:
        """Close the connection, or keep it where the message ends with the stream."""
        async with self._stack:
            await self._opened.aclose(is_done=is_done)
