"""The forms in which a structured answer can be asked for, strongest first, and the requests."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from .. import models
from ..errors import ConfigurationError, ContextLengthError, InvalidRequestError
from ..frozen import dataclass
from ..settings.knobs import Knobs
from ..structured import Rewritten, Schema, Target, instructions, rewrite
from ..types import Mode, Output, Provider, Request
from .call import Call

#: A refusal is of the form that was asked for, not of what was asked, if its words are about forms:
#: neither provider has a code for it (most of Groq's 400s have none, Bedrock's all have the same).
_ABOUT_FORM = re.compile(
    r"schema|response.?format|json|output.?config|text.?format|tool|grammar", re.I
)
_TARGETS: dict[tuple[Provider, Mode], Target] = {
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
    prompt_only: bool = False

    @classmethod
    def of(cls, spec: Any, knobs: Knobs, *, prompt_only: bool = False) -> StructuredSpec:
        """What *spec* asks for, as far as the knobs go; ConfigurationError if it is no schema."""
        try:
            schema = Schema.of(spec)
        except ValueError as error:
            raise ConfigurationError(str(error)) from error
        return cls(schema, knobs.LLM_MAX_REPAIRS, knobs.LLM_COERCE, prompt_only)


def possible_output_modes(
    request: Request, spec: StructuredSpec, call: Call
) -> Iterator[tuple[Mode, Rewritten]]:
    """The forms that the model takes and the schema can be written in, strongest first.

    The last is always words in the prompt, which take any schema.
    """
    in_service = model_in_service(request, call)
    able = models.abilities(in_service)
    modes = (
        ("prompt",) if spec.prompt_only else models.modes_for(replace(request, model=in_service))
    )
    if "tools" in request.options or "toolConfig" in request.options:
        # The caller's own tools exclude any other form.
        modes = ("prompt",)
    if call.snapshots is not None and able.provider == "groq":
        # Groq streams no answer under a schema (its documentation, structured outputs), and brings
        # a call of a tool in one piece.
        modes = tuple(mode for mode in modes if mode in ("object", "prompt"))
    account = call.account
    remembered = account.output_modes.get(form_key(request, spec, call), account.now())
    if remembered in modes:
        modes = modes[modes.index(remembered) :]
    for mode in modes:
        rewritten = rewrite(spec.schema, target_of(able.provider, mode))
        if isinstance(rewritten, Rewritten):
            yield mode, rewritten


def target_of(provider: Provider, mode: Mode) -> Target:
    """What the schema is rewritten for where *provider* enforces it by *mode*."""
    return _TARGETS.get((provider, mode), Target.TOOL if mode == "tool" else Target.PROMPT)


def in_output_mode(request: Request, mode: Mode, rewritten: Rewritten) -> Request:
    """Ask in this form: the schema goes to the provider, or into the last thing the user says."""
    if mode in ("strict", "schema", "tool"):
        return replace(request, output=Output(mode, rewritten.schema))
    words = instructions(rewritten.schema)
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


def is_about_form(error: InvalidRequestError) -> bool:
    """Whether another form of the same question may be accepted."""
    return not isinstance(error, ContextLengthError) and bool(_ABOUT_FORM.search(str(error)))


def form_key(request: Request, spec: StructuredSpec, call: Call) -> tuple[str, int]:
    """The key under which the form that a model takes for a schema is remembered."""
    # By model and schema, as one may be refused for the other; a stream takes fewer forms. The hash
    # alone keeps no text alive; two schemas of one hash would share a form, at worst a weaker one.
    return model_in_service(request, call), hash((spec.schema.text, call.snapshots is not None))


def model_in_service(request: Request, call: Call) -> str:
    """The model that answers a request now, or what has replaced it."""
    return call.account.resolve_model(request)
