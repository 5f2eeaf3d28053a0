"""Calls that find too little left of a budget, since others in flight hold more than they spend."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from services.llm.account.account import Account
from services.llm.account.budget_queue import BudgetQueue
from services.llm.account.daily_budget import BudgetReservation, DailyBudget, MemoryDayCounter
from services.llm.account.money_budgets import MoneyBudget, MoneyBudgets, TagBudget
from services.llm.call import lifecycle, retry
from services.llm.call.call_policy import CallPolicy
from services.llm.effects import Effects, RunBlocking, Send, Sleep
from services.llm.errors import RateLimitError
from services.llm.frozen import FrozenDict
from services.llm.ledger.usage import NANO
from services.llm.limit_types import Priority
from services.llm.runtime import fork
from services.llm.types import Reply, Request
from tests.call.scripted import Clock, account, says
from tests.call.test_release import Day, wait_for_corrections

NOON = 1_795_348_800.0  # 2026-11-22 12:00:00 UTC
MODEL = "openai/gpt-oss-120b"
REQUEST = Request(MODEL, ({"role": "user", "content": "hi"},), 0.7, 100)
HANG = 30.0


class Budgeted:
    """An account with a budget of *tokens*; a call reserves some 110 of them and spends ten."""

    def __init__(self, tokens: int, counter: Any = None) -> None:
        self.clock = Clock(NOON)
        self.counter = counter or MemoryDayCounter()
        self.to = account(self.clock)
        self.budget = self.to.budget = DailyBudget(tokens, self.counter)

    @property
    def used(self) -> int:
        used: int = self.counter.add(0, NOON)
        return used

    def call(self, wait: float = 60.0, priority: Priority = "interactive") -> Effects[Reply]:
        return call(self.to, wait, priority=priority)


def call(
    to: Account,
    wait: float,
    tags: dict[str, str] | None = None,
    priority: Priority = "interactive",
) -> Effects[Reply]:
    policy = CallPolicy(
        lambda: retry.transient_errors(1), 120.0, max_quota_wait=wait, tags=FrozenDict(tags or {})
    )
    request = replace(REQUEST, priority=priority)
    return lifecycle.run_call(policy, to, partial(lifecycle.fetch_reply, request))


def sleep_of(running: Effects[Reply], resume: Any = None) -> Sleep:
    effect = running.send(resume)
    assert isinstance(effect, Sleep)
    return effect


def finish(running: Effects[Reply]) -> None:
    with pytest.raises(StopIteration):
        running.send(says("Yes."))


def test_one_that_may_not_wait_is_told_what_calls_in_flight_hold() -> None:
    scene = Budgeted(200)
    first = scene.call()
    assert isinstance(next(first), Send)
    held = scene.used
    words = (
        f"left until 00:00 UTC, as other calls in flight hold {held} tokens, and give back what"
        " they do not spend. Please wait 1 second$"
    )
    with pytest.raises(RateLimitError, match=words) as caught:
        next(scene.call(wait=0.0))
    assert (1.0, False) == (caught.value.retry_after, caught.value.concerns_all_calls)
    assert held == scene.used
    first.close()


def test_one_that_may_wait_goes_once_a_call_has_ended_and_holds_nothing_until_then() -> None:
    scene = Budgeted(200)
    first, second = scene.call(), scene.call()
    next(first)
    held = scene.used
    waiting = sleep_of(second)
    assert (5.0, "quota") == (waiting.seconds, waiting.reason)
    assert waiting.wake is not None
    assert (held, False) == (scene.used, waiting.wake.done())
    scene.clock.now += 2.0
    finish(first)
    assert waiting.wake.done()
    assert isinstance(second.send(None), Send)
    with pytest.raises(StopIteration) as done:
        second.send(says("Yes."))
    assert 2.0 == done.value.value.attempts[0].quota_wait
    assert 20 == scene.used


def test_those_that_wait_go_in_the_order_in_which_they_came() -> None:
    scene = Budgeted(350)
    flying = [scene.call() for _ in range(3)]
    for each in flying:
        next(each)
    waiting = [scene.call() for _ in range(3)]
    wakes = [sleep_of(each).wake for each in waiting]
    assert all(wake is not None for wake in wakes)
    finish(flying[0])
    assert [True, False, False] == [wake.done() for wake in wakes if wake]
    assert isinstance(waiting[0].send(None), Send)
    # The next one is woken, as more may be left; in vain: it stays before the third.
    assert [True, True, False] == [wake.done() for wake in wakes if wake]
    again = sleep_of(waiting[1]).wake
    finish(flying[1])
    assert again is not None
    assert [True, False] == [again.done(), bool(wakes[2] and wakes[2].done())]
    for each in (*flying, *waiting):
        each.close()
    assert ({}, 0) == (scene.budget.queue._held, len(scene.budget.queue._waiting))


def test_one_that_comes_later_does_not_overtake_those_that_wait() -> None:
    scene = Budgeted(200)
    first, second, third, fourth = (scene.call() for _ in range(4))
    next(first)
    wakes = [sleep_of(each).wake for each in (second, third)]
    finish(first)  # there is room for one
    wakes.append(sleep_of(fourth).wake)
    assert [True, False, False] == [bool(wake and wake.done()) for wake in wakes]
    assert isinstance(second.send(None), Send)
    for each in (second, third, fourth):
        each.close()


def test_one_of_a_batch_waits_behind_all_others() -> None:
    scene = Budgeted(200)
    first = scene.call()
    next(first)
    batch = [scene.call(priority="batch") for _ in range(2)]
    wakes = [sleep_of(each).wake for each in batch]
    other = scene.call()
    wakes.append(sleep_of(other).wake)
    finish(first)
    assert [False, False, True] == [bool(wake and wake.done()) for wake in wakes]
    other.close()
    assert [True, False, True] == [bool(wake and wake.done()) for wake in wakes]
    for each in batch:
        each.close()


def test_one_that_is_cancelled_once_it_is_woken_wakes_the_next() -> None:
    scene = Budgeted(200)
    first, second, third = (scene.call() for _ in range(3))
    next(first)
    wakes = [sleep_of(each).wake for each in (second, third)]
    finish(first)
    with pytest.raises(asyncio.CancelledError):
        second.throw(asyncio.CancelledError())
    assert [True, True] == [bool(wake and wake.done()) for wake in wakes]
    third.close()


def test_where_the_day_is_used_up_all_that_wait_are_told_so_once_none_is_in_flight() -> None:
    scene = Budgeted(115)
    first, *others = [scene.call() for _ in range(3)]
    next(first)
    wakes = [sleep_of(each).wake for each in others]
    finish(first)
    for each, wake in zip(others, wakes, strict=True):
        assert wake is not None
        assert wake.done()
        with pytest.raises(RateLimitError, match=r"UTC\. Please wait 43200 seconds$") as caught:
            each.send(None)
        assert caught.value.concerns_all_calls
    assert 10 == scene.used


def test_a_wait_that_ends_without_a_call_tries_again_and_then_says_what_is_lacking() -> None:
    scene = Budgeted(200)
    first, second = scene.call(), scene.call(wait=7.0)
    next(first)
    assert 5.0 == sleep_of(second).seconds
    scene.clock.now += 5.0
    assert 2.0 == sleep_of(second).seconds
    scene.clock.now += 2.0
    with pytest.raises(RateLimitError, match="as other calls in flight hold"):
        second.send(None)
    first.close()


def test_those_that_have_tried_again_in_vain_keep_their_order() -> None:
    scene = Budgeted(200)
    first, *waiting = [scene.call() for _ in range(4)]
    next(first)
    for each in waiting:
        next(each)
    scene.clock.now += 5.0
    wakes = [sleep_of(each).wake for each in waiting]
    finish(first)
    assert [True, False, False] == [wake.done() for wake in wakes if wake]
    for each in waiting:
        each.close()


def test_one_that_is_cancelled_as_it_waits_waits_no_more() -> None:
    scene = Budgeted(200)
    first, second = scene.call(), scene.call()
    next(first)
    sleep_of(second)
    with pytest.raises(asyncio.CancelledError):
        second.throw(asyncio.CancelledError())
    assert 0 == len(scene.budget.queue._waiting)
    first.close()


def test_a_sum_that_is_kept_elsewhere_is_corrected_before_the_next_is_woken() -> None:
    scene = Budgeted(200, Day())
    first, second = scene.call(), scene.call()
    asked = next(first)
    assert isinstance(asked, RunBlocking)
    first.send(asked.function())
    asked = next(second)
    assert isinstance(asked, RunBlocking)
    with pytest.raises(RateLimitError) as caught:
        asked.function()
    waiting = second.throw(caught.value)
    assert isinstance(waiting, Sleep)
    assert waiting.wake is not None
    corrected = sleep_of(first, says("Yes."))
    assert corrected.wake is not None
    waiting.wake.result(HANG)
    assert corrected.wake.done()
    wait_for_corrections()
    assert 10 == scene.used
    first.close()
    second.close()


def test_a_call_waits_for_one_budget_without_holding_another() -> None:
    clock, counters = Clock(NOON), dict[str, MemoryDayCounter]()
    to = account(clock)
    most = 100_000  # nano-dollars; a call reserves some 67,500
    to.money = MoneyBudgets(
        NANO,
        (TagBudget("tenant", "*", most),),
        lambda name: counters.setdefault(name, MemoryDayCounter()),
    )
    first, second = (call(to, 60.0, {"tenant": "acme"}) for _ in range(2))
    next(first)
    held = counters[""].add(0, NOON)
    assert most / 2 < held <= most
    wake = sleep_of(second).wake
    assert held == counters[""].add(0, NOON) == counters["tenant=acme"].add(0, NOON)
    finish(first)
    assert wake is not None
    assert wake.done()
    assert isinstance(second.send(None), Send)
    second.close()


def test_a_budget_in_money_says_in_dollars_what_is_held() -> None:
    budget = MoneyBudget(NANO, MemoryDayCounter(), "tenant=acme")
    first = BudgetReservation(900_000_000)
    budget.queue.add(first, first.amount)
    budget.reserve(first, NOON)
    with pytest.raises(RateLimitError, match=r"other calls in flight hold US\$0.900000, and give"):
        budget.reserve(BudgetReservation(200_000_000), NOON)


def test_a_child_process_waits_for_no_call_of_its_parents() -> None:
    queue = BudgetQueue()
    queue.add("a call", 1)
    queue.wait((False, 0))
    fork._resets[queue](queue)
    assert ({}, 0) == (queue._held, len(queue._waiting))
    assert queue.wait((False, 0)).done()


def test_one_that_gives_nothing_back_wakes_nobody_unless_it_is_the_last() -> None:
    queue = BudgetQueue()
    for each in "abc":
        queue.add(each, 1)
    waiting = queue.wait((False, 0))
    queue.remove("a", gives_back=False)
    assert not waiting.done()
    queue.remove("b", gives_back=False)
    queue.remove("c", gives_back=False)
    assert waiting.done()


def refused(running: Effects[Reply], effect: Any) -> Any:
    """Let the thread be refused that is to reserve, and return what the call does then."""
    assert isinstance(effect, RunBlocking)
    with pytest.raises(RateLimitError) as caught:
        effect.function()
    return running.throw(caught.value)


def test_what_other_processes_hold_is_waited_for_while_they_give_some_back() -> None:
    sum_of_all = Day()
    here, there = Budgeted(200, sum_of_all), Budgeted(200, sum_of_all)
    others, waiting = there.call(), here.call()
    asked = next(others)
    assert isinstance(asked, RunBlocking)
    assert isinstance(others.send(asked.function()), Send)
    effect: Any = refused(waiting, next(waiting))
    assert isinstance(effect, Sleep)
    assert (1.0, None) == (effect.seconds, effect.wake)
    wait_for_corrections()
    here.clock.now += 1.0
    effect = refused(waiting, waiting.send(None))
    assert isinstance(effect, Sleep)
    others.close()
    wait_for_corrections()
    asked = waiting.send(None)
    assert isinstance(asked, RunBlocking)
    assert isinstance(waiting.send(asked.function()), Send)
    waiting.close()


def test_a_shared_sum_that_does_not_fall_counts_as_spent() -> None:
    sum_of_all = Day()
    here = Budgeted(200, sum_of_all)
    sum_of_all.tokens = 199
    running = here.call()
    effect: Any = refused(running, next(running))
    here.clock.now += 9.0
    wait_for_corrections()
    sum_of_all.tokens = 150
    for seconds in (9.0, 2.0):
        effect = refused(running, running.send(None))
        assert isinstance(effect, Sleep)
        wait_for_corrections()
        here.clock.now += seconds
    # Another call does not wait for it either, until one finds room.
    for each in (running, here.call()):
        effect = refused(each, each.send(None))
        assert isinstance(effect, Sleep)
        assert "budget" == effect.reason  # until what it had reserved is given back
        wait_for_corrections()
        with pytest.raises(RateLimitError, match=r"UTC\. Please wait \d+ seconds$") as caught:
            each.send(None)
        assert caught.value.concerns_all_calls
