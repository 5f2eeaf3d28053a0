"""One stream of the runtime's API, over a connection of our own or as botocore streams it.

Which of the two is as for a whole answer: see `instrumentation.why_the_sdks_own`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from ...errors import LLMError, Retry
from ...http.dial import left_until
from ...http.http1 import Answer
from ...runtime import watchdog
from ...runtime.coroutines import as_coroutine, run_without_loop
from ...runtime.opening import abortable_by
from ...types import Request
from ..channel import AsyncChannel, Channel, Source
from ..fields import member
from ..foreign_errors import unreadable_body
from ..sources import AsyncOwningSource, OwningSource
from . import signing
from .errors import error_in_ok_body
from .event_reader import EventReader
from .instrumentation import why_the_sdks_own
from .invoke_stream import InvokeReader
from .routes import uses_invoke
from .stream import ConverseReader
from .transport import Call, Transport, headers_of

if TYPE_CHECKING:
    from ...http.http1 import Head
    from ...http.origin import Origin
    from .stream_call import StreamCall
    from .stream_connections import StreamConnections

T = TypeVar("T")

_CONTENT_TYPE = "application/vnd.amazon.eventstream"


class StreamSpec(NamedTuple):
    """What is to be streamed: the keywords of the SDK's method, and what an error of it means."""

    arguments: Mapping[str, Any]
    request: Request
    to_error: Callable[[Exception], LLMError]

    @property
    def call(self) -> Call:
        """The call of the SDK."""
        is_invoke = uses_invoke(self.request.model)
        method = "invoke_model_with_response_stream" if is_invoke else "converse_stream"
        return Call(method, self.arguments, headers_of(self.request))

    def reader(self, about: object) -> EventReader:
        """What reads the stream; *about* is the response's metadata."""
        known: Any = about if isinstance(about, Mapping) else {}
        if not uses_invoke(self.request.model):
            return ConverseReader(self.request, known)
        headers = member(known, "HTTPHeaders")
        return InvokeReader(self.request, headers if isinstance(headers, Mapping) else None)


class StreamingTransport(Transport):
    """A transport that opens streams, too."""

    @cached_property
    def _connections(self) -> StreamConnections:
        from .stream_connections import StreamConnections  # pays for h11 only where it is used

        return StreamConnections(self._size, self._limit)

    def open(self, sdk: Any, stack: ExitStack, spec: StreamSpec, timeout: float) -> Channel:
        """Open a stream in at most *timeout* seconds; once open, it closes *stack* in the end.

        Raises TimeoutError, and what the SDK raises.
        """
        until, call = time.monotonic() + timeout, spec.call
        if why_the_sdks_own(sdk, call.method):
            abortable = self._abortable_stream(until)
            return _Watched.of(_ask(sdk, spec, abortable, timeout), stack, spec, abortable)
        response, opened = run_without_loop(
            self._ask(
                *(sdk, spec),
                sign=as_coroutine(partial(self._signed, sdk, call, until)),
                connect=as_coroutine(partial(self._connections.open, until=until)),
                whole=as_coroutine(lambda opened: opened.whole(until)),
            )
        )
        if opened is None:
            return _Watched.of(response, stack, spec, self._abortable_stream(until))
        reader = spec.reader(_about(opened.head))
        return Channel(OwningSource(opened, stack), reader, reader.feed, spec.to_error)

    async def aopen(
        self, sdk: Any, stack: AsyncExitStack, spec: StreamSpec, timeout: float
    ) -> AsyncChannel:
        """Do as `open` does, without blocking the event loop."""
        until, call = time.monotonic() + timeout, spec.call
        if why_the_sdks_own(sdk, call.method):
            return await self._in_a_worker(sdk, stack, spec, until)
        response, opened = await self._ask(
            *(sdk, spec),
            sign=partial(self._asigned, sdk, call, until),
            connect=partial(self._connections.aopen, until=until),
            whole=lambda opened: opened.whole(until),
        )
        if opened is None:
            return self._of_workers(stack, spec, response, self._abortable_stream(until))
        reader = spec.reader(_about(opened.head))
        return AsyncChannel(AsyncOwningSource(opened, stack), reader, reader.feed, spec.to_error)

    async def _ask(
        self,
        sdk: Any,
        spec: StreamSpec,
        sign: Callable[[], Coroutine[Any, Any, signing.Signed]],
        connect: Callable[[Origin, signing.Signed], Coroutine[Any, Any, Any]],
        whole: Callable[[Any], Coroutine[Any, Any, bytes]],
    ) -> tuple[Any, Any]:
        """Return the response that something in the SDK has given, or the stream that is open."""
        signed = await sign()
        if signed.response is not None:
            return signed.response, None
        opened = await connect(self._http.origin_of(sdk, signed.request.url), signed)
        if _is_stream(opened.head):
            return None, opened
        raise _refusal(sdk, signed, opened.head, await whole(opened), spec)

    async def _in_a_worker(
        self, sdk: Any, stack: AsyncExitStack, spec: StreamSpec, until: float
    ) -> AsyncChannel:
        abortable = self._abortable_stream(until)
        ask = partial(_ask, sdk, spec, abortable, left_until(until))
        try:
            response = await self._awaited(self._submit(ask))
        except BaseException:
            abortable.abort()
            raise
        return self._of_workers(stack, spec, response, abortable)

    def _of_workers(
        self, stack: AsyncExitStack, spec: StreamSpec, response: Any, abortable: StreamCall
    ) -> AsyncChannel:
        channel = _Watched.of(response, ExitStack(), spec, abortable)
        source = _InWorkers(self, channel.source, abortable, stack)
        return AsyncChannel(source, channel.reader, channel.take, spec.to_error)

    def _abortable_stream(self, until: float) -> StreamCall:
        from .stream_call import StreamCall  # pays for http.client only where it is used

        return StreamCall(until, self._limit)

    def close(self) -> None:
        """Close what is idle; threads and connections in use end with their calls."""
        super().close()
        if "_connections" in vars(self):
            self._connections.close()

    async def aclose(self) -> None:
        """Close this event loop's idle connections too."""
        if "_connections" in vars(self):
            await self._connections.aclose()
        await super().aclose()


class _Watched:
    """botocore's own stream, read in a thread: the watchdog ends a read at its moment."""

    def __init__(self, events: Iterator[Any], abortable: StreamCall, stack: ExitStack) -> None:
        self._events = events
        self._abortable = abortable
        self._stack = stack

    @classmethod
    def of(
        cls, response: Any, stack: ExitStack, spec: StreamSpec, abortable: StreamCall
    ) -> Channel:
        """The stream of a *response* that whatever stands in the SDK's place has given."""
        events = response["body" if uses_invoke(spec.request.model) else "stream"]
        stack.callback(getattr(events, "close", bool))
        reader = spec.reader(member(response, "ResponseMetadata"))
        return Channel(cls(iter(events), abortable, stack), reader, reader.add, spec.to_error)

    def read(self, until: float) -> Any:
        """Return the next event before *until*, or None at the end."""
        return _watched(partial(next, self._events, None), self._abortable, left_until(until))

    def close(self, *, is_done: bool = False) -> None:
        """Close the connection."""
        self._stack.close()

    def abort(self) -> None:
        """End a read in another thread at once."""
        self._abortable.abort()


class _InWorkers:
    """The same, read in the transport's threads; a reader that is cancelled ends the read."""

    def __init__(
        self,
        transport: StreamingTransport,
        source: Source,
        abortable: StreamCall,
        stack: AsyncExitStack,
    ) -> None:
        self._transport = transport
        self._source = source
        self._abortable = abortable
        self._stack = stack

    async def read(self, until: float) -> Any:
        """Return the next event before *until*, or None at the end."""
        try:
            return await self._transport._awaited(
                self._transport._submit(partial(self._source.read, until))
            )
        except BaseException:
            self._abortable.abort()
            raise

    async def aclose(self, *, is_done: bool = False) -> None:
        """Close the connection."""
        async with self._stack:
            if not is_done:
                self._abortable.abort()
            self._source.close()


def _ask(sdk: Any, spec: StreamSpec, abortable: StreamCall, timeout: float) -> Any:
    """What the SDK's method returns, in this thread."""

    def ask() -> Any:
        with signing.adding(spec.call.headers):
            return getattr(sdk, spec.call.method)(**spec.arguments)

    abortable_by(abortable.abort)
    return _watched(ask, abortable, timeout)


def _watched(call: Callable[[], T], abortable: StreamCall, timeout: float) -> T:
    with watchdog.abort_after(timeout, abortable.abort):
        try:
            result = abortable.run(call)
        except Exception as error:
            if abortable.aborted.done():
                raise TimeoutError("aborted") from error
            raise
    if abortable.aborted.done():
        # What was cut off may look like the end.
        raise TimeoutError("aborted")
    return result


def _is_stream(head: Head) -> bool:
    kind = next((text for name, text in head.headers if name == "content-type"), "")
    return head.status == 200 and kind.startswith(_CONTENT_TYPE)


def _about(head: Head) -> dict[str, Any]:
    """The response's metadata in botocore's form."""
    headers = dict(head.headers)
    known = {"RequestId": headers.get("x-amzn-requestid"), "HTTPStatusCode": head.status}
    return {**known, "HTTPHeaders": headers}


def _refusal(
    sdk: Any, signed: signing.Signed, head: Head, body: bytes, spec: StreamSpec
) -> Exception:
    """The error in an answer that is no stream."""
    if head.status != 200:
        try:
            signing.read(sdk, signed, Answer(head.status, head.headers, body))
        except Exception as error:
            return error
    try:
        error_found = error_in_ok_body(json.loads(body), spec.request.model)
    except ValueError:
        return unreadable_body(body, dict(head.headers).get("content-type"), "bedrock")
    return error_found or LLMError(
        f"Bedrock API error: the reply is no event stream (HTTP {head.status})",
        provider="bedrock",
        status=head.status,
        retry=Retry.IF_REQUESTED,
    )
