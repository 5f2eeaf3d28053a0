"""Drive a flow by hand: every send has a scripted outcome, and time passes by what is slept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from services.llm.account.account import Account
from services.llm.account.concurrency import ConcurrencyLimiter
from services.llm.effects import Effect, Effects, Join, RunBlocking, Send, Sleep
from services.llm.quota import Quota, SlidingWindow
from services.llm.types import Provider, Reply, Request, Usage

R = TypeVar("R")


@dataclass
class Clock:
    """Seconds that pass only when something is waited for."""

    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


def account(clock: Clock, provider: Provider = "groq", requests: int = 30, **more: Any) -> Account:
    """An account with a window of its own on *clock*."""
    window = SlidingWindow(requests, 60.0)
    known: dict[str, Any] = {
        "quota": Quota((window,)),
        "window": window,
        "concurrency": ConcurrencyLimiter(8),
        "region": "us-east-1",
    }
    return Account(provider, now=clock, wall=clock, **{**known, **more})


def says(text: str, model: str = "openai/gpt-oss-120b", provider: Provider = "groq") -> Reply:
    """A whole answer of ten tokens."""
    return Reply(text, model, provider, "stop", Usage(6, 4, 10, reported=True))


@dataclass
class Drive:
    """Performs a flow's effects with *outcomes*, and keeps them for the test to look at."""

    clock: Clock
    outcomes: Iterable[Reply | BaseException]
    effects: list[Effect] = field(default_factory=list)

    def run(self, flow: Effects[R]) -> R:
        """Drive *flow* to its end."""
        outcomes = iter(self.outcomes)
        resume: Any = flow.send
        outcome: Any = None
        while True:
            try:
                effect = resume(outcome)
            except StopIteration as done:
                result: R = done.value
                return result
            self.effects.append(effect)
            outcome = self._perform(effect, outcomes)
            resume = flow.throw if isinstance(outcome, BaseException) else flow.send

    def _perform(self, effect: Effect, outcomes: Iterator[Reply | BaseException]) -> Any:
        match effect:
            case Send():
                return next(outcomes)
            case Sleep(seconds):
                self.clock.now += seconds
                return None
            case RunBlocking(call):
                return call()
            case Join(follower, timeout):
                return follower.join(timeout)

    @property
    def sent(self) -> list[Request]:
        """The requests that were sent."""
        return [effect.request for effect in self.effects if isinstance(effect, Send)]

    @property
    def slept(self) -> list[float]:
        """The seconds that were slept."""
        return [effect.seconds for effect in self.effects if isinstance(effect, Sleep)]
