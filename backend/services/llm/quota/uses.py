"""What one limit has given out and not yet counted: booked, in the order of moments, or in flight.

The bookings are kept in short sorted blocks, each of which remembers what it adds up to, so that
a queue of thousands is summed up in some dozens of steps.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

_BLOCK = 64


@dataclass(eq=False)
class Use:
    """An amount that one request takes of one limit: booked for *at*, then sent at *at*.

    *turn* counts up from booking to booking: whoever has the lower one was there first.
    """

    amount: float
    at: float
    turn: int = 0

    @property
    def place(self) -> tuple[float, int]:
        """What the bookings are sorted by."""
        return self.at, self.turn


@dataclass(frozen=True)
class Ahead:
    """Which bookings are served first: those of a lower *turn*, and all until the moment *due*."""

    turn: float = math.inf
    due: float = -math.inf

    def __call__(self, use: Use) -> bool:
        """Whether *use* is ahead."""
        return use.turn < self.turn or use.at <= self.due


EVERYONE = Ahead()


class _Block:
    """A few bookings in order, never none, and what they add up to; it is never changed."""

    def __init__(self, uses: list[Use]) -> None:
        self.uses = uses
        self._pace = math.nan
        self._sum = 0.0
        self._peak = 0.0

    @cached_property
    def moments(self) -> list[float]:
        """When each is booked for."""
        return [use.at for use in self.uses]

    @cached_property
    def _turns(self) -> tuple[int, int]:
        turns = [use.turn for use in self.uses]
        return min(turns), max(turns)

    def within(self, beyond: float, until: float, ahead: Ahead) -> _Block | None:
        """Those in (beyond, until] that are *ahead*, or None if none is."""
        first, last = self.uses[0].at, self.uses[-1].at
        lowest, highest = self._turns
        if lowest >= ahead.turn and first > ahead.due:
            return None
        if beyond < first and last <= until and (highest < ahead.turn or last <= ahead.due):
            return self
        some = [use for use in self.uses if beyond < use.at <= until and ahead(use)]
        return _Block(some) if some else None

    def full_after(self, full: float, pace: float, origin: float) -> float:
        """`Uses.full_after`, for all of the block.

        A chain of `max(full, moment) + cost` is one `max(full + sum, first moment + peak)`.
        """
        first = self.uses[0].at
        if pace != self._pace:
            self._pace, self._sum, self._peak = pace, 0.0, -math.inf
            for use in reversed(self.uses):
                self._sum += use.amount * pace
                self._peak = max(self._peak, use.at - first + self._sum)
        return max(full + self._sum, first - origin + self._peak)


class Uses:
    """The bookings of one limit, and what is in flight (`in_flight`, the oldest first)."""

    def __init__(self) -> None:
        self.in_flight: dict[Use, None] = {}
        self.in_flight_amount = 0.0
        self._blocks: list[_Block] = []
        self._booked = 0

    def __len__(self) -> int:
        return self._booked + len(self.in_flight)

    def book(self, use: Use) -> None:
        """Add a booking; as long as it is one, its moment must not be changed."""
        self._booked += 1
        if not self._blocks:
            self._blocks.append(_Block([use]))
            return
        index = max(0, min(self._block_of(use.place), len(self._blocks) - 1))
        uses = self._blocks[index].uses
        insort(uses, use, key=_place)
        halves = [uses] if len(uses) < 2 * _BLOCK else [uses[:_BLOCK], uses[_BLOCK:]]
        self._blocks[index : index + 1] = map(_Block, halves)

    def cancel(self, use: Use) -> None:
        """Take a booking away."""
        self._booked -= 1
        if not self._booked:
            self._blocks.clear()
            return
        index = self._block_of(use.place)
        uses = self._blocks[index].uses
        del uses[bisect_left(uses, use.place, key=_place)]
        self._blocks[index : index + 1] = [_Block(uses)] if uses else []

    def send(self, use: Use, now: float) -> None:
        """Turn a booking into one in flight, since *now*."""
        self.cancel(use)
        use.at = now
        self.in_flight[use] = None
        self.in_flight_amount += use.amount

    def land(self, use: Use) -> None:
        """Let go of one that was in flight."""
        del self.in_flight[use]
        # Without anything in flight, no rounding error is left of it either.
        self.in_flight_amount = self.in_flight_amount - use.amount if self.in_flight else 0.0

    def beyond(self, moment: float) -> Iterator[Use]:
        """The bookings after *moment*, in order."""
        for block in self._blocks[self._block_of((moment, math.inf)) :]:
            yield from block.uses[bisect_right(block.uses, moment, key=_moment) :]

    def moments(self, beyond: float, until: float, ahead: Ahead = EVERYONE) -> list[float]:
        """When those of the bookings in (beyond, until] that are *ahead* are booked for."""
        return [at for block in self._within(beyond, until, ahead) for at in block.moments]

    def full_after(
        self,
        full: float,
        pace: float,
        origin: float,
        beyond: float,
        until: float,
        ahead: Ahead = EVERYONE,
    ) -> float:
        """When a bucket that would be full at *full* is so after the same bookings as `moments`.

        *pace* is seconds of refill per unit; moments of fullness are in seconds since *origin*,
        where floats are dense.
        """
        for block in self._within(beyond, until, ahead):
            full = block.full_after(full, pace, origin)
        return full

    def _within(self, beyond: float, until: float, ahead: Ahead) -> Iterator[_Block]:
        for block in self._blocks[self._block_of((beyond, math.inf)) :]:
            if part := block.within(beyond, until, ahead):
                yield part
            if block.uses[-1].at > until:
                break

    def _block_of(self, place: tuple[float, float]) -> int:
        """The first block that ends at *place* or later; their number, if there is none."""
        return bisect_left(self._blocks, place, key=_last_place)


def _place(use: Use) -> tuple[float, int]:
    return use.place


def _moment(use: Use) -> float:
    return use.at


def _last_place(block: _Block) -> tuple[float, int]:
    return block.uses[-1].place
