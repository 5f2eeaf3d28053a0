"""A structured answer, turn by turn: asked for in the strongest form that the model takes, judged,
and asked for again with its faults shown.

    structured              turns until an answer satisfies the schema
      _take_turn            one answer in one form; after a refusal of the form in the next
        _possible_forms     the forms that there are, strongest first
        _answer_or_partial  what came of asking, whole or not
      _next_turn            what to ask after a faulty one: the same with more room, or a repair
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from .. import models
from ..effects import Flow, Overdue, run_blocking
from ..errors import (
    ConfigurationError,
    ContextLengthError,
    InvalidRequestError,
    LLMError,
    StructuredOutputError,
    TruncatedError,
)
from ..settings.knobs import Knobs
from ..structured import (
    InvalidAnswer,
    OutOfTimeError,
    Rewritten,
    Schema,
    StepDeadline,
    Target,
    ValidAnswer,
    instructions,
    parse_answer,
    repair_message,
    rewrite,
)
from ..types import Mode, Output, Reply, Request
from . import lifecycle
from .call import Call

#: An answer and a schema of more characters, or of more when multiplied, are compared in a thread
#: where an event loop waits: fewer take it twenty milliseconds at most.
_QUICK = 50_000
_QUICK_PRODUCT = 20_000_000
#: Faults that the error's message names; it carries all of them as data.
_LISTED = 3
#: How much more room an answer gets that was cut off: two turns make 65,536 tokens of the default
#: 4,096, as much as Groq's largest models write.
_MORE_ROOM = 4
#: A refusal is of the form that was asked for, not of what was asked, if its words are about forms:
#: neither provider has a code for it (most of Groq's 400s have none, Bedrock's all have the same).
_ABOUT_FORM = re.compile(
    r"schema|response.?format|json|output.?config|text.?format|tool|grammar", re.I
)
_TARGETS = {
    ("groq", "strict"): Target.GROQ_STRICT,
    ("groq", "schema"): Target.GROQ_JSON_SCHEMA,
    ("bedrock", "strict"): Target.BEDROCK_TEXT_FORMAT,
}


@dataclass(frozen=True)
class StructuredSpec:
    """What the answer must be, and how far to go for it."""

    schema: Schema
    repairs: int = 2
    #: Convert what leaves no doubt ("36" for an integer).
    coerce: bool = True
    #: Ask in words alone, as a test's stand-in for an SDK expects.
    plain: bool = False

    @classmethod
    def of(cls, spec: Any, knobs: Knobs, *, plain: bool = False) -> StructuredSpec:
        """What *spec* asks for, as far as the knobs go; ConfigurationError if it is no schema."""
        try:
            schema = Schema.of(spec)
        except ValueError as error:
            raise ConfigurationError(str(error)) from error
        return cls(schema, knobs.LLM_MAX_REPAIRS, knobs.LLM_COERCE, plain)


@dataclass(frozen=True)
class _Judgement:
    """An answer, the verdict on it, and the failure that it came with."""

    reply: Reply
    verdict: ValidAnswer | InvalidAnswer
    cause: LLMError | None

    @property
    def faulty(self) -> InvalidAnswer:
        """The verdict where it is no answer."""
        assert isinstance(self.verdict, InvalidAnswer)
        return self.verdict


def structured_by(
    request: Request, spec: Any, knobs: Knobs, call: Call, *, plain: bool = False
) -> Flow[tuple[Any, Reply]]:
    """Do as `structured` does, by a schema that is first compiled.

    Raises `ConfigurationError` if it is none.
    """
    compiling = partial(StructuredSpec.of, spec, knobs, plain=plain)
    try:
        spec = yield from run_blocking(
            compiling, call.time_left(), "judgement", blocks=not Schema.is_small(spec)
        )
    except Overdue:
        raise call.deadline_error() from None
    return (yield from structured(request, spec, call))


def structured(request: Request, spec: StructuredSpec, call: Call) -> Flow[tuple[Any, Reply]]:
    """Return a value that satisfies the schema, and the reply that held it.

    Raises `StructuredOutputError` with the last answer's faults when the repairs are used up, and
    when a further turn is refused: for its length, most often, which is not what the caller asked.
    """
    turn: Request | None = request
    judged: _Judgement | None = None
    turns_left = 1 + spec.repairs
    while turn is not None and turns_left:
        turns_left -= 1
        try:
            judged = yield from _take_turn(turn, spec, call)
        except InvalidRequestError as refused:
            if judged is None:
                raise
            raise _structured_error(judged, call) from refused
        if isinstance(judged.verdict, ValidAnswer):
            return judged.verdict.value, judged.reply
        turn = _next_turn(request, turn, judged)
        if turn is not None and turns_left and call.events is not None:
            call.events.repair_planned(len(judged.faulty.errors))
    assert judged is not None, "there is always a first turn"
    raise _structured_error(judged, call) from judged.cause


def _take_turn(request: Request, spec: StructuredSpec, call: Call) -> Flow[_Judgement]:
    """Ask once in the first form that the provider does not refuse, and judge the answer."""
    # One after the other, as few calls need a second: each is a rewriting of the whole schema.
    output_modes = _possible_forms(request, spec, call)
    mode, form = strongest, _ = next(output_modes)
    while True:
        formed = _in_form(request, mode, form)
        try:
            reply, cause = yield from _answer_or_partial(formed, call)
            break
        except InvalidRequestError as error:
            weaker = next(output_modes, None) if _is_about_form(error) else None
            if weaker is None:
                raise
            mode, form = weaker
    if mode != strongest:
        call.account.remember_output_mode(_form_key(request, spec, call), mode)
    cut = isinstance(cause, TruncatedError)
    judging = partial(
        parse_answer,
        reply.text,
        cut,
        spec.schema,
        coerce=spec.coerce,
        restore=form.restore,
        deadline=StepDeadline(call.time_left),
    )
    much = _is_slow_to_judge(reply.text, spec.schema.text)
    try:
        verdict = yield from run_blocking(judging, call.time_left(), "judgement", blocks=much)
    except (OutOfTimeError, Overdue):
        raise call.deadline_error() from None
    if isinstance(verdict, InvalidAnswer) and (cache := call.account.cache):
        # Else the next call would fail for as long as answers are kept.
        yield from call.use_cache(cache, partial(cache.forget, formed))
    return _Judgement(reply, verdict, cause)


def _is_slow_to_judge(answer: str, schema: str) -> bool:
    """Tell whether judging may take longer than an event loop should stand still."""
    one, other = len(answer), len(schema)
    return one + other > _QUICK or one * other > _QUICK_PRODUCT


def _answer_or_partial(request: Request, call: Call) -> Flow[tuple[Reply, LLMError | None]]:
    """Ask, and take for a reply what a failed call had written."""
    try:
        return (yield from lifecycle.answer(request, call)), None
    except TruncatedError as error:
        return error.partial or _as_reply(error.text, request, call), error
    except InvalidRequestError as error:
        if error.failed_generation is None:
            raise
        return _as_reply(error.failed_generation, request, call), error


def _possible_forms(
    request: Request, spec: StructuredSpec, call: Call
) -> Iterator[tuple[Mode, Rewritten]]:
    """The forms that the model takes and the schema can be written in, strongest first.

    The last is always words in the prompt, which take any schema.
    """
    in_service = _model_in_service(request, call)
    able = models.abilities(in_service)
    modes = ("prompt",) if spec.plain else models.modes_for(replace(request, model=in_service))
    if "tools" in request.options or "toolConfig" in request.options:
        # The caller's own tools exclude any other form.
        modes = ("prompt",)
    account = call.account
    remembered = account.output_modes.get(_form_key(request, spec, call), account.now())
    if remembered in modes:
        modes = modes[modes.index(remembered) :]
    for mode in modes:
        target = _TARGETS.get(
            (able.provider, mode), Target.TOOL if mode == "tool" else Target.PROMPT
        )
        form = rewrite(spec.schema, target)
        if isinstance(form, Rewritten):
            yield mode, form


def _in_form(request: Request, mode: Mode, form: Rewritten) -> Request:
    """Ask in this form: the schema goes to the provider, or into the last thing the user says."""
    if mode in ("strict", "schema", "tool"):
        return replace(request, output=Output(mode, form.schema))
    words = instructions(form.schema)
    at = max(
        (place for place, each in enumerate(request.messages) if each.get("role") == "user"),
        default=len(request.messages) - 1,
    )
    last = request.messages[at]
    text = last.get("content")
    if isinstance(text, str):
        content: Any = f"{text}\n\n{words}"
    else:
        content = [*(text or ()), {"type": "text", "text": words}]
    messages = (*request.messages[:at], {**last, "content": content}, *request.messages[at + 1 :])
    return replace(request, messages=messages, output=Output(mode))


def _next_turn(request: Request, turn: Request, judged: _Judgement) -> Request | None:
    """What to ask after a faulty answer; None where nothing more can be done."""
    cut = isinstance(judged.cause, TruncatedError)
    # Groq refuses what the limit cut off as no JSON, without a word about the limit.
    cut |= isinstance(judged.cause, InvalidRequestError) and judged.faulty.truncated
    if judged.reply.text.strip() and not cut:
        remark = repair_message(judged.faulty.errors)
        # To the first request: every earlier attempt that is shown would cost its tokens again.
        repair = request.followed_by(judged.reply.text, remark)
        return replace(repair, max_tokens=turn.max_tokens, defaulted=turn.defaulted)
    # Cut off, or nothing at all, which is most often reasoning that took all the room.
    room, most = turn.max_tokens or 0, models.abilities(judged.reply.model).max_output
    more = min(room * _MORE_ROOM, most or room * _MORE_ROOM)
    if more > room:
        return replace(turn, max_tokens=more, defaulted=turn.defaulted - {"max_tokens"})
    # An empty answer may come the next time; one that was cut off would be cut off again.
    return turn if not judged.reply.text.strip() else None


def _structured_error(judged: _Judgement, call: Call) -> StructuredOutputError:
    faulty = judged.faulty
    listed = "; ".join(str(fault) for fault in faulty.errors[:_LISTED])
    more = len(faulty.errors) - _LISTED
    error = StructuredOutputError(
        f"LLM did not return valid JSON: {listed}{f'; and {more} more' if more > 0 else ''}",
        provider=call.account.provider,
        request_id=judged.reply.request_id,
    )
    error.raw = faulty.raw
    error.errors = tuple((fault.path, fault.message) for fault in faulty.errors)
    error.partial = judged.reply
    return error


def _is_about_form(error: InvalidRequestError) -> bool:
    """Whether another form of the same question may be accepted."""
    return not isinstance(error, ContextLengthError) and bool(_ABOUT_FORM.search(str(error)))


def _form_key(request: Request, spec: StructuredSpec, call: Call) -> tuple[str, int]:
    # By model and schema, as one may be refused for the other. The hash alone keeps no text alive;
    # two schemas of one hash would share a form, which is at worst a weaker one.
    return _model_in_service(request, call), hash(spec.schema.text)


def _model_in_service(request: Request, call: Call) -> str:
    return call.account.resolve_model(request)


def _as_reply(text: str, request: Request, call: Call) -> Reply:
    """What a failed call had written, as if it were its answer."""
    return Reply(text, _model_in_service(request, call), call.account.provider)
