"""What is known of one file of a provider's batch until its results are read; pure."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

#: Characters of the tags of one file; where they are more, tags are left out.
_MOST_CHARACTERS = 1_000_000


@dataclass
class BatchNote:
    """What the prompts of a file have reserved on a UTC `day`, and the model and tags of each.

    `tokens` are of the day's budget, `money` is in nano-dollars by the budget's name. `kinds` are
    models with their tags. Prompts in a row are mostly of one kind: `firsts` holds the index of the
    first one of each such run, and the place of its kind.
    """

    day: str = ""
    prompts: int = 0
    tokens: int = 0
    money: dict[str, int] = field(default_factory=dict)
    kinds: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    firsts: list[tuple[int, int]] = field(default_factory=list)

    def add(self, index: int, model: str, tags: Mapping[str, str]) -> None:
        """Add the prompt of that *index*, which is above those before it."""
        self.prompts += 1
        self._characters += sum(len(name) + len(value) for name, value in tags.items())
        kind = (model, dict(tags) if self._characters <= _MOST_CHARACTERS else {})
        if self.firsts and self.kinds[self.firsts[-1][1]] == kind:
            return
        name = json.dumps(kind, sort_keys=True)
        place = self._places.setdefault(name, len(self.kinds))
        if place == len(self.kinds):
            self.kinds.append(kind)
        self.firsts.append((index, place))

    def reserve(self, tokens: int, money: Mapping[str, int]) -> None:
        """Add what a prompt may take at most."""
        self.tokens += tokens
        for name, amount in money.items():
            self.money[name] = self.money.get(name, 0) + amount

    def kind_of(self, index: int) -> tuple[str, Mapping[str, str]]:
        """Return the model and the tags of a prompt; ("", {}) where they are not known."""
        run = bisect_right(self.firsts, (index, len(self.kinds))) - 1
        return self.kinds[self.firsts[run][1]] if run >= 0 else ("", {})

    def encode(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def decode(cls, text: str) -> BatchNote:
        """Return the note in *text*; an empty one for what is none."""
        try:
            return _checked(json.loads(text))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return cls()

    def __post_init__(self) -> None:
        self._places: dict[str, int] = {}
        self._characters = 0


def _checked(known: Mapping[str, Any]) -> BatchNote:
    kinds = [(_text(model), _texts(tags)) for model, tags in known["kinds"]]
    firsts = [(_count(first), _count(place)) for first, place in known["firsts"]]
    if any(place >= len(kinds) for _, place in firsts):
        raise ValueError("a run is of no kind")
    money = {_text(name): _count(amount) for name, amount in known["money"].items()}
    counts = (_count(known["prompts"]), _count(known["tokens"]))
    return BatchNote(_text(known["day"]), *counts, money, kinds, sorted(firsts))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("no text")
    return value


def _texts(tags: Mapping[str, Any]) -> dict[str, str]:
    return {_text(name): _text(value) for name, value in tags.items()}


def _count(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("no count")
    return value
