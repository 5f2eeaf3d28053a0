"""Which step applies to which request: the tests' rules first, then the model's name."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from .answer import Answer
from .faults import Fault, Step
from .model_names import is_scripted, step_named
from .request_facts import RequestFacts

_MOST_NAMES = 10_000  # the name asked for longest ago is forgotten first


@dataclass(frozen=True)
class Match:
    """Which requests a rule is for; what is None does not matter.

    `prompt` is part of the last question, `tool` the name of a tool that is offered, `turn` the
    number of the assistant's turn that the request asks for, from 1.
    """

    model: str | None = None
    prompt: str | None = None
    tool: str | None = None
    turn: int | None = None

    def fits(self, model: str, facts: RequestFacts) -> bool:
        """Whether the rule is for a request."""
        return (
            self.model in (None, model)
            and (self.prompt is None or self.prompt in facts.prompt)
            and (self.tool is None or self.tool in facts.tools)
            and self.turn in (None, facts.turn)
        )


@dataclass
class _Rule:
    """Steps for the requests that fit, in turn; `rounds` None starts over for ever."""

    match: Match
    steps: tuple[Step | None, ...]
    rounds: int | None
    place: int = field(default=0)

    def take(self) -> Step | None:
        """The next step."""
        step = self.steps[self.place]
        self.place += 1
        if self.place == len(self.steps):
            self.place = 0
            self.rounds = None if self.rounds is None else self.rounds - 1
        return step


class Script:
    """The rules of tests, and the counts of the names that fail only so many times."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards the two below
        self._rules: list[_Rule] = []
        self._counts: OrderedDict[str, int] = OrderedDict()

    def add(
        self, steps: tuple[Step | None, ...], match: Match | None = None, times: int | None = 1
    ) -> None:
        """Queue a step for each coming request that fits, `times` over; None answers normally.

        Raises ValueError or TypeError for what is no step, or for no times at all.
        """
        for step in steps:
            if not isinstance(step, (Answer, Fault, type(None))):
                raise TypeError(f"script({step!r}): a step is an Answer, a Fault or None")
        if times is not None and times < 1:
            raise ValueError(f"script(times={times}): must be at least 1, or None for always")
        if steps:
            with self._lock:
                self._rules.append(_Rule(match or Match(), steps, times))

    def take(self, model: str, body: Any = None) -> Step | None:
        """The step for a request that arrives now; ValueError for a name that makes no sense."""
        facts = RequestFacts(body)
        with self._lock:
            # The first that fits, so that a step for another model does not hold up this one.
            for rule in self._rules:
                if rule.match.fits(model, facts):
                    step = rule.take()
                    if rule.rounds == 0:
                        self._rules.remove(rule)
                    return step
            return self._named(model) if is_scripted(model) else None

    def _named(self, model: str) -> Step | None:
        # Counted by the exact name, so that two tests with different options do not meet.
        step, times = step_named(model)
        count = self._counts.pop(model, 0) + 1
        self._counts[model] = count
        while len(self._counts) > _MOST_NAMES:
            self._counts.popitem(last=False)
        return step if times is None or count <= times else None

    def clear(self) -> None:
        """Forget the rules and the counts."""
        with self._lock:
            self._rules.clear()
            self._counts.clear()
