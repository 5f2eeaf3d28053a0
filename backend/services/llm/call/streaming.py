"""The life of a call that is streamed: that of any other, but for how its request is sent.

An answer from the cache, or of an identical call in flight, is handed out at once. Else this call
leads, and those that join it are given the whole reply at its end; where nobody reads on in the
stream for a second, one of them makes the call itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from math import inf
from typing import TYPE_CHECKING

from ..account.account import Account
from ..effects import Channel, Effects, emit, open_stream, pull
from ..errors import LLMError, LLMTimeoutError, TruncatedError
from ..stream_types import (
    AnyEvent,
    ReasoningPiece,
    StreamEvent,
    TextPiece,
    ToolCallPiece,
    UsageReport,
)
from ..types import Reply, Request
from . import lifecycle
from .admission import Admission
from .call import Call
from .call_policy import CallPolicy
from .demand import partly_spent
from .stream_resumption import StreamResumption

if TYPE_CHECKING:
    from .call_events import CallEvents


def stream(
    request: Request,
    policy: CallPolicy,
    account: Account,
    idle: float,
    events: CallEvents | None = None,
    *,
    resumes: bool = False,
) -> Effects[Reply]:
    """Answer *request* piece by piece; *idle* is the longest wait between two pieces, in s.

    Where it *resumes*, it goes on after a break, if its model can.
    """
    return lifecycle.run_call(
        policy, account, partial(_fetch_streamed, request, idle, resumes), events
    )


def _fetch_streamed(request: Request, idle: float, resumes: bool, call: Call) -> Effects[Reply]:
    stream_with(call, idle)
    call.stream_resumption = StreamResumption(request) if resumes else None
    reply = yield from lifecycle.fetch_reply(request, call)
    if call.first_piece_at is None:
        yield from hand_out(call, tuple(stream_events_of(reply)))
    return replace(reply, time_to_first_token=call.time_to_first_piece())


def stream_with(call: Call, idle: float) -> None:
    """Have *call* stream what it asks for; *idle* is the longest wait between two pieces, in s."""
    call.send_stream = partial(_send, call, idle)


def _send(
    call: Call, idle: float, request: Request, timeout: float, admission: Admission
) -> Effects[Reply]:
    """Send once, hand out what comes, and return the whole reply."""
    until, left, longest = call.account.now() + timeout, timeout, inf
    if (view := call.snapshots or call.stream_resumption) is not None:
        view.restart()
    channel = yield from open_stream(request, timeout)
    try:
        while True:
            left = until - call.account.now()
            if left <= 0 and not channel.answer_has_ended:
                raise _overdue(call, timeout, channel.so_far())
            if (events := (yield from pull(channel, max(0.0, min(left, longest))))) is None:
                return _whole(channel, call)
            if longest == inf:
                _note_first_piece(call, admission)
                longest = idle
            yield from hand_out(call, events)
    except LLMError as error:
        if left <= longest:
            _name_deadline(error, call, timeout)
        admission.partly_spent = partly_spent(request, channel.so_far(), error)
        raise
    except BaseException:
        # The reader has left, or the call was cancelled: what was not spent is given back.
        admission.partly_spent = partly_spent(request, channel.so_far())
        raise


def _whole(channel: Channel, call: Call) -> Reply:
    try:
        return channel.whole()
    except TruncatedError as error:
        reply = call.stream_resumption.ended(error) if call.stream_resumption is not None else None
        if reply is None:
            raise
        return reply


def _name_deadline(error: LLMError, call: Call, timeout: float) -> None:
    """Say that *timeout* has passed, in a timeout of ours: what was left in the end is no news."""
    if isinstance(error, LLMTimeoutError) and error.status is None:
        error.provider = call.account.provider
        error.args = _overdue(call, timeout).args


def _overdue(call: Call, timeout: float, partial: Reply | None = None) -> LLMTimeoutError:
    """Return the error of an answer that is late, after *timeout* s; *partial* has come of it."""
    policy, provider = call.policy, call.account.provider
    seconds = policy.timeout if timeout < policy.attempt_timeout else policy.attempt_timeout
    late = LLMTimeoutError(
        f"{provider.capitalize()} connection error: the deadline of {seconds:g} seconds passed"
        " before the stream had ended",
        provider=provider,
    )
    late.partial = partial
    return late


def _note_first_piece(call: Call, admission: Admission) -> None:
    """At the first piece, let those go on who wait to see whether the provider answers."""
    admission.received_at = call.account.now()
    call.account.end_outage(admission.scope)
    call.account.outages.release_probe(admission)


def hand_out(call: Call, events: Sequence[AnyEvent]) -> Effects[None]:
    """Give *events*, or the snapshot that they make, to whoever reads the stream."""
    if call.first_piece_at is None:
        call.first_piece_at = call.account.now()
        if call.events is not None:
            call.events.first_piece(call.time_to_first_piece())
    if (view := call.snapshots or call.stream_resumption) is not None:
        events = view.of(events)
    if not events:
        return
    call.has_streamed = True
    leader = call.leader
    if leader is None:
        yield from emit(events)
        return
    leader.reader_wait = object()
    try:
        yield from emit(events)
    finally:
        leader.reader_wait = None


def stream_events_of(reply: Reply) -> Iterator[StreamEvent]:
    """The events that a whole *reply* is worth."""
    if reply.reasoning:
        yield ReasoningPiece(reply.reasoning)
    if reply.text:
        yield TextPiece(reply.text)
    for place, call in enumerate(reply.tool_calls):
        yield ToolCallPiece(place, call.arguments, call.id, call.name)
    if reply.usage.reported:
        yield UsageReport(reply.usage)
