from __future__ import annotations

import atexit
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.llm.account import daily_budget as module
from services.llm.account.daily_budget import BudgetReservation, DailyBudget, MemoryDayCounter
from services.llm.errors import ConfigurationError, LLMError, RateLimitError
from services.llm.runtime import fork
from services.llm.stores import BudgetFile, StoreError

NOON = 1_800_014_400.0  # 2027-01-15 12:00 UTC
DAY = 86_400.0


class Broken:
    """A tally whose disk has gone."""

    is_blocking = False

    def add(self, tokens: int, now: float, *, day: str | None = None) -> int:
        raise StoreError("the disk is full")


def book(budget: DailyBudget, tokens: int, now: float) -> BudgetReservation:
    """Book *tokens*, as a call does: what fails is settled all the same."""
    reservation = BudgetReservation(tokens)
    try:
        budget.reserve(reservation, now)
    except LLMError:
        budget.settle(reservation, 0, now)
        raise
    return reservation


def test_what_is_reserved_is_not_there_for_others() -> None:
    budget = DailyBudget(100, MemoryDayCounter())
    book(budget, 60, NOON)
    with pytest.raises(RateLimitError, match="50 tokens are needed, 40 of 100 are left"):
        book(budget, 50, NOON)
    book(budget, 40, NOON)


def test_the_error_says_when_the_day_ends() -> None:
    with pytest.raises(RateLimitError, match=r"until 00:00 UTC\. Please wait 43200 sec") as caught:
        book(DailyBudget(0, MemoryDayCounter()), 1, NOON)
    assert 43_200.0 == caught.value.retry_after


def test_a_new_day_has_a_new_budget() -> None:
    budget = DailyBudget(100, MemoryDayCounter())
    book(budget, 100, NOON)
    assert "2027-01-16" == book(budget, 100, NOON + DAY).day


def test_a_refund_of_yesterday_is_not_todays() -> None:
    budget = DailyBudget(100, MemoryDayCounter())
    yesterday = book(budget, 100, NOON)
    book(budget, 100, NOON + DAY)
    budget.settle(yesterday, 0, NOON + DAY)
    with pytest.raises(RateLimitError, match="0 of 100"):
        book(budget, 1, NOON + DAY)


def test_a_call_that_took_more_than_its_estimate_may_end_above_the_cap() -> None:
    budget = DailyBudget(100, MemoryDayCounter())
    budget.settle(book(budget, 10, NOON), 150, NOON)
    with pytest.raises(RateLimitError, match="0 of 100 are left"):
        book(budget, 1, NOON)


def test_a_restart_does_not_forget_the_day(tmp_path: Path) -> None:
    book(DailyBudget(100, BudgetFile(tmp_path / "budget")), 70, NOON)
    with pytest.raises(RateLimitError, match="30 of 100 are left"):
        book(DailyBudget(100, BudgetFile(tmp_path / "budget")), 31, NOON)


@pytest.mark.parametrize("tokens", [-1, 1.5, True, "1", None])
def test_a_budget_that_is_no_number_of_tokens_is_refused(tokens: object) -> None:
    with pytest.raises(ConfigurationError, match="daily_token_budget is "):
        DailyBudget(tokens, MemoryDayCounter())  # type: ignore[arg-type]  # what a host may pass


def test_what_cannot_be_counted_is_not_spent() -> None:
    with pytest.raises(LLMError, match="cannot be kept: the disk is full"):
        book(DailyBudget(100, Broken()), 1, NOON)


def test_an_answer_is_not_lost_to_a_tally_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        DailyBudget(100, Broken()).settle(BudgetReservation(10, "2027-01-15"), 5, NOON)
    assert ["the daily token budget keeps an estimate: the disk is full"] == caplog.messages


def test_a_true_estimate_needs_no_correction(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        DailyBudget(100, Broken()).settle(BudgetReservation(10, "2027-01-15"), 10, NOON)
    assert [] == caplog.messages


def test_what_is_reserved_for_a_call_that_is_over_is_given_back_at_once() -> None:
    budget, reservation = DailyBudget(100, MemoryDayCounter()), BudgetReservation(60)
    budget.settle(reservation, 0, NOON)
    budget.reserve(reservation, NOON)
    book(budget, 100, NOON)


def test_a_reservation_is_settled_once() -> None:
    tally = MemoryDayCounter()
    reservation = book(budget := DailyBudget(100, tally), 60, NOON)
    budget.settle(reservation, 20, NOON)
    with pytest.raises(RuntimeError, match="settled twice"):
        budget.settle(reservation, 0, NOON)
    assert 20 == tally.add(0, NOON)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60), st.booleans())))
def test_the_sum_is_that_of_what_was_spent(calls: list[tuple[int, int, bool]]) -> None:
    tally, spent = MemoryDayCounter(), 0
    budget = DailyBudget(1000, tally)
    for estimate, real, fails in calls:
        try:
            reservation = book(budget, estimate, NOON)
        except RateLimitError:
            assert spent + estimate > 1000
            continue
        budget.settle(reservation, 0 if fails else real, NOON)
        spent += 0 if fails else real
    assert spent == tally.add(0, NOON)


class Elsewhere(MemoryDayCounter):
    """A sum that may have to be waited for."""

    is_blocking = True


def test_a_sum_that_is_kept_elsewhere_is_corrected_in_a_thread() -> None:
    tally = Elsewhere()
    reservation = book(budget := DailyBudget(100, tally), 60, NOON)
    corrected = budget.settle(reservation, 20, NOON)
    assert isinstance(corrected, Future)
    corrected.result(30)
    assert 20 == tally.add(0, NOON)


def test_it_is_corrected_at_once_where_no_thread_can_be_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_: object) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    tally = Elsewhere()
    reservation = book(budget := DailyBudget(100, tally), 60, NOON)
    monkeypatch.setattr(module, "_corrections", module._Corrections())
    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert None is budget.settle(reservation, 20, NOON)
    assert 20 == tally.add(0, NOON)


def test_what_cannot_be_given_back_at_once_is_given_back_when_it_is_settled() -> None:
    tally = MemoryDayCounter()
    budget, reservation = DailyBudget(100, tally), BudgetReservation(60)
    book(budget, 60, NOON)
    with pytest.raises(RateLimitError, match="60 tokens are needed, 40 of 100 are left"):
        budget.reserve(reservation, NOON)
    budget.settle(reservation, 0, NOON)
    assert 60 == tally.add(0, NOON)


def wait_for(event: threading.Event) -> None:
    event.wait(30)


def test_a_child_process_waits_for_no_correction_of_its_parents() -> None:
    corrections, release = module._Corrections(), threading.Event()
    running = corrections.begin(partial(wait_for, release))
    corrections._reset_in_child()
    corrections.finish()
    release.set()
    assert running is not None
    assert None is running.result(30)


def test_a_budget_that_is_used_up_concerns_every_further_call() -> None:
    with pytest.raises(RateLimitError) as caught:
        book(DailyBudget(0, MemoryDayCounter()), 1, NOON)
    assert caught.value.concerns_all_calls


def test_the_exit_of_the_interpreter_waits_for_the_sums_that_are_being_corrected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at_exit: list[Callable[[], None]] = []
    monkeypatch.setattr(atexit, "register", at_exit.append)
    corrections, release = module._Corrections(), threading.Event()
    correcting = corrections.begin(partial(wait_for, release))
    (finish,) = at_exit
    leaving = threading.Thread(target=finish)
    leaving.start()
    leaving.join(0.05)
    assert leaving.is_alive()
    release.set()
    leaving.join(20)
    assert correcting is not None
    assert correcting.done()
    corrections.finish()


def test_what_has_been_corrected_is_waited_for_no_more() -> None:
    corrections = module._Corrections()
    correcting = corrections.begin(lambda: None)
    assert correcting is not None
    assert correcting.result(20) is None
    corrections.begin(lambda: None)  # by the same thread, which has told of the one before
    corrections.finish()
    assert correcting not in corrections._under_way


def test_a_child_process_is_told_to_wait_for_none_of_its_parents_corrections() -> None:
    corrections, release = module._Corrections(), threading.Event()
    corrections.begin(partial(wait_for, release))
    fork._resets[corrections](corrections)
    assert set() == corrections._under_way
    release.set()


def test_a_fork_waits_until_the_sum_and_its_reservations_are_whole() -> None:
    counter = MemoryDayCounter()
    for lock in (counter._lock, DailyBudget(1, counter)._lock):
        assert lock in fork._pauses
