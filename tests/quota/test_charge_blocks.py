"""What a block of charges says is what its charges say one by one, however it was made."""

from __future__ import annotations

import pytest

from services.llm.quota import charge_blocks
from services.llm.quota.charge_blocks import (
    _BLOCK_SIZE,
    EVERY_CHARGE,
    Block,
    Charge,
    PriorityFilter,
    Span,
)

SPARSE = [Charge(1.0, 10.0, 5), Charge(2.0, 20.0, 6), Charge(1.0, 90.0, 4)]
#: The last charge is what fills the bucket, after a pause.
LATE = Span(10.0, 4.0, 81.0, 4)


@pytest.mark.parametrize(
    "block",
    [
        Block(SPARSE),
        Block(SPARSE[:2]).append(SPARSE[2]),
        Block([SPARSE[0], *SPARSE]).without_first(),
    ],
)
def test_a_block_is_known_as_a_whole_at_any_rate_however_it_was_made(block: Block) -> None:
    assert LATE == block.whole(1.0)
    assert Span(10.0, 400.0, 400.0, 4) == block.whole(100.0)
    assert LATE == block.whole(1.0)


def test_what_was_known_of_a_block_is_known_of_what_is_made_of_it() -> None:
    block = Block(SPARSE[:2])
    assert Span(10.0, 3.0, 12.0, 5) == block.whole(1.0)
    assert LATE == block.append(SPARSE[2]).whole(1.0)
    longer = Block([Charge(9.0, 1.0, 1), *SPARSE])
    assert LATE == longer.span_after(1.0, 1.0)
    assert LATE == longer.without_first().whole(1.0)
    assert Span(10.0, 400.0, 400.0, 4) == longer.span_after(1.0, 100.0)
    assert Span(1.0, 13.0, 90.0, 1) == longer.span_after(0.0, 1.0)


@pytest.mark.parametrize(
    ("priority", "expected"),
    [
        (EVERY_CHARGE, [0, 1, 2]),
        (PriorityFilter(9), [0, 1, 2]),
        (PriorityFilter(3), []),
        (PriorityFilter(3, 10.0), [0]),
        (PriorityFilter(3, 9.9), []),
        (PriorityFilter(6, 9.9), [0, 2]),
        (PriorityFilter(3, 90.0), [0, 1, 2]),
    ],
)
def test_those_before_a_priority_or_due_by_then_are_selected(
    priority: PriorityFilter, expected: list[int]
) -> None:
    selected = Block(SPARSE).select(0.0, 100.0, priority)
    assert [SPARSE[place] for place in expected] == selected
    assert [each.at for each in selected] == Block(SPARSE).times(0.0, 100.0, priority)


@pytest.mark.parametrize(
    ("after", "until", "expected"),
    [(10.0, 90.0, [1, 2]), (9.9, 89.9, [0, 1]), (0.0, 90.0, [0, 1, 2]), (20.0, 89.9, [])],
)
def test_a_charge_is_selected_after_the_one_moment_and_until_the_other(
    after: float, until: float, expected: list[int]
) -> None:
    block = Block(SPARSE)
    assert [SPARSE[place] for place in expected] == block.select(after, until, EVERY_CHARGE)
    span = block.span(after, until, EVERY_CHARGE, 1.0)
    assert (SPARSE[expected[0]].at if expected else None) == (span.first if span else None)


def test_a_block_that_has_become_too_large_is_halved() -> None:
    charges = [Charge(1.0, float(at), at) for at in range(2 * _BLOCK_SIZE)]
    assert [charges[:-1]] == [each.charges for each in Block(charges[:-1]).split()]
    assert [charges[:_BLOCK_SIZE], charges[_BLOCK_SIZE:]] == [
        each.charges for each in Block(charges).split()
    ]


def test_what_was_added_up_for_a_block_is_not_added_up_anew_for_what_is_made_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    block, longer = Block(SPARSE[:2]), Block([Charge(9.0, 1.0, 1), *SPARSE])
    block.whole(1.0)
    longer.span_after(1.0, 1.0)
    for name in ("_span", "_spans"):
        monkeypatch.delattr(charge_blocks, name)
    assert LATE == block.append(SPARSE[2]).whole(1.0)
    assert LATE == longer.without_first().whole(1.0)
    assert LATE == longer.without_first().span_after(0.0, 1.0)
