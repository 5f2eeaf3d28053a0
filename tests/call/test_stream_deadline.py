"""What a stream's timeout says: how long it stood still, or the deadline that has passed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from tenacity import Retrying

from services.llm.call import streaming
from services.llm.call.call_policy import CallPolicy
from services.llm.call.retry import exact_attempts
from services.llm.effects import Effect, Open, Pull
from services.llm.errors import LLMError, LLMTimeoutError
from services.llm.stream_types import TextPiece
from services.llm.types import Reply, Request
from tests.call.scripted import Clock, account, says

REQUEST = Request("m", ({"role": "user", "content": "hi"},))
SILENT = "Groq connection error: the stream has stood still"


class Channel:
    """A stream of which nothing has come that anybody asks for."""

    answer_has_ended = False

    def whole(self) -> Reply:
        return self.so_far()

    def so_far(self) -> Reply:
        return says("")


def policy(**seconds: float) -> CallPolicy:
    def once() -> Retrying:
        return exact_attempts(1)

    return CallPolicy(once, **seconds)  # type: ignore[arg-type]  # they are all numbers


def run(error: LLMError, known: CallPolicy, waits: Sequence[float], idle: float) -> None:
    """Stream a piece after each of *waits* seconds, then *error*."""
    clock = Clock()
    flow, left = streaming.stream(REQUEST, known, account(clock), idle), list(waits)
    effect: Effect = next(flow)
    while True:
        answer: Any = Channel() if isinstance(effect, Open) else None
        if isinstance(effect, Pull):
            if not left:
                flow.throw(error)
            clock.now += left.pop(0)
            answer = [TextPiece("a")]
        effect = flow.send(answer)


def ended_in(error: LLMError, known: CallPolicy, waits: Sequence[float], idle: float) -> str:
    with pytest.raises(LLMError) as caught:
        run(error, known, waits, idle)
    return str(caught.value)


def late(**more: Any) -> LLMTimeoutError:
    return LLMTimeoutError(SILENT, provider="groq", **more)


PASSED = "Groq connection error: the deadline of {:g} seconds passed before the stream had ended"


@pytest.mark.parametrize(
    ("known", "waits", "expected"),
    [
        (policy(timeout=2.5), (), PASSED.format(2.5)),
        (policy(timeout=30), (1.0,), SILENT),
        (policy(timeout=30), (25.0,), PASSED.format(30)),
        (policy(timeout=30, attempt_timeout=10), (8.0,), PASSED.format(10)),
        (policy(timeout=10, attempt_timeout=30), (8.0,), PASSED.format(10)),
    ],
)
def test_a_stream_that_ends_at_the_deadline_says_so(
    known: CallPolicy, waits: Sequence[float], expected: str
) -> None:
    assert expected == ended_in(late(), known, waits, idle=5.0)


def test_a_deadline_that_passed_between_two_pieces_is_named() -> None:
    assert PASSED.format(30) == ended_in(late(), policy(timeout=30), (31.0,), idle=5.0)


@pytest.mark.parametrize("error", [late(status=504), LLMError("refused", provider="groq")])
def test_what_the_provider_says_is_left_as_it_is(error: LLMError) -> None:
    words = str(error)
    assert words == ended_in(error, policy(timeout=2.5), (), idle=5.0)
