"""What is learnt of the limits that several scopes have in common: keys of one organisation."""

from __future__ import annotations

from services.llm.limit_types import LimitReport
from services.llm.quota import NEVER, NoCapacity, Quota, Reservation, SlidingWindow
from services.llm.quota.learned_limit import STATED_FOR
from tests.quota.support import tokens

GROUP = "an organisation/a model"
REPORT = LimitReport("tokens", 60.0, 100.0, 40.0)


def reserved(quota: Quota, scope: str, amount: float, group: str = GROUP) -> Reservation:
    got = quota.reserve(scope, tokens(amount), 10.0, NEVER, group=group)
    assert isinstance(got, Reservation)
    return got


def taught() -> Quota:
    """A quota in which an answer to the first scope has told of the group's limit."""
    quota = Quota((), lambda: (SlidingWindow(9, 60.0),))
    first = reserved(quota, "key 1", 40.0)
    assert 0.0 == quota.try_start(first, 10.0)
    quota.settle(first, {"tokens": 40.0}, 10.0, 10.0, [REPORT])
    return quota


def test_what_one_scope_is_told_holds_for_all_of_its_group_and_for_no_other() -> None:
    quota = taught()
    assert isinstance(quota.reserve("key 2", tokens(70), 10.0, group=GROUP), NoCapacity)
    assert isinstance(quota.reserve("key 1", tokens(70), 10.0, group="another"), Reservation)
    assert isinstance(quota.reserve("key 1", tokens(70), 10.0), Reservation)


def test_who_waits_or_is_in_flight_counts_in_a_limit_that_is_told_of_meanwhile() -> None:
    quota = Quota((), lambda: (SlidingWindow(2, 60.0),))
    first, second, waiting = (reserved(quota, "key 1", 40.0) for _ in range(3))
    assert [0.0, 0.0] == [quota.try_start(each, 10.0) for each in (first, second)]
    quota.settle(first, {"tokens": 40.0}, 10.0, 10.0, [REPORT])
    (limit,) = quota.headroom("key 2", 10.0, GROUP)[1:]
    assert ("TPM", 20.0, True) == (limit.name, limit.left, limit.is_learned)
    quota.cancel(waiting, 10.0)
    assert 60.0 == quota.headroom("key 2", 10.0, GROUP)[1].left


def test_what_a_group_has_learnt_expires_and_is_forgotten() -> None:
    quota = taught()
    assert isinstance(
        quota.reserve("key 2", tokens(999), 11.0 + STATED_FOR, group=GROUP), Reservation
    )
    quota = taught()
    quota.forget(0.0)
    assert isinstance(quota.reserve("key 2", tokens(999), 10.0, group=GROUP), Reservation)


def test_a_child_counts_what_was_in_flight_in_its_group_once() -> None:
    quota = taught()
    waiting, in_flight = reserved(quota, "key 1", 10.0), reserved(quota, "key 2", 30.0)
    assert 0.0 == quota.try_start(in_flight, 10.0)
    quota._reset_in_child()
    quota.settle(in_flight, {"tokens": 0.0}, 10.0, 10.0)
    quota.cancel(waiting, 10.0)
    assert 100.0 - 40.0 - 30.0 == quota.headroom("key 3", 10.0, GROUP)[1].left
