"""What a client has learnt from its provider's answers, to be looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any


def _nothing() -> Mapping[str, Any]:
    return MappingProxyType({})


@dataclass(frozen=True)
class Learned:
    """What is known now, until it expires or `forget` drops it; times are in seconds from now.

    `ended` are the models that the provider has shut down, with their successors (None: none is
    known). `outages` are what it has asked not to be called for, and for how long. `pauses` are
    the models or keys that a limit holds back. `refused_options` are the parameters that a model
    does not take, `weaker_modes` those who refused a stronger form of structured output, with the
    form that they are asked for now, and `refused_keys` the keys that it does not accept.
    """

    ended: Mapping[str, str | None] = field(default_factory=_nothing)
    outages: Mapping[str, float] = field(default_factory=_nothing)
    pauses: Mapping[str, float] = field(default_factory=_nothing)
    refused_options: Mapping[str, tuple[str, ...]] = field(default_factory=_nothing)
    weaker_modes: Mapping[str, tuple[str, ...]] = field(default_factory=_nothing)
    refused_keys: Mapping[str, str] = field(default_factory=_nothing)
