"""What an answer says of a limit, by itself: what was spent, what is used, what was not known."""

from __future__ import annotations

import math

import pytest

from services.llm.limit_types import LimitReport
from services.llm.quota import Demand, LearnedLimit, TokenBucketLimit
from services.llm.quota.answers import adopt, amount_spent, amount_used
from services.llm.quota.guessed_limit import GuessedLimit
from services.llm.quota.learned_limit import MOST_LEARNED, STATED_FOR
from services.llm.quota.learning import ScopeLearning
from services.llm.quota.queue import ScopeQueue

MINUTE = 60.0


def reported(counts_declared: bool | None) -> LearnedLimit:
    """A limit of whose use the provider tells."""
    limit = LearnedLimit(1_000, MINUTE, "tokens", configured=1_000)
    limit.is_reported, limit.counts_declared = True, counts_declared
    return limit


@pytest.mark.parametrize(
    ("spent", "by_a_bucket", "by_the_provider"),
    [
        ({}, 100.0, 100.0),
        ({"requests": 1.0}, 100.0, 100.0),
        ({"tokens": 0.0}, 0.0, 0.0),
        ({"tokens": 0.5}, 0.5, 100.0),
        ({"tokens": 30.0}, 30.0, 100.0),
        ({"tokens": 100.0}, 100.0, 100.0),
        ({"tokens": 130.0}, 130.0, 130.0),
        ({"tokens": -1.0}, 100.0, 100.0),
        ({"tokens": math.inf}, 100.0, 100.0),
        ({"tokens": math.nan}, 100.0, 100.0),
    ],
)
def test_what_counts_of_a_request_is_what_it_spent_unless_the_rest_is_charged_too(
    spent: Demand, by_a_bucket: float, by_the_provider: float
) -> None:
    bucket = TokenBucketLimit(1_000, MINUTE, "tokens")
    assert by_a_bucket == amount_spent(bucket, 100.0, spent)
    assert by_a_bucket == amount_spent(reported(False), 100.0, spent)
    assert by_the_provider == amount_spent(reported(None), 100.0, spent)


@pytest.mark.parametrize(
    ("report", "used"),
    [
        (LimitReport("tokens", MINUTE, 1_000), None),
        (LimitReport("tokens", MINUTE, 1_000, 300.0), 300.0),
        (LimitReport("tokens", MINUTE, 1_000, 1e9), 2_000.0),
        (LimitReport("tokens", MINUTE, is_refusal=True), 1_000.0),
        (LimitReport("tokens", MINUTE, 1_000, 900.0, is_refusal=True), 900.0),
        # 100 are asked for, estimated anew as 176; three seconds refill 50.
        (LimitReport("tokens", MINUTE, is_refusal=True, wait=3.0), 874.0),
        (LimitReport("tokens", MINUTE, is_refusal=True, wait=3.0, requested=800.0), 90.0),
        (LimitReport("tokens", MINUTE, is_refusal=True, wait=3.0, requested=2_000.0), 50.0),
        (LimitReport("tokens", MINUTE, 1_000, 900.0, is_refusal=True, wait=3.0), 900.0),
        (LimitReport("tokens", MINUTE, 1_000, 800.0, is_refusal=True, wait=3.0), 874.0),
        # With the 50 that are refilled, 960 would leave room for 90 of the 100, and 961 for less.
        (LimitReport("tokens", MINUTE, 1_000, 960.0, is_refusal=True, wait=3.0), 960.0),
        (LimitReport("tokens", MINUTE, 1_000, 961.0, is_refusal=True, wait=3.0), 874.0),
    ],
)
def test_what_is_used_is_the_providers_figure_or_what_its_wait_leaves_room_for(
    report: LimitReport, used: float | None
) -> None:
    limit = LearnedLimit(1_000, MINUTE, "tokens", configured=1_000)
    expected = None if used is None else pytest.approx(used)
    assert expected == amount_used(limit, report, {"tokens": 100.0})


def test_a_refused_request_is_one_of_its_limit() -> None:
    limit = LearnedLimit(30, MINUTE, "requests", configured=30)
    report = LimitReport("requests", MINUTE, is_refusal=True, wait=2.0)
    assert 30.0 == amount_used(limit, report, {"requests": 1.0})


def test_a_limit_that_nobody_knew_is_adopted_once_and_for_its_time() -> None:
    queue, report = ScopeQueue(()), LimitReport("tokens", MINUTE, 1_000)
    assert [True, False] == [adopt(queue, report, 100.0) for _ in range(2)]
    (limit,) = queue.limits
    assert (1_000, 100.0 + STATED_FOR) == (getattr(limit, "amount", None), learning_of(queue).until)
    assert () == learning_of(queue).expire(queue.limits, 100.0 + STATED_FOR)


def learning_of(queue: ScopeQueue) -> ScopeLearning:
    assert queue.learning is not None
    return queue.learning


def test_no_more_are_adopted_than_are_learnt_and_none_without_an_amount() -> None:
    queue = ScopeQueue(())
    assert not adopt(queue, LimitReport("tokens", MINUTE), 0.0)
    windows = [10.0**power for power in range(MOST_LEARNED + 1)]
    adopted = [adopt(queue, LimitReport("tokens", window, 10), 0.0) for window in windows]
    assert [*[True] * MOST_LEARNED, False] == adopted


def test_a_configured_limit_holds_for_ever_and_another_until_it_is_stated() -> None:
    for configured, until in ((5.0, math.inf), (6.0, -math.inf), (None, -math.inf)):
        assert until == LearnedLimit(5.0, MINUTE, "tokens", configured=configured).until


def test_only_what_was_sent_before_the_last_refusal_says_nothing_of_a_guess() -> None:
    taught = ScopeLearning()
    assert taught.was_sent_after_refusal(-1.0)
    taught.guess = GuessedLimit(10, 0.0, 5.0)
    assert [False, True, True] == [taught.was_sent_after_refusal(at) for at in (4.9, 5.0, 5.1)]
