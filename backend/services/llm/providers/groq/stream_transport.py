"""One stream through a groq client: the bytes of a plain post, or the SDK's own stream.

Bytes and `json.loads` cost a twelfth of the SDK's chunks. What stands in the SDK's place is
called, and iterated, as it always was.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio

from ...errors import LLMError
from ...http.deadline import TimeLeft
from ...http.dial import shut
from ...runtime.coroutines import as_coroutine, run_without_loop
from ...runtime.real_sdk import is_real_sdk
from ...types import Request
from ..channel import AsyncChannel, Channel
from ..sources import AsyncIterated, AsyncOwningSource, InThread, Iterated, OwningSource
from .limit_reports import reports_in_headers
from .stream import ChunkReader
from .transport import has_original_create, post_arguments, read_answer

if TYPE_CHECKING:
    from ...stream_types import StreamEvent

#: What makes the SDK hand out a response that is not read yet; `with_streaming_response` sets it.
_UNREAD = {"X-Stainless-Raw-Response": "stream"}

#: Seconds for the end of a message whose stream has ended, so that its connection can be kept.
_LINGER = 0.1


class StreamResponse(NamedTuple):
    """What has come of a request for a stream: where it is read, or an answer that is none."""

    headers: Mapping[str, str]
    source: Any = None
    answer: Any = None


class StreamSpec(NamedTuple):
    """What is to be streamed: the keywords of `create`, and what an error of theirs means."""

    arguments: Mapping[str, Any]
    request: Request
    to_error: Callable[[Exception], LLMError]


def open_stream(sdk: Any, stack: ExitStack, spec: StreamSpec, timeout: float) -> Channel:
    """Send *spec* through *sdk*, in at most *timeout* seconds, and return the stream.

    It closes *stack* in the end. Raises what the SDK raises.
    """
    reader, limit = ChunkReader(spec.request), TimeLeft(time.monotonic() + timeout)
    if not has_original_create(sdk):
        options = {"timeout": limit} if is_real_sdk(sdk, "groq") else {}
        chunks = sdk.chat.completions.create(**spec.arguments, stream=True, **options)
        stack.callback(getattr(chunks, "close", bool))
        return Channel(Iterated(stack, iter(chunks), limit), reader, reader.add, spec.to_error)

    def source_of(response: Any) -> OwningSource:
        stack.callback(response.close)
        return OwningSource(_ResponseBytes(response, limit), stack)

    response = run_without_loop(
        _respond(
            *(sdk, spec, limit),
            begin=as_coroutine(partial(_templated().begin, sdk, stack, limit.at)),
            post=as_coroutine(sdk.post),
            read=as_coroutine(lambda response: response.read()),
            source_of=source_of,
        )
    )
    source = response.source or Iterated(stack, iter([response.answer]))
    return Channel(source, *_reader_for(reader, response), spec.to_error)


async def aopen_stream(
    sdk: Any, stack: AsyncExitStack, spec: StreamSpec, timeout: float
) -> AsyncChannel:
    """Do as `open_stream` does, through the SDK's awaiting client."""
    reader, limit = ChunkReader(spec.request), TimeLeft(time.monotonic() + timeout)

    def source_of(response: Any) -> AsyncOwningSource:
        stack.push_async_callback(response.aclose)
        return AsyncOwningSource(_AsyncResponseBytes(response, limit), stack)

    with anyio.fail_after(timeout):
        if not has_original_create(sdk):
            chunks = await sdk.chat.completions.create(**spec.arguments, stream=True, timeout=limit)
            stack.push_async_callback(chunks.close)
            return AsyncChannel(
                AsyncIterated(stack, aiter(chunks)), reader, reader.add, spec.to_error
            )
        response = await _respond(
            *(sdk, spec, limit),
            begin=partial(_templated().abegin, sdk, stack, limit.at),
            post=sdk.post,
            read=lambda response: response.aread(),
            source_of=source_of,
        )
    answer = InThread(Iterated(ExitStack(), iter([response.answer])))
    source = response.source or AsyncOwningSource(answer, stack)
    return AsyncChannel(source, *_reader_for(reader, response), spec.to_error)


def _reader_for(
    reader: ChunkReader, response: StreamResponse
) -> tuple[ChunkReader, Callable[[Any], Sequence[StreamEvent]]]:
    """Return the *reader*, told the limits in the *response*, and its method that reads that."""
    reader.limits = reports_in_headers(response.headers)
    return reader, reader.add_whole if response.source is None else reader.feed


async def _respond(
    sdk: Any,
    spec: StreamSpec,
    limit: TimeLeft,
    *,
    begin: Callable[[Mapping[str, Any]], Coroutine[Any, Any, StreamResponse | None]],
    post: Callable[..., Coroutine[Any, Any, Any]],
    read: Callable[[Any], Coroutine[Any, Any, object]],
    source_of: Callable[[Any], Any],
) -> StreamResponse:
    """Ask for a stream, without the SDK if that can be, and return what has come."""
    from . import request_templates  # with httpx, which the SDK brings

    arguments = {**spec.arguments, "stream": True}
    body = request_templates.body_of(arguments)
    if body is not None and (found := await begin(body)) is not None:
        return found
    response = _unwrapped(await post(**_unread(arguments, limit)))
    source = source_of(response)
    if body is not None:
        request_templates.learn(sdk, response.request)
    if _templated().is_stream(response.status_code, response.headers):
        return StreamResponse(response.headers, source=source)
    await read(response)
    return StreamResponse(response.headers, answer=read_answer(response))


def _templated() -> Any:
    from . import templated_streams  # with httpx, which the SDK brings

    return templated_streams


def _unread(arguments: Mapping[str, Any], limit: TimeLeft) -> dict[str, Any]:
    posted = post_arguments(arguments, limit)
    options = posted["options"]
    options["headers"] = {**options.get("headers", {}), **_UNREAD}
    return posted


def _unwrapped(made: Any) -> Any:
    """The response itself, which some releases of the SDK wrap."""
    return getattr(made, "http_response", made)


def _end_at(is_done: bool) -> float:
    """Until when the rest of a message is read: what has come already, or its end."""
    return time.monotonic() + _LINGER if is_done else 0.0


class _ResponseBytes:
    """The bytes of a response, for threads; each read ends at the moment of *limit*."""

    def __init__(self, response: Any, limit: TimeLeft) -> None:
        self._response = response
        self._pieces: Iterator[bytes] = response.iter_bytes()
        self._limit = limit

    def read(self, until: float) -> bytes | None:
        """Return what comes next before *until*, or None at the end."""
        self._limit.at = until
        return next(self._pieces, None)

    def close(self, *, is_done: bool = False) -> None:
        """Read the rest of a message that ends with the stream, so that its connection is kept."""
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


class _AsyncResponseBytes:
    """The same for an event loop."""

    def __init__(self, response: Any, limit: TimeLeft) -> None:
        self._pieces: AsyncIterator[bytes] = response.aiter_bytes()
        self._limit = limit

    async def read(self, until: float) -> bytes | None:
        """Return what comes next before *until*, or None at the end."""
        self._limit.at = until
        return await anext(self._pieces, None)

    async def aclose(self, *, is_done: bool = False) -> None:
        """Read the rest of a message that ends with the stream, so that its connection is kept."""
        self._limit.at = _end_at(is_done)
        # It costs the connection, and no answer.
        with suppress(Exception):
            # A read that is late ends each generator on the way: one that is left would be
            # closed as garbage, in a task of the event loop's own.
            while await anext(self._pieces, None) is not None:
                pass
