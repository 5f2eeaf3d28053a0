"""The charges to one limit that are not settled: reserved, sorted by time, or in flight."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Sequence

from .block_spans import BlockSpans
from .charge_blocks import EVERY_CHARGE, Block, Charge, PriorityFilter, Span

__all__ = ["EVERY_CHARGE", "Charge", "PendingCharges", "PriorityFilter"]

#: Of thousands of limits that rest: for which nobody waits, and nothing is in flight. Nothing is
#: ever put into these.
_NO_BLOCKS: list[Block] = []
_NONE_IN_FLIGHT: dict[Charge, None] = {}


class PendingCharges:
    """The reserved charges of one limit, and those in flight (`in_flight`, the oldest first).

    A charge that has been received, though not answered, is in neither any more. What is reserved
    is kept in sorted blocks.
    """

    __slots__ = (
        *("_blocks", "_middle_spans", "_reserved", "_reserved_amount", "_single"),
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
        #: The spans of the blocks between the first and the last; None before they are asked for.
        self._middle_spans: BlockSpans | None = None
        #: The charge that alone is reserved, before a block is made of it: most never need one.
        self._single: Charge | None = None
        self._reserved = 0
        self._reserved_amount = 0.0

    def __len__(self) -> int:
        return self._reserved + len(self.in_flight)

    def has_before(self, priority: PriorityFilter | None) -> bool:
        """Whether anything reserved may be served first; False is certain, True is cautious."""
        if self._reserved != 1 or priority is None or self._single is None:
            return self._reserved > 0
        return priority.includes(self._single)

    def reserved_amount(self) -> float:
        """The sum of what is reserved, and not sent."""
        return self._reserved_amount

    def reserve(self, charge: Charge) -> None:
        """Add a charge; its time must not be changed while it is reserved."""
        self._reserved += 1
        self._reserved_amount += charge.amount
        if self._reserved == 1:
            self._single = charge
            return
        blocks = self._all_blocks()
        index = min(self._block_index(charge.sort_key), len(blocks) - 1)
        block = blocks[index]
        if block.charges[-1].sort_key < charge.sort_key:
            block = block.append(charge)
        else:
            charges = block.charges.copy()
            insort(charges, charge, key=_sort_key)
            block = Block(charges)
        self._replace_block(index, block.split())

    def cancel(self, charge: Charge) -> None:
        """Remove a reserved charge."""
        self._reserved -= 1
        if not self._reserved:  # reset, so that rounding errors do not add up
            self._reserved_amount = 0.0
            self._single, self._blocks, self._middle_spans = None, _NO_BLOCKS, None
            return
        self._reserved_amount -= charge.amount
        blocks = self._all_blocks()
        index = self._block_index(charge.sort_key)
        charges = blocks[index].charges
        place = bisect_left(charges, charge.sort_key, key=_sort_key)
        if len(charges) == 1:
            self._replace_block(index, [])
        elif place == 0:
            self._replace_block(index, [blocks[index].without_first()])
        else:
            self._replace_block(index, [Block(charges[:place] + charges[place + 1 :])])

    def _replace_block(self, index: int, blocks: list[Block]) -> None:
        if self._middle_spans is not None:
            self._middle_spans.note_change(index, len(self._blocks), len(blocks))
        self._blocks[index : index + 1] = blocks

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
        if self.in_flight:
            self.in_flight_amount -= charge.amount
        else:  # reset, so that rounding errors do not add up
            self.in_flight, self.in_flight_amount = _NONE_IN_FLIGHT, 0.0

    def take_received(self, sent_until: float) -> Iterator[Charge]:
        """Yield and then remove the charges in flight that were sent at *sent_until* or before.

        The caller counts each, and sets its `received_at`, before it asks for the next.
        """
        while self.in_flight:
            charge = next(iter(self.in_flight))
            if charge.at > sent_until:
                return
            yield charge
            self.settle(charge)
            self.received_amount += charge.amount

    def restore(self, reserved: Sequence[Charge], sent: Sequence[Charge]) -> None:
        """Hold these charges, and no others, after an interrupt has left a change half done."""
        self._reserved, self._reserved_amount = 0, 0.0
        self._single, self._blocks, self._middle_spans = None, _NO_BLOCKS, None
        for charge in sorted(reserved, key=_sort_key):
            self.reserve(charge)
        in_flight = sorted((each for each in sent if each.received_at is None), key=_time)
        self.in_flight = dict.fromkeys(in_flight) or _NONE_IN_FLIGHT
        self.in_flight_amount = sum(each.amount for each in in_flight)
        received = (each.amount for each in sent if each.received_at is not None)
        self.received_amount = sum(received)

    def reserved_after(self, time: float) -> Iterator[Charge]:
        """Yield the charges that are reserved for later than *time*, in order."""
        for block in self._blocks_in(time, math.inf, EVERY_CHARGE):
            yield from block.charges[bisect_right(block.charges, time, key=_time) :]

    def times(
        self, after: float, until: float, priority: PriorityFilter = EVERY_CHARGE
    ) -> list[float]:
        """Return the times in (after, until] of the reserved charges that have *priority*."""
        times: list[float] = []
        for block in self._blocks_in(after, until, priority):
            times += block.times(after, until, priority)
        return times

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
        for span in self._spans(after, until, priority, seconds_per_unit):
            full = max(full + span.cost, span.first - origin + span.peak)
        return full

    def _spans(
        self, after: float, until: float, priority: PriorityFilter, seconds_per_unit: float
    ) -> Iterator[Span]:
        blocks, begin = self._all_blocks(), self._block_index((after, math.inf))
        if priority is EVERY_CHARGE and len(blocks) > begin + 2:
            last = blocks[-1]
            if until >= last.charges[-1].at:
                yield blocks[begin].span_after(after, seconds_per_unit)
                yield from self._spans_of_middle().spans(blocks, begin + 1, seconds_per_unit)
                yield last.whole(seconds_per_unit)
                return
        for block in self._blocks_in(after, until, priority):
            if span := block.span(after, until, priority, seconds_per_unit):
                yield span

    def _blocks_in(self, after: float, until: float, priority: PriorityFilter) -> Iterator[Block]:
        """Yield the blocks that can have charges in (after, until] which *priority* includes."""
        blocks, begin = self._all_blocks(), self._block_index((after, math.inf))
        for index in range(begin, len(blocks)):
            first = blocks[index].charges[0].at
            if first > until:
                return
            # Most often nobody at all is served before the one that asks.
            can_be_none = index == begin + 1 and first > priority.due
            if can_be_none and self._lowest_sequence(index) >= priority.sequence:
                return
            yield blocks[index]

    def _lowest_sequence(self, index: int) -> float:
        """Return the lowest sequence of the block at *index*, above 0, and of all after it."""
        return self._spans_of_middle().lowest(self._blocks, index)

    def _spans_of_middle(self) -> BlockSpans:
        if self._middle_spans is None:
            self._middle_spans = BlockSpans()
        return self._middle_spans

    def _all_blocks(self) -> list[Block]:
        """Return the blocks of all that is reserved, in order."""
        if self._single is not None:
            self._blocks, self._single = [Block([self._single])], None
        return self._blocks

    def _block_index(self, sort_key: tuple[float, float]) -> int:
        """Return the index of the first block whose last charge is at *sort_key* or later."""
        return bisect_left(self._blocks, sort_key, key=_last_sort_key)


def _sort_key(charge: Charge) -> tuple[float, float]:
    return charge.sort_key


def _time(charge: Charge) -> float:
    return charge.at


def _last_sort_key(block: Block) -> tuple[float, float]:
    return block.charges[-1].sort_key
