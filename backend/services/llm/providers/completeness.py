"""Whether an answer is complete: an incomplete one is always an error."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import ParamSpec, TypeVar

from ..errors import (
    ContentFilteredError,
    LLMError,
    ProviderUnavailableError,
    Retry,
    TruncatedError,
)
from ..types import Output, Provider, Reply, Request, Usage, encodable

_P = ParamSpec("_P")
_R = TypeVar("_R")
_E = TypeVar("_E", bound=LLMError)

# What Python raises where a value is of another type, size or depth than the reader takes it for.
_UNREADABLE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)

#: Finish reasons of an answer that a limit ended, of either provider.
CUT_OFF = frozenset({"length", "max_tokens", "model_context_window_exceeded"})

#: Finish reasons of an answer that a filter or guardrail changed, or that the model refused.
WITHHELD = frozenset({"content_filter", "content_filtered", "guardrail_intervened", "refusal"})

#: Finish reasons of an answer that the provider found to be malformed.
MALFORMED = frozenset({"malformed_model_output", "malformed_tool_use"})


def raises_llm_error(provider: Provider) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Make a reader of *provider*'s answers raise LLMError where an answer cannot be read.

    An answer of any JSON may break a reader, by a nesting a thousand deep for one. What the SDK
    raises as a stream is read passes through.
    """

    def of(read: Callable[_P, _R]) -> Callable[_P, _R]:
        @wraps(read)
        def reading(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            try:
                return read(*args, **kwargs)
            except LLMError:
                raise
            except _UNREADABLE as error:
                from .foreign_errors import describe  # few answers cost this moment

                broken = isinstance(error, json.JSONDecodeError)
                raise (ProviderUnavailableError if broken else LLMError)(
                    f"{provider.capitalize()} API error: the reply cannot be read"
                    f" ({describe(error)})",
                    provider=provider,
                    status=200,
                    retry=Retry.AFTER_BACKOFF if broken else Retry.IF_REQUESTED,
                ) from error

        return reading

    return of


def read_so_far(read: Callable[[], Reply], request: Request, provider: Provider) -> Reply:
    """What *read* returns, or what its error carries: the reply that has come, whole or not."""
    try:
        return read()
    except LLMError as error:
        return error.partial or Reply(text="", model=request.model, provider=provider)


def finish(reply: Reply, output: Output | None, *, real: bool) -> Reply:
    """Return *reply* as it was asked for, if it is complete; raises as `check_complete`.

    Half of a surrogate pair, which no text can hold, becomes U+FFFD. That of a structured answer
    is a violation, which is told to the model.
    """
    if output is None and not (reply.text.isascii() and (reply.reasoning or "").isascii()):
        thought = reply.reasoning and encodable(reply.reasoning)
        reply = reply.replace(text=encodable(reply.text), reasoning=thought)
    return check_complete(unwrap_forced_tool(reply, output), real=real)


def unwrap_forced_tool(reply: Reply, output: Output | None) -> Reply:
    """Return *reply* with a forced tool's arguments as its text."""
    if output is None or output.mode != "tool":
        return reply
    for call in reply.tool_calls:
        if call.name == output.name:
            return replace(reply, text=call.arguments, tool_calls=(), parts=())
    return reply


def check_complete(reply: Reply, *, real: bool) -> Reply:
    """Return *reply* if it is complete; a finish reason that is not known counts as an end.

    Only a *real* reply must have one: a test's mock may hold nothing but its text.

    Raises TruncatedError, with the text that came, for one that was cut off, never ended or is
    empty; ContentFilteredError for one that was withheld; LLMError, worth another attempt at
    most, for one that is malformed. Each carries the reply, whose tokens were used.
    """
    reason = reply.finish_reason
    if reason in WITHHELD:
        raise _reported(ContentFilteredError, reply, f"the answer was withheld ({reason})")
    if reason in MALFORMED:
        problem = f"the model's answer was malformed ({reason})"
        raise _reported(LLMError, reply, problem, Retry.IF_REQUESTED)
    if reason in CUT_OFF:
        raise _truncated(reply, f"the answer was cut off after {_size(reply)} ({reason})")
    # This alone shows that a body or a stream has ended early.
    if reason is None and real:
        raise _truncated(reply, "the answer ended without a finish reason")
    # Reasoning counts towards the limit too, and may leave nothing of it.
    if not reply.text.strip() and not reply.tool_calls:
        raise _truncated(reply, f"the answer is empty after {_size(reply)}")
    return reply


def _size(reply: Reply) -> str:
    if not reply.usage.reported:
        return "an unknown number of tokens"
    spent = f"{reply.usage.output_tokens} tokens"
    return f"{spent}, reasoning included" if reply.reasoning else spent


def _truncated(reply: Reply, problem: str) -> TruncatedError:
    if reply.finish_reason == "model_context_window_exceeded":
        advice = "shorten the conversation"
    elif reply.finish_reason in CUT_OFF or reply.reasoning:
        advice = "raise max_tokens" + (" or ask for less reasoning" if reply.reasoning else "")
    else:
        advice = "ask again"
    error = _reported(TruncatedError, reply, f"{problem}; {advice}")
    error.text = reply.text
    return error


def _reported(kind: type[_E], reply: Reply, problem: str, retry: Retry | None = None) -> _E:
    error = kind(
        f"{reply.provider.capitalize()} API error: {problem}",
        provider=reply.provider,
        status=200,
        code=reply.finish_reason,
        request_id=reply.request_id,
        retry=retry,
    )
    error.partial = reply
    return error


def with_usage(error: LLMError, provider: Provider, request: Request, usage: Usage) -> LLMError:
    """Return *error* with what the *provider* has counted, where it told that beside no answer."""
    if usage.reported:
        error.partial = Reply("", request.model, provider, usage=usage)
    return error


def text_of(reply: Reply) -> str:
    """Return the text; raises `LLMError` where the model has called tools and said nothing."""
    if reply.tool_calls and not reply.text.strip():
        called = ", ".join(call.name for call in reply.tool_calls)
        error = _reported(
            LLMError,
            reply,
            f"the answer is no text, but a call of {called}: ask with respond, which returns it",
        )
        error.attempts = reply.attempts
        raise error
    return reply.text
