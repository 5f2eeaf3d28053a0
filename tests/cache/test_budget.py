"""A day's tokens, kept in a file."""

from __future__ import annotations

import json
import logging
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.llm.account.daily_budget import MemoryDayCounter
from services.llm.stores import BudgetFile, StoreError, utc_day
from services.llm.stores.budget import DayTally
from tests.cache.support import mode_of
from tests.conftest import FEWER

NOON = 1_795_348_800.0  # 2026-11-22 12:00:00 UTC
DAY = 86_400.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the budget of a test is."""
    return tmp_path / "budget.json"


def test_a_day_is_utcs() -> None:
    assert ["2026-11-22", "2026-11-22", "2026-11-23"] == [
        utc_day(NOON + seconds) for seconds in (-12 * 3600, 12 * 3600 - 0.001, 12 * 3600)
    ]


def test_tokens_add_up_over_restarts(path: Path) -> None:
    assert [0, 100, 130, 130] == [
        BudgetFile(path).used(NOON),
        BudgetFile(path).add(100, NOON),
        BudgetFile(path).add(30, NOON),
        BudgetFile(path).used(NOON),
    ]
    assert {"day": "2026-11-22", "used": 130} == json.loads(path.read_text())
    assert (0o600, f"BudgetFile({str(path)!r})") == (mode_of(path), repr(BudgetFile(path)))


def test_asking_alone_writes_nothing(path: Path) -> None:
    BudgetFile(path).used(NOON)
    assert not path.exists()


def test_midnight_begins_at_zero(path: Path) -> None:
    budget = BudgetFile(path)
    budget.add(100, NOON)
    assert [0, 7] == [budget.used(NOON + DAY), budget.add(7, NOON + DAY)]


def test_a_refund_never_goes_below_zero(path: Path) -> None:
    budget = BudgetFile(path)
    budget.add(10, NOON)
    assert [4, 0, 5] == [budget.add(-6, NOON), budget.add(-6, NOON), budget.add(5, NOON)]


def test_a_refund_after_midnight_leaves_the_new_day_alone(path: Path) -> None:
    budget = BudgetFile(path)
    budget.add(100, NOON)
    budget.add(40, NOON + DAY)
    assert 40 == budget.add(-100, NOON + DAY, day=utc_day(NOON))
    assert 30 == budget.add(-10, NOON + DAY, day=utc_day(NOON + DAY))


def test_a_clock_that_steps_back_over_midnight_clears_nothing(path: Path) -> None:
    budget = BudgetFile(path)
    budget.add(100, NOON + DAY)
    assert [101, 102] == [budget.add(1, NOON), budget.add(1, NOON + DAY)]


def test_what_is_taken_after_a_clock_has_stepped_back_is_given_back(path: Path) -> None:
    for counter in (BudgetFile(path), MemoryDayCounter()):
        assert 5 == counter.add(5, NOON + DAY)
        for _ in range(2):
            assert 105 == counter.add(100, NOON)
            assert 5 == counter.add(-100, NOON, day=utc_day(NOON))
        assert 2 == counter.add(-3, NOON, day=utc_day(NOON + DAY))
        assert 2 == counter.add(-1, NOON + DAY, day=utc_day(NOON))


def test_a_day_that_only_a_wrong_clock_wrote_does_not_last(path: Path) -> None:
    budget = BudgetFile(path)
    for days in (2, 400):
        budget.add(100, NOON + days * DAY)
        assert 1 == budget.add(1, NOON)


@pytest.mark.parametrize("tokens", [1.0, "1", None, True])
def test_tokens_are_whole_numbers(path: Path, tokens: int) -> None:
    with pytest.raises(TypeError, match="tokens must be a whole number"):
        BudgetFile(path).add(tokens, NOON)


DAMAGED = [
    b"",
    b"\0" * 40,
    b'{"day": 20, "used": 1}',
    b'{"day": "2026-11',
    b'{"day": "2026-11-22", "used": -1}',
    b'{"day": "2026-11-22", "used": true}',
    b'{"day": "2026-11-22", "used": 1.5}',
    b'{"day": "20261122", "used": 1}',
    b'{"day": "tomorrow", "used": 1}',
    b'{"day": "2026-11-22", "used": 1, "more": 2}',
]


@pytest.mark.parametrize("content", DAMAGED, ids=range(len(DAMAGED)))
def test_a_damaged_budget_is_set_aside_with_a_warning(
    path: Path, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    path.write_bytes(content)
    assert 5 == BudgetFile(path).add(5, NOON)
    assert [content] == [aside.read_bytes() for aside in path.parent.glob("*.damaged-*")]
    assert [logging.WARNING] == [record.levelno for record in caplog.records]


def test_a_file_that_was_never_a_budget_is_refused_and_stays(path: Path) -> None:
    path.write_bytes(b"milk, eggs")
    with pytest.raises(StoreError, match="it is not the file of a token budget, and stays"):
        BudgetFile(path).add(5, NOON)
    assert b"milk, eggs" == path.read_bytes()


def test_a_file_is_waited_for_in_a_thread() -> None:
    assert BudgetFile.is_blocking


def test_a_writer_killed_amid_a_change_leaves_the_old_tally(path: Path) -> None:
    budget = BudgetFile(path)
    budget.add(5, NOON)
    path.with_name("budget.json.tmp").write_bytes(b'{"day": "20')
    assert [5, 6] == [budget.used(NOON), budget.add(1, NOON)]
    assert not path.with_name("budget.json.tmp").exists()


def test_a_folder_that_is_missing_makes_the_budget_unavailable(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"missing.*No such file"):
        BudgetFile(tmp_path / "missing" / "budget").add(1, NOON)


@given(st.dates(), st.integers(0, 10**15))
def test_a_tally_is_read_as_it_was_written(day: object, used: int) -> None:
    tally = DayTally(str(day), used)
    assert tally == DayTally.from_json(tally.to_json())


@given(st.binary(max_size=300))
def test_any_bytes_are_a_tally_or_a_value_error(data: bytes) -> None:
    try:
        tally = DayTally.from_json(data)
    except ValueError:
        return
    assert tally == DayTally.from_json(tally.to_json())


@settings(max_examples=30 // FEWER, deadline=None)
@given(st.lists(st.tuples(st.integers(-50, 50), st.integers(0, 1), st.booleans()), max_size=12))
def test_the_file_holds_what_a_plain_sum_holds(
    steps: list[tuple[int, int, bool]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        budget, today, used = BudgetFile(Path(folder) / "budget"), 0, 0
        for tokens, days, of_the_day_before in steps:
            today, used = today + days, 0 if days else used
            if not of_the_day_before:
                used = max(0, used + tokens)
            now = NOON + today * DAY
            day = utc_day(now - DAY) if of_the_day_before else None
            assert used == budget.add(tokens, now, day=day)
