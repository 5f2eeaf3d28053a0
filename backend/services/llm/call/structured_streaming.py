"""A structured answer as it comes: snapshots that only grow, and at the end the valid value.

It is asked for as any structured answer, and repaired as long as nothing of it has been shown: what
was shown is never taken back. An answer that is valid but contradicts what was shown is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ..account.account import Account
from ..effects import Effects
from ..settings.knobs import Knobs
from ..stream_types import AnyEvent, Snapshot, TextPiece, ToolCallPiece
from ..structured import (
    InvalidAnswer,
    PartialAnswer,
    Rewritten,
    Violation,
    extends,
)
from ..types import Mode, Request, StructuredReply
from . import lifecycle, streaming, structured
from .call import Call
from .call_policy import CallPolicy
from .output_forms import StructuredSpec

if TYPE_CHECKING:
    from .call_events import CallEvents


class StreamedSnapshots:
    """Makes snapshots of the pieces of an answer, in whichever form it is asked for."""

    def __init__(self) -> None:
        self._begin: Callable[[], PartialAnswer]
        self._partial: PartialAnswer
        self._piece: type[TextPiece | ToolCallPiece] = TextPiece

    @property
    def shown(self) -> Any:
        """The last snapshot; None before the first."""
        return self._partial.shown

    def use_output_mode(self, spec: StructuredSpec, mode: Mode, rewritten: Rewritten) -> None:
        """Expect an answer in this form."""
        self._begin = partial(
            PartialAnswer, spec.schema, is_wrapped=rewritten.is_wrapped, coerce=spec.coerce
        )
        self._piece = ToolCallPiece if mode == "tool" else TextPiece
        self.restart()

    def restart(self) -> None:
        """Forget what came of an answer of which nothing was shown."""
        self._partial = self._begin()

    def of(self, events: Sequence[AnyEvent]) -> list[AnyEvent]:
        """The snapshots after each of *events*, where there is a new one: many come at once."""
        found: list[AnyEvent] = []
        for event in events:
            if isinstance(event, Snapshot):
                found.append(event)
            elif isinstance(event, self._piece):
                text = event.text if isinstance(event, TextPiece) else event.arguments
                if (value := self._partial.add(text)) is not None:
                    found.append(Snapshot(value))
        return found


def stream(
    request: Request,
    schema: Any,
    knobs: Knobs,
    policy: CallPolicy,
    account: Account,
    events: CallEvents | None = None,
    *,
    prompt_only: bool = False,
) -> Effects[StructuredReply[Any]]:
    """Answer *request* by *schema*, snapshot by snapshot; the last is the valid value."""
    get_reply = partial(_fetch_structured, request, schema, knobs, prompt_only)
    return lifecycle.run_call(policy, account, get_reply, events)


def _fetch_structured(
    request: Request, schema: Any, knobs: Knobs, prompt_only: bool, call: Call
) -> Effects[StructuredReply[Any]]:
    spec = yield from structured.compiled(schema, knobs, call, prompt_only=prompt_only)
    call.snapshots = snapshots = StreamedSnapshots()
    streaming.stream_with(call, knobs.LLM_STREAM_IDLE_TIMEOUT)
    answer, reply = yield from structured.structured_answer(request, spec, call)
    if not extends(answer.json_value, snapshots.shown):
        contradiction = Violation("$", "contradicts what was shown of it before")
        invalid = InvalidAnswer(reply.text, (contradiction,), truncated=False)
        raise structured.structured_error(invalid, reply, call)
    if snapshots.shown is None or answer.json_value != snapshots.shown:
        yield from streaming.hand_out(call, [Snapshot(answer.json_value)])
    first = call.time_to_first_piece()
    return StructuredReply.of(answer.value, reply.replace(time_to_first_token=first))
