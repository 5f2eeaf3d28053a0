"""What answers show a fleet of the tokens that were declared and not spent."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.llm.account.what_counts import WhatCounts, full_limits
from services.llm.limit_types import LimitReport
from services.llm.quota import LearnedLimit, SlidingWindow
from services.llm.quota.shared import Granted, SetCounting
from tests.fleet.shared_quotas import MODEL, take, tokens

CHARGE = tokens(50.0, 100.0)
NOTE = SetCounting(MODEL, "tokens/60", counts_declared=True)


def limit(counts_declared: bool | None = None) -> LearnedLimit:
    """A hundred tokens a minute, of which the worker itself has seen so much."""
    known = LearnedLimit(100.0, 60.0, "tokens", configured=100.0)
    known.is_reported, known.counts_declared = True, counts_declared
    return known


def stated(used: float | None, amount: float | None = 100.0) -> tuple[LimitReport, ...]:
    """What the provider says of tokens a minute, beside another limit."""
    return LimitReport("requests", 60.0, 10.0, 1.0), LimitReport("tokens", 60.0, amount, used)


def shown(
    counts: WhatCounts,
    now: float,
    used: float | None = 10.0,
    amount: float | None = 100.0,
    *,
    is_full: bool = True,
) -> bool | None:
    """What the answer to a call shows that others were in flight beside."""
    reports = stated(used, amount)
    return counts.newly_shown(limit(), CHARGE, reports, now, is_alone=False, is_full=is_full)


@pytest.mark.parametrize("keeps", [True, False, None])
def test_a_call_that_was_alone_shows_what_its_worker_has_seen(keeps: bool | None) -> None:
    found = WhatCounts().newly_shown(limit(keeps), CHARGE, (), 0.0, is_alone=True, is_full=False)
    assert keeps is found


@pytest.mark.parametrize("keeps", [True, False])
def test_a_call_that_was_alone_tells_again_what_all_were_told(keeps: bool) -> None:
    counts = WhatCounts()
    counts.learn([replace(NOTE, counts_declared=keeps)])
    found = counts.newly_shown(limit(not keeps), CHARGE, (), 0.0, is_alone=True, is_full=False)
    assert keeps is found


@pytest.mark.parametrize(("keeps", "expected"), [(True, None), (False, False), (None, None)])
def test_beside_other_workers_calls_only_that_less_counts_is_believed(
    keeps: bool | None, expected: bool | None
) -> None:
    counts = WhatCounts()
    assert expected is counts.newly_shown(
        limit(keeps), CHARGE, (), 0.0, is_alone=False, is_full=False
    )
    counts.learn([NOTE])
    assert None is counts.newly_shown(limit(keeps), CHARGE, (), 0.0, is_alone=False, is_full=False)


@pytest.mark.parametrize("told", [[], [NOTE]])
def test_a_full_shared_quota_beside_a_provider_with_much_room_for_a_window_shows_that_less_counts(
    told: list[SetCounting],
) -> None:
    counts = WhatCounts()
    counts.learn(told)
    assert [None, None, False] == [shown(counts, now, amount=None) for now in (0.0, 59.0, 60.0)]


def test_it_shows_nothing_more_once_all_were_told() -> None:
    counts = WhatCounts()
    counts.learn([replace(NOTE, counts_declared=False)])
    assert [None, None] == [shown(counts, now) for now in (0.0, 60.0)]


@pytest.mark.parametrize(
    ("used", "amount", "is_full", "expected"),
    [
        (49.0, 100.0, True, False),
        (50.0, 100.0, True, None),  # as much as may be on its way
        (10.0, 100.0, False, None),  # the shared quota has room too
        (10.0, 101.0, True, None),  # what is used of a larger limit
        (None, 100.0, True, None),
    ],
)
def test_what_is_in_between_shows_nothing(
    used: float | None, amount: float, is_full: bool, expected: bool | None
) -> None:
    counts = WhatCounts()
    shown(counts, 0.0)
    shown(counts, 30.0, used, amount, is_full=is_full)
    assert expected is shown(counts, 60.0, used, amount, is_full=is_full)


def test_a_provider_that_was_as_full_meanwhile_is_watched_anew() -> None:
    counts = WhatCounts()
    found = [shown(counts, now, used) for now, used in ((0.0, 10.0), (30.0, 90.0), (60.0, 10.0))]
    assert [None, None, None] == found
    assert False is shown(counts, 120.0)


def test_what_was_seen_longer_ago_than_a_window_is_forgotten() -> None:
    counts = WhatCounts()
    assert [None, None] == [shown(counts, now) for now in (0.0, 60.5)]
    assert False is shown(counts, 120.5)


def test_what_all_were_told_is_kept_for_a_shared_quota_that_has_lost_it_and_less_wins() -> None:
    counts = WhatCounts()
    other = SetCounting(MODEL, "tokens/86400", counts_declared=True)
    counts.learn([NOTE, other])
    counts.learn([replace(NOTE, counts_declared=False)])
    counts.learn([NOTE])
    assert [other, replace(NOTE, counts_declared=False)] == counts.all_known()


@pytest.mark.parametrize(
    ("told", "spent", "expected"),
    [(None, 20.0, 50.0), (True, 20.0, 50.0), (False, 20.0, 20.0), (True, 0.0, 0.0), (True, 60, 60)],
)
def test_what_counts_of_a_call_is_as_all_were_told(
    told: bool | None, spent: float, expected: float
) -> None:
    counts = WhatCounts()
    if told is not None:
        counts.learn([replace(NOTE, counts_declared=told)])
    assert expected == counts.amount_spent(limit(), CHARGE, {"tokens": spent})


def test_only_so_many_limits_are_remembered() -> None:
    counts = WhatCounts()
    counts.learn(replace(NOTE, scope=f"model {number}") for number in range(1_001))
    assert 1_000 == len(counts.all_known())
    assert "model 1" == counts.all_known()[0].scope


@pytest.mark.parametrize(
    ("wait", "used", "expected"),
    [(1.0, 51.0, True), (0.9, 51.0, False), (1.0, 50.0, False)],
)
def test_a_limit_was_full_that_a_call_had_to_wait_for(
    wait: float, used: float, expected: bool
) -> None:
    asked = take("1", CHARGE, max_transit=1.0)
    assert (expected,) == full_limits(asked, Granted(wait, (used,)))


@pytest.mark.parametrize(
    ("told", "reports", "max_transit", "expected"),
    [
        (True, stated(10.0), 0.0, 10.0 + 100 / 60 + 50.0),  # others may need a second
        (True, stated(10.0, None), 6.0, 10.0 + 10.0 + 50.0),
        (True, stated(10.0, 101.0), 0.0, None),  # what is used of a larger limit
        (True, stated(None), 0.0, None),
        (True, (LimitReport("tokens", 60.0, 100.0, 10.0, is_refusal=True),), 0.0, None),
        (True, (), 0.0, None),
        (False, stated(10.0), 0.0, None),
        (None, stated(10.0), 0.0, None),
    ],
)
def test_where_all_that_is_declared_counts_a_figure_tells_what_is_in_use_at_most(
    told: bool | None,
    reports: tuple[LimitReport, ...],
    max_transit: float,
    expected: float | None,
) -> None:
    counts = WhatCounts()
    if told is not None:
        counts.learn([replace(NOTE, counts_declared=told)])
    assert expected == pytest.approx(counts.at_most(limit(), CHARGE, reports, max_transit))
    window = SlidingWindow(10, 60.0)
    assert None is counts.at_most(window, CHARGE, reports, max_transit)
