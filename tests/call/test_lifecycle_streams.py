"""A streamed call as a list of effects: what is tried again, and what goes on after a break."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from services.llm.account.account import Account
from services.llm.call import retry, streaming
from services.llm.call.call_policy import CallPolicy
from services.llm.effects import Effects, Emit, Open, Pull, Sleep
from services.llm.errors import InvalidRequestError, LLMError, ProviderUnavailableError
from services.llm.stream_types import StreamEvent, TextPiece
from services.llm.types import Reply, Request, Usage
from tests.call.scripted import Clock, account, says

#: It goes on where an answer that was begun for it stops.
MODEL = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
REQUEST = Request(MODEL, ({"role": "user", "content": "hi"},), 0.7, 100)
#: Seconds of the whole call, of one attempt, and between two pieces.
TIMEOUT, ATTEMPT, IDLE = 60.0, 40.0, 20.0


@pytest.fixture(autouse=True)
def _no_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "JITTER", 0.0)


class Channel:
    """A stream of *texts*, which ends in an error where there is one."""

    answer_has_ended = False

    def __init__(self, *texts: str, error: LLMError | None = None) -> None:
        self._left = list(texts)
        self._texts = texts
        self._error = error

    def pull(self) -> list[StreamEvent] | None:
        if self._left:
            return [TextPiece(self._left.pop(0))]
        if self._error is not None:
            self._error.partial = self.whole().replace(finish_reason=None)
            raise self._error
        return None

    def whole(self) -> Reply:
        text = "".join(self._texts)
        return replace(says(text, MODEL, "bedrock"), usage=Usage(6, 4, 10, reported=True))

    so_far = whole

    def close(self) -> None:
        """Nothing is open."""


@dataclass
class Streamed:
    """Drives one streamed call over *channels*, and keeps what it did and showed."""

    channels: Iterator[Any]
    clock: Clock = field(default_factory=Clock)
    opened: list[Open] = field(default_factory=list)
    pulled: list[float] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)

    def run(self, to: Account, *, resumes: bool = False) -> Reply:
        policy = CallPolicy(lambda: retry.transient_errors(3), TIMEOUT, attempt_timeout=ATTEMPT)
        flow: Effects[Reply] = streaming.stream(REQUEST, policy, to, IDLE, resumes=resumes)
        step: Any = flow.send
        result: Any = None
        while True:
            try:
                effect = step(result)
            except StopIteration as done:
                reply: Reply = done.value
                return reply
            try:
                step, result = flow.send, self._perform(effect)
            except LLMError as error:
                step, result = flow.throw, error

    def _perform(self, effect: Any) -> Any:
        match effect:
            case Open():
                self.opened.append(effect)
                channel = next(self.channels)
                if isinstance(channel, LLMError):
                    raise channel
                return channel
            case Pull(Channel() as channel, timeout):
                self.pulled.append(timeout)
                self.clock.now += 1.0
                return channel.pull()
            case Sleep(seconds):
                self.slept.append(seconds)
                self.clock.now += seconds
            case Emit(events):
                self.shown += [each.text for each in events if isinstance(each, TextPiece)]
        return None

    def begun(self) -> Account:
        return account(self.clock, "bedrock")


def broken() -> LLMError:
    return ProviderUnavailableError("cut off", status=503)


def test_a_stream_is_opened_with_the_time_of_an_attempt_and_read_to_its_end() -> None:
    streamed = Streamed(iter([Channel("Hel", "lo")]))
    to = streamed.begun()
    reply = streamed.run(to)
    assert (["Hel", "lo"], "Hello", 1.0) == (
        streamed.shown,
        reply.text,
        reply.time_to_first_token,
    )
    assert [ATTEMPT] == [each.timeout for each in streamed.opened]
    assert [ATTEMPT, IDLE, IDLE] == streamed.pulled
    assert to.concurrency.free == to.concurrency._size


def test_a_stream_of_which_nothing_was_shown_is_asked_for_again() -> None:
    streamed = Streamed(iter([broken(), Channel(error=broken()), Channel("Hello")]))
    reply = streamed.run(streamed.begun())
    assert (["Hello"], 3, [0.5, 1.0]) == (streamed.shown, len(reply.attempts), streamed.slept)


def test_a_stream_of_which_something_was_shown_is_not_asked_for_again() -> None:
    error = broken()
    streamed = Streamed(iter([Channel("Hel", error=error)]))
    with pytest.raises(ProviderUnavailableError) as caught:
        streamed.run(streamed.begun())
    assert (True, ["Hel"], []) == (caught.value is error, streamed.shown, streamed.slept)
    assert 1 == len(error.attempts)


def test_one_that_goes_on_asks_for_the_rest_and_is_one_answer() -> None:
    streamed = Streamed(iter([Channel("Hel", error=broken()), Channel("lo")]))
    reply = streamed.run(streamed.begun(), resumes=True)
    assert (["Hel", "lo"], "Hello", 1, 20) == (
        *(streamed.shown, reply.text, reply.resumed),
        reply.usage.total_tokens,
    )
    first, second = (each.request.messages for each in streamed.opened)
    assert (*first, {"role": "assistant", "content": "Hel"}) == second
    assert 2 == len(reply.attempts)


def test_one_that_can_go_on_but_was_refused_the_rest_ends_in_what_broke_it() -> None:
    error = broken()
    streamed = Streamed(iter([Channel("Hel", error=error), InvalidRequestError("no", status=400)]))
    with pytest.raises(ProviderUnavailableError) as caught:
        streamed.run(streamed.begun(), resumes=True)
    assert caught.value is error
    assert 2 == len(error.attempts)


def test_one_that_was_not_broken_is_as_if_it_could_not_go_on() -> None:
    streamed = Streamed(iter([Channel("Hello")]))
    assert (0, "Hello") == (
        (reply := streamed.run(streamed.begun(), resumes=True)).resumed,
        reply.text,
    )
