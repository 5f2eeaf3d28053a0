"""The charges to one limit that are not settled: reserved, sorted by time, or in flight.

Reserved charges are kept in short sorted blocks, each of which caches its sum, so that thousands
of them are added up in some dozens of steps.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

_BLOCK_SIZE = 64


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


class _Block:
    """A few charges in order, at least one, with their cached sum; immutable."""

    def __init__(self, charges: list[Charge]) -> None:
        self.charges = charges
        self._seconds_per_unit = math.nan
        self._sum = 0.0
        self._peak = 0.0

    @cached_property
    def times(self) -> list[float]:
        """The time that each charge is reserved for."""
        return [charge.at for charge in self.charges]

    @cached_property
    def _sequences(self) -> tuple[float, float]:
        sequences = [charge.sequence for charge in self.charges]
        return min(sequences), max(sequences)

    def select(self, after: float, until: float, priority: PriorityFilter) -> _Block | None:
        """Return the charges in (after, until] that *priority* includes, or None if none is."""
        first, last = self.charges[0].at, self.charges[-1].at
        lowest, highest = self._sequences
        if lowest >= priority.sequence and first > priority.due:
            return None
        are_all_included = highest < priority.sequence or last <= priority.due
        if after < first and last <= until and are_all_included:
            return self
        selected = [
            charge
            for charge in self.charges
            if after < charge.at <= until and priority.includes(charge)
        ]
        return _Block(selected) if selected else None

    def full_after(self, full: float, seconds_per_unit: float, origin: float) -> float:
        """Return `PendingCharges.full_after` for all charges of the block.

        A chain of `max(full, time) + cost` is one `max(full + sum, first time + peak)`.
        """
        first = self.charges[0].at
        if seconds_per_unit != self._seconds_per_unit:
            self._seconds_per_unit, self._sum, self._peak = seconds_per_unit, 0.0, -math.inf
            for charge in reversed(self.charges):
                self._sum += charge.amount * seconds_per_unit
                self._peak = max(self._peak, charge.at - first + self._sum)
        return max(full + self._sum, first - origin + self._peak)


#: Of thousands of limits that rest: for which nobody waits, and nothing is in flight. Nothing is
#: ever put into these.
_NO_BLOCKS: list[_Block] = []
_NONE_IN_FLIGHT: dict[Charge, None] = {}


class PendingCharges:
    """The reserved charges of one limit, and those in flight (`in_flight`, the oldest first).

    A charge that has been received, though not answered, is none of them any more.
    """

    __slots__ = (
        *("_blocks", "_only", "_reserved"),
        *("in_flight", "in_flight_amount", "received_amount", "settled_in_all"),
    )

    def __init__(self) -> None:
        self.in_flight = _NONE_IN_FLIGHT
        self.in_flight_amount = 0.0
        #: What has been received, and is not settled.
        self.received_amount = 0.0
        #: What has ever been settled.
        self.settled_in_all = 0.0
        self._blocks = _NO_BLOCKS
        #: The only one that is reserved, as long as nobody has asked for more than its number.
        self._only: Charge | None = None
        self._reserved = 0

    def __len__(self) -> int:
        return self._reserved + len(self.in_flight)

    def has_before(self, priority: PriorityFilter | None) -> bool:
        """Whether anything reserved may be served first; False is certain, True is cautious."""
        if self._reserved != 1 or priority is None or self._only is None:
            return self._reserved > 0
        return priority.includes(self._only)

    def reserved_amount(self) -> float:
        """The sum of what is reserved, and not sent."""
        return sum(charge.amount for block in self._sorted() for charge in block.charges)

    def reserve(self, charge: Charge) -> None:
        """Add a charge; its time must not be changed while it is reserved."""
        self._reserved += 1
        if self._reserved == 1:
            self._only = charge
            return
        blocks = self._sorted()
        index = max(0, min(self._block_at(charge.sort_key), len(blocks) - 1))
        charges = blocks[index].charges
        insort(charges, charge, key=_sort_key)
        is_small = len(charges) < 2 * _BLOCK_SIZE
        halves = [charges] if is_small else [charges[:_BLOCK_SIZE], charges[_BLOCK_SIZE:]]
        blocks[index : index + 1] = map(_Block, halves)

    def cancel(self, charge: Charge) -> None:
        """Remove a reserved charge."""
        self._reserved -= 1
        if not self._reserved:
            self._only, self._blocks = None, _NO_BLOCKS
            return
        index = self._block_at(charge.sort_key)
        charges = self._blocks[index].charges
        del charges[bisect_left(charges, charge.sort_key, key=_sort_key)]
        self._blocks[index : index + 1] = [_Block(charges)] if charges else []

    def start(self, charge: Charge, now: float) -> None:
        """Turn a reserved charge into one in flight, sent at *now*."""
        self.cancel(charge)
        charge.at = now
        charge.settled_before = self.settled_in_all
        if not self.in_flight:
            self.in_flight = {}
        self.in_flight[charge] = None
        self.in_flight_amount += charge.amount

    def settle(self, charge: Charge) -> None:
        """Remove a charge that was in flight."""
        del self.in_flight[charge]
        if not self.in_flight:
            self.in_flight = _NONE_IN_FLIGHT
        # Reset when nothing is in flight, so that rounding errors do not add up.
        self.in_flight_amount = self.in_flight_amount - charge.amount if self.in_flight else 0.0

    def take_received(self, sent_until: float, max_transit: float) -> Iterator[Charge]:
        """Remove and yield the charges in flight that were sent at *sent_until* or before.

        The provider has received each, *max_transit* seconds after its sending at latest.
        """
        while self.in_flight:
            charge = next(iter(self.in_flight))
            if charge.at > sent_until:
                return
            self.settle(charge)
            charge.received_at = charge.at + max_transit
            self.received_amount += charge.amount
            yield charge

    def reserved_after(self, time: float) -> Iterator[Charge]:
        """Yield the charges that are reserved for later than *time*, in order."""
        for block in self._sorted()[self._block_at((time, math.inf)) :]:
            yield from block.charges[bisect_right(block.charges, time, key=_time) :]

    def times(
        self, after: float, until: float, priority: PriorityFilter = EVERY_CHARGE
    ) -> list[float]:
        """Return the times in (after, until] of the reserved charges that have *priority*."""
        return [at for block in self._select(after, until, priority) for at in block.times]

    def full_after(
        self,
        full: float,
        *,
        seconds_per_unit: float,
        origin: float,
        after: float,
        until: float,
        priority: PriorityFilter = EVERY_CHARGE,
    ) -> float:
        """Return when a bucket, full again at *full* without them, is so after those charges.

        The charges are those of `times`; *seconds_per_unit* is the refill of one unit. *full* and
        the result are in seconds since *origin*, because floats are dense near 0.
        """
        for block in self._select(after, until, priority):
            full = block.full_after(full, seconds_per_unit, origin)
        return full

    def _select(self, after: float, until: float, priority: PriorityFilter) -> Iterator[_Block]:
        for block in self._sorted()[self._block_at((after, math.inf)) :]:
            if part := block.select(after, until, priority):
                yield part
            if block.charges[-1].at > until:
                break

    def _sorted(self) -> list[_Block]:
        if self._only is not None:
            self._blocks, self._only = [_Block([self._only])], None
        return self._blocks

    def _block_at(self, sort_key: tuple[float, float]) -> int:
        """Return the index of the first block whose last charge is at *sort_key* or later."""
        return bisect_left(self._blocks, sort_key, key=_last_sort_key)


def _sort_key(charge: Charge) -> tuple[float, float]:
    return charge.sort_key


def _time(charge: Charge) -> float:
    return charge.at


def _last_sort_key(block: _Block) -> tuple[float, float]:
    return block.charges[-1].sort_key
