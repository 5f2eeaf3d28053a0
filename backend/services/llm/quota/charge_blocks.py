"""Charges in short sorted blocks, each of which caches what it does to a bucket.

So thousands of charges are added up in a few steps.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import NamedTuple

_BLOCK_SIZE = 32


@dataclass(eq=False, slots=True)
class Charge:
    """The amount that one request takes of one limit; `at` is when it may be sent, then was sent.

    *sequence* says who is served first: a lower one was reserved earlier, or has a priority.
    """

    amount: float
    at: float
    sequence: float = 0
    #: When the provider has received it at latest, once that is known while it is in flight.
    received_at: float | None = None
    #: What had been settled in all when it was sent.
    settled_before: float = 0.0
    #: Whether its limit has counted what was spent, which it does once.
    is_settled: bool = False

    @property
    def sort_key(self) -> tuple[float, float]:
        """The order of reserved charges: by time, then by sequence."""
        return self.at, self.sequence


class PriorityFilter(NamedTuple):
    """Selects the charges that are served first.

    Those are the charges of a *sequence* below this one, and all that are reserved for *due* or
    earlier.
    """

    sequence: float = math.inf
    due: float = -math.inf

    def includes(self, charge: Charge) -> bool:
        """Whether *charge* is served first."""
        return charge.sequence < self.sequence or charge.at <= self.due


EVERY_CHARGE = PriorityFilter()


class Span(NamedTuple):
    """What charges in a row do to a bucket: it is full at `max(full + cost, first + peak)` after.

    *first* is the time of the first, and *cost* the seconds that refill all of them. *lowest* is
    the sequence of the one that is served first.
    """

    first: float
    cost: float
    peak: float
    lowest: float

    def then(self, later: Span) -> Span:
        """Return the span of both in a row."""
        peak = max(self.peak + later.cost, later.first - self.first + later.peak)
        lowest = min(self.lowest, later.lowest)
        return Span(self.first, self.cost + later.cost, peak, lowest)


def _span_of(charge: Charge, seconds_per_unit: float) -> Span:
    cost = charge.amount * seconds_per_unit
    return Span(charge.at, cost, cost, charge.sequence)


class Block:
    """A few charges in order, at least one, with their cached spans; immutable."""

    __slots__ = ("_seconds_per_unit", "_sequences", "_spans", "_times", "_whole", "charges")

    #: The refill for which spans are cached, once some are.
    _seconds_per_unit: float

    def __init__(self, charges: list[Charge]) -> None:
        self.charges = charges
        self._times: list[float] | None = None
        self._sequences: tuple[float, float] | None = None
        #: Of all charges; and of each charge with all that follow it.
        self._whole: Span | None = None
        self._spans: list[Span] | None = None

    def append(self, charge: Charge) -> Block:
        """Return the block with a *charge* that comes after all others."""
        block = Block([*self.charges, charge])
        if self._whole is not None:
            block._seconds_per_unit = self._seconds_per_unit
            block._whole = self._whole.then(_span_of(charge, self._seconds_per_unit))
        return block

    def without_first(self) -> Block:
        """Return the block without its first charge, of at least two."""
        block = Block(self.charges[1:])
        if self._spans is not None:
            block._seconds_per_unit = self._seconds_per_unit
            block._spans = self._spans[1:]
            block._whole = block._spans[0]
        return block

    def split(self) -> list[Block]:
        """Return the block, or its halves where it has become too large."""
        if len(self.charges) < 2 * _BLOCK_SIZE:
            return [self]
        return [Block(self.charges[:_BLOCK_SIZE]), Block(self.charges[_BLOCK_SIZE:])]

    def times(self, after: float, until: float, priority: PriorityFilter) -> list[float]:
        """Return the times of what `select` returns."""
        selected = self.select(after, until, priority)
        if selected is not self.charges:
            return [charge.at for charge in selected]
        if self._times is None:
            self._times = [charge.at for charge in selected]
        return self._times

    def span(
        self, after: float, until: float, priority: PriorityFilter, seconds_per_unit: float
    ) -> Span | None:
        """Return the span of what `select` returns; None where that is nothing."""
        selected = self.select(after, until, priority)
        if selected is self.charges:
            return self.whole(seconds_per_unit)
        return _span(selected, seconds_per_unit) if selected else None

    def span_after(self, after: float, seconds_per_unit: float) -> Span:
        """Return the span of the charges later than *after*, of which there are some."""
        if after < self.charges[0].at:
            return self.whole(seconds_per_unit)
        return self._spans_of(seconds_per_unit)[bisect_right(self.charges, after, key=_time)]

    def whole(self, seconds_per_unit: float) -> Span:
        """Return the span of all charges."""
        if self._whole is None or seconds_per_unit != self._seconds_per_unit:
            self._whole, self._spans = _span(self.charges, seconds_per_unit), None
            self._seconds_per_unit = seconds_per_unit
        return self._whole

    def select(self, after: float, until: float, priority: PriorityFilter) -> list[Charge]:
        """Return the charges in (after, until] that *priority* includes."""
        charges = self.charges
        if after < charges[0].at and charges[-1].at <= until:
            selected = charges
        else:
            begin = bisect_right(charges, after, key=_time)
            selected = charges[begin : bisect_right(charges, until, key=_time)]
        if priority is EVERY_CHARGE or not selected or until <= priority.due:
            return selected
        if selected is charges:
            lowest, highest = self._sequence_range()
            if highest < priority.sequence or charges[-1].at <= priority.due:
                return charges
            if lowest >= priority.sequence and charges[0].at > priority.due:
                return []
        return [charge for charge in selected if priority.includes(charge)]

    def _sequence_range(self) -> tuple[float, float]:
        if self._sequences is None:
            sequences = [charge.sequence for charge in self.charges]
            self._sequences = min(sequences), max(sequences)
        return self._sequences

    def _spans_of(self, seconds_per_unit: float) -> list[Span]:
        if self._spans is None or seconds_per_unit != self._seconds_per_unit:
            self._spans = _spans(self.charges, seconds_per_unit)
            self._whole, self._seconds_per_unit = self._spans[0], seconds_per_unit
        return self._spans


def _span(charges: list[Charge], seconds_per_unit: float) -> Span:
    """Return the span of *charges*, of which there is one at least."""
    first = charges[0].at
    sum_of_costs, peak, lowest = 0.0, -math.inf, math.inf
    for charge in reversed(charges):
        sum_of_costs += charge.amount * seconds_per_unit
        peak = max(peak, charge.at - first + sum_of_costs)
        lowest = min(lowest, charge.sequence)
    return Span(first, sum_of_costs, peak, lowest)


def _spans(charges: list[Charge], seconds_per_unit: float) -> list[Span]:
    """Return the span of each charge with all that follow it."""
    spans: list[Span] = []
    for charge in reversed(charges):
        span = _span_of(charge, seconds_per_unit)
        spans.append(span.then(spans[-1]) if spans else span)
    return spans[::-1]


def _time(charge: Charge) -> float:
    return charge.at
