"""What a worker asks its shared quota, and how it goes on without it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from unittest.mock import Mock

import pytest

from services.llm.account import fleet as fleets
from services.llm.account.fleet_view import nothing_spent
from services.llm.account.shared_quota_outage import FIRST_RETRY, LONGEST_RETRY, SharedQuotaOutage
from services.llm.quota import LearnedLimit, Quota, Reservation, SlidingWindow, TokenBucketLimit
from services.llm.quota.guessed_limit import GuessedLimit
from services.llm.quota.memory_shared_quota import MemorySharedQuota
from services.llm.quota.shared import (
    Add,
    Granted,
    KnownLimit,
    Operation,
    Outcome,
    Pause,
    Refused,
    RestoreUse,
    Retire,
    SetCounting,
    Settle,
    Take,
)
from tests.fleet.shared_quotas import MODEL, Clock, requests, take, tokens
from tests.fleet.workers import Server, Worker

NOTHING = (None,)


@pytest.fixture(autouse=True)
def _no_lingering(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleets, "LINGER", 0.0)


@pytest.fixture
def clock() -> Clock:
    """A clock that tests move."""
    return Clock()


@pytest.fixture
def server(clock: Clock) -> Server:
    """The shared quota that workers share."""
    return Server(clock)


def spent(asked: Take, *amounts: float) -> Settle:
    """What a call has spent that had nothing before it."""
    return Settle(asked, amounts, (None,) * len(amounts))


def test_two_workers_share_a_limit(server: Server) -> None:
    one, other = Worker(server), Worker(server)
    assert isinstance(one.ask(take("1", tokens(60))), Granted)
    assert (60.0,) == other.ask(take("2", tokens(60))).used


def test_what_a_call_spent_goes_with_the_next_call(server: Server) -> None:
    worker = Worker(server)
    first, second = take("1", tokens(60)), take("2", tokens(60))
    worker.ask(first)
    worker.fleet.settle(spent(first, 10.0))
    assert (10.0,) == worker.ask(second).used
    assert [[first], [spent(first, 10.0), second]] == server.batches


def test_calls_that_come_together_are_one_round_trip(server: Server) -> None:
    worker = Worker(server)
    calls = [take(f"{n}", tokens(1)) for n in range(300)]
    answers = [worker.fleet.take(each) for each in calls]
    worker.threads.run()
    assert [True] * 300 == [isinstance(each.result(), (Granted, Refused)) for each in answers]
    assert [256, 44] == [len(batch) for batch in server.batches]


def test_who_has_waited_longest_takes_first_and_who_gave_up_takes_nothing(server: Server) -> None:
    worker = Worker(server)
    waited = {"new": 0.0, "old": 9.0, "gone": 30.0, "newer": 0.0}
    takes = {
        lease: replace(take(lease, tokens(40)), seconds_waited=w) for lease, w in waited.items()
    }
    answers = {lease: worker.fleet.take(each) for lease, each in takes.items()}
    given_up = nothing_spent(takes["gone"])
    worker.fleet.settle(given_up)
    worker.threads.run()
    assert [[given_up, takes["old"], takes["new"], takes["newer"]]] == server.batches
    found = [worker.fleet.decide(takes[lease], answers[lease]) for lease in ("old", "new")]
    assert [(0.0,), (40.0,)] == [each.used for each in found]


def test_an_idle_worker_asks_nothing(server: Server) -> None:
    worker = Worker(server)
    worker.ask(take("1", tokens(1)))
    assert ([], 1) == (worker.threads.jobs, len(server.batches))


def test_news_are_sent_at_once_and_learnt_by_all(server: Server) -> None:
    one, other = Worker(server), Worker(server)
    one.fleet.publish(Retire("old", 60.0))
    one.fleet.publish(Pause(MODEL, 9.0))
    one.threads.run()
    decision = other.ask(take("1", tokens(1)))
    assert Refused(9.0, 9.0, "pause", (0.0,)) == decision
    assert [(("old", 60.0),)] == [outcome.retired for outcome in other.learned]


def test_a_call_that_is_given_up_before_its_answer_takes_nothing(server: Server) -> None:
    worker = Worker(server)
    worker.ask(take("0", tokens(40)))
    asked = take("1", requests(5), tokens(20))
    worker.fleet.take(asked)
    worker.fleet.settle(spent(asked, 0.0, 0.0))
    worker.threads.run()
    assert (0.0, 40.0) == worker.ask(take("2", requests(5), tokens(20))).used


def test_without_the_shared_quota_a_worker_goes_on_within_its_share(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    worker, other = Worker(server), Worker(server)
    other.ask(take("0", tokens(40)))
    worker.ask(take("1", tokens(20)))
    server.is_away = True
    assert Granted(0.0, (15.0,)) == worker.ask(take("2", tokens(10)))
    late = worker.ask(take("3", tokens(5)))
    assert 12.0 == pytest.approx(late.wait)
    assert [
        "the shared quota cannot be asked, each worker goes on within its share:"
        " redis://server cannot be used: gone"
    ] == caplog.messages


def test_a_call_that_exceeds_the_share_goes_alone(server: Server) -> None:
    worker = Worker(server, share=0.1)
    server.is_away = True
    assert 0.0 == worker.ask(take("1", tokens(90))).wait
    assert 540.0 == worker.ask(take("2", tokens(10))).wait


def test_one_probe_at_a_time_asks_whether_the_shared_quota_is_back(
    server: Server, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    worker = Worker(server)
    server.is_away = True
    worker.ask(take("1", tokens(1)))
    for n in range(10):
        worker.ask(take(f"a{n}", tokens(1)))
    assert 1 == len(server.batches)
    clock.now += FIRST_RETRY
    worker.fleet.take(take("b", tokens(1)))
    worker.fleet.take(take("c", tokens(1)))
    assert 1 == len(worker.threads.jobs)
    worker.threads.run()
    assert (2, 1) == (len(server.batches), len(caplog.messages))


def test_a_worker_comes_back_by_itself_and_adds_what_it_has_spent(
    server: Server, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    worker = Worker(server)
    worker.ask(take("1", tokens(40)))
    server.is_away = True
    worker.ask(take("2", tokens(10), requests(8)))
    clock.now += 6.0
    server.is_away = False
    worker.ask(take("3", tokens(5)))
    decision = worker.ask(take("4", tokens(1), requests(8)))
    # 40 less what was refilled, and what was spent without asking: 10 and 5, but for the refill of
    # the share of the 40.
    assert (45.0, 1.0) == pytest.approx(decision.used)
    assert "the shared quota answers again" == caplog.messages[-1]


def test_what_was_taken_before_an_outage_is_settled_after_it(server: Server, clock: Clock) -> None:
    worker = Worker(server)
    first = take("1", requests(8))
    worker.ask(first)
    server.is_away = True
    worker.ask(take("2", tokens(1)))
    worker.fleet.settle(Settle(first, (0.0,), NOTHING))
    clock.now += FIRST_RETRY
    worker.ask(take("3", tokens(1)))
    clock.now += 2 * FIRST_RETRY
    server.is_away = False
    worker.ask(take("4", tokens(1)))
    assert (0.0,) == worker.ask(take("5", requests(8))).used


def test_what_makes_the_shared_quota_fail_again_and_again_is_not_sent_for_ever(
    server: Server, clock: Clock
) -> None:
    worker = Worker(server)
    server.is_away = True
    worker.ask(take("0", tokens(1)))
    worker.fleet.publish(Pause("poison", 1.0))
    kept = []
    for n in range(9):
        clock.now += LONGEST_RETRY
        worker.ask(take(f"{n + 1}", tokens(1)))
        kept.append(len(worker.fleet._pending))
    assert [1] * 6 + [0] * 3 == kept


def test_what_was_taken_of_the_share_is_settled_there(server: Server) -> None:
    worker = Worker(server)
    server.is_away = True
    first = take("1", tokens(25))
    worker.ask(first)
    worker.fleet.settle(spent(first, 5.0))
    assert (5.0,) == worker.ask(take("2", tokens(20))).used


def test_only_so_much_is_kept_for_a_shared_quota_that_is_away(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleets, "_MOST_KEPT", 3)
    worker = Worker(server)
    server.is_away = True
    worker.ask(take("1", tokens(1)))
    for n in range(9):
        worker.fleet.publish(Pause(f"{n}", 1.0))
    assert [Pause("6", 1.0), Pause("7", 1.0), Pause("8", 1.0)] == worker.fleet._pending


def two_that_ask(server: Server) -> tuple[Worker, tuple[Take, Any], tuple[Take, Any]]:
    """A worker that has taken 40 tokens, and two calls of 5 each that have asked, with answers."""
    worker = Worker(server)
    worker.ask(take("0", tokens(40)))
    late, other = take("1", tokens(5)), take("2", tokens(5))
    return worker, (late, worker.fleet.take(late)), (other, worker.fleet.take(other))


def test_a_shared_quota_that_is_late_is_not_waited_for(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    worker, (late, answer), (other, other_answer) = two_that_ask(server)
    assert Granted(0.0, (15.0,)) == worker.fleet.decide(late, answer)
    assert Granted(0.0, (10.0,)) == worker.fleet.decide(other, other_answer)
    assert ["it has not answered in 1 s"] == [text.rpartition(": ")[2] for text in caplog.messages]


def test_a_call_that_cannot_wait_for_the_shared_quota_takes_of_the_share_and_shows_no_outage(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    worker, (late, answer), (other, other_answer) = two_that_ask(server)
    assert Granted(0.0, (10.0,)) == worker.fleet.decide(late, answer, 0.5)
    assert "" == worker.fleet.outage_note()
    worker.threads.run()
    assert Granted(0.0, (40.0,)) == worker.fleet.decide(other, other_answer, 0.5)
    # Forty, the other's five, and those of the share; the late one took nothing here.
    assert (50.0,) == worker.ask(take("3", tokens(5))).used
    assert [] == caplog.messages


def test_a_worker_that_can_start_no_thread_goes_on_within_its_share(
    server: Server, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    worker = Worker(server)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(worker.threads, "submit", Mock(side_effect=RuntimeError("no thread")))
        first, second = take("1", tokens(20)), take("2", tokens(20))
        assert isinstance(worker.ask(first), Granted)
        assert isinstance(worker.ask(second), Refused)
        worker.fleet.settle(spent(first, 20.0))
        clock.now += FIRST_RETRY
        worker.ask(take("3", tokens(20)))  # no probe can be sent either
    assert ["no thread"] == [text.rpartition(": ")[2] for text in caplog.messages]
    clock.now += 2 * FIRST_RETRY
    worker.ask(take("4", tokens(1)))
    assert (18.0,) == pytest.approx(worker.ask(take("5", tokens(1))).used, abs=3.0)


def test_what_a_late_shared_quota_granted_all_the_same_is_given_back(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    worker = Worker(server)
    late = [take("1", requests(5)), take("2", requests(5))]
    answers = [worker.fleet.take(each) for each in late]
    batch = worker.fleet._next_batch()
    assert batch == late
    for each, answer in zip(late, answers, strict=True):
        worker.fleet.decide(each, answer)
    worker.fleet._accept(batch, server.exchange(batch))
    worker.threads.run()
    # One is that which it took of its share, which had no room for two.
    assert (1.0,) == worker.ask(take("3", requests(5))).used
    assert 1 == len(caplog.messages)


def test_a_shared_quota_that_has_lost_its_state_is_told_what_was_known(
    server: Server, clock: Clock
) -> None:
    worker = Worker(server)
    day = replace(tokens(1), window=86_400.0, amount=86_400.0, taken=600.0)
    worker.ask(take("1", tokens(40), day))
    clock.now += 6.0
    server.lose_all()
    decision = worker.ask(take("2", tokens(1), day))
    # A short window as if it had been full, a long one as it was known.
    assert (90.0, 594.0) == decision.used
    assert isinstance(server.batches[-1][0], RestoreUse)


def test_what_was_granted_ahead_is_restored_beyond_the_limit(server: Server, clock: Clock) -> None:
    worker = Worker(server)
    for amount in (60, 9):
        assert isinstance(worker.ask(take(f"{amount}", tokens(amount, amount=60))), Granted)
    clock.now += 6.0
    server.lose_all()
    assert Refused(11.0, 6.0, "tokens", (63.0,)) == worker.ask(take("1", tokens(8, amount=60)))


def test_what_calls_spend_of_what_they_declare_is_known_after_a_loss_and_in_an_outage(
    server: Server, clock: Clock
) -> None:
    worker, amount = Worker(server, share=0.5), 1_000.0
    for number in range(99):
        asked = take(str(number), tokens(100, amount))
        worker.ask(asked)
        worker.fleet.settle(Settle(asked, (10.0,), NOTHING))
        clock.now += 2.0
    key = tokens(100, amount).key
    part = server.shared_quota._levels[key].spent_part
    assert part == pytest.approx(0.1, abs=0.02)
    server.lose_all()
    worker.ask(take("lost", tokens(100, amount)))
    assert part == pytest.approx(server.shared_quota._levels[key].spent_part, abs=0.01)
    server.is_away = True
    worker.ask(take("away", tokens(100, amount)))
    fallback = worker.fleet._view._fallback
    assert fallback is not None
    assert part == pytest.approx(fallback.shared_quota._levels[key].spent_part, abs=0.01)


def test_what_a_call_does_not_spend_is_given_back_after_a_loss_and_in_an_outage(
    server: Server,
) -> None:
    worker, calls = Worker(server, share=0.5), [take(f"{n}", tokens(20)) for n in range(4)]
    for each in calls[:2]:
        worker.ask(each)
    server.lose_all()
    assert (100.0,) == worker.ask(take("other", tokens(20))).used
    worker.fleet.settle(Settle(calls[0], (5.0,), NOTHING))
    assert (85.0,) == worker.ask(take("too much", tokens(99))).used
    server.is_away = True
    assert (42.5,) == worker.ask(take("away", tokens(90))).used
    worker.fleet.settle(Settle(calls[1], (5.0,), NOTHING))
    # Half is ours of what is used, and all of what our own call leaves.
    assert Granted(0.0, (27.5,)) == worker.ask(calls[2])
    worker.fleet.settle(nothing_spent(calls[2]))
    assert Granted(0.0, (27.5,)) == worker.ask(calls[3])
    server.is_away = False
    server.clock.now += FIRST_RETRY
    worker.ask(take("probe", tokens(90)))
    worker.fleet.settle(Settle(calls[3], (5.0,), NOTHING))
    found = worker.ask(take("back", tokens(99))).used
    assert (75.0 - FIRST_RETRY * 100 / 60,) == pytest.approx(found)
    assert {} == worker.fleet._view._granted


def test_a_call_of_the_share_counts_though_the_shared_quota_was_to_grant_it_nothing(
    server: Server,
) -> None:
    worker, late = Worker(server), take("late", tokens(20))
    worker.fleet.take(take("first", tokens(10)))
    batch = worker.fleet._next_batch()
    assert batch is not None
    worker.fleet.decide(late, worker.fleet.take(late), 0.5)
    worker.fleet._accept(batch, server.exchange(batch))
    worker.threads.run()
    assert (30.0,) == worker.ask(take("second", tokens(99))).used
    worker.fleet.settle(Settle(late, (5.0,), NOTHING))
    assert (15.0,) == worker.ask(take("third", tokens(99))).used


def test_what_a_call_did_not_spend_is_left_before_the_next_one_asks(server: Server) -> None:
    worker, limit = Worker(server), LearnedLimit(100.0, 60.0, "tokens", configured=100.0)
    window = SlidingWindow(10, 60.0)
    first, second = take("1", tokens(60), requests()), take("2", tokens(20), requests())
    for each in (first, second):
        worker.ask(each)
    worker.fleet.settle(spent(first, 5.0, 1.0))
    worker.fleet.settle(nothing_spent(second))
    worker.fleet.settle(nothing_spent(take("3", replace(tokens(1), unit="input_tokens"))))
    now = server.clock.now
    assert (5.0, 1.0) == tuple(worker.fleet.used(MODEL, each, now) for each in (limit, window))


def test_what_was_granted_ahead_is_none_of_the_share(server: Server, clock: Clock) -> None:
    worker = Worker(server, share=0.5)
    for amount in (60, 9):
        worker.ask(take(f"{amount}", tokens(amount, amount=60)))
    server.is_away = True
    assert Refused(11.0, 7.0, "tokens", (34.5,)) == worker.ask(take("1", tokens(1, amount=60)))


def test_a_shared_quota_that_loses_its_state_each_time_is_told_once_a_call(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker, exchange = Worker(server), server.exchange
    worker.ask(take("0", tokens(1)))
    epochs = iter("abcd")  # and an error where it is asked for ever

    def lose_and_exchange(asked: Sequence[Operation], epoch: str = "") -> Outcome:
        server.shared_quota = MemorySharedQuota(server.clock, next(epochs))
        return exchange(asked, epoch)

    monkeypatch.setattr(server, "exchange", lose_and_exchange)
    assert isinstance(worker.ask(take("1", tokens(1))), Granted)
    assert ["c", "d"] == list(epochs)


def test_a_shared_quota_that_has_lost_what_a_limit_counts_is_told_again(server: Server) -> None:
    worker, note = Worker(server), SetCounting(MODEL, "tokens/60", counts_declared=False)
    worker.fleet.what_counts.learn([note])
    worker.ask(take("1", tokens(40)))
    assert not worker.learned[-1].counting
    server.lose_all()
    worker.ask(take("2", tokens(1)))
    assert (note,) == worker.learned[-1].counting


def test_a_call_is_not_the_first_of_all_while_the_shared_quota_is_away(server: Server) -> None:
    worker, server.is_away = Worker(server), True
    decision = worker.ask(replace(take("1", tokens(1)), first_alone=1.0))
    assert isinstance(decision, Granted)
    assert not decision.is_first


def test_requests_are_restored_one_by_one_and_only_so_many(server: Server) -> None:
    worker = Worker(server)
    worker.ask(take("1", requests(1_000_000.0)))
    server.lose_all()
    assert (1.0,) == worker.ask(take("2", requests(1_000_000.0))).used
    server.shared_quota.exchange([Add("many", (replace(requests(1_000_000.0), taken=20_000.0),))])
    worker.ask(take("3", requests(1_000_000.0)))
    (restored,) = worker.fleet._view.restored_use().charges
    assert 10_000.0 == restored.taken


def test_a_worker_that_is_idle_for_long_has_nothing_to_restore(
    server: Server, clock: Clock
) -> None:
    worker = Worker(server)
    worker.ask(take("1", tokens(40)))
    clock.now += 3_600.0
    server.lose_all()
    assert (0.0,) == worker.ask(take("2", tokens(1))).used


def test_what_is_shown_as_used_is_what_the_fleet_uses(server: Server, clock: Clock) -> None:
    one, other = Worker(server), Worker(server)
    limit = LearnedLimit(100.0, 60.0, "tokens", configured=100.0)
    window = SlidingWindow(10, 60.0)
    assert 0.0 == one.fleet.used(MODEL, limit, clock.now)
    other.ask(take("1", tokens(60), requests()))
    one.ask(take("2", tokens(10), requests()))
    assert (70.0, 2.0) == (
        one.fleet.used(MODEL, limit, clock.now),
        one.fleet.used(MODEL, window, clock.now),
    )
    clock.now += 30.0
    assert 20.0 == one.fleet.used(MODEL, limit, clock.now)
    server.is_away = True
    one.ask(take("3", tokens(1)))
    # Three quarters are not ours now; of our own, a quarter of 70 and one are used.
    assert 75.0 + 18.5 == one.fleet.used(MODEL, limit, clock.now)


def test_limits_that_nobody_else_can_know_are_not_shared(server: Server) -> None:
    window, endless = SlidingWindow(10, 60.0), TokenBucketLimit(1e300, 60.0)
    endless.amount = float("inf")
    quota = Quota((window, endless, GuessedLimit(9.0, 0.0, 0.0), TokenBucketLimit(50.0, 60.0)))
    got = quota.reserve(MODEL, {"requests": 1.0, "tokens": 5.0}, 0.0, 60.0)
    assert isinstance(got, Reservation)
    _, charges = Worker(server).fleet.charges(got)
    assert (requests(), tokens(5.0, amount=50.0)) == charges


def test_what_the_shared_quota_alone_has_told_is_marked_until_the_provider_says_it(
    server: Server,
) -> None:
    fleet = Worker(server).fleet
    quota = Quota((), lambda: [TokenBucketLimit(50.0, 60.0)])
    got = quota.reserve(MODEL, {"tokens": 5.0}, 0.0)
    assert isinstance(got, Reservation)
    from services.llm.limit_types import LimitReport

    stated = [LimitReport("tokens", 60.0, 50.0)]
    fleet.note_from_provider(MODEL, stated)
    fleet.note_from_shared_quota(KnownLimit(MODEL, "tokens", 60.0, 50.0))
    (charge,) = fleet.charges(got)[1]
    assert charge.is_from_shared_quota
    fleet.note_from_provider(MODEL, stated)
    (charge,) = fleet.charges(got)[1]
    assert not charge.is_from_shared_quota


def test_only_so_many_limits_are_remembered(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    from services.llm.account import fleet_view

    monkeypatch.setattr(fleet_view, "_MOST_LIMITS", 3)
    worker = Worker(server)
    for n in range(9):
        worker.ask(take(f"{n}", replace(tokens(1), scope=f"{n}")))
    assert 3 == len(worker.fleet._view._known)


def test_a_defect_of_the_shared_quota_is_an_outage_too(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    worker = Worker(server)
    monkeypatch.setattr(server, "shared_quota", None)
    assert Granted(0.0, (0.0,)) == worker.ask(take("1", tokens(1)))
    assert 1 == len(caplog.messages)


def test_a_probe_waits_longer_after_each_failure_and_no_longer_than_some_seconds() -> None:
    outage, now, waits = SharedQuotaOutage(), 0.0, []
    assert not outage.acquire_probe(now)
    assert outage.fail(now)
    for _ in range(6):
        began = now
        while not outage.acquire_probe(now):
            now += 0.25
        waits.append(now - began)
        assert not outage.acquire_probe(now)
        outage.fail(now)
    assert [0.5, 1.0, 2.0, 4.0, LONGEST_RETRY, LONGEST_RETRY] == waits
    outage.end()
    outage.fail(now)
    assert outage.acquire_probe(now + FIRST_RETRY)


def test_an_outage_is_warned_of_once_in_a_while() -> None:
    outage = SharedQuotaOutage()
    warned = []
    for now in (0.0, 10.0, 59.0, 60.0, 100.0):
        warned.append(outage.fail(now))
        outage.end()
    assert [True, False, False, True, False] == warned


def test_what_is_to_be_sent_is_sent_before_the_process_ends(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleets, "_fleets", set())
    worker, idle = Worker(server), Worker(server)
    first = take("1", tokens(60))
    worker.ask(first)
    worker.fleet.settle(spent(first, 10.0))
    worker.threads.jobs[0][1].set_result(None)
    fleets._finish_all()
    assert [True, True] == [each.fleet._is_urgent.is_set() for each in (worker, idle)]
