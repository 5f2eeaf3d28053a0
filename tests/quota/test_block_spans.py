"""Whatever joins and leaves a queue of charges, it is added up as if charge by charge."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.llm.quota import charge_blocks
from services.llm.quota.block_spans import BlockSpans
from services.llm.quota.charge_blocks import Block
from services.llm.quota.charges import EVERY_CHARGE, Charge, PendingCharges, PriorityFilter
from tests.quota.oracle import full_at

moments = st.integers(0, 30).map(float)
places = st.sampled_from(["first", "last", "second", "last but one", "middle"])
filters = st.one_of(
    st.just(EVERY_CHARGE),
    st.builds(PriorityFilter, st.integers(0, 60).map(float), st.just(-math.inf) | moments),
)


@pytest.fixture(autouse=True, scope="module")
def small_blocks() -> Iterator[None]:
    """Blocks of two charges, so that a few dozen charges have many blocks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(charge_blocks, "_BLOCK_SIZE", 2)
        yield


@dataclass
class Queue:
    """Charges, and the same in a list."""

    pending: PendingCharges = field(default_factory=PendingCharges)
    charges: list[Charge] = field(default_factory=list)
    number: int = 0

    def reserve(self, at: float, amount: float, sequence: float | None = None) -> None:
        self.number += 1
        charge = Charge(amount, at, self.number if sequence is None else sequence)
        self.pending.reserve(charge)
        self.charges.append(charge)
        self.charges.sort(key=lambda each: each.sort_key)

    def cancel(self, place: str) -> None:
        last = len(self.charges) - 1
        index = {"first": 0, "second": 1, "last": last, "last but one": last - 1}.get(place)
        index = len(self.charges) // 2 if index is None else max(0, min(index, last))
        self.pending.cancel(self.charges.pop(index))

    def selected(self, after: float, until: float, priority: PriorityFilter) -> list[Charge]:
        return [
            each for each in self.charges if after < each.at <= until and priority.includes(each)
        ]

    def check(
        self, after: float, until: float, priority: PriorityFilter, pace: float, full: float
    ) -> None:
        selected = self.selected(after, until, priority)
        assert [each.at for each in selected] == self.pending.times(after, until, priority)
        arrivals = [(full, 0.0), *((each.at, each.amount) for each in selected)]
        got = self.pending.full_after(
            full,
            seconds_per_unit=pace,
            origin=0.0,
            after=after,
            until=until,
            priority=priority,
        )
        assert full_at(arrivals, pace)[-1] == got
        assert sum(each.amount for each in self.charges) == self.pending.reserved_amount()


looks = st.tuples(
    moments | st.just(-math.inf),
    moments | st.just(math.inf),
    filters,
    st.sampled_from([0.25, 1.0, 4.0]),
    moments,
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("reserve"), moments, st.integers(1, 9).map(float)),
        st.tuples(st.just("append"), st.integers(1, 3).map(float), st.integers(1, 9).map(float)),
        st.tuples(st.just("cancel"), places),
        st.tuples(st.just("look"), looks),
    ),
    max_size=60,
)


@given(st.integers(0, 24), steps, st.lists(looks, min_size=1, max_size=4))
def test_any_history_is_added_up_as_if_charge_by_charge(
    length: int, history: list[tuple[object, ...]], last_looks: list[tuple[object, ...]]
) -> None:
    queue = Queue()
    for number in range(length):
        queue.reserve(float(number), 2.0)
    for what, *arguments in history:
        if what == "reserve":
            queue.reserve(*arguments)  # type: ignore[arg-type]  # as the strategy draws them
        elif what == "append":
            later, amount = arguments
            last = queue.charges[-1].at if queue.charges else 0.0
            queue.reserve(last + later, amount)  # type: ignore[operator,arg-type]  # two floats
        elif what == "look":
            queue.check(*arguments[0])  # type: ignore[misc]  # as the strategy draws them
        elif queue.charges:
            queue.cancel(arguments[0])  # type: ignore[arg-type]  # a place
    for look in last_looks:
        queue.check(*look)  # type: ignore[arg-type]  # as the strategy draws them


@given(st.lists(st.sampled_from(["join", "leave", "look"]), max_size=80))
def test_a_queue_that_is_joined_at_its_end_and_left_at_its_head_is_added_up(
    history: list[str],
) -> None:
    queue, late = Queue(), 0.0
    for what in history:
        late += 0.5
        if what == "join":
            queue.reserve(late, 3.0)
        elif what == "leave" and queue.charges:
            queue.cancel("first")
        else:
            queue.check(-math.inf, math.inf, EVERY_CHARGE, 1.0, late)
            queue.check(late - 3.0, math.inf, EVERY_CHARGE, 1.0, late)


def test_who_leaves_the_head_leaves_the_sums_of_those_behind_him() -> None:
    queue = Queue()
    for at in (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0):
        queue.reserve(at, 3.0)
    for _ in range(3):
        queue.check(1.0, math.inf, EVERY_CHARGE, 1.0, 0.0)
        queue.check(0.0, math.inf, EVERY_CHARGE, 1.0, 0.0)
        queue.cancel("first")


class Counted(Block):
    """A block that counts how often it is added up."""

    __slots__ = ()
    looks = 0

    def whole(self, seconds_per_unit: float) -> charge_blocks.Span:
        Counted.looks += 1
        return super().whole(seconds_per_unit)


def counted_blocks(number: int) -> list[Block]:
    return [Counted([Charge(1.0, float(place), place)]) for place in range(number)]


def test_a_block_selects_by_the_sequences_of_its_charges_as_often_as_it_is_asked() -> None:
    block = Block([Charge(1.0, 5.0, 1), Charge(1.0, 6.0, 3)])
    for sequence, expected in ((1, []), (2, [5.0]), (4, [5.0, 6.0])):
        assert expected == block.times(0.0, 9.0, PriorityFilter(sequence))


def test_what_changes_among_the_latest_is_added_up_anew() -> None:
    blocks, spans = counted_blocks(4), BlockSpans()
    list(spans.spans(blocks, 1, 1.0))
    for place in (4, 5, 6):
        spans.note_change(len(blocks) - 1, len(blocks), 2)
        blocks.append(Block([Charge(1.0, float(place), place)]))
    assert 5.0 == sum(span.cost for span in spans.spans(blocks, 1, 1.0))
    spans.note_change(4, len(blocks), 1)
    blocks[4] = Block([Charge(9.0, 4.0, 4)])
    assert 13.0 == sum(span.cost for span in spans.spans(blocks, 1, 1.0))
    spans.note_change(len(blocks) - 1, len(blocks), 0)
    del blocks[-1]
    assert 12.0 == sum(span.cost for span in spans.spans(blocks, 1, 1.0))
    assert 9.0 == sum(span.cost for span in spans.spans(blocks, 4, 1.0))
    assert 1.0 == sum(span.cost for span in spans.spans(blocks, 1, 0.0)) + spans.lowest(blocks, 1)


@pytest.mark.parametrize("kind", ["joined", "left", "both"])
def test_each_block_is_added_up_a_few_times_in_the_life_of_a_queue(kind: str) -> None:
    blocks, spans, lives = counted_blocks(50), BlockSpans(), 200
    Counted.looks = 0
    for number in range(lives):
        if kind != "left":
            spans.note_change(len(blocks) - 1, len(blocks), 2)
            blocks.append(Counted([Charge(1.0, 50.0 + number, 50 + number)]))
        if kind != "joined" and len(blocks) > 3:
            spans.note_change(0, len(blocks), 0)
            del blocks[0]
        costs = [span.cost for span in spans.spans(blocks, 1, 1.0)]
        assert len(blocks) - 2 == sum(costs)
        assert len(costs) <= 2
    assert Counted.looks <= 3 * (50 + lives)


def long_queue() -> Queue:
    """A queue of many blocks, which has been looked at."""
    queue = Queue()
    for at in range(20):
        queue.reserve(float(at), 3.0)
    look(queue)
    return queue


def look(queue: Queue) -> None:
    for after in (-math.inf, 2.0, 9.0):
        queue.check(after, math.inf, EVERY_CHARGE, 1.0, 0.0)
        for priority in (PriorityFilter(9.0, 5.0), PriorityFilter(3.0, 4.0)):
            queue.check(after, math.inf, priority, 1.0, 0.0)


def test_who_joins_a_long_queue_that_was_looked_at_is_added_up_too() -> None:
    queue = long_queue()
    for at in range(20, 40):
        queue.reserve(float(at), 5.0)
        look(queue)


@pytest.mark.parametrize("place", ["first", "second", "middle", "last but one", "last"])
def test_who_leaves_a_long_queue_that_was_looked_at_counts_no_more(place: str) -> None:
    queue = long_queue()
    while queue.charges:
        queue.cancel(place)
        look(queue)


@pytest.mark.parametrize("at", [-1.0, 0.5, 8.5, 18.5])
def test_who_comes_in_between_in_a_long_queue_that_was_looked_at_is_added_up_there(
    at: float,
) -> None:
    queue = long_queue()
    for _ in range(10):
        queue.reserve(at, 5.0)
        look(queue)
