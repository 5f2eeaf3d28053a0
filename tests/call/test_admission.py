"""What one attempt took is given back once, whoever gives it back first."""

from __future__ import annotations

import pytest

from services.llm.account.account import Account
from services.llm.account.token_estimator import Estimate
from services.llm.call import admission as admission_module
from services.llm.call.admission import Admission
from services.llm.effects import Send, Sleep
from services.llm.errors import ContextLengthError, LLMTimeoutError, RateLimitError
from services.llm.quota import LearnedLimit, Quota, Reservation
from tests.call.calls import MODEL, REQUEST, ManyKeys, call, many_keys
from tests.call.scripted import Clock, Drive, account, says


def reserved(to: Account, clock: Clock) -> Admission:
    """Return the admission of an attempt that has its reservation, and no permit."""
    admission = Admission(to, {"requests": 1.0, "tokens": 5.0}, Estimate(MODEL, (), 5))
    reservation = to.quota.reserve(MODEL, admission.demand, clock.now)
    assert isinstance(reservation, Reservation)
    admission.reservation = reservation
    return admission


def test_what_was_given_back_already_is_not_given_back_again() -> None:
    clock = Clock()
    to = account(clock)
    attempt = reserved(to, clock)
    attempt.permit = to.concurrency.acquire()
    attempt.cancel()
    attempt.cancel()
    attempt.close()


def full(to: Account, clock: Clock, ends_in: float) -> None:
    """Let the window be full for so many seconds more."""
    to.window.amount = 1
    to.window.times.append(clock.now - 60.0 + ends_in)


def test_a_wait_of_less_than_a_second_is_too_long_for_who_has_no_patience() -> None:
    clock = Clock()
    to = account(clock)
    full(to, clock, 0.5)
    with pytest.raises(RateLimitError, match=r"Please wait 0\.5 seconds"):
        Drive(clock, []).run(call(to))


def test_a_wait_of_less_than_a_second_is_slept_out() -> None:
    clock = Clock()
    to = account(clock)
    full(to, clock, 0.5)
    drive = Drive(clock, [says("Yes.")])
    drive.run(call(to, max_quota_wait=0.5))
    assert [0.5] == drive.slept


@pytest.mark.parametrize(("left", "is_sent"), [(0.5, True), (0.0, False)])
def test_after_an_outage_only_what_has_time_left_is_sent(left: float, is_sent: bool) -> None:
    clock = Clock()
    to = account(clock)
    to.outages.begin(MODEL, clock.now + 1.0)
    waiting = call(to, timeout=9.0)
    next(waiting)
    clock.now += 9.0 - left
    if is_sent:
        assert Send(REQUEST, left) == waiting.send(None)
        waiting.close()
    else:
        full(to, clock, 30.0)  # which is not what ends it
        with pytest.raises(LLMTimeoutError):
            waiting.send(None)


@pytest.mark.parametrize(("left", "is_sent"), [(0.5, True), (0.0, False)])
def test_a_permit_is_of_use_to_what_has_time_left(left: float, is_sent: bool) -> None:
    clock = Clock()
    to = account(clock)
    permits = [to.concurrency.acquire() for _ in range(to.concurrency.free)]
    waiting = call(to, timeout=9.0)
    next(waiting)
    clock.now += 9.0 - left
    to.concurrency.release(permits.pop())
    if is_sent:
        assert Send(REQUEST, left) == waiting.send(None)
        waiting.close()
    else:
        with pytest.raises(LLMTimeoutError):
            waiting.send(None)
    assert 1 == to.concurrency.free


def test_a_pause_of_less_than_a_second_that_begins_meanwhile_is_slept_out() -> None:
    clock = Clock()
    to = account(clock)
    permits = [to.concurrency.acquire() for _ in range(to.concurrency.free)]
    waiting = call(to, max_quota_wait=10.0)
    next(waiting)
    to.quota.pause(MODEL, clock.now + 0.5)
    to.concurrency.release(permits.pop())
    again = waiting.send(None)
    assert isinstance(again, Sleep)
    assert (0.5, "quota") == (again.seconds, again.reason)
    clock.now += 0.5
    assert isinstance(waiting.send(None), Send)
    waiting.close()


def test_who_waits_for_a_limit_that_is_lowered_below_the_demand_is_told_by_how_much() -> None:
    clock, limit = Clock(), LearnedLimit(200, 60.0, "tokens")
    to = account(clock, quota=Quota((), lambda: [limit]))
    limit.correct(200, clock.now, settled_since=0.0)
    waiting = call(to, max_quota_wait=60.0)
    assert isinstance(next(waiting), Sleep)
    limit.amount = 100
    clock.now += 60.0
    with pytest.raises(ContextLengthError, match=r"more than the whole limit of 100 \(TPM"):
        waiting.send(None)


def test_who_waits_for_the_probe_with_less_than_a_second_left_waits_for_it() -> None:
    clock = Clock()
    to = account(clock)
    to.outages.begin(MODEL, clock.now)
    probe = call(to)
    assert isinstance(next(probe), Send)
    waiting = next(call(to, timeout=0.5))
    assert isinstance(waiting, Sleep)
    assert (0.5, "retry") == (waiting.seconds, waiting.reason)
    probe.close()


def used(to: ManyKeys, scope: str, at: float) -> None:
    """Let *scope* have carried a request at this moment."""
    reservation = to.quota.reserve(scope, {"requests": 1.0}, at)
    assert isinstance(reservation, Reservation)
    to.quota.try_start(reservation, at)
    to.quota.settle(reservation, {}, at, at)


def test_a_key_that_is_free_now_goes_before_one_that_is_free_in_less_than_a_second() -> None:
    clock = Clock()
    to, drive = many_keys(clock), Drive(clock, [says("Yes.")])
    used(to, "first", clock.now)
    clock.now += 59.5
    drive.run(call(to, max_quota_wait=60.0))
    assert (["key of the second"], []) == ([each.key for each in drive.sent], drive.slept)


@pytest.mark.parametrize(
    ("later", "key"), [(0.0, "first"), (0.5, "second"), (-0.5, "first"), (0.0005, "first")]
)
def test_the_key_that_is_free_first_is_waited_for_and_of_two_alike_the_one_in_turn(
    later: float, key: str
) -> None:
    clock = Clock()
    to, drive = many_keys(clock), Drive(clock, [says("Yes.")])
    began = clock.now
    moments = {"first": began + max(later, 0.0), "second": began + max(-later, 0.0)}
    for scope in sorted(moments, key=moments.__getitem__):
        used(to, scope, moments[scope])
    clock.now = began + 1.0
    drive.run(call(to, max_quota_wait=60.0))
    assert [f"key of the {key}"] == [each.key for each in drive.sent]


def test_a_key_that_is_free_no_earlier_than_the_tie_allows_is_not_preferred(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(admission_module, "_TIE", 0.5)
    clock = Clock()
    to, drive = many_keys(clock), Drive(clock, [says("Yes.")])
    used(to, "second", clock.now)
    used(to, "first", clock.now + 0.5)
    clock.now += 1.0
    drive.run(call(to, max_quota_wait=60.0))
    assert ["key of the first"] == [each.key for each in drive.sent]


def test_who_can_wait_lets_the_first_call_tell_of_the_limits_of_the_only_scope() -> None:
    clock = Clock()
    to = account(clock)
    to.quota.max_first_answer_wait = 3.0
    first, second = (call(to, max_quota_wait=9.0) for _ in range(2))
    assert isinstance(next(first), Send)
    waiting = next(second)
    assert isinstance(waiting, Sleep)
    assert (3.0, "quota") == (waiting.seconds, waiting.reason)
    first.close()
    second.close()


class Path:
    """How long requests take to the provider, as it is observed."""

    seconds = 0.0

    def __init__(self) -> None:
        self.observed: list[tuple[float, float | None]] = []

    def observe(self, took: float, processing: float | None) -> None:
        self.observed.append((took, processing))


def test_how_long_an_answer_took_is_counted_from_its_sending() -> None:
    clock, path = Clock(), Path()
    to = account(clock, transit_time=path)
    asked = call(to)
    next(asked)
    clock.now += 2.5
    with pytest.raises(StopIteration):
        asked.send(says("Yes."))
    assert [(2.5, None)] == path.observed


def test_a_stream_counts_from_its_first_piece_on_and_by_what_came_of_it() -> None:
    clock = Clock()
    to = account(clock)
    admission = reserved(to, clock)
    assert 0.0 == admission.start()
    assert clock.now == admission.mark_sent(MODEL)
    admission.received_at = clock.now + 2.0
    admission.partly_spent = {"tokens": 3.0}
    clock.now += 9.0
    admission.close()
    assert [1_002.0] == to.window.times


def test_an_attempt_of_which_nothing_is_known_counts_as_received_at_its_end() -> None:
    clock = Clock()
    to = account(clock)
    admission = reserved(to, clock)
    admission.start()
    admission.mark_sent(MODEL)
    clock.now += 9.0
    admission.close()
    assert [1_009.0] == to.window.times
