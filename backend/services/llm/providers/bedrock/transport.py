"""One call of the runtime's API, from botocore's arguments to botocore's answer, in a given time.

Two roads lead there. On ours botocore makes the request ready and reads the answer, and what lies
between is a connection that knows the call's deadline, blocking or of an event loop. The SDK's own
is taken where something else stands in its place (`instrumentation.why_the_sdks_own`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager
from functools import cached_property, partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import anyio

from ...errors import LLMError, LLMTimeoutError, ResponseTooLargeError, Retry
from ...http.dial import left_until
from ...runtime import watchdog
from ...runtime.coroutines import as_coroutine, run_without_loop
from ...runtime.workers import Work, Workers
from ...types import Request
from . import signing
from .configuration import check_session
from .credentials import may_block
from .instrumentation import why_the_sdks_own
from .plain_answer import read_plain

if TYPE_CHECKING:
    from ...http.http1 import Answer
    from .abort import AbortableCall
    from .http_transport import HttpTransport

T = TypeVar("T")


class Answered(NamedTuple):
    """botocore's answer, and the body that it leaves to be read by its caller."""

    response: Any
    body: Any


class Call(NamedTuple):
    """One call of the SDK: its method's name and keywords, and headers of the caller's own."""

    method: str
    arguments: Mapping[str, Any]
    headers: Mapping[str, str] = MappingProxyType({})

    def through(self, sdk: Any) -> Answered:
        """Make it through whatever stands in the SDK's place."""
        with signing.adding(self.headers):
            response = getattr(sdk, self.method)(**self.arguments)
        return self.read(response)

    def read(self, response: Any) -> Answered:
        """Read what is still to be read of *response*."""
        return Answered(
            response, response["body"].read() if self.method == "invoke_model" else None
        )


def headers_of(request: Request) -> Mapping[str, str]:
    """The headers that *request*'s caller adds."""
    headers: Mapping[str, str] = request.options.get("extra_headers") or {}
    return headers


class Transport:
    """Sends calls of one client: at most *size* threads and idle connections.

    An answer has at most *limit* bytes.
    """

    def __init__(self, size: int, limit: int) -> None:
        self._size = size
        self._limit = limit
        self._workers = Workers(size, "bedrock")

    def send(self, sdk: Any, call: Call, timeout: float) -> Answered:
        """Make *call* in this thread, in at most *timeout* seconds.

        Raises LLMTimeoutError, and what the SDK raises.
        """
        until = time.monotonic() + timeout
        if why_the_sdks_own(sdk, call.method):
            return self._watched(sdk, call, until)
        return run_without_loop(
            _send(
                *(sdk, call, timeout),
                sign=as_coroutine(partial(self._signed, sdk, call, until)),
                exchange=as_coroutine(lambda signed: self._http.exchange(sdk, signed, until)),
            )
        )

    async def asend(self, sdk: Any, call: Call, timeout: float) -> Answered:
        """Make *call* as `send` does, without blocking the event loop."""
        until = time.monotonic() + timeout
        if why_the_sdks_own(sdk, call.method):
            return await self._in_a_thread(sdk, call, until)
        return await _send(
            *(sdk, call, timeout),
            sign=partial(self._asigned, sdk, call, until),
            exchange=lambda signed: self._http.aexchange(sdk, signed, until),
        )

    def close(self) -> None:
        """Close what is idle; threads and connections in use end with their calls."""
        self._workers.close()
        if "_http" in vars(self):
            self._http.close()

    async def aclose(self) -> None:
        """Close this event loop's idle connections too."""
        if "_http" in vars(self):
            await self._http.aclose()
        self.close()

    def _signed(self, sdk: Any, call: Call, until: float) -> signing.Signed:
        sign = partial(signing.sign, sdk, call.method, call.arguments, call.headers)
        if not may_block(sdk):
            return sign()
        work = self._submit(sign)
        try:
            signed: signing.Signed = work.result(left_until(until))
            return signed
        finally:
            self._workers.abandon(work)

    async def _asigned(self, sdk: Any, call: Call, until: float) -> signing.Signed:
        sign = partial(signing.sign, sdk, call.method, call.arguments, call.headers)
        if not may_block(sdk):
            return sign()
        with anyio.fail_after(left_until(until)):
            return await self._awaited(self._submit(sign))

    def _watched(self, sdk: Any, call: Call, until: float) -> Answered:
        """Make *call* through the SDK in this thread; the watchdog ends it at its deadline."""
        abortable = self._abortable(until)
        left = left_until(until)
        with _in_time(left, abortable), watchdog.abort_after(left, abortable.abort):
            return abortable.run(partial(call.through, sdk))

    async def _in_a_thread(self, sdk: Any, call: Call, until: float) -> Answered:
        """Make *call* through the SDK in a thread of ours, which ends with the caller's wait."""
        abortable = self._abortable(until)
        left = left_until(until)
        try:
            with _in_time(left, abortable), anyio.fail_after(left):
                run = partial(abortable.run, partial(call.through, sdk))
                return await self._awaited(self._submit(run))
        finally:
            abortable.abort()

    async def _awaited(self, work: Work[T]) -> T:
        try:
            return await asyncio.wrap_future(work)
        finally:
            self._workers.abandon(work)

    def _submit(self, call: Callable[[], T]) -> Work[T]:
        try:
            return self._workers.submit(call)
        except RuntimeError as error:
            raise LLMError(
                f"Bedrock: no thread can be started for the call: {error}",
                provider="bedrock",
                retry=Retry.AFTER_BACKOFF,
            ) from error

    def _abortable(self, until: float) -> AbortableCall:
        from .abort import AbortableCall  # pays for http.client only where it is used

        return AbortableCall(until, self._limit)

    @cached_property
    def _http(self) -> HttpTransport:
        from .http_transport import HttpTransport  # pays for h11 only where it is used

        return HttpTransport(self._size, self._limit)


async def _send(
    sdk: Any,
    call: Call,
    timeout: float,
    sign: Callable[[], Coroutine[Any, Any, signing.Signed]],
    exchange: Callable[[signing.Signed], Coroutine[Any, Any, Answer]],
) -> Answered:
    with _in_time(timeout):
        signed = await sign()
        if signed.response is not None:
            return call.read(signed.response)
        answer = await exchange(signed)
    return _read(sdk, call, signed, answer)


def _read(sdk: Any, call: Call, signed: signing.Signed, answer: Answer) -> Answered:
    if signed.is_templated and (plain := read_plain(call.method, answer)) is not None:
        return Answered(*plain)
    return call.read(signing.read(sdk, signed, answer))


def adopted(client: Any) -> Any:
    """Make a botocore *client* ready for this transport; return it.

    Raises ConfigurationError for a proxy or certificates that it could not use.
    """
    from .abort import track

    check_session(client)
    signing.listen(client)
    return track(client)


@contextmanager
def _in_time(timeout: float, abortable: AbortableCall | None = None) -> Iterator[None]:
    """Tell what ended a call that was aborted: its deadline, or the length of its answer."""
    try:
        yield
        if abortable is not None and abortable.aborted.done():
            # What was cut off may look whole: botocore does not count what it reads.
            raise TimeoutError("aborted")
    except ResponseTooLargeError as error:
        error.provider = "bedrock"
        raise
    except (TimeoutError, asyncio.TimeoutError, FutureTimeoutError) as error:
        raise _unanswered(timeout) from error
    except Exception as error:
        if abortable is not None and abortable.too_large is not None:
            abortable.too_large.provider = "bedrock"
            raise abortable.too_large from error
        if abortable is not None and abortable.aborted.done():
            raise _unanswered(timeout) from error
        raise


def _unanswered(timeout: float) -> LLMTimeoutError:
    return LLMTimeoutError(
        f"Bedrock connection error: no answer within {timeout:.3g} seconds", provider="bedrock"
    )
