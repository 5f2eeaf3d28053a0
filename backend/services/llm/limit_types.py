"""The nouns of limits: what a provider says of one, and what is left of it."""

from __future__ import annotations

from typing import Literal, TypeAlias

from .frozen import dataclass

#: Seconds.
MINUTE = 60.0

#: What a limit counts: calls, or tokens of one kind.
Unit: TypeAlias = Literal["requests", "tokens", "input_tokens", "output_tokens"]

#: Who goes first where a limit is full: a person who waits overtakes a batch, which still moves on.
Priority: TypeAlias = Literal["interactive", "batch"]


@dataclass(frozen=True)
class LimitReport:
    """What a provider says of one of its limits, so many of a *unit* in *window* seconds.

    `amount` is the limit itself, `used` what of it was used when the provider answered, and
    `requested` what a request costs that it refused; None stands for what it does not say.
    `is_refusal` tells that a request was refused because of it, and `wait` for how many seconds.
    """

    unit: Unit
    window: float
    amount: float | None = None
    used: float | None = None
    requested: float | None = None
    is_refusal: bool = False
    wait: float | None = None

    @property
    def is_minute_refusal(self) -> bool:
        """Whether a limit of a minute, or of less, has refused a request."""
        return self.is_refusal and self.window <= MINUTE


@dataclass(frozen=True)
class Headroom:
    """What is left of one limit, by our own count: of `amount` in `window` seconds.

    What is in flight or waits counts as used. `full_in` is the seconds until all of it is there
    again, `is_learned` whether the provider has told the amount.
    """

    name: str
    unit: Unit
    window: float
    amount: float
    left: float
    full_in: float
    is_learned: bool = False
