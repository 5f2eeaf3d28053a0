"""Composes the answer to a request, deterministically and without a model.

The text echoes the last user message: `Sandbox: ` and its first 200 characters, white space
collapsed. A token is four characters, rounded up per text; images and other media count 256 tokens
each.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from .faults import UNSET, Answer, Part
from .schema.example import UnsatisfiableError, example

# A rule of thumb for English text; what matters is that a test can count.
CHARACTERS_PER_TOKEN = 4
MEDIA_TOKENS = 256
_ECHO = 200
_THOUGHT = "Echo the prompt."


@dataclass(frozen=True)
class ModelRequest:
    """What a request wants, whichever provider it came on.

    `schema` is what the answer has to satisfy, if anything; one that was only found in the
    prompt does not bind.
    """

    prompt: str
    input_tokens: int
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    schema: Any = None
    schema_binds: bool = False
    tool: str | None = None
    reasons: bool = False


@dataclass(frozen=True)
class Completion:
    """An answer in neutral terms; `finish` is as in `Answer`, `tool` is the tool it calls."""

    text: str | None
    finish: str
    input_tokens: int
    output_tokens: int
    reasoning: str = ""
    reasoning_tokens: int = 0
    tool: str | None = None
    tool_input: Any = None
    cached_tokens: int = 0
    model: str | None = None
    without: frozenset[Part] = frozenset()


def tokens(text: str) -> int:
    """The estimated tokens of `text`."""
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def compose(request: ModelRequest, answer: Answer) -> Completion:
    """The completion of `ask`, with what `answer` prescribes in its place.

    Raises UnsatisfiableError where no JSON fits the schema that was asked for.
    """
    reasoning = (
        answer.reasoning if answer.reasoning is not UNSET else _THOUGHT if request.reasons else ""
    )
    thought = tokens(reasoning)
    # A text that a test wrote is the test's business: no token limit or stop sequence touches it.
    if answer.text is not UNSET:
        return _completed(request, answer, answer.text, "stop", reasoning)
    if request.tool is None:
        return _completed(request, answer, *_within(_content(request), request, thought), reasoning)
    value = example(request.schema) if answer.tool_input is UNSET else answer.tool_input
    text, finish = _within(json.dumps(value), request, thought)
    # A call cut short is no call: the services then send what they have as text, or nothing.
    if finish != "stop":
        return _completed(request, answer, "", finish, reasoning)
    done = _completed(request, answer, None, "tool", reasoning)
    counted = done.output_tokens + (tokens(text) if answer.output_tokens is None else 0)
    return replace(done, tool=request.tool, tool_input=value, output_tokens=counted)


def _completed(
    request: ModelRequest, answer: Answer, text: str | None, finish: str, reasoning: str
) -> Completion:
    generated = tokens(text or "") + tokens(reasoning)
    return Completion(
        text=text,
        finish=finish if answer.finish is UNSET else answer.finish,
        input_tokens=request.input_tokens if answer.input_tokens is None else answer.input_tokens,
        output_tokens=generated if answer.output_tokens is None else answer.output_tokens,
        reasoning=reasoning,
        reasoning_tokens=tokens(reasoning),
        cached_tokens=answer.cached_tokens,
        model=answer.model,
        without=answer.without,
    )


def _content(request: ModelRequest) -> str:
    if request.schema is not None:
        try:
            return json.dumps(example(request.schema), ensure_ascii=False)
        except UnsatisfiableError:
            # A schema that merely stood in the prompt may be anything, also no schema at all.
            if request.schema_binds:
                raise
    return "Sandbox: " + " ".join(request.prompt.split())[:_ECHO]


def _within(text: str, request: ModelRequest, spent: int) -> tuple[str, str]:
    for stop in request.stop:
        before, found, _ = text.partition(stop)
        if found:
            return before, "stop_sequence"
    if request.max_tokens is not None and spent + tokens(text) > request.max_tokens:
        return text[: max(0, request.max_tokens - spent) * CHARACTERS_PER_TOKEN], "length"
    return text, "stop"
