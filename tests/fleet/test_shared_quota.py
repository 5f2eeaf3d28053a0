"""What the shared quota of a fleet decides, whoever keeps it."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from uuid import uuid4

import pytest

from services.llm.quota.longest_waits import MOST_WAITS
from services.llm.quota.memory_shared_quota import MemorySharedQuota
from services.llm.quota.shared import (
    Add,
    Granted,
    KnownLimit,
    Operation,
    Pause,
    Refused,
    RestoreUse,
    Retire,
    SetCounting,
    Settle,
    SharedQuota,
    Take,
    forget_all,
)
from services.llm.quota.shared_levels import AGREED_FOR
from tests.fleet.shared_quotas import MODEL, Clock, ScriptSharedQuota, requests, take, tokens


class Asked:
    """A shared quota, and the clock it goes by."""

    def __init__(self, shared_quota: SharedQuota, clock: Clock) -> None:
        self.shared_quota, self.clock = shared_quota, clock

    def decide(self, asked: Take) -> Granted | Refused:
        """What is decided on one call."""
        (decision,) = self.shared_quota.exchange([asked]).decisions
        return decision

    def settle(self, call: Take, *spent: float, used: tuple[float | None, ...] = ()) -> None:
        """Settle a call by what it has spent."""
        nothing = (None,) * len(spent)
        self.do(Settle(call, spent, used or nothing))

    def wait(self, asked: Take) -> float:
        """How long the call has to wait, be it granted or not."""
        return self.decide(asked).wait

    def do(self, *operations: Operation) -> None:
        """Have what needs no decision performed."""
        assert self.shared_quota.exchange(operations).decisions == ()


@pytest.fixture(params=["memory", "redis"])
def asked(request: pytest.FixtureRequest) -> Asked:
    """Each kind of shared quota, empty."""
    clock = Clock()
    if request.param == "memory":
        return Asked(MemorySharedQuota(clock), clock)
    url = request.getfixturevalue("redis_url")
    return Asked(ScriptSharedQuota(url, uuid4().hex, clock), clock)


def test_a_call_takes_of_all_its_limits_or_of_none(asked: Asked) -> None:
    assert Granted(0.0, (0.0, 0.0)) == asked.decide(take("1", requests(1), tokens(10)))
    refused = asked.decide(take("2", requests(1), tokens(10)))
    assert Refused(60.0, 55.0, "requests", (1.0, 10.0)) == refused
    assert Granted(0.0, (10.0,)) == asked.decide(take("3", tokens(10)))


def test_what_is_taken_is_refilled_continuously(asked: Asked) -> None:
    asked.decide(take("1", tokens(60, amount=60)))
    assert Granted(5.0, (60.0,)) == asked.decide(take("2", tokens(5, amount=60)))
    asked.clock.now += 60.0
    assert Granted(0.0, (5.0,)) == asked.decide(take("3", tokens(55, amount=60)))


def test_calls_are_granted_ahead_in_their_order_and_no_further_than_soon(asked: Asked) -> None:
    asked.decide(take("1", tokens(60, amount=60)))
    waits = [asked.wait(take(f"c{n}", tokens(2, amount=60))) for n in range(4)]
    assert [2.0, 4.0, 6.0, 8.0] == waits
    late = asked.decide(take("late", tokens(2, amount=60)))
    assert Refused(10.0, 6.0, "tokens", (68.0,)) == late


@pytest.mark.parametrize(
    ("more", "waited", "decision"),
    [
        (10.0, 0.0, Refused(12.0, 8.0, "tokens", (70.0,))),
        (10.0, 10.0, Granted(12.0, (70.0,))),
        (14.0, 1e9, Refused(16.0, 8.5, "tokens", (74.0,))),
    ],
)
def test_a_call_that_has_waited_is_granted_further_ahead_than_those_that_come(
    asked: Asked, more: float, waited: float, decision: Granted | Refused
) -> None:
    asked.decide(take("1", tokens(60, amount=60)))
    asked.do(Add("more", (tokens(more, amount=60),)))
    assert decision == asked.decide(replace(take("2", tokens(2, amount=60)), seconds_waited=waited))


def of_twenty_seconds(
    worker: str, waited: float = 0.0, max_wait: float = 600.0, minutes: int = 1
) -> Take:
    """A worker's call whose tokens are refilled in twenty seconds: three of them fit a minute."""
    charge = tokens(20, amount=60 * minutes, window=60.0 * minutes)
    of_worker = take(f"{worker}:{waited}", charge, max_wait=max_wait)
    return replace(of_worker, seconds_waited=waited)


def test_where_few_calls_fit_who_has_waited_longer_goes_first(asked: Asked) -> None:
    asked.do(Add("full", (tokens(60, amount=60),)))
    old = asked.decide(of_twenty_seconds("old", 40.0))
    assert Refused(20.0, 12.5, "tokens", (60.0,)) == old
    asked.clock.now += 12.0
    # Alone it would be granted: it is to ask again after a quarter of the window.
    new = asked.decide(of_twenty_seconds("new"))
    assert Refused(8.0, 15.0, "tokens", (48.0,)) == new
    asked.clock.now += 1.0
    assert Granted(7.0, (47.0,)) == asked.decide(of_twenty_seconds("old", 53.0))
    asked.clock.now += 14.0
    assert Refused(13.0, 15.0, "tokens", (53.0,)) == asked.decide(of_twenty_seconds("newest"))
    assert Granted(13.0, (53.0,)) == asked.decide(of_twenty_seconds("new", 15.0))


def test_who_lets_others_go_first_asks_again_after_their_turns(asked: Asked) -> None:
    asked.do(Add("full", (tokens(600, amount=600, window=600.0),)))
    found = []
    for number in range(MOST_WAITS + 2):
        decision = asked.decide(of_twenty_seconds(f"{number}", 100.0 - number, 300.0, minutes=10))
        assert isinstance(decision, Refused)
        found.append(decision.again)
    # Who has waited for long may be granted fifteen seconds ahead; more than four are not counted.
    turns = [20.0 + 20.0 * longer - 7.5 for longer in (0, 1, 2, 3, 4, 4)]
    assert turns == found
    late = asked.decide(of_twenty_seconds("late", 0.0, 94.0, minutes=10))
    assert Refused(20.0, 95.0, "tokens", (600.0,)) == late


def test_one_who_does_not_come_again_or_could_not_wait_is_not_waited_for(asked: Asked) -> None:
    asked.do(Add("full", (tokens(60, amount=60),)))
    assert isinstance(asked.decide(of_twenty_seconds("gone", 40.0)), Refused)
    assert isinstance(asked.decide(of_twenty_seconds("cannot", 90.0, 19.0)), Refused)
    asked.clock.now += 13.4
    # It was told to come in 12.5 s, and may be a second late.
    assert isinstance(asked.decide(of_twenty_seconds("new")), Refused)
    asked.clock.now += 0.2
    assert isinstance(asked.decide(of_twenty_seconds("new", 0.2)), Granted)


def test_a_worker_does_not_wait_for_itself_though_its_batch_waits_for_less(asked: Asked) -> None:
    asked.do(Add("full", (tokens(60, amount=60),)))
    assert isinstance(asked.decide(of_twenty_seconds("one", 40.0)), Refused)
    asked.clock.now += 12.5
    # Of a batch, four seconds of waiting count as one.
    assert isinstance(asked.decide(of_twenty_seconds("one", 40.0 + 12.5 / 4)), Granted)


def test_where_many_calls_fit_none_is_kept_waiting_for_another(asked: Asked) -> None:
    asked.do(Add("full", (tokens(60, amount=60),)))
    assert isinstance(asked.decide(of_twenty_seconds("old", 1.0)), Refused)
    for taken, expected in ((3.1, Refused), (3.0, Granted)):
        assert isinstance(asked.decide(take(f"{taken}", tokens(taken, amount=60))), expected)


def test_a_call_that_cannot_wait_takes_nothing(asked: Asked) -> None:
    asked.decide(take("1", tokens(60, amount=60)))
    assert isinstance(asked.decide(take("2", tokens(3, amount=60), max_wait=2.0)), Refused)
    assert Granted(3.0, (60.0,)) == asked.decide(take("3", tokens(3, amount=60), max_wait=3.0))


def test_what_exceeds_a_whole_limit_never_goes(asked: Asked) -> None:
    assert Refused(inf, inf, "tokens", (0.0,)) == asked.decide(take("1", tokens(101)))
    assert Refused(inf, inf, "requests", (0.0,)) == asked.decide(take("2", requests(0)))


def test_no_window_of_a_log_has_more_than_its_amount(asked: Asked) -> None:
    assert 0.0 == asked.wait(take("1", requests(2)))
    asked.clock.now += 50.0
    assert [0.0, 10.0] == [asked.wait(take(each, requests(2))) for each in ("2", "3")]
    asked.clock.now += 10.0
    assert 50.0 == asked.wait(take("4", requests(2)))


def test_the_refill_begins_when_the_provider_has_seen_a_call_at_latest(asked: Asked) -> None:
    asked.decide(take("1", tokens(60, amount=60), max_transit=2.0))
    assert 7.0 == asked.wait(take("2", tokens(5, amount=60), max_transit=2.0))
    asked.decide(take("3", requests(1), max_transit=2.0))
    asked.clock.now += 55.0
    assert 7.0 == asked.wait(take("4", requests(1)))


def test_what_a_call_did_not_spend_is_there_again(asked: Asked) -> None:
    call = take("1", tokens(60, amount=60), requests(1))
    asked.decide(call)
    asked.settle(call, 10.0, 1.0)
    assert Refused(60.0, 55.0, "requests", (10.0, 1.0)) == asked.decide(
        take("2", tokens(50, amount=60), requests(1))
    )
    assert Granted(0.0, (10.0,)) == asked.decide(take("3", tokens(50, amount=60)))


def test_what_was_taken_since_is_not_given_back_with_an_earlier_call(asked: Asked) -> None:
    call = take("1", tokens(20, amount=60))
    asked.decide(call)
    asked.clock.now += 15.0
    asked.decide(take("2", tokens(30, amount=60)))
    asked.settle(call, 0.0)
    assert (30.0,) == asked.decide(take("3", tokens(1, amount=60))).used


def test_the_first_call_of_a_scope_is_alone_until_it_is_answered(asked: Asked) -> None:
    first, second = (replace(take(each, tokens(1)), first_alone=1.0) for each in "12")
    assert Granted(0.0, (0.0,), is_first=True) == asked.decide(first)
    assert Refused(1.0, 0.1, "first", (1.0,)) == asked.decide(second)
    hurried = replace(second, max_wait=0.0)
    assert Granted(0.0, (1.0,)) == asked.decide(replace(hurried, lease="3"))
    asked.settle(first, 1.0)
    assert Granted(0.0, (2.0,)) == asked.decide(second)


def test_the_first_call_is_alone_for_no_longer_than_it_asks(asked: Asked) -> None:
    first, second = (replace(take(each, tokens(1)), first_alone=1.0) for each in "12")
    asked.decide(first)
    asked.clock.now += 0.95
    assert 0.05 == pytest.approx(asked.decide(second).wait)
    asked.clock.now += 0.05
    assert 0.0 == asked.wait(second)


def test_what_a_limit_counts_is_told(asked: Asked) -> None:
    asked.do(SetCounting(MODEL, "tokens/60", counts_declared=True))
    asked.do(SetCounting(MODEL, "tokens/60", counts_declared=False))
    outcome = asked.shared_quota.exchange([take("1", tokens(1))])
    assert (SetCounting(MODEL, "tokens/60", counts_declared=False),) == outcome.counting


def test_what_a_call_spent_beyond_its_estimate_counts(asked: Asked) -> None:
    call = take("1", tokens(10, amount=60))
    asked.decide(call)
    asked.settle(call, 40.0)
    assert (40.0,) == asked.decide(take("2", tokens(1, amount=60))).used


def test_a_call_for_which_nothing_was_sent_leaves_no_trace(asked: Asked) -> None:
    asked.decide(take("0", tokens(60, amount=60)))
    call = take("1", tokens(5, amount=60), requests(1), max_transit=1.0)
    assert 5.0 == asked.wait(call)
    asked.settle(call, 0.0, 0.0)
    assert Granted(5.0, (60.0, 0.0)) == asked.decide(take("2", *call.charges))


def test_a_lease_is_taken_and_settled_once_however_often_it_is_told(asked: Asked) -> None:
    call = take("1", tokens(30))
    assert [Granted(0.0, (0.0,)), Granted(0.0, (30.0,))] == [asked.decide(call) for _ in range(2)]
    asked.settle(call, 10.0)
    asked.settle(call, 10.0)
    asked.settle(take("unknown", tokens(30)), 0.0)
    assert (10.0,) == asked.decide(take("2", tokens(1))).used


def test_a_call_that_asks_twice_is_told_what_is_left_of_its_wait(asked: Asked) -> None:
    asked.decide(take("0", tokens(60, amount=60)))
    call = take("1", tokens(5, amount=60))
    assert 5.0 == asked.wait(call)
    asked.clock.now += 2.0
    assert 3.0 == asked.wait(call)


def test_a_worker_that_was_killed_holds_nothing_after_a_window(asked: Asked) -> None:
    asked.decide(take("killed", tokens(100), requests(1)))
    asked.clock.now += 60.0
    assert Granted(0.0, (0.0, 0.0)) == asked.decide(take("2", tokens(100), requests(1)))


def test_the_provider_s_word_of_more_counts_and_of_less_does_not(asked: Asked) -> None:
    call = take("1", tokens(30), requests(5))
    asked.decide(call)
    asked.settle(call, 30.0, 1.0, used=(80.0, 4.0))
    assert (80.0, 1.0) == asked.decide(take("2", tokens(1), requests(5))).used
    asked.settle(call, 30.0, 1.0, used=(5.0, None))
    assert (81.0,) == asked.decide(take("3", tokens(1))).used


def test_the_lowest_amount_that_a_worker_names_holds_for_all(asked: Asked) -> None:
    asked.decide(take("1", tokens(10, amount=100)))
    assert 0.0 == asked.wait(take("2", tokens(10, amount=20)))
    assert 15.0 == asked.wait(take("3", tokens(5, amount=100)))


def test_a_lower_amount_is_forgotten_unless_it_is_named_again(asked: Asked) -> None:
    asked.decide(take("1", tokens(10, amount=20)))
    asked.clock.now += AGREED_FOR * 0.6
    assert inf == asked.wait(take("2", tokens(30, amount=100)))
    asked.decide(take("3", tokens(10, amount=20)))
    asked.clock.now += AGREED_FOR * 0.6
    assert inf == asked.wait(take("4", tokens(30, amount=100)))
    asked.clock.now += AGREED_FOR * 0.5
    assert 0.0 == asked.wait(take("5", tokens(30, amount=100)))


def test_limits_that_others_know_are_told(asked: Asked) -> None:
    asked.decide(take("1", tokens(10), replace(tokens(1), unit="input_tokens", amount=50.0)))
    outcome = asked.shared_quota.exchange([take("2", tokens(10))])
    assert (KnownLimit(MODEL, "input_tokens", 60.0, 50.0),) == outcome.limits
    assert () == asked.shared_quota.exchange([]).limits


def test_a_pause_holds_for_its_scope_and_a_longer_one_stays(asked: Asked) -> None:
    asked.do(Pause(MODEL, 9.0), Pause(MODEL, 3.0))
    asked.clock.now += 1.0
    assert Refused(8.0, 8.0, "pause", (0.0,)) == asked.decide(take("1", tokens(1)))
    other = replace(take("2", replace(tokens(1), scope="b")), scope="b")
    assert 0.0 == asked.wait(other)
    asked.clock.now += 8.0
    assert 0.0 == asked.wait(take("3", tokens(1)))


def test_models_that_are_gone_are_told_until_that_expires(asked: Asked) -> None:
    asked.do(Retire("old", 60.0), Retire("older", 10.0))
    asked.clock.now += 20.0
    assert (("old", 40.0),) == asked.shared_quota.exchange([]).retired


def test_what_was_spent_without_asking_is_added_once(asked: Asked) -> None:
    added = Add("a", (tokens(30), replace(requests(5), taken=2.0)))
    asked.do(added, added)
    assert (30.0, 2.0) == asked.decide(take("1", tokens(1), requests(5))).used


def test_requests_that_were_spent_without_asking_count_from_when_they_were_sent(
    asked: Asked,
) -> None:
    asked.do(Add("a", (replace(requests(5), taken=3.0),), 20.0))
    asked.do(Add("b", (replace(requests(5), taken=2.0),), 10.0))
    assert 40.0 == asked.wait(take("1", requests(5)))
    asked.clock.now += 40.0
    assert (2.0,) == asked.decide(take("2", requests(5))).used


def test_requests_that_are_restored_count_for_a_minute(asked: Asked) -> None:
    asked.do(RestoreUse((replace(requests(5), taken=5.0),)))
    assert 60.0 == asked.wait(take("1", requests(5)))


def test_a_call_that_is_cancelled_before_its_moment_frees_nothing_of_what_others_use(
    asked: Asked,
) -> None:
    asked.decide(take("1", tokens(2, amount=16, window=8)))
    later = take("2", tokens(15, amount=16, window=8))
    assert Granted(0.5, (2.0,)) == asked.decide(later)
    asked.settle(later, 0.0)
    assert 0.5 == asked.wait(take("3", tokens(15, amount=16, window=8)))


def test_what_was_known_before_a_loss_is_restored_but_not_added(asked: Asked) -> None:
    asked.decide(take("0", tokens(10), requests(5)))
    lost = RestoreUse((tokens(50), replace(requests(5), taken=3.0)))
    asked.do(lost, lost)
    assert (50.0, 3.0) == asked.decide(take("1", tokens(1), requests(5))).used


def test_after_a_loss_no_call_of_a_restored_scope_is_the_first(asked: Asked) -> None:
    asked.do(RestoreUse((tokens(5),)))
    assert Granted(0.0, (5.0,)) == asked.decide(replace(take("1", tokens(1)), first_alone=1.0))


def test_a_shared_quota_that_has_lost_its_state_does_nothing_but_tell(asked: Asked) -> None:
    outcome = asked.shared_quota.exchange([take("1", tokens(30))], "another")
    assert (True, ()) == (outcome.is_lost, outcome.decisions)
    again = asked.shared_quota.exchange([take("2", tokens(1))], outcome.epoch)
    assert (Granted(0.0, (0.0,)),) == again.decisions


def test_a_clock_that_was_set_back_costs_no_more_than_what_is_reserved_ahead(asked: Asked) -> None:
    asked.decide(take("1", tokens(60, amount=60), requests(1)))
    asked.clock.now -= 3_600.0
    assert 10.0 == asked.wait(take("2", tokens(10, amount=60)))
    assert 60.0 == asked.wait(take("3", requests(1)))


def test_leases_that_are_over_are_forgotten() -> None:
    clock = Clock()
    shared_quota = MemorySharedQuota(clock)
    for n in range(3_000):
        shared_quota.exchange([take(f"{n}", tokens(1, amount=1e9))])
        clock.now += 1.0
    assert len(shared_quota._leases) < 1_200


def test_a_shared_quota_in_memory_tells_what_is_used_of_a_limit() -> None:
    clock = Clock()
    shared_quota = MemorySharedQuota(clock)
    shared_quota.exchange([take("1", tokens(60, amount=60), requests(1))])
    clock.now += 10.0
    assert [50.0, 1.0] == [shared_quota.used(tokens(0, amount=60)), shared_quota.used(requests(1))]
    assert {"1": clock.now - 10.0} == shared_quota.log(requests(1))


def full_by(asked: Asked, lease: str) -> Take:
    """A call that has waited four seconds for a limit that was full, and is answered now."""
    asked.do(RestoreUse((tokens(60, amount=60),)))
    call = take(lease, tokens(4, amount=60))
    assert 4.0 == asked.wait(call)
    return call


def settle_at_most(asked: Asked, call: Take, at_most: float | None) -> None:
    """Settle a call, after which so much can be in use at most."""
    asked.do(Settle(call, (call.charges[0].taken,), (None,), (at_most,)))


def test_a_shared_quota_that_counts_too_much_believes_what_can_be_in_use_at_most(
    asked: Asked,
) -> None:
    call = full_by(asked, "1")
    asked.clock.now += 4.0
    settle_at_most(asked, call, None)
    assert (60.0,) == asked.decide(take("no", tokens(99, amount=60))).used
    call = full_by(asked, "2")
    asked.clock.now += 4.0
    settle_at_most(asked, call, 61.0)
    assert (60.0,) == asked.decide(take("no", tokens(99, amount=60))).used
    call = full_by(asked, "3")
    assert 8.0 == asked.wait(take("since", tokens(4, amount=60)))
    asked.clock.now += 4.0
    settle_at_most(asked, call, 10.0)
    settle_at_most(asked, call, 1.0)  # it is settled
    assert (14.0,) == asked.decide(take("no", tokens(99, amount=60))).used


def test_what_was_granted_before_less_was_found_to_be_used_may_not_have_been_seen_yet(
    asked: Asked,
) -> None:
    call = full_by(asked, "1")
    asked.clock.now += 4.0
    settle_at_most(asked, call, 10.0)
    call = full_by(asked, "2")
    asked.clock.now += 4.0
    settle_at_most(asked, call, 10.0)
    assert (60.0,) == asked.decide(take("no", tokens(99, amount=60))).used
    # Fifteen seconds ahead at most, and five for whatever is on its way.
    asked.clock.now += 12.0
    call = full_by(asked, "3")
    asked.clock.now += 4.0
    settle_at_most(asked, call, 10.0)
    assert (10.0,) == asked.decide(take("no", tokens(99, amount=60))).used
    call = full_by(asked, "4")
    asked.clock.now += 20.0
    call = full_by(asked, "5")
    asked.do(Settle(call, (0.0,), (None,)))
    call = full_by(asked, "6")
    asked.clock.now += 4.0
    settle_at_most(asked, call, 10.0)
    assert (60.0,) == asked.decide(take("no", tokens(99, amount=60))).used


@pytest.mark.parametrize(
    ("part", "decision"),
    [
        (1.0, Granted(3.0, (60.0,))),
        (0.9, Granted(3.0, (60.0,))),
        (0.2, Refused(3.0, 2.5, "tokens", (60.0,))),
    ],
)
def test_what_is_granted_ahead_leaves_little_idle_where_calls_spend_far_less_than_they_declare(
    asked: Asked, part: float, decision: Granted | Refused
) -> None:
    for number in range(90):
        call = take(f"{number}", tokens(1, amount=60))
        asked.decide(call)
        asked.settle(call, part)
    asked.clock.now += 60.0
    asked.do(RestoreUse((tokens(60, amount=60),)))
    assert decision == asked.decide(take("last", tokens(3, amount=60)))


def test_what_is_forgotten_holds_nobody_back_and_what_is_used_stays(asked: Asked) -> None:
    asked.decide(take("1", tokens(5, amount=10)))
    asked.do(Pause(MODEL, 60.0), Retire("old", 60.0), Retire("gone", 90.0))
    assert 60.0 == asked.wait(take("2", tokens(5, amount=10)))
    outcome = asked.shared_quota.exchange(forget_all([MODEL], ["old"]))
    assert ((), (("gone", 90.0),)) == (outcome.decisions, outcome.retired)
    assert Granted(0.0, (5.0,)) == asked.decide(take("3", tokens(50, amount=100)))
