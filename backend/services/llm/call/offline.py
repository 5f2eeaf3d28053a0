"""Structured answers of a provider's batch: asked for in one form, and validated when they come."""

from __future__ import annotations

from typing import Any

from ..errors import InvalidRequestError, LLMError, TruncatedError
from ..structured import InvalidAnswer, Rewritten, StepDeadline, parse_answer, rewrite
from ..types import Mode, Reply, Request
from .call import Call
from .output_forms import StructuredSpec, in_output_mode, possible_output_modes, target_of
from .structured import structured_error


def first_form(request: Request, spec: StructuredSpec, call: Call) -> tuple[Mode, Request]:
    """Return the strongest output mode that the model takes, and *request* in its form."""
    mode, rewritten = next(possible_output_modes(request, spec, call))
    return mode, in_output_mode(request, mode, rewritten)


def value_of(
    outcome: Reply | LLMError, mode: Mode, spec: StructuredSpec, call: Call
) -> tuple[Any, Reply]:
    """Return the value in an answer that was asked for in *mode*, and the reply that held it.

    Raises the error of an answer that is none, and StructuredOutputError for one that does not
    satisfy the schema.
    """
    reply, cause = _answer_in(outcome)
    rewritten = rewrite(spec.schema, target_of(call.account.provider, mode))
    verdict = parse_answer(
        reply.text,
        isinstance(cause, TruncatedError),
        spec.schema,
        coerce=spec.coerce,
        restore=rewritten.restore if isinstance(rewritten, Rewritten) else None,
        deadline=StepDeadline(call.time_left),
    )
    if isinstance(verdict, InvalidAnswer):
        raise structured_error(verdict, reply, call) from cause
    return verdict.value, reply


def _answer_in(outcome: Reply | LLMError) -> tuple[Reply, LLMError | None]:
    """Return what was written, whole or not; raises an error with which nothing was."""
    if isinstance(outcome, Reply):
        return outcome, None
    if isinstance(outcome, TruncatedError) and outcome.partial is not None:
        return outcome.partial, outcome
    if isinstance(outcome, InvalidRequestError) and outcome.failed_generation is not None:
        return Reply(outcome.failed_generation, "", outcome.provider or "groq"), outcome
    raise outcome
