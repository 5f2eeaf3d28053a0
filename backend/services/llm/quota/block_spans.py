"""What many blocks of charges do to a bucket, kept as a queue is used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .charge_blocks import Block, Span


class BlockSpans:
    """The spans of the blocks between the first and the last.

    Who waits joins the last block and leaves the first. So a span to the end is kept for each block
    up to a certain one, and the blocks after that one are added up as they come: an operation at
    either end takes a step or two, and one in the middle as many as there are blocks before it.
    These are the two stacks of a sliding-window aggregation (Tangwongsan et al., 2017).
    """

    __slots__ = ("_added", "_added_blocks", "_seconds_per_unit", "_to_the_end", "_uncovered")

    def __init__(self) -> None:
        self._seconds_per_unit = 0.0
        #: The span from each block to the last that is covered, that of the last one first.
        self._to_the_end: list[Span] = []
        #: How many blocks come after those, the last of all included, which is never added up.
        self._uncovered = 1
        #: The span of some of them, and of how many.
        self._added: Span | None = None
        self._added_blocks = 0

    def note_change(self, index: int, length: int, replaced_by: int) -> None:
        """Note that the block at *index*, of *length*, is *replaced_by* so many others."""
        covered = length - 1 - self._uncovered
        if length <= 2 or (replaced_by == 0 and self._is_at_the_edge(index, length, covered)):
            self._reset()
        elif index > covered:
            self._change_uncovered(index, length, replaced_by)
        elif index > 0:
            del self._to_the_end[covered - index :]
        elif replaced_by == 0 and len(self._to_the_end) == covered:
            self._to_the_end.pop()

    def spans(self, blocks: Sequence[Block], begin: int, seconds_per_unit: float) -> Iterator[Span]:
        """Yield spans in a row that are those of *blocks* from *begin*, above 0, but for the last.

        There is one of them at least.
        """
        if seconds_per_unit != self._seconds_per_unit:
            self._seconds_per_unit = seconds_per_unit
            self._reset()
        covered = len(blocks) - 1 - self._uncovered
        known = self._to_the_end
        while len(known) < covered:
            span = blocks[covered - len(known)].whole(seconds_per_unit)
            known.append(span.then(known[-1]) if known else span)
        while self._added_blocks < self._uncovered - 1:
            self._added_blocks += 1
            span = blocks[covered + self._added_blocks].whole(seconds_per_unit)
            self._added = span if self._added is None else self._added.then(span)
        if begin <= covered:
            yield known[covered - begin]
            begin = covered + 1
        if begin == covered + 1 and self._added is not None:
            yield self._added
        else:
            yield from (block.whole(seconds_per_unit) for block in blocks[begin:-1])

    def lowest(self, blocks: Sequence[Block], begin: int) -> float:
        """Return the lowest sequence in *blocks* from *begin*, which is above 0, to the last."""
        last = blocks[-1].whole(self._seconds_per_unit)
        spans = self.spans(blocks, begin, self._seconds_per_unit) if begin < len(blocks) - 1 else ()
        return min([last.lowest, *(span.lowest for span in spans)])

    def _is_at_the_edge(self, index: int, length: int, covered: int) -> bool:
        """Whether, without this block, one of those that are added up would be an end."""
        return (index == 0 and covered == 0) or (index == length - 1 and self._uncovered == 1)

    def _change_uncovered(self, index: int, length: int, replaced_by: int) -> None:
        self._uncovered += replaced_by - 1
        if index < length - 1 or replaced_by == 0:
            self._added, self._added_blocks = None, 0

    def _reset(self) -> None:
        self._to_the_end.clear()
        self._uncovered, self._added, self._added_blocks = 1, None, 0
