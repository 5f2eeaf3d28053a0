"""A request's life as a list of effects: no wire, no clock, no sleep."""

from __future__ import annotations

from functools import partial

import pytest

from services.llm import models
from services.llm.account.account import Account
from services.llm.call import lifecycle, retry
from services.llm.call.call_policy import CallPolicy
from services.llm.effects import Send, Sleep
from services.llm.errors import (
    ConfigurationError,
    ContextLengthError,
    InvalidRequestError,
    LLMError,
    ModelNotFoundError,
    ProviderUnavailableError,
    RateLimitError,
    RetriesExhaustedError,
    Retry,
    TruncatedError,
)
from services.llm.ledger.usage import UsageEntry
from services.llm.quota import Quota, SlidingWindow, TokenBucketLimit
from services.llm.types import Reply, Request
from tests.call.calls import MODEL, REQUEST, assert_all_is_free, call, limited, unavailable
from tests.call.scripted import Clock, Drive, account, says


@pytest.fixture(autouse=True)
def _no_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "JITTER", 0.0)


def test_a_call_is_one_send_with_all_the_time_there_is() -> None:
    clock = Clock()
    to, drive = account(clock), Drive(clock, [says("Yes.")])
    reply = drive.run(call(to, timeout=9.0))
    assert [Send(REQUEST, 9.0)] == drive.effects
    assert ("Yes.", 1, 10) == (reply.text, len(reply.attempts), reply.usage.total_tokens)
    assert_all_is_free(to, used=1)


def test_one_attempt_may_have_less_time_than_the_call() -> None:
    clock = Clock()
    drive = Drive(clock, [says("Yes.")])
    drive.run(call(account(clock), attempt_timeout=4.0))
    assert [Send(REQUEST, 4.0)] == drive.effects


def test_a_passing_fault_is_waited_out_and_asked_again() -> None:
    clock = Clock()
    to, drive = account(clock), Drive(clock, [unavailable(), unavailable(), says("Yes.")])
    reply = drive.run(call(to, timeout=9.0))
    again = [Send(REQUEST, 9.0), Sleep(0.5, "retry"), Send(REQUEST, 8.5)]
    assert [*again, Sleep(1.0, "retry"), Send(REQUEST, 7.5)] == drive.effects
    assert [0.0, 0.5, 1.0] == [attempt.retry_wait for attempt in reply.attempts]
    assert_all_is_free(to, used=3)


def test_the_last_failure_is_raised_with_every_attempt() -> None:
    clock, last = Clock(), unavailable()
    with pytest.raises(ProviderUnavailableError) as caught:
        Drive(clock, [unavailable(), last]).run(call(account(clock), attempts=2))
    assert caught.value is last
    assert [1, 2] == [attempt.number for attempt in last.attempts]


def test_who_asked_for_attempts_is_told_that_they_are_used_up() -> None:
    clock, last = Clock(), unavailable()
    drive = Drive(clock, [unavailable(), last])
    with pytest.raises(RetriesExhaustedError, match="Failed after 2 attempts: Service") as caught:
        drive.run(call(account(clock), attempts=2, has_requested_attempts=True))
    assert ([1.0], last) == (drive.slept, caught.value.__cause__)


def test_a_fatal_failure_is_raised_at_once() -> None:
    clock = Clock()
    drive = Drive(clock, [InvalidRequestError("No", status=400)])
    with pytest.raises(InvalidRequestError):
        drive.run(call(account(clock)))
    assert (1, []) == (len(drive.sent), drive.slept)


def test_a_full_window_is_queued_for_by_who_has_the_patience() -> None:
    clock = Clock()
    to = account(clock, requests=1)
    Drive(clock, [says("One.")]).run(call(to))
    drive = Drive(clock, [says("Two.")])
    reply = drive.run(call(to, max_quota_wait=60.0))
    assert [60.0] == drive.slept
    assert (60.0, 60.0) == (reply.attempts[0].quota_wait, reply.latency)
    with pytest.raises(RateLimitError, match=r"Please wait 60\.0 seconds"):
        Drive(clock, []).run(call(to, max_quota_wait=59.0))


def test_the_wait_for_the_quota_ends_when_the_moment_comes_nearer() -> None:
    clock = Clock()
    to = account(clock, requests=1)
    Drive(clock, [says("One.")]).run(call(to))
    second, third = call(to, max_quota_wait=120.0), call(to, max_quota_wait=120.0)
    next(second)
    told = next(third)
    assert isinstance(told, Sleep)
    assert (120.0, "quota", False) == (told.seconds, told.reason, told.wake and told.wake.done())
    clock.now += 10
    second.close()
    assert told.wake is not None
    assert told.wake.done()
    nearer = third.send(None)
    assert isinstance(nearer, Sleep)
    assert 50.0 == nearer.seconds
    clock.now += 50
    assert isinstance(third.send(None), Send)


def test_a_wait_that_grew_beyond_the_patience_is_given_up() -> None:
    clock = Clock()
    to = account(clock, requests=1)
    Drive(clock, [says("One.")]).run(call(to))
    waiting = call(to, max_quota_wait=60.0)
    next(waiting)
    clock.now += 60
    to.quota.pause(MODEL, clock.now + 90)
    with pytest.raises(RateLimitError, match=r"Please wait 90\.0 seconds"):
        waiting.send(None)
    assert_all_is_free(to, used=0)


def test_what_no_limit_can_ever_hold_is_not_waited_for() -> None:
    clock = Clock()
    window = SlidingWindow(30, 60.0)
    to = account(clock)
    to.quota = Quota((window,), lambda: [TokenBucketLimit(50, 60.0, "tokens")])
    with pytest.raises(ContextLengthError, match=r"more than the whole limit of 50 \(TPM\)"):
        Drive(clock, []).run(call(to, max_quota_wait=1000.0))


def test_a_429_is_waited_out_as_a_matter_of_quota() -> None:
    clock = Clock()
    drive = Drive(clock, [limited(7.0), says("Yes.")])
    reply = drive.run(call(account(clock), max_quota_wait=10.0))
    assert ([7.0], 7.0) == (drive.slept, reply.attempts[1].quota_wait)


def test_two_429s_share_one_patience() -> None:
    clock = Clock()
    drive = Drive(clock, [limited(7.0), limited(7.0)])
    with pytest.raises(RateLimitError):
        drive.run(call(account(clock), max_quota_wait=10.0))
    assert [7.0] == drive.slept


def test_a_throttle_that_would_be_retried_is_not_where_its_time_is_known_and_too_long() -> None:
    clock = Clock()
    throttled = RateLimitError("Slow down", status=429, retry_after=7.0, retry=Retry.AFTER_BACKOFF)
    with pytest.raises(RateLimitError):
        Drive(clock, [throttled]).run(call(account(clock)))


def gone() -> LLMError:
    error = ModelNotFoundError("gone", status=404)
    error.end_of_life = True
    return error


def test_a_successor_is_asked_at_once_and_remembered() -> None:
    clock = Clock()
    to = account(clock)
    request = Request("mixtral-8x7b-32768", REQUEST.messages, 0.7, 100)
    get_reply = partial(lifecycle.fetch_reply, request)
    outcomes: list[Reply | BaseException] = [gone(), says("Yes."), says("Yes.")]
    drive = Drive(clock, iter(outcomes))
    for _ in range(2):
        policy = CallPolicy(lambda: retry.transient_errors(3), 120.0)
        drive.run(lifecycle.run_call(policy, to, get_reply))
    assert ["mixtral-8x7b-32768", MODEL, MODEL] == [sent.model for sent in drive.sent]
    assert [] == drive.slept


def test_the_tokens_of_a_truncated_answer_are_entered() -> None:
    clock, truncated = Clock(), TruncatedError("cut", status=200)
    truncated.partial = says("Half of a")
    with pytest.raises(TruncatedError) as caught:
        Drive(clock, [truncated]).run(call(account(clock)))
    assert (10, 200) == (caught.value.usage.total_tokens, caught.value.attempts[0].status)


def test_what_was_refused_before_it_was_sent_is_no_attempt_and_takes_no_slot() -> None:
    clock = Clock()
    to = account(clock)
    with pytest.raises(InvalidRequestError) as caught:
        Drive(clock, [InvalidRequestError("no such option")]).run(call(to))
    assert () == caught.value.attempts
    assert_all_is_free(to, used=0)


def test_a_flow_touches_nothing_before_it_is_driven() -> None:
    clock = Clock()
    to = account(clock)
    call(to).close()
    assert_all_is_free(to, used=0)


@pytest.mark.parametrize(("timeout", "slept"), [(0.5, []), (0.75, [0.5])])
def test_a_wait_that_would_take_all_the_time_there_is_left_is_not_begun(
    timeout: float, slept: list[float]
) -> None:
    clock, last = Clock(), unavailable()
    drive = Drive(clock, [last] if not slept else [unavailable(), last])
    with pytest.raises(ProviderUnavailableError) as caught:
        drive.run(call(account(clock), timeout=timeout))
    assert (True, slept) == (caught.value is last, drive.slept)


def test_an_attempt_has_the_price_of_its_model_and_a_call_that_of_its_answer() -> None:
    clock = Clock()
    drive = Drive(clock, [unavailable(), says("Yes.")])
    reply = drive.run(call(account(clock)))
    price = models.cost(MODEL, reply.usage, None)
    assert price
    assert (price, price) == (reply.cost, reply.attempts[1].cost)


class Kept:
    """A ledger that keeps what is added."""

    def __init__(self) -> None:
        self.entries: list[UsageEntry] = []

    def add(self, entry: UsageEntry) -> None:
        self.entries.append(entry)

    @property
    def sums(self) -> list[tuple[str, int, int, int, int]]:
        """The model of each entry, its attempts, calls, failed calls and tokens."""
        return [
            (
                *(each.key.model, each.sums.attempts, each.sums.calls, each.sums.failed),
                each.sums.input_tokens + each.sums.output_tokens,
            )
            for each in self.entries
        ]


def kept(to: Account) -> Kept:
    """What *to* adds to a ledger from now on."""
    ledger = Kept()
    to.ledger = ledger  # type: ignore[assignment] # as much of one as is used
    return ledger


def test_each_attempt_and_the_call_are_added_to_the_ledger_as_they_end() -> None:
    clock = Clock()
    to = account(clock)
    ledger = kept(to)
    Drive(clock, [unavailable(), says("Yes.")]).run(call(to))
    attempts = [(MODEL, 1, 0, 0, 0), (MODEL, 1, 0, 0, 10)]
    assert [*attempts, (MODEL, 0, 1, 0, 0)] == ledger.sums


@pytest.mark.parametrize(
    ("outcome", "attempts"),
    [
        (ConfigurationError("no"), 0),
        (InvalidRequestError("no", status=400), 1),
        (KeyboardInterrupt(), 1),
    ],
)
def test_a_call_that_failed_is_added_to_the_ledger_under_the_model_that_was_asked(
    outcome: BaseException, attempts: int
) -> None:
    clock = Clock()
    to = account(clock)
    ledger = kept(to)
    with pytest.raises(type(outcome)):
        Drive(clock, [outcome]).run(call(to))
    assert [(MODEL, 1, 0, 0, 0)] * attempts + [(MODEL, 0, 1, 1, 0)] == ledger.sums
