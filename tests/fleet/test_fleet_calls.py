"""A call of one worker of a fleet, as a list of effects: no wire, no clock, no sleep."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from math import inf

import pytest

from services.llm.account import fleet as fleets
from services.llm.account.account import A_DAY, Account
from services.llm.account.fleet import Fleet
from services.llm.account.fleet_membership import join_fleet_at, learn_from_fleet
from services.llm.account.registry import join_fleet
from services.llm.call import lifecycle, retry
from services.llm.call.call_policy import CallPolicy
from services.llm.effects import Effects, Send, Sleep
from services.llm.errors import (
    ConfigurationError,
    ContextLengthError,
    ModelNotFoundError,
    RateLimitError,
)
from services.llm.limit_types import LimitReport, Priority
from services.llm.quota import LearnedLimit, Quota, SlidingWindow
from services.llm.quota.guessed_limit import GuessedLimit
from services.llm.quota.shared import (
    KnownLimit,
    Operation,
    Outcome,
    Pause,
    RestoreUse,
    Retire,
    SetCounting,
    Settle,
    Take,
)
from services.llm.settings.knobs import Knobs
from services.llm.types import Reply
from tests.call.calls import MODEL, REQUEST, assert_all_is_free, call, limited
from tests.call.scripted import Clock, Drive, account, says
from tests.fleet.shared_quotas import take, tokens
from tests.fleet.workers import Server

OLD = "llama3-70b-8192"


class AtOnce:
    """A thread that does its work before anything else is done."""

    def submit(self, job: Callable[[], None]) -> Future[None]:
        """Do the job."""
        job()
        done: Future[None] = Future()
        done.set_result(None)
        return done


class Never(AtOnce):
    """A thread that hangs."""

    def submit(self, job: Callable[[], None]) -> Future[None]:
        """Do nothing."""
        return Future()


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
    return Server(clock)  # type: ignore[arg-type]  # another clock, of the same form


def worker(
    server: Server, amount: float | None = 1_000.0, threads: AtOnce | None = None
) -> Account:
    """An account of a worker, with tokens a minute that it shares; None: it knows of none."""
    clock: Clock = server.clock  # type: ignore[assignment]  # as above
    window = SlidingWindow(30, 60.0)

    def limits() -> list[LearnedLimit]:
        if amount is None:
            return []
        return [LearnedLimit(amount, 60.0, "tokens", configured=amount)]

    of_one = account(clock, quota=Quota((window,), limits))
    of_one.window = window
    of_one.fleet = Fleet(server, 0.5, clock, partial(learn_from_fleet, of_one), threads or AtOnce())
    of_one.quota.fleet_used = of_one.fleet.used
    return of_one


def call_old(to: Account) -> Effects[Reply]:
    """One call's flow, to a model that has a successor."""
    policy = CallPolicy(lambda: retry.transient_errors(3), timeout=120.0)
    return lifecycle.run_call(
        policy, to, partial(lifecycle.fetch_reply, replace(REQUEST, model=OLD))
    )


def asked(server: Server) -> list[Take]:
    """All that was asked so far."""
    return [each for batch in server.batches for each in batch if isinstance(each, Take)]


def settled(server: Server) -> list[Settle]:
    """All that was settled so far."""
    return [each for batch in server.batches for each in batch if isinstance(each, Settle)]


def use(server: Server, amount: float, limit: float = 1_000.0) -> None:
    """Let another worker have used so much."""
    charge = replace(tokens(amount, limit), scope=MODEL)
    server.shared_quota.exchange([take("other", charge)])


def test_a_call_asks_once_and_says_what_it_has_spent(server: Server, clock: Clock) -> None:
    to, drive = worker(server), Drive(clock, [says("Yes.")])
    drive.run(call(to, timeout=9.0))
    assert [Send(REQUEST, 9.0)] == drive.effects
    (took,) = asked(server)
    assert [("", "requests", 1.0), (MODEL, "tokens", took.charges[1].taken)] == [
        (each.scope, each.unit, each.taken) for each in took.charges
    ]
    assert [(1.0, 10.0)] == [each.spent for each in settled(server)]
    assert_all_is_free(to, used=1)


def test_a_call_that_is_granted_a_later_moment_waits_for_it_and_asks_no_more(
    server: Server, clock: Clock
) -> None:
    use(server, 950.0)
    to, drive = worker(server), Drive(clock, [says("Yes.")])
    drive.run(call(to, max_quota_wait=60.0))
    (took,) = asked(server)
    wait = (took.charges[1].taken - 50.0) * 60.0 / 1_000.0
    assert [wait] == pytest.approx(drive.slept)
    assert 1 == len(drive.sent)


def test_a_call_that_is_refused_for_now_asks_again_in_its_turn(
    server: Server, clock: Clock
) -> None:
    use(server, 1_000.0)
    use_more = replace(tokens(900.0, 1_000.0), scope=MODEL)
    server.shared_quota.exchange([replace(take("more", use_more), max_transit=60.0)])
    server.shared_quota.exchange([replace(take("again", use_more, max_wait=15.0))])
    to, drive = worker(server), Drive(clock, [says("Yes.")])
    server.shared_quota._levels[f"{MODEL}\ntokens/60"] = server.shared_quota._levels[
        f"{MODEL}\ntokens/60"
    ]._replace(missing=1_500.0, at=clock.now)
    drive.run(call(to, max_quota_wait=110.0))
    assert 2 == len(asked(server))
    assert 1 == len(drive.sent)
    assert 30.0 < sum(drive.slept) < 40.0


def test_a_call_does_not_ask_before_an_earlier_one_that_was_refused_for_now(
    server: Server, clock: Clock
) -> None:
    to = worker(server)
    to.quota.pause(MODEL, clock.now + 1.0)
    earlier, later = call(to, max_quota_wait=60.0), call(to, max_quota_wait=60.0)
    assert [Sleep, Sleep] == [type(next(each)) for each in (earlier, later)]
    clock.now += 1.0
    server.shared_quota.exchange([RestoreUse((replace(tokens(1_500.0, 1_000.0), scope=MODEL),))])
    refused, behind = earlier.send(None), later.send(None)
    assert isinstance(refused, Sleep)
    assert isinstance(behind, Sleep)
    assert refused.seconds == pytest.approx(behind.seconds)
    assert 1 == len(asked(server))
    for flow in (earlier, later):
        flow.close()


@pytest.mark.parametrize(("priority", "waited"), [("interactive", 8.0), ("batch", 2.0)])
def test_what_a_call_has_waited_counts_less_where_it_is_of_a_batch(
    server: Server, clock: Clock, priority: Priority, waited: float
) -> None:
    to, drive = worker(server), Drive(clock, [says("Yes.")])
    to.quota.pause(MODEL, clock.now + 8.0)
    policy = CallPolicy(lambda: retry.transient_errors(3), timeout=120.0, max_quota_wait=60.0)
    request = replace(REQUEST, priority=priority)
    drive.run(lifecycle.run_call(policy, to, partial(lifecycle.fetch_reply, request)))
    assert [waited] == [each.seconds_waited for each in asked(server)]


def test_a_call_that_cannot_wait_so_long_is_told_how_long(server: Server, clock: Clock) -> None:
    use(server, 1_000.0)
    to = worker(server)
    with pytest.raises(RateLimitError, match="Please wait") as caught:
        Drive(clock, []).run(call(to))
    (took,) = asked(server)
    assert took.charges[1].taken * 0.06 == pytest.approx(caught.value.retry_after)
    assert_all_is_free(to, used=0)


def test_a_limit_that_this_process_guesses_alone_is_waited_for_to_the_end(
    server: Server, clock: Clock
) -> None:
    to, drive = worker(server, None), Drive(clock, [says("Yes.")])
    to.quota = Quota((to.window, GuessedLimit(6.0, 10.0, clock.now)))
    to.quota.max_transit = 1.0
    drive.run(call(to, max_quota_wait=10.5))
    assert [10.0] == pytest.approx(drive.slept)


@pytest.mark.parametrize("max_quota_wait", [60.5, 61.5])
def test_a_call_waits_for_a_limit_only_if_the_fleet_has_room_in_time_too(
    server: Server, clock: Clock, max_quota_wait: float
) -> None:
    to = worker(server)
    to.window.amount, to.quota.max_transit = 1, 1.0
    Drive(clock, [says("Yes.")]).run(call(to))
    # This process has room in 60 s, the fleet when the provider may have seen so much.
    drive = Drive(clock, [says("Yes.")])
    if max_quota_wait > 61.0:
        drive.run(call(to, max_quota_wait=max_quota_wait))
    else:
        with pytest.raises(RateLimitError) as caught:
            drive.run(call(to, max_quota_wait=max_quota_wait))
        assert 61.0 == pytest.approx(caught.value.retry_after)
    expected = [60.0, 1.0] if max_quota_wait > 61.0 else []
    assert expected == pytest.approx(drive.slept)


def test_an_error_says_that_the_shared_quota_is_away_where_it_is(
    server: Server, clock: Clock
) -> None:
    to = worker(server, 100_000.0)
    to.window.amount = 1
    server.is_away = True
    note = (
        " (LLM_QUOTA_URL cannot be asked, redis://server: this process goes on within its"
        " LLM_QUOTA_FALLBACK_SHARE, 0.5 of each limit)"
    )
    with pytest.raises(RateLimitError) as refused:
        Drive(clock, [limited(30.0)]).run(call(to))
    assert f"Too many requests{note}" == str(refused.value)
    clock.now += 30.0
    with pytest.raises(RateLimitError) as full:
        Drive(clock, []).run(call(to))
    assert f"Rate limit exceeded. Please wait 30.0 seconds{note}" == str(full.value)
    to.window.amount = 0
    with pytest.raises(RateLimitError) as never:
        Drive(clock, []).run(call(to))
    assert f"Rate limit exceeded: a limit on requests lets none through{note}" == str(never.value)
    server.is_away = False
    to.fleet = None
    with pytest.raises(RateLimitError) as alone:
        Drive(clock, []).run(call(to))
    assert "Rate limit exceeded: a limit on requests lets none through" == str(alone.value)


def test_a_call_that_exceeds_a_limit_which_another_worker_knows_is_an_error(
    server: Server, clock: Clock
) -> None:
    use(server, 10.0, limit=100.0)
    with pytest.raises(
        ContextLengthError, match="tokens in one call are more than a whole limit: shorten"
    ):
        Drive(clock, []).run(call(worker(server), max_quota_wait=60.0))


def test_what_a_worker_forgets_holds_the_others_back_no_more(server: Server, clock: Clock) -> None:
    to, other = worker(server), worker(server)
    Drive(clock, [says("Yes."), says("Yes.")]).run(call(to))
    server.shared_quota.exchange([Pause(MODEL, 7.0), Retire("old", 60.0)])
    to.ended.put("old", True, clock.now, 60.0)
    to.forget()
    drive = Drive(clock, [says("Yes.")])
    drive.run(call(other))
    assert ([], {}) == (drive.slept, other.ended.items(clock.now))


def test_a_pause_that_another_worker_has_met_is_waited_for(server: Server, clock: Clock) -> None:
    server.shared_quota.exchange([Pause(MODEL, 7.0)])
    to, drive = worker(server), Drive(clock, [says("Yes.")])
    drive.run(call(to, max_quota_wait=60.0))
    assert ([7.0], 2) == (drive.slept, len(asked(server)))


def test_a_pause_and_a_model_that_is_gone_are_told_to_all(server: Server, clock: Clock) -> None:
    to = worker(server)
    with pytest.raises(RateLimitError):
        Drive(clock, [limited(30.0)]).run(call(to))
    clock.now += 60.0
    gone = ModelNotFoundError("gone", status=404)
    gone.end_of_life = True
    assert "Yes." == Drive(clock, [gone, says("Yes.")]).run(call_old(to)).text
    news = [each for batch in server.batches for each in batch]
    assert [Pause(MODEL, 30.0)] == [each for each in news if isinstance(each, Pause)]
    assert [Retire(OLD, A_DAY)] == [each for each in news if isinstance(each, Retire)]


def test_a_model_of_which_another_worker_tells_that_it_is_gone_is_not_asked(
    server: Server, clock: Clock
) -> None:
    server.shared_quota.exchange([Retire(OLD, 60.0)])
    to, drive = worker(server), Drive(clock, [says("Yes.")])
    drive.run(call_old(to))
    assert ["openai/gpt-oss-120b"] == [each.model for each in drive.sent]
    assert [(0.0, 0.0)] == [each.spent for each in settled(server)][:1]


def test_who_does_not_switch_asks_the_model_all_the_same(server: Server, clock: Clock) -> None:
    server.shared_quota.exchange([Retire(MODEL, 60.0)])
    to, drive = worker(server), Drive(clock, [says("Yes.")])
    to.switch = False
    drive.run(call(to))
    assert [MODEL] == [each.model for each in drive.sent]


@pytest.mark.parametrize(("timeout", "waits", "left"), [(9.0, 1.0, 8.0), (0.25, 0.125, 0.125)])
def test_the_shared_quota_is_waited_for_a_second_at_most_and_half_of_what_a_call_may_take(
    server: Server, clock: Clock, timeout: float, waits: float, left: float
) -> None:
    to, drive = worker(server, threads=Never()), Drive(clock, [says("Yes.")])
    drive.run(call(to, timeout=timeout))
    slept, sent = drive.effects
    assert isinstance(slept, Sleep)
    assert (waits, "quota", Send(REQUEST, left)) == (slept.seconds, slept.reason, sent)


def test_a_call_that_is_interrupted_as_it_asks_takes_nothing(server: Server, clock: Clock) -> None:
    to = worker(server, threads=Never())
    flow = call(to)
    assert isinstance(next(flow), Sleep)
    flow.close()
    assert to.fleet is not None
    assert [Take, Settle] == [type(each) for each in to.fleet._pending]
    assert_all_is_free(to, used=0)


def test_a_call_that_comes_too_late_for_what_it_was_granted_asks_again(
    server: Server, clock: Clock
) -> None:
    use(server, 950.0)
    to, flow = worker(server), None
    flow = call(to, max_quota_wait=60.0)
    slept = next(flow)
    assert isinstance(slept, Sleep)
    clock.now += slept.seconds + 1.0
    assert isinstance(flow.send(None), Send)
    assert 2 == len(asked(server))
    assert [(0.0, 0.0)] == [each.spent for each in settled(server)]
    flow.close()


def test_a_call_that_is_woken_before_what_it_was_granted_waits_on(
    server: Server, clock: Clock
) -> None:
    use(server, 950.0)
    to = worker(server)
    flow = call(to, max_quota_wait=60.0)
    slept = next(flow)
    assert isinstance(slept, Sleep)
    clock.now += slept.seconds / 2
    again = flow.send(None)
    assert isinstance(again, Sleep)
    assert slept.seconds / 2 == pytest.approx(again.seconds)
    assert 1 == len(asked(server))
    flow.close()


def test_a_call_that_its_own_limit_holds_back_once_it_is_granted_is_woken_by_it(
    server: Server, clock: Clock
) -> None:
    to, exchange = worker(server), server.exchange
    to.window.amount = 1

    def fill(operations: Sequence[Operation], epoch: str = "") -> Outcome:
        to.window.times.append(clock.now)
        return exchange(operations, epoch)

    server.exchange = fill  # type: ignore[method-assign]  # to fill the window as it is asked
    flow = call(to, max_quota_wait=60.0)
    slept = next(flow)
    assert isinstance(slept, Sleep)
    assert slept.wake is not None
    assert 60.0 == pytest.approx(slept.seconds)
    flow.close()


def test_the_first_answer_of_a_model_tells_all_workers_what_is_counted(
    server: Server, clock: Clock
) -> None:
    to, other = worker(server), worker(server)
    to.quota.max_first_answer_wait = other.quota.max_first_answer_wait = 1.0
    first, second = call(to, max_quota_wait=60.0), call(other, max_quota_wait=60.0)
    assert isinstance(next(first), Send)
    waiting = next(second)
    assert isinstance(waiting, Sleep)
    assert 0.1 == pytest.approx(waiting.seconds)
    clock.now += 0.5
    limits = (LimitReport("tokens", 60.0, 1_000.0, 20.0),)
    with pytest.raises(StopIteration):
        first.send(replace(says("Yes."), limits=limits))
    assert isinstance(second.send(None), Send)
    with pytest.raises(StopIteration):
        second.send(says("Yes."))
    assert [(1.0, 10.0)] * 2 == [each.spent for each in settled(server)]
    assert 1 == sum(isinstance(each, SetCounting) for batch in server.batches for each in batch)


def test_an_answer_that_tells_of_an_unknown_limit_tells_all_workers_at_once(
    server: Server, clock: Clock
) -> None:
    to = worker(server, None)
    to.quota.max_first_answer_wait = 1.0
    limits = (LimitReport("tokens", 60.0, 1_000.0, 20.0),)
    Drive(clock, [replace(says("Yes."), limits=limits)]).run(call(to, max_quota_wait=9.0))
    _, restored, _, note = (each for batch in server.batches for each in batch)
    (took,) = asked(server)
    assert ["requests"] == [each.unit for each in took.charges]
    assert RestoreUse((replace(tokens(20.0, 1_000.0), scope=MODEL),)) == restored
    assert SetCounting(MODEL, "tokens/60", counts_declared=False) == note


def test_a_refusal_that_tells_of_an_unknown_limit_lets_one_worker_go_first(
    server: Server, clock: Clock
) -> None:
    to = worker(server)
    used = LimitReport("requests", 60.0, 60.0, 60.0, is_refusal=True, wait=1.0)
    refused = RateLimitError("full", status=429, retry_after=1.0)
    refused.limits = (used,)
    with pytest.raises(RateLimitError):
        Drive(clock, [refused]).run(call(to))
    (restored,) = (e for batch in server.batches for e in batch if isinstance(e, RestoreUse))
    assert [(MODEL, "requests", 60.0, 60.0)] == [
        (each.scope, each.unit, each.amount, each.taken) for each in restored.charges
    ]


def test_what_all_workers_were_told_counts_whatever_one_has_seen(
    server: Server, clock: Clock
) -> None:
    for keeps in (True, False):
        to = worker(server)
        learn_from_fleet(to, Outcome("e", counting=(SetCounting(MODEL, "tokens/60", keeps),)))
        Drive(clock, [says("Yes.")]).run(call(to))
    (first, _) = asked(server)
    assert [first.charges[1].taken, 10.0] == [each.spent[1] for each in settled(server)]


def test_calls_that_wait_for_a_shared_quota_that_counts_too_much_tell_all_workers(
    server: Server, clock: Clock
) -> None:
    to = worker(server)
    limits = (LimitReport("tokens", 60.0, 1_000.0, 150.0),)
    notes: list[SetCounting] = []
    for _ in range(3):
        server.shared_quota.exchange(
            [RestoreUse((replace(tokens(1_000.0, 1_000.0), scope=MODEL),))]
        )
        Drive(clock, [replace(says("Yes."), limits=limits)]).run(call(to, max_quota_wait=60.0))
        notes += [
            each for batch in server.batches for each in batch if isinstance(each, SetCounting)
        ]
        server.batches.clear()
        clock.now += 30.0
    assert [SetCounting(MODEL, "tokens/60", counts_declared=False)] == notes


def test_a_call_that_waited_tells_what_is_in_use_at_most(server: Server, clock: Clock) -> None:
    to = worker(server)
    learn_from_fleet(to, Outcome("e", counting=(SetCounting(MODEL, "tokens/60", True),)))
    limits = (LimitReport("tokens", 60.0, 1_000.0, 150.0),)
    for _ in range(2):
        Drive(clock, [replace(says("Yes."), limits=limits)]).run(call(to, max_quota_wait=60.0))
        server.shared_quota.exchange(
            [RestoreUse((replace(tokens(1_000.0, 1_000.0), scope=MODEL),))]
        )
    taken = asked(server)[-1].charges[1].taken
    expected = [(None, None), (None, 150.0 + 1_000.0 / 60.0 + taken)]
    assert expected == [each.at_most for each in settled(server)]


def test_a_shared_quota_that_has_lost_what_is_counted_is_told_again(
    server: Server, clock: Clock
) -> None:
    to = worker(server)
    to.quota.max_first_answer_wait = 1.0
    learn_from_fleet(to, Outcome("e", counting=(SetCounting(MODEL, "tokens/60", False),)))
    limits = (LimitReport("tokens", 60.0, 1_000.0, 150.0),)
    Drive(clock, [replace(says("Yes."), limits=limits)]).run(call(to, max_quota_wait=9.0))
    notes = [each for batch in server.batches for each in batch if isinstance(each, SetCounting)]
    assert [SetCounting(MODEL, "tokens/60", counts_declared=False)] == notes


def test_a_first_answer_that_shows_nothing_tells_nothing(server: Server, clock: Clock) -> None:
    to = worker(server)
    to.quota.max_first_answer_wait = 1.0
    limits = (LimitReport("tokens", 60.0, 1_000.0, 70.0),)
    Drive(clock, [replace(says("Yes."), limits=limits)]).run(call(to, max_quota_wait=9.0))
    assert [] == [
        each for batch in server.batches for each in batch if isinstance(each, SetCounting)
    ]


def test_what_the_provider_says_to_be_used_is_told(server: Server, clock: Clock) -> None:
    to = worker(server)
    limits = (LimitReport("tokens", 60.0, 1_000.0, 800.0),)
    Drive(clock, [replace(says("Yes."), limits=limits)]).run(call(to))
    assert [(None, 800.0)] == [each.used for each in settled(server)]


def test_an_amount_that_is_learnt_to_be_lower_is_told_with_the_answer_that_tells_of_it(
    server: Server, clock: Clock
) -> None:
    to = worker(server)
    limits = (LimitReport("tokens", 60.0, 400.0, 0.0),)
    Drive(clock, [replace(says("Yes."), limits=limits)]).run(call(to))
    (took,), (settle,) = asked(server), settled(server)
    assert [30.0, 1_000.0] == [each.amount for each in took.charges]
    assert [30.0, 400.0] == [each.amount for each in settle.take.charges]
    # So it holds for a worker that does not know of it.
    (decision,) = server.shared_quota.exchange(
        [take("other", replace(tokens(500.0, 1_000.0), scope=MODEL))]
    ).decisions
    assert inf == decision.wait


def test_limits_that_others_know_are_told_as_the_shared_quotas(
    server: Server, clock: Clock
) -> None:
    to = worker(server)
    known = KnownLimit(MODEL, "input_tokens", 60.0, 500.0)
    for _ in range(2):
        learn_from_fleet(to, Outcome("e", limits=(known, replace(known, unit="tokens"))))
    to.quota.forget(0.0)
    learn_from_fleet(to, Outcome("e", limits=(known,)))
    Drive(clock, [says("Yes.")]).run(call(to))
    (took,) = asked(server)
    assert [("requests", False), ("tokens", False), ("input_tokens", True)] == [
        (each.unit, each.is_from_shared_quota) for each in took.charges
    ]


def test_an_account_without_a_fleet_has_nothing_to_note(clock: Clock) -> None:
    to = account(clock)
    known = KnownLimit(MODEL, "tokens", 60.0, 500.0)
    learn_from_fleet(
        to, Outcome("e", limits=(known,), counting=(SetCounting(MODEL, "tokens/60", True),))
    )
    assert ["RPM", "TPM"] == [each.name for each in to.headroom(MODEL)]


def test_too_many_limits_that_others_know_are_dropped(server: Server) -> None:
    to = worker(server)
    for n in range(20):
        learn_from_fleet(
            to, Outcome("e", limits=(KnownLimit(MODEL, "tokens", 1.5 ** (n + 20), 9.0),))
        )
    assert 10 == len(to.headroom(MODEL))


def test_headroom_is_what_the_fleet_has_left(server: Server, clock: Clock) -> None:
    use(server, 600.0)
    to = worker(server)
    Drive(clock, [says("Yes.")]).run(call(to))
    tokens_left = next(each for each in to.headroom(MODEL) if each.unit == "tokens")
    # All that the call has declared and not spent is there again, though it is not told yet.
    assert 400.0 - 10.0 == tokens_left.left
    assert 36.0 + 10.0 * 0.06 == pytest.approx(tokens_left.full_in)


def test_what_fails_as_it_is_settled_leaves_nothing_taken(
    server: Server, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    to = worker(server)

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(to.quota, "settle", fail)
    with pytest.raises(ZeroDivisionError):
        Drive(clock, [says("Yes.")]).run(call(to))
    assert [(0.0, 0.0)] == [each.spent for each in settled(server)]


def test_an_account_joins_a_fleet_where_a_knob_says_so(clock: Clock) -> None:
    alone = account(clock)
    join_fleet(alone, Knobs(), "key")
    assert alone.fleet is None
    join_fleet(alone, Knobs(LLM_QUOTA_URL="redis://:secret@localhost/0"), "key")
    assert "RedisSharedQuota('redis://localhost/0')" == repr(alone.fleet._shared_quota)  # type: ignore[attr-defined]  # set by then


def test_a_url_that_leads_nowhere_is_named(clock: Clock) -> None:
    with pytest.raises(ConfigurationError, match="LLM_QUOTA_URL: http://here is not a Redis URL"):
        join_fleet_at(account(clock), "http://here", 0.5, "key")


def test_a_shared_quota_keeps_no_account_alive(clock: Clock) -> None:
    to = account(clock)
    join_fleet_at(to, "redis://localhost/0", 0.5, "key")
    assert to.fleet is not None
    tell = to.fleet._learn
    tell(Outcome("e", retired=((OLD, 60.0),)))
    assert to.ended.get(OLD, clock.now)
    del to
    gc.collect()
    tell(Outcome("e", retired=((OLD, 60.0),)))
