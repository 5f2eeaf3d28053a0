"""Outages, places on the wire, lanes and cancellation, as a list of effects."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from services.llm.account.account import Account
from services.llm.account.concurrency import Permit
from services.llm.effects import Send, Sleep
from services.llm.errors import LLMTimeoutError, ProviderUnavailableError
from tests.call.calls import MODEL, REQUEST, assert_all_is_free, call, many_keys
from tests.call.scripted import Clock, Drive, account, says


def test_an_outage_is_waited_for_before_anything_is_reserved() -> None:
    clock = Clock()
    to = account(clock)
    to.outages.begin(MODEL, clock.now + 5)
    drive = Drive(clock, [says("Yes.")])
    reply = drive.run(call(to))
    assert ([5.0], 5.0) == (drive.slept, reply.attempts[0].retry_wait)


def test_an_outage_that_lasts_longer_meanwhile_is_waited_for_to_its_end() -> None:
    clock = Clock()
    to = account(clock)
    to.outages.begin(MODEL, clock.now + 5)
    waiting = call(to)
    assert Sleep(5.0, "retry") == next(waiting)
    clock.now += 5
    to.outages.begin(MODEL, clock.now + 3)
    assert Sleep(3.0, "retry") == waiting.send(None)
    clock.now += 3
    assert isinstance(waiting.send(None), Send)


def test_an_outage_that_begins_in_the_queue_is_waited_for_too() -> None:
    clock = Clock()
    to = account(clock, requests=1)
    Drive(clock, [says("One.")]).run(call(to))
    waiting = call(to, max_quota_wait=60.0)
    next(waiting)
    clock.now += 60
    to.outages.begin(MODEL, clock.now + 4)
    assert Sleep(4.0, "retry") == waiting.send(None)
    clock.now += 4
    assert isinstance(waiting.send(None), Send)


def test_an_outage_beyond_the_deadline_is_an_error_that_says_until_when() -> None:
    clock = Clock()
    to = account(clock)
    to.outages.begin(MODEL, clock.now + 50)
    drive = Drive(clock, [])
    with pytest.raises(ProviderUnavailableError, match=r"another 50\.0 seconds") as caught:
        drive.run(call(to, timeout=50.0))
    assert (50.0, (), []) == (caught.value.retry_after, caught.value.attempts, drive.effects)


def inside(to: Account) -> list[Permit]:
    """Take every place on the wire."""
    return [to.concurrency.acquire() for _ in range(to.concurrency._size)]


def test_a_place_on_the_wire_is_waited_for_without_a_reservation_being_lost() -> None:
    clock = Clock()
    to = account(clock)
    places = inside(to)
    waiting = call(to, timeout=9.0)
    first = next(waiting)
    assert isinstance(first, Sleep)
    assert (9.0, "concurrency") == (first.seconds, first.reason)
    clock.now += 2
    to.concurrency.release(places.pop())
    assert Send(REQUEST, 7.0) == waiting.send(None)
    with pytest.raises(StopIteration) as done:
        waiting.send(says("Yes."))
    assert 2.0 == done.value.value.attempts[0].quota_wait


def test_an_outage_that_begins_while_a_place_is_waited_for_gives_the_place_up() -> None:
    clock = Clock()
    to = account(clock)
    places = inside(to)
    waiting = call(to)
    next(waiting)
    to.outages.begin(MODEL, clock.now + 4)
    to.concurrency.release(places.pop())
    assert Sleep(4.0, "retry") == waiting.send(None)
    assert to.concurrency.acquire().done()


def test_a_pause_that_begins_while_a_place_is_waited_for_gives_the_place_up() -> None:
    clock = Clock()
    to = account(clock)
    places = inside(to)
    waiting = call(to, max_quota_wait=10.0)
    next(waiting)
    to.quota.pause(MODEL, clock.now + 4)
    to.concurrency.release(places.pop())
    again = waiting.send(None)
    assert isinstance(again, Sleep)
    assert (4.0, "quota") == (again.seconds, again.reason)
    assert to.concurrency.acquire().done()


def test_a_place_that_is_not_free_by_the_deadline_is_not_taken() -> None:
    clock = Clock()
    to = account(clock)
    inside(to)
    with pytest.raises(LLMTimeoutError, match="No answer within 9 seconds"):
        Drive(clock, []).run(call(to, timeout=9.0))
    assert 0 == len(to.window.pending)


def test_a_call_without_any_time_left_is_not_sent() -> None:
    clock = Clock()
    to = account(clock)
    late = call(to, timeout=9.0)
    to.outages.begin(MODEL, clock.now + 1)
    next(late)
    clock.now += 9
    with pytest.raises(LLMTimeoutError):
        late.send(None)


def test_the_scope_that_is_free_carries_the_request_with_its_own_key() -> None:
    clock = Clock()
    to, drive = many_keys(clock), Drive(clock, [says("One."), says("Two."), says("Three.")])
    for wait in (0, 5, 0):
        drive.run(call(to, max_quota_wait=60.0))
        clock.now += wait
    keys = ["key of the first", "key of the second", "key of the first"]
    assert keys == [request.key for request in drive.sent]
    assert [55.0] == drive.slept


def test_a_scope_that_is_lost_while_it_is_waited_for_is_exchanged() -> None:
    clock = Clock()
    to = many_keys(clock)
    for _ in range(2):
        Drive(clock, [says("One.")]).run(call(to))
    waiting = call(to, max_quota_wait=61.0)
    next(waiting)
    clock.now += 60
    to.lost = frozenset({"first"})
    sent = waiting.send(None)
    assert isinstance(sent, Send)
    assert "key of the second" == sent.request.key


@pytest.mark.parametrize(
    ("failure", "used"),
    [
        (asyncio.CancelledError(), 1),
        (KeyboardInterrupt(), 1),
        (GeneratorExit(), 1),
        (TypeError("a bug"), 1),
    ],
)
def test_what_was_cancelled_on_the_wire_counts_and_holds_nothing(
    failure: BaseException, used: int
) -> None:
    clock = Clock()
    to = account(clock)
    with pytest.raises(type(failure)):
        Drive(clock, [failure]).run(call(to))
    assert_all_is_free(to, used)


def _queued(to: Account, clock: Clock) -> None:
    to.window.amount = 0.0 + len(to.window.times)


def _gated(to: Account, clock: Clock) -> None:
    inside(to)


def _out(to: Account, clock: Clock) -> None:
    to.outages.begin(MODEL, clock.now + 5)


@pytest.mark.parametrize("hold", [_queued, _gated, _out])
def test_what_is_cancelled_while_it_waits_was_never_there(
    hold: Callable[[Account, Clock], None],
) -> None:
    clock = Clock()
    to = account(clock)
    Drive(clock, [says("One.")]).run(call(to))
    hold(to, clock)
    free = to.concurrency.free
    waiting = call(to, max_quota_wait=100.0)
    assert isinstance(next(waiting), Sleep)
    with pytest.raises(asyncio.CancelledError):
        waiting.throw(asyncio.CancelledError())
    assert (1, 0, free) == (len(to.window.times), len(to.window.pending), to.concurrency.free)
