"""Perform a flow's effects: once for threads, once for asyncio."""

from __future__ import annotations

import asyncio
import inspect
import re
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from functools import partial, update_wrapper
from threading import TIMEOUT_MAX
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar, cast

from typing_extensions import assert_never

from ..effects import (
    Channel,
    Close,
    Effect,
    Effects,
    Emit,
    Join,
    Open,
    Pull,
    RunBlocking,
    Send,
    Sleep,
)
from ..runtime.blocking import BlockingCall
from ..runtime.running_loop import blocking_thread
from ..runtime.signals import find_signal_error

if TYPE_CHECKING:
    from ..stream_types import StreamEvent
    from ..types import Reply, Request

P = ParamSpec("P")
R = TypeVar("R")
M = TypeVar("M", bound=Callable[..., Any])
C = TypeVar("C", bound="HasTransport")

# An annotation is its text here.
_RETURNED = re.compile(r"Effects\[(.*)\]\Z")


class AsyncTransport(Protocol):
    """What an async client sends with: one request to one provider, or an `LLMError`."""

    async def asend(self, request: Request, timeout: float) -> Reply:
        """Send and await the whole reply, at most *timeout* seconds."""
        ...


class Transport(AsyncTransport, Protocol):
    """What a client sends with, in its caller's thread or in its event loop."""

    def sleep(self, seconds: float) -> None:
        """Let *seconds* pass in this thread."""

    def send(self, request: Request, timeout: float) -> Reply:
        """Send and wait for the whole reply in this thread."""
        ...


class StreamChannel(Channel, Protocol):
    """A stream that is read in a thread."""

    def pull(self, timeout: float) -> Sequence[StreamEvent] | None:
        """Wait, at most *timeout* seconds, for what comes next; None at the end."""
        ...

    def close(self) -> None:
        """Close it, if it is open."""

    def abort(self) -> None:
        """End a pull in another thread at once."""


class AsyncStreamChannel(Channel, Protocol):
    """A stream that is read in a task."""

    async def pull(self, timeout: float) -> Sequence[StreamEvent] | None:
        """Wait, at most *timeout* seconds, for what comes next; None at the end."""
        ...

    async def aclose(self) -> None:
        """Close it, if it is open."""


class AsyncStreamTransport(AsyncTransport, Protocol):
    """What an async client streams with."""

    async def aopen(self, request: Request, timeout: float) -> AsyncStreamChannel:
        """Send *request* and return its stream, in at most *timeout* seconds."""
        ...


class StreamTransport(AsyncStreamTransport, Transport, Protocol):
    """What a client streams with, in its caller's thread or in its event loop."""

    def open(self, request: Request, timeout: float) -> StreamChannel:
        """Send *request* in this thread and return its stream, in at most *timeout* seconds."""
        ...


class HasTransport(Protocol):
    """A client whose methods are flows."""

    @property
    def _transport(self) -> Transport: ...


def run(flow: Effects[R], transport: Transport) -> R:
    """Drive *flow* to its end in this thread; raises what ends it."""
    step: Callable[[], Effect] = partial(next, flow)
    handled = sys.exc_info()[1]
    with blocking_thread():
        while True:
            try:
                effect = step()
            except StopIteration as done:
                result: R = done.value
                return result
            try:
                step = partial(flow.send, perform(effect, transport))
            # An interruption too: the flow gives back what it holds.
            except BaseException as error:
                step = partial(flow.throw, find_signal_error(error, handled))


async def arun(flow: Effects[R], transport: AsyncTransport) -> R:
    """Drive *flow* to its end in this task; raises what ends it."""
    step: Callable[[], Effect] = partial(next, flow)
    handled = sys.exc_info()[1]
    while True:
        try:
            effect = step()
        except StopIteration as done:
            result: R = done.value
            return result
        try:
            step = partial(flow.send, await aperform(effect, transport))
        # A cancellation too: the flow gives back what it holds.
        except BaseException as error:
            step = partial(flow.throw, find_signal_error(error, handled))


def blocking_method(
    flow_of: Callable[Concatenate[C, P], Effects[R]],
) -> Callable[Concatenate[C, P], R]:
    """Make the method that drives this flow in the caller's thread."""

    def method(self: C, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return run(flow_of(self, *args, **kwargs), self._transport)

    return _named(method, flow_of)


def async_method(
    method: Callable[Concatenate[C, P], R],
) -> Callable[Concatenate[C, P], CoroutineType[Any, Any, R]]:
    """Make the async counterpart of a `blocking_method`: it drives the same flow in its task."""
    flow_of: Callable[Concatenate[C, P], Effects[R]] = method.__wrapped__  # type: ignore[attr-defined] # it set it

    async def counterpart(self: C, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await arun(flow_of(self, *args, **kwargs), self._transport)

    counterpart = _named(counterpart, flow_of)
    counterpart.__name__ = counterpart.__qualname__ = f"a{counterpart.__name__}"
    # What an `async def` is of; the checkers differ in what they call it.
    return cast("Callable[Concatenate[C, P], CoroutineType[Any, Any, R]]", counterpart)


def _named(method: M, flow_of: Callable[..., Any]) -> M:
    """Let *method* show the flow's signature and docstring, and what it returns in the end."""
    update_wrapper(method, flow_of)
    signature = inspect.signature(flow_of)
    returned = _RETURNED.sub(r"\1", str(signature.return_annotation))
    method.__annotations__ = {**flow_of.__annotations__, "return": returned}
    vars(method)["__signature__"] = signature.replace(return_annotation=returned)
    return method


def perform(effect: Effect, transport: Transport) -> Any:
    """Perform *effect* in this thread, and return what the flow resumes with."""
    match effect:
        case Send(request, timeout):
            return transport.send(request, timeout)
        case Sleep(seconds, wake=Future() as wake):
            return wait([wake], min(seconds, TIMEOUT_MAX))
        case Sleep(seconds):
            return transport.sleep(seconds)
        case Join(follower, timeout):
            return follower.join(timeout)
        case RunBlocking():
            return BlockingCall(effect).result()
        case Open(request, timeout):
            return cast("StreamTransport", transport).open(request, timeout)
        case Pull(channel, timeout):
            return cast("StreamChannel", channel).pull(timeout)
        case Emit():
            return None  # nobody reads on the way: the reply holds it all
        case Close(channel):
            return cast("StreamChannel", channel).close()
    assert_never(effect)


async def aperform(effect: Effect, transport: AsyncTransport) -> Any:
    """Perform *effect* in this task, and return what the flow resumes with."""
    match effect:
        case Send(request, timeout):
            return await transport.asend(request, timeout)
        case Sleep(seconds, wake=Future() as wake):
            return await asyncio.wait({asyncio.wrap_future(wake)}, timeout=seconds)
        case Sleep(seconds):
            return await asyncio.sleep(seconds)
        case Join(follower, timeout):
            return await follower.ajoin(timeout)
        case RunBlocking():
            return await BlockingCall(effect).aresult()
        case Open(request, timeout):
            return await cast("AsyncStreamTransport", transport).aopen(request, timeout)
        case Pull(channel, timeout):
            return await cast("AsyncStreamChannel", channel).pull(timeout)
        case Emit():
            return None
        case Close(channel):
            return await _close_shielded(cast("AsyncStreamChannel", channel))
    assert_never(effect)


async def _close_shielded(channel: AsyncStreamChannel) -> None:
    import anyio  # only streams need it

    with anyio.CancelScope(shield=True):
        await channel.aclose()
