"""Composes the answer to a request, deterministically and without a model.

The text echoes the last user message, or the tools' results: `Sandbox: ` and its first 200
characters, white space collapsed. A token is four characters, rounded up per text. With tools to
choose from, those that the prompt names are called, else the first; once the results are back, the
answer is a text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from .answer import UNSET, Answer, Part, ToolCall
from .schema.example import UnsatisfiableError, example
from .streams import pieces_of
from .tool_turns import ToolState

# A rule of thumb for English text; what matters is that a test can count.
CHARACTERS_PER_TOKEN = 4
_ECHO = 200
_THOUGHT = "Echo the prompt."


@dataclass(frozen=True)
class CachePoint:
    """A prefix of the prompt that may be kept: a digest of all before it, its tokens, its life."""

    digest: str
    tokens: int
    seconds: float = 300.0


@dataclass(frozen=True)
class Guardrail:
    """The guardrail that a request names, and whether its trace is wanted."""

    identifier: str
    version: str
    trace: bool = False


@dataclass(frozen=True)
class ModelRequest:
    """What a request wants, whichever provider it came to; counts are in tokens.

    `schema` is what the answer has to satisfy, if anything; one that was only found in the
    prompt does not bind. `tools` are input schemas by name; `tool` is the one that must be called.
    """

    prompt: str
    input_tokens: int
    max_tokens: int | None = None
    context: int | None = None
    stop: tuple[str, ...] = ()
    schema: Any = None
    schema_binds: bool = False
    tools: Mapping[str, Any] = field(default_factory=dict)
    tool_choice: Literal["none", "auto", "any"] = "auto"
    tool: str | None = None
    parallel: bool = True
    tool_state: ToolState = field(default_factory=ToolState)
    reasons: bool = False
    signed: bool = False  # whether the reasoning bears a signature, as Claude's does
    cache_points: tuple[CachePoint, ...] = ()
    guardrail: Guardrail | None = None
    echoed: Mapping[str, Any] = field(default_factory=dict)  # members that the answer repeats
    citations: tuple[Mapping[str, Any], ...] = ()  # what the answer's text rests on


@dataclass(frozen=True)
class ToolUse:
    """A tool that is called, with its input."""

    name: str
    input: Any

    @property
    def arguments(self) -> str:
        """The input as JSON text."""
        return json.dumps(self.input)


@dataclass(frozen=True)
class Completion:
    """An answer in neutral terms; `finish` is as in `Answer`."""

    text: str | None
    finish: str
    input_tokens: int
    output_tokens: int
    pieces: tuple[str, ...] = ()
    reasoning: str = ""
    reasoning_tokens: int = 0
    tool_uses: tuple[ToolUse, ...] = ()
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    model: str | None = None
    without: frozenset[Part] = frozenset()
    stop_sequence: str | None = None

    @property
    def fresh_tokens(self) -> int:
        """The input that was neither read from the prompt cache nor written to it."""
        return self.input_tokens - self.cached_tokens - self.cache_write_tokens


def tokens(text: str) -> int:
    """The estimated tokens of `text`."""
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def compose(request: ModelRequest, answer: Answer) -> Completion:
    """The completion of `request`, with what `answer` prescribes in its place.

    Raises UnsatisfiableError where no JSON fits the schema that was asked for.
    """
    reasoning = (
        answer.reasoning if answer.reasoning is not UNSET else _THOUGHT if request.reasons else ""
    )
    thought = tokens(reasoning)
    # A text that a test wrote is the test's business: no token limit or stop sequence touches it.
    if answer.text is not UNSET and answer.tool_calls is None:
        return _completed(request, answer, answer.text, "stop", reasoning)
    uses = tuple(_use(call, request) for call in _tool_calls(request, answer))
    if not uses:
        content = _content(request)
        done = _completed(request, answer, *_within(content, request, thought), reasoning)
        return replace(done, stop_sequence=_stop_in(content, request.stop))
    arguments = "".join(use.arguments for use in uses)
    text, finish = (
        (arguments, "stop")
        if answer.tool_calls is not None
        else _within(arguments, request, thought)
    )
    # A call cut short is no call: the services then send what they have as text, or nothing.
    if finish != "stop":
        return _completed(request, answer, "", finish, reasoning)
    text_beside = None if answer.text is UNSET else answer.text
    done = _completed(request, answer, text_beside, "tool", reasoning)
    counted = done.output_tokens + (tokens(text) if answer.output_tokens is None else 0)
    return replace(done, tool_uses=uses, output_tokens=counted)


def _tool_calls(request: ModelRequest, answer: Answer) -> tuple[ToolCall, ...]:
    if answer.tool_calls is not None:
        return answer.tool_calls
    if request.tool is not None:
        return (ToolCall(request.tool, answer.tool_input),)
    if not request.tools or request.tool_choice == "none":
        return ()
    scripted = answer.tool_input is not UNSET
    if request.tool_choice == "auto" and request.tool_state.results and not scripted:
        return ()
    # Where a call is required, a model that repeats itself would never come to an end.
    names = [name for name in request.tools if name not in request.tool_state.answered]
    names = names or list(request.tools)[-1:]
    named = [name for name in names if name in request.prompt]
    chosen = named if named and request.parallel else named[:1] or names[:1]
    return tuple(ToolCall(name, answer.tool_input) for name in chosen)


def _use(call: ToolCall, request: ModelRequest) -> ToolUse:
    if call.input is not UNSET:
        return ToolUse(call.name, call.input)
    schema = request.tools.get(call.name)
    return ToolUse(call.name, {} if schema is None else example(schema))


def _completed(
    request: ModelRequest, answer: Answer, text: str | None, finish: str, reasoning: str
) -> Completion:
    generated = tokens(text or "") + tokens(reasoning)
    return Completion(
        text=text,
        finish=finish if answer.finish is UNSET else answer.finish,
        input_tokens=request.input_tokens if answer.input_tokens is None else answer.input_tokens,
        output_tokens=generated if answer.output_tokens is None else answer.output_tokens,
        pieces=answer.pieces or tuple(pieces_of(text or "")),
        reasoning=reasoning,
        reasoning_tokens=tokens(reasoning),
        cached_tokens=answer.cached_tokens,
        cache_write_tokens=answer.cache_write_tokens,
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
    source = " ".join(request.tool_state.results) or request.prompt
    return "Sandbox: " + " ".join(source.split())[:_ECHO]


def _stop_in(text: str, stops: tuple[str, ...]) -> str | None:
    """The first of the stop sequences that is in a text."""
    return next((stop for stop in stops if stop in text), None)


def _within(text: str, request: ModelRequest, spent: int) -> tuple[str, str]:
    stop = _stop_in(text, request.stop)
    if stop is not None:
        return text.partition(stop)[0], "stop_sequence"
    if request.max_tokens is not None and spent + tokens(text) > request.max_tokens:
        return text[: max(0, request.max_tokens - spent) * CHARACTERS_PER_TOKEN], "length"
    return text, "stop"
