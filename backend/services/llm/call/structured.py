"""A structured answer, turn by turn: asked for in the strongest form that the model takes,
validated, and asked for again with its faults shown.

    structured              turns until an answer satisfies the schema
      _take_turn            one answer in one form; after a refusal of the form in the next
        possible_output_modes  the forms that there are, strongest first (output_forms.py)
        _answer_or_partial  what came of asking, whole or not
      _next_turn            what to ask after a faulty one: the same with more room, or a repair
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from .. import models
from ..effects import Effects, Overdue, run_blocking
from ..errors import (
    InvalidRequestError,
    LLMError,
    StructuredOutputError,
    TruncatedError,
)
from ..frozen import dataclass
from ..settings.knobs import Knobs
from ..structured import (
    InvalidAnswer,
    OutOfTimeError,
    Schema,
    StepDeadline,
    ValidAnswer,
    parse_answer,
    repair_message,
)
from ..types import Reply, Request
from . import lifecycle
from .call import Call
from .output_forms import (
    StructuredSpec,
    form_key,
    in_output_mode,
    is_about_form,
    model_in_service,
    possible_output_modes,
)

#: An answer and a schema of more characters, or of more when multiplied, are compared in a thread
#: where an event loop waits: fewer take it twenty milliseconds at most.
_QUICK = 50_000
_QUICK_PRODUCT = 20_000_000
#: Faults that the error's message names; it carries all of them as data.
_LISTED = 3
#: How much more room an answer gets that was cut off: two turns make 65,536 tokens of the default
#: 4,096, as much as Groq's largest models write.
_MORE_ROOM = 4


@dataclass(frozen=True)
class _ValidatedReply:
    """An answer, the verdict on it, and the failure that it came with."""

    reply: Reply
    verdict: ValidAnswer | InvalidAnswer
    cause: LLMError | None

    @property
    def invalid(self) -> InvalidAnswer:
        """The verdict where it is no answer."""
        assert isinstance(self.verdict, InvalidAnswer)
        return self.verdict


def structured_by(
    request: Request, spec: Any, knobs: Knobs, call: Call, *, prompt_only: bool = False
) -> Effects[tuple[Any, Reply]]:
    """Do as `structured` does, by a schema that is first compiled.

    Raises `ConfigurationError` if it is none.
    """
    spec = yield from compiled(spec, knobs, call, prompt_only=prompt_only)
    answer, reply = yield from structured_answer(request, spec, call)
    return answer.value, reply


def compiled(spec: Any, knobs: Knobs, call: Call, *, prompt_only: bool) -> Effects[StructuredSpec]:
    """Compile a schema; raises `ConfigurationError` if it is none."""
    compiling = partial(StructuredSpec.of, spec, knobs, prompt_only=prompt_only)
    try:
        return (
            yield from run_blocking(
                compiling, call.time_left(), "validation", blocks=not Schema.is_small(spec)
            )
        )
    except Overdue:
        raise call.deadline_error() from None


def structured(request: Request, spec: StructuredSpec, call: Call) -> Effects[tuple[Any, Reply]]:
    """Return a value that satisfies the schema, and the reply that held it."""
    answer, reply = yield from structured_answer(request, spec, call)
    return answer.value, reply


def structured_answer(
    request: Request, spec: StructuredSpec, call: Call
) -> Effects[tuple[ValidAnswer, Reply]]:
    """Return an answer that satisfies the schema, and the reply that held it.

    Raises `StructuredOutputError` with the last answer's faults when the repairs are used up, and
    when a further turn is refused: for its length, most often, which is not what the caller asked.
    """
    turn: Request | None = request
    last: _ValidatedReply | None = None
    turns_left = 1 + spec.repairs
    while turn is not None and turns_left:
        turns_left -= 1
        try:
            last = yield from _take_turn(turn, spec, call)
        except InvalidRequestError as refused:
            if last is None:
                raise
            raise structured_error(last.invalid, last.reply, call) from refused
        if isinstance(last.verdict, ValidAnswer):
            return last.verdict, last.reply
        if call.has_streamed:
            break  # of an answer that was shown in part there is no second
        turn = _next_turn(request, turn, last)
        if turn is not None and turns_left and call.events is not None:
            call.events.repair_planned(len(last.invalid.errors))
    assert last is not None, "there is always a first turn"
    raise structured_error(last.invalid, last.reply, call) from last.cause


def _take_turn(request: Request, spec: StructuredSpec, call: Call) -> Effects[_ValidatedReply]:
    """Ask once in the first form that the provider does not refuse, and validate the answer."""
    # One after the other, as few calls need a second: each is a rewriting of the whole schema.
    output_modes = possible_output_modes(request, spec, call)
    mode, rewritten = strongest, _ = next(output_modes)
    while True:
        formed = in_output_mode(request, mode, rewritten)
        if call.snapshots is not None:
            call.snapshots.use_output_mode(spec, mode, rewritten)
        try:
            reply, cause = yield from _answer_or_partial(formed, call)
            break
        except InvalidRequestError as error:
            may_change = is_about_form(error) and not call.has_streamed
            weaker = next(output_modes, None) if may_change else None
            if weaker is None:
                raise
            mode, rewritten = weaker
    if mode != strongest:
        call.account.remember_output_mode(form_key(request, spec, call), mode)
    cut = isinstance(cause, TruncatedError)
    validate = partial(
        parse_answer,
        reply.text,
        cut,
        spec.schema,
        coerce=spec.coerce,
        restore=rewritten.restore,
        deadline=StepDeadline(call.time_left),
    )
    much = _is_slow_to_validate(reply.text, spec.schema.text)
    try:
        verdict = yield from run_blocking(validate, call.time_left(), "validation", blocks=much)
    except (OutOfTimeError, Overdue):
        raise call.deadline_error() from None
    if isinstance(verdict, InvalidAnswer) and (cache := call.account.cache):
        # Else the next call would fail for as long as answers are kept.
        yield from call.run_cache_operation(cache, partial(cache.forget, formed))
    return _ValidatedReply(reply, verdict, cause)


def _is_slow_to_validate(answer: str, schema: str) -> bool:
    """Tell whether validation may take longer than an event loop should stand still."""
    one, other = len(answer), len(schema)
    return one + other > _QUICK or one * other > _QUICK_PRODUCT


def _answer_or_partial(request: Request, call: Call) -> Effects[tuple[Reply, LLMError | None]]:
    """Ask, and take for a reply what a failed call had written."""
    try:
        return (yield from lifecycle.fetch_reply(request, call)), None
    except TruncatedError as error:
        return _as_reply(error.partial, error.text, request, call), error
    except InvalidRequestError as error:
        if error.failed_generation is None:
            raise
        return _as_reply(None, error.failed_generation, request, call), error


def _next_turn(request: Request, turn: Request, last: _ValidatedReply) -> Request | None:
    """What to ask after a faulty answer; None where nothing more can be done."""
    cut = isinstance(last.cause, TruncatedError)
    # Groq refuses what the limit cut off as no JSON, without a word about the limit.
    cut |= isinstance(last.cause, InvalidRequestError) and last.invalid.truncated
    if last.reply.text.strip() and not cut:
        remark = repair_message(last.invalid.errors)
        # To the first request: every earlier attempt that is shown would cost its tokens again.
        repair = request.followed_by(last.reply.text, remark)
        return replace(repair, max_tokens=turn.max_tokens, defaulted=turn.defaulted)
    # Cut off, or nothing at all, which is most often reasoning that took all the room.
    room, most = turn.max_tokens or 0, models.abilities(last.reply.model).max_output
    more = min(room * _MORE_ROOM, most or room * _MORE_ROOM)
    if more > room:
        return replace(turn, max_tokens=more, defaulted=turn.defaulted - {"max_tokens"})
    # An empty answer may come the next time; one that was cut off would be cut off again.
    return turn if not last.reply.text.strip() else None


def structured_error(invalid: InvalidAnswer, reply: Reply, call: Call) -> StructuredOutputError:
    """Return the error for an answer that does not satisfy the schema."""
    listed = "; ".join(str(fault) for fault in invalid.errors[:_LISTED])
    more = len(invalid.errors) - _LISTED
    error = StructuredOutputError(
        f"LLM did not return valid JSON: {listed}{f'; and {more} more' if more > 0 else ''}",
        provider=call.account.provider,
        request_id=reply.request_id,
    )
    error.raw = invalid.raw
    error.errors = tuple((fault.path, fault.message) for fault in invalid.errors)
    error.partial = reply
    return error


def _as_reply(partial: Reply | None, text: str, request: Request, call: Call) -> Reply:
    """What a failed call had written, as if it were its answer."""
    reply = partial or Reply(text, model_in_service(request, call), call.account.provider)
    return reply.replace(attempts=tuple(call.attempts), latency=call.duration())
