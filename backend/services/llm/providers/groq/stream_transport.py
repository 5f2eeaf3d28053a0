"""One stream through a groq client: the bytes of a plain post, or the SDK's own stream.

Bytes and `json.loads` cost a twelfth of the SDK's chunks. What stands in the SDK's place is
called, and iterated, as it always was.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio

from ...errors import LLMError
from ...http.deadline import TimeLeft
from ...http.dial import shut
from ...runtime.real_sdk import is_real_sdk
from ...types import Request
from ..channel import AsyncChannel, Channel
from ..sources import AsyncIterated, InThread, Iterated
from .limit_reports import reports_in_headers
from .stream import StreamReader
from .transport import has_original_create, post_arguments, read_answer

if TYPE_CHECKING:
    from .templated_streams import Begun

#: What makes the SDK hand out a response that is not read yet; `with_streaming_response` sets it.
_UNREAD = {"X-Stainless-Raw-Response": "stream"}

#: Seconds for the end of a message whose stream has ended, so that its connection can be kept.
_LINGER = 0.1


class StreamSpec(NamedTuple):
    """What is to be streamed: the keywords of `create`, and what an error of theirs means."""

    wire: Mapping[str, Any]
    request: Request
    to_error: Callable[[Exception], LLMError]


def opened(sdk: Any, stack: ExitStack, spec: StreamSpec, timeout: float) -> Channel:
    """Send *spec* through *sdk*, in at most *timeout* seconds, and return the stream.

    It closes *stack* in the end. Raises what the SDK raises.
    """
    reader, limit = StreamReader(spec.request), TimeLeft(time.monotonic() + timeout)
    if not has_original_create(sdk):
        options = {"timeout": limit} if is_real_sdk(sdk, "groq") else {}
        chunks = sdk.chat.completions.create(**spec.wire, stream=True, **options)
        stack.callback(getattr(chunks, "close", bool))
        return Channel(Iterated(stack, iter(chunks), limit), reader, reader.add, spec.to_error)
    begun = _begin(sdk, stack, {**spec.wire, "stream": True}, limit)
    reader.limits = reports_in_headers(begun.headers)
    if begun.source is not None:
        return Channel(begun.source, reader, reader.feed, spec.to_error)
    whole = Iterated(stack, iter([begun.answer]))
    return Channel(whole, reader, reader.add_whole, spec.to_error)


def _begin(sdk: Any, stack: ExitStack, wire: Mapping[str, Any], limit: TimeLeft) -> Begun:
    from . import request_templates, templated_streams  # with httpx, which the SDK brings

    body = request_templates.body_of(wire)
    if body is not None:
        begun = templated_streams.begin(sdk, stack, body, limit.at)
        if begun is not None:
            return begun
    response = _response(sdk.post(**_unread(wire, limit)))
    stack.callback(response.close)
    if body is not None:
        request_templates.learn(sdk, response.request)
    if templated_streams.is_stream(response.status_code, response.headers):
        return templated_streams.Begun(response.headers, source=_Bytes(stack, response, limit))
    response.read()
    return templated_streams.Begun(response.headers, answer=read_answer(response))


async def aopened(
    sdk: Any, stack: AsyncExitStack, spec: StreamSpec, timeout: float
) -> AsyncChannel:
    """Do as `opened` does, through the SDK's awaiting client."""
    reader, limit = StreamReader(spec.request), TimeLeft(time.monotonic() + timeout)
    with anyio.fail_after(timeout):
        if not has_original_create(sdk):
            chunks = await sdk.chat.completions.create(**spec.wire, stream=True, timeout=limit)
            stack.push_async_callback(chunks.close)
            return AsyncChannel(
                AsyncIterated(stack, aiter(chunks)), reader, reader.add, spec.to_error
            )
        begun = await _abegin(sdk, stack, {**spec.wire, "stream": True}, limit)
    reader.limits = reports_in_headers(begun.headers)
    if begun.source is not None:
        return AsyncChannel(begun.source, reader, reader.feed, spec.to_error)
    whole = InThread(Iterated(ExitStack(), iter([begun.answer])))
    return AsyncChannel(whole, reader, reader.add_whole, spec.to_error)


async def _abegin(
    sdk: Any, stack: AsyncExitStack, wire: Mapping[str, Any], limit: TimeLeft
) -> Begun:
    from . import request_templates, templated_streams  # with httpx, which the SDK brings

    body = request_templates.body_of(wire)
    if body is not None:
        begun = await templated_streams.abegin(sdk, stack, body, limit.at)
        if begun is not None:
            if begun.source is None:
                await stack.aclose()
            return begun
    response = _response(await sdk.post(**_unread(wire, limit)))
    stack.push_async_callback(response.aclose)
    if body is not None:
        request_templates.learn(sdk, response.request)
    if templated_streams.is_stream(response.status_code, response.headers):
        return templated_streams.Begun(response.headers, source=_AsyncBytes(stack, response, limit))
    await response.aread()
    answer = read_answer(response)
    await stack.aclose()
    return templated_streams.Begun(response.headers, answer=answer)


def _unread(wire: Mapping[str, Any], limit: TimeLeft) -> dict[str, Any]:
    arguments = post_arguments(wire, limit)
    options = arguments["options"]
    options["headers"] = {**options.get("headers", {}), **_UNREAD}
    return arguments


def _response(made: Any) -> Any:
    """The response itself, which some releases of the SDK wrap."""
    return getattr(made, "http_response", made)


def _end_at(is_done: bool) -> float:
    """Until when the rest of a message is read: what has come already, or its end."""
    return time.monotonic() + _LINGER if is_done else 0.0


class _Bytes:
    """The bytes of a response, for threads; each read ends at the moment of *limit*."""

    def __init__(self, stack: ExitStack, response: Any, limit: TimeLeft) -> None:
        self._stack = stack
        self._response = response
        self._pieces: Iterator[bytes] = response.iter_bytes()
        self._limit = limit

    def read(self, until: float) -> bytes | None:
        """Return what comes next before *until*, or None at the end."""
        self._limit.at = until
        return next(self._pieces, None)

    def close(self, *, is_done: bool = False) -> None:
        """Close the connection, or keep it where the message ends with the stream."""
        with self._stack:
            self._limit.at = _end_at(is_done)
            # It costs the connection, and no answer.
            with suppress(Exception):
                while next(self._pieces, None) is not None:
                    pass

    def abort(self) -> None:
        """End a read in another thread at once, where the connection is httpx's own."""
        connection = self._response.extensions.get("network_stream")
        if connection is not None:
            shut(connection.get_extra_info("socket"))


class _AsyncBytes:
    """The same for an event loop."""

    def __init__(self, stack: AsyncExitStack, response: Any, limit: TimeLeft) -> None:
        self._stack = stack
        self._pieces: AsyncIterator[bytes] = response.aiter_bytes()
        self._limit = limit

    async def read(self, until: float) -> bytes | None:
        """Return what comes next before *until*, or None at the end."""
        self._limit.at = until
        return await anext(self._pieces, None)

    async def aclose(self, *, is_done: bool = False) -> None:
        """Close the connection, or keep it where the message ends with the stream."""
        async with self._stack:
            self._limit.at = _end_at(is_done)
            # It costs the connection, and no answer.
            with suppress(Exception):
                # A read that is late ends each generator on the way: one that is left would be
                # closed as garbage, in a task of the event loop's own.
                while await anext(self._pieces, None) is not None:
                    pass
