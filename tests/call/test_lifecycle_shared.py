"""The cache, identical calls in flight and the day's budget, as a list of effects."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest

from services.llm.account.account import Account
from services.llm.account.cache import Cache
from services.llm.account.daily_budget import DailyBudget
from services.llm.account.single_flight import Follower, SingleFlight, StillInFlight, WouldDeadlock
from services.llm.account.token_estimate import input_estimate
from services.llm.call import lifecycle, retry
from services.llm.call.call_policy import CallPolicy
from services.llm.effects import Effects, Join, Overdue, RunBlocking, Send, Sleep
from services.llm.errors import (
    AuthenticationError,
    ConfigurationError,
    InvalidRequestError,
    LLMError,
    LLMTimeoutError,
    RateLimitError,
)
from services.llm.types import Reply, Request, Usage
from tests.call.scripted import Clock, Drive, account, says

HANG = 30.0
REQUEST = Request("openai/gpt-oss-120b", ({"role": "user", "content": "hi"},), 0.7, 100)


class Shelf:
    """A store in a dict, of JSON as all are."""

    def __init__(self, *, is_blocking: bool) -> None:
        self.is_blocking = is_blocking
        self.entries: dict[str, dict[str, Any]] = {}

    def get(self, key: str) -> dict[str, Any] | None:
        return self.entries.get(key)

    def put(self, key: str, value: Mapping[str, Any]) -> None:
        self.entries[key] = json.loads(json.dumps(dict(value)))

    def close(self) -> None:
        """Nothing is open."""


class Sum:
    """A day's tokens in memory."""

    is_blocking = False

    def __init__(self) -> None:
        self.tokens = 0

    def add(self, tokens: int, now: float, *, day: str | None = None) -> int:
        self.tokens += tokens
        return self.tokens


def call(to: Account, request: Request = REQUEST, timeout: float = 120.0) -> Effects[Reply]:
    get_reply = partial(lifecycle.fetch_reply, request)
    return lifecycle.run_call(CallPolicy(lambda: retry.transient_errors(3), timeout), to, get_reply)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keeping(clock: Clock) -> Account:
    """An account that keeps its answers in memory."""
    to = account(clock)
    to.cache = Cache(Shelf(is_blocking=False), "groq", "https://example.test")
    to.single_flight = SingleFlight()
    return to


def test_a_kept_answer_sends_nothing_and_costs_nothing(clock: Clock, keeping: Account) -> None:
    first = Drive(clock, [says("Yes.")]).run(call(keeping))
    drive = Drive(clock, [])
    again = drive.run(call(keeping))
    assert ([], False, True) == (drive.effects, first.cached, again.cached)
    assert ("Yes.", 0.0, ()) == (again.text, again.cost, again.attempts)


def test_a_slow_store_is_asked_as_an_effect(clock: Clock) -> None:
    to = account(clock)
    to.cache = Cache(Shelf(is_blocking=True), "groq", "https://example.test")
    drive = Drive(clock, [says("Yes.")])
    drive.run(call(to))
    assert [RunBlocking, RunBlocking, Send, RunBlocking] == [
        type(effect) for effect in drive.effects
    ]


def test_what_landed_between_the_look_and_the_claim_is_not_asked_for_again(
    clock: Clock, keeping: Account
) -> None:
    Drive(clock, [says("Yes.")]).run(call(keeping))
    assert keeping.cache is not None
    shelf = keeping.cache.store
    looks = iter([None, *[shelf.get(keeping.cache.key_of(REQUEST))] * 9])
    shelf.get = lambda key: next(looks)  # type: ignore[method-assign] # misses what is there, once
    drive = Drive(clock, [])
    assert drive.run(call(keeping)).cached
    assert ([], 0) == (drive.effects, len(keeping.single_flight))


def test_an_identical_call_joins_the_one_in_flight(clock: Clock, keeping: Account) -> None:
    leading, following = call(keeping), call(keeping)
    assert isinstance(next(leading), Send)
    joining = next(following)
    assert isinstance(joining, Join)
    assert 120.0 == joining.timeout
    with pytest.raises(StopIteration):
        leading.send(says("Yes."))
    assert isinstance(joining.follower, Follower)
    outcome = joining.follower._result()
    assert isinstance(outcome, Reply)
    with pytest.raises(StopIteration) as arrived:
        following.send(outcome)
    assert (True, "Yes.", ()) == (
        arrived.value.value.cached,
        arrived.value.value.text,
        arrived.value.value.attempts,
    )


def test_a_follower_whose_own_time_is_over_is_told_so(clock: Clock, keeping: Account) -> None:
    leading, following = call(keeping), call(keeping, timeout=5.0)
    next(leading)
    next(following)
    with pytest.raises(LLMTimeoutError, match="No answer within 5 seconds"):
        following.throw(StillInFlight())
    leading.close()


def test_a_follower_that_would_stop_its_own_leader_makes_the_call_itself(
    clock: Clock, keeping: Account
) -> None:
    leading, following = call(keeping), call(keeping)
    next(leading)
    assert isinstance(next(following), Join)
    assert isinstance(following.throw(WouldDeadlock()), Send)
    with pytest.raises(StopIteration) as done:
        following.send(says("Mine."))
    assert ("Mine.", False) == (done.value.value.text, done.value.value.cached)
    leading.close()


def test_the_follower_of_a_leader_that_left_leaders(clock: Clock, keeping: Account) -> None:
    leading, following = call(keeping), call(keeping)
    next(leading)
    joining = next(following)
    assert isinstance(joining, Join)
    leading.close()
    assert isinstance(joining.follower, Follower)
    next_leader = joining.follower._result()
    assert isinstance(following.send(next_leader), Send)
    with pytest.raises(StopIteration) as landed:
        following.send(says("Yes."))
    assert ("Yes.", 0) == (landed.value.value.text, len(keeping.single_flight))


@pytest.mark.parametrize(
    ("error", "shared"),
    [
        (InvalidRequestError("No", status=400), True),
        (AuthenticationError("No", status=401), False),
        (RateLimitError("No", status=429), False),
        (ConfigurationError("No"), False),
    ],
)
def test_a_failure_of_the_request_itself_is_every_followers(
    clock: Clock, keeping: Account, error: LLMError, shared: bool
) -> None:
    leading, following = call(keeping), call(keeping)
    next(leading)
    joining = next(following)
    assert isinstance(joining, Join)
    with pytest.raises(type(error)):
        leading.throw(error)
    assert isinstance(joining.follower, Follower)
    if shared:
        with pytest.raises(type(error)):
            joining.follower._result()
    else:
        assert isinstance(following.send(joining.follower._result()), Send)
    following.close()
    assert 0 == len(keeping.single_flight)


def test_a_leader_that_had_no_time_hands_over(clock: Clock, keeping: Account) -> None:
    leading, following = call(keeping, timeout=5.0), call(keeping)
    next(leading)
    joining = next(following)
    assert isinstance(joining, Join)
    clock.now += 5
    with pytest.raises(LLMTimeoutError):
        leading.throw(LLMTimeoutError("late"))
    assert isinstance(joining.follower, Follower)
    assert isinstance(following.send(joining.follower._result()), Send)
    following.close()


def test_a_leader_with_less_than_a_second_left_hands_its_failure_on(
    clock: Clock, keeping: Account
) -> None:
    leading, following = call(keeping, timeout=5.0), call(keeping)
    next(leading)
    joining = next(following)
    assert isinstance(joining, Join)
    clock.now += 4.5
    with pytest.raises(InvalidRequestError):
        leading.throw(InvalidRequestError("No", status=400))
    assert isinstance(joining.follower, Follower)
    with pytest.raises(InvalidRequestError):
        joining.follower._result()
    following.close()


def budgeted(clock: Clock, tokens: int) -> tuple[Account, Sum]:
    to, day = account(clock), Sum()
    to.budget = DailyBudget(tokens, day)
    return to, day


def test_the_budget_is_reserved_by_estimate_and_settled_by_the_answer(clock: Clock) -> None:
    to, day = budgeted(clock, 1000)
    day.is_blocking = True
    running = call(to)
    asked = next(running)
    assert isinstance(asked, RunBlocking)
    assert ("budget", 120.0) == (asked.pool, asked.timeout)
    running.send(asked.function())
    assert day.tokens > 100
    writing = running.send(says("Yes."))
    assert isinstance(writing, Sleep)
    assert writing.wake is not None
    writing.wake.result(HANG)
    assert 10 == day.tokens
    with pytest.raises(StopIteration):
        running.send(None)


@pytest.mark.parametrize(
    ("outcome", "owed"),
    [
        (InvalidRequestError("No", status=400), 0),
        (LLMTimeoutError("late", retry=None), 0),
        (Reply("Yes.", "m", "groq", "stop", Usage()), input_estimate(REQUEST) + 100),
    ],
)
def test_a_failure_owes_nothing_and_an_uncounted_answer_its_estimate(
    clock: Clock, outcome: Reply | LLMError, owed: int
) -> None:
    to, day = budgeted(clock, 1000)
    drive = Drive(clock, [outcome] * 3)
    if isinstance(outcome, LLMError):
        with pytest.raises(type(outcome)):
            drive.run(call(to))
    else:
        drive.run(call(to))
    assert owed == day.tokens


def test_over_the_budget_nothing_is_sent(clock: Clock) -> None:
    to, day = budgeted(clock, 50)
    with pytest.raises(RateLimitError, match="Daily token budget exceeded"):
        Drive(clock, []).run(call(to))
    assert (0, 0) == (day.tokens, len(to.window.times))


def test_a_reservation_of_the_budget_is_given_back_where_the_window_is_full(clock: Clock) -> None:
    to, day = budgeted(clock, 1000)
    to.window.amount = 0
    with pytest.raises(LLMError):
        Drive(clock, []).run(call(to))
    assert 0 == day.tokens


def test_a_call_that_is_cancelled_while_its_tokens_are_reserved_owes_none(clock: Clock) -> None:
    to, day = budgeted(clock, 1000)
    day.is_blocking = True
    running = call(to)
    booking = next(running)
    assert isinstance(booking, RunBlocking)
    with pytest.raises(asyncio.CancelledError):
        running.throw(asyncio.CancelledError())
    booking.function()  # in its thread it comes to its end all the same
    assert 0 == day.tokens


def test_a_call_whose_tokens_are_not_reserved_in_time_ends_at_its_deadline(clock: Clock) -> None:
    to, day = budgeted(clock, 1000)
    day.is_blocking = True
    running = call(to)
    booking = next(running)
    assert isinstance(booking, RunBlocking)
    with pytest.raises(LLMTimeoutError, match="No answer within 120 seconds"):
        running.throw(Overdue(is_slow=True))
    booking.function()
    assert 0 == day.tokens


def test_a_call_that_is_cancelled_as_its_tokens_are_corrected_owes_what_it_spent(
    clock: Clock,
) -> None:
    to, day = budgeted(clock, 1000)
    day.is_blocking = True
    running = call(to)
    booking = next(running)
    assert isinstance(booking, RunBlocking)
    running.send(booking.function())
    writing = running.send(says("Yes."))
    assert isinstance(writing, Sleep)
    assert writing.wake is not None
    with pytest.raises(asyncio.CancelledError):
        running.throw(asyncio.CancelledError())
    writing.wake.result(HANG)
    assert 10 == day.tokens


def test_a_call_that_is_cancelled_on_the_wire_owes_no_tokens(clock: Clock) -> None:
    to, day = budgeted(clock, 1000)
    running = call(to)
    assert isinstance(next(running), Send)
    assert day.tokens > 100
    with pytest.raises(asyncio.CancelledError):
        running.throw(asyncio.CancelledError())
    assert 0 == day.tokens
