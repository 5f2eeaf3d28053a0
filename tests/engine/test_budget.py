from __future__ import annotations

import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.llm.budget import Booking, DailyBudget, MemoryTally
from services.llm.errors import ConfigurationError, LLMError, RateLimitError
from services.llm.stores import BudgetFile, StoreError

NOON = 1_800_014_400.0  # 2027-01-15 12:00 UTC
DAY = 86_400.0


class Broken:
    """A tally whose disk has gone."""

    def add(self, tokens: int, now: float, *, day: str | None = None) -> int:
        raise StoreError("the disk is full")


def test_what_is_booked_is_not_there_for_others() -> None:
    budget = DailyBudget(100, MemoryTally())
    budget.book(60, NOON)
    with pytest.raises(RateLimitError, match="50 tokens are needed, 40 of 100 are left"):
        budget.book(50, NOON)
    budget.book(40, NOON)


def test_the_error_says_when_the_day_ends() -> None:
    with pytest.raises(RateLimitError, match=r"until 00:00 UTC\. Please wait 43200 sec") as caught:
        DailyBudget(0, MemoryTally()).book(1, NOON)
    assert 43_200.0 == caught.value.retry_after


def test_a_new_day_has_a_new_budget() -> None:
    budget = DailyBudget(100, MemoryTally())
    budget.book(100, NOON)
    assert Booking(100, "2027-01-16") == budget.book(100, NOON + DAY)


def test_a_refund_of_yesterday_is_not_todays() -> None:
    budget = DailyBudget(100, MemoryTally())
    yesterday = budget.book(100, NOON)
    budget.book(100, NOON + DAY)
    budget.true_up(yesterday, 0, NOON + DAY)
    with pytest.raises(RateLimitError, match="0 of 100"):
        budget.book(1, NOON + DAY)


def test_a_call_that_took_more_than_its_estimate_may_end_above_the_cap() -> None:
    budget = DailyBudget(100, MemoryTally())
    budget.true_up(budget.book(10, NOON), 150, NOON)
    with pytest.raises(RateLimitError, match="0 of 100 are left"):
        budget.book(1, NOON)


def test_a_restart_does_not_forget_the_day(tmp_path: Path) -> None:
    DailyBudget(100, BudgetFile(tmp_path / "budget")).book(70, NOON)
    with pytest.raises(RateLimitError, match="30 of 100 are left"):
        DailyBudget(100, BudgetFile(tmp_path / "budget")).book(31, NOON)


@pytest.mark.parametrize("tokens", [-1, 1.5, True, "1", None])
def test_a_budget_that_is_no_number_of_tokens_is_refused(tokens: object) -> None:
    with pytest.raises(ConfigurationError, match="daily_token_budget is "):
        DailyBudget(tokens, MemoryTally())  # type: ignore[arg-type]  # what a host may pass


def test_what_cannot_be_counted_is_not_spent() -> None:
    with pytest.raises(LLMError, match="cannot be kept: the disk is full"):
        DailyBudget(100, Broken()).book(1, NOON)


def test_an_answer_is_not_lost_to_a_tally_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        DailyBudget(100, Broken()).true_up(Booking(10, "2027-01-15"), 5, NOON)
    assert ["the daily token budget keeps an estimate: the disk is full"] == caplog.messages


def test_a_true_estimate_needs_no_correction() -> None:
    DailyBudget(100, Broken()).true_up(Booking(10, "2027-01-15"), 10, NOON)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60), st.booleans())))
def test_the_sum_is_that_of_what_was_spent(calls: list[tuple[int, int, bool]]) -> None:
    tally, spent = MemoryTally(), 0
    budget = DailyBudget(1000, tally)
    for estimate, real, fails in calls:
        try:
            booking = budget.book(estimate, NOON)
        except RateLimitError:
            assert spent + estimate > 1000
            continue
        budget.true_up(booking, 0 if fails else real, NOON)
        spent += 0 if fails else real
    assert spent == tally.add(0, NOON)
