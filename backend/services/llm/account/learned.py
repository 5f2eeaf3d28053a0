"""What a client has learnt from its provider's answers, to be looked at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field

from ..frozen import dataclass


@dataclass(frozen=True)
class Learned:
    """What is known now, until it expires or `forget` drops it; times are in seconds from now.

    It is a copy in plain dicts, to be kept, sent to another process or written as JSON.

    `ended` are the models that the provider has shut down, with their successors (None: none is
    known). `outages` are what it has asked not to be called for, and for how long. `pauses` are
    the models or keys that a limit holds back. `refused_options` are the parameters that a model
    does not take, `weaker_modes` those who refused a stronger form of structured output, with the
    form that they are asked for now, and `refused_keys` the keys that it does not accept.
    """

    ended: Mapping[str, str | None] = field(default_factory=dict)
    outages: Mapping[str, float] = field(default_factory=dict)
    pauses: Mapping[str, float] = field(default_factory=dict)
    refused_options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    weaker_modes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    refused_keys: Mapping[str, str] = field(default_factory=dict)


def by_model(pairs: Iterable[tuple[str, str]]) -> Mapping[str, tuple[str, ...]]:
    """Return the names of each model, sorted."""
    found: dict[str, tuple[str, ...]] = {}
    for model, name in sorted(pairs):
        found[model] = (*found.get(model, ()), name)
    return found
