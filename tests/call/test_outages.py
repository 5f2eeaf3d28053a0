"""After an outage one call asks first, and the others wait until that is back."""

from __future__ import annotations

import pytest

from services.llm.account.outages import Outages
from services.llm.effects import Send, Sleep
from services.llm.errors import InvalidRequestError, LLMError, LLMTimeoutError
from services.llm.runtime import fork
from tests.call.calls import MODEL, assert_all_is_free, call, limited, unavailable
from tests.call.scripted import Clock, Drive, account, says

HERE, THERE = "here", "there"


def test_nobody_calls_before_an_outage_has_passed() -> None:
    outages = Outages()
    outages.begin(HERE, 10.0)
    outages.begin(HERE, 5.0)
    assert [4.0, 0.0, 0.0] == [outages.wait(HERE, now) for now in (6.0, 10.0, 11.0)]
    assert [False, True] == [outages.acquire_probe(HERE, "call", now) for now in (9.9, 10.0)]
    assert (0.0, True) == (outages.wait(THERE, 0.0), outages.acquire_probe(THERE, "call", 0.0))


def test_one_call_goes_first_and_may_ask_whether_it_is_that_again() -> None:
    outages = Outages()
    outages.begin(HERE, 10.0)
    assert [True, False, True] == [
        outages.acquire_probe(HERE, who, 10.0) for who in ("a", "b", "a")
    ]


def test_an_answer_ends_the_outage_and_wakes_all_who_wait() -> None:
    outages = Outages()
    outages.begin(HERE, 10.0)
    assert outages.probe_returned(HERE) is None
    outages.acquire_probe(HERE, "probe", 10.0)
    waiting = [outages.probe_returned(HERE) for _ in range(3)]
    left = waiting[1]
    assert left is not None
    left.cancel()
    outages.end(HERE, 10.0)
    outages.release_probe("probe")
    assert all(each is not None and each.done() for each in waiting)
    assert all(outages.acquire_probe(HERE, who, 10.0) for who in ("a", "b"))


def test_a_probe_without_an_answer_lets_the_next_one_go_first() -> None:
    outages = Outages()
    outages.begin(HERE, 10.0)
    outages.acquire_probe(HERE, "probe", 10.0)
    waiting = outages.probe_returned(HERE)
    outages.release_probe("another")
    assert waiting is not None
    assert not waiting.done()
    outages.release_probe("probe")
    assert waiting.done()
    assert [True, False] == [outages.acquire_probe(HERE, who, 10.0) for who in ("next", "probe")]


def test_an_answer_to_an_earlier_call_does_not_end_an_outage_before_its_time() -> None:
    outages = Outages()
    outages.begin(HERE, 10.0)
    outages.end(HERE, 9.9)
    outages.end(THERE, 9.9)
    assert {HERE: pytest.approx(0.1)} == outages.known(9.9)


def test_the_outages_are_bounded_and_can_be_dropped() -> None:
    outages = Outages()
    for number in range(1_100):
        outages.begin(f"scope {number}", 1_000.0 + number)
    outages.begin("scope 1099", 9_999.0)
    assert 1_024 == len(outages.known(0.0))
    assert "scope 0" not in outages.known(0.0)
    outages.acquire_probe("scope 500", "probe", 1_500.0)
    waiting = outages.probe_returned("scope 500")
    outages.clear()
    assert waiting is not None
    assert waiting.done()
    assert {} == outages.known(0.0)


def test_who_waits_for_an_outage_that_there_is_no_room_for_may_call() -> None:
    outages = Outages()
    for number in range(1_024):
        outages.begin(f"scope {number}", 10.0 + number)
    outages.acquire_probe("scope 0", "probe", 10.0)
    waiting = outages.probe_returned("scope 0")
    assert waiting is not None
    outages.begin("scope 1023", 9_999.0)
    assert not waiting.done()
    outages.begin("one more", 9_999.0)
    assert (True, True) == (waiting.done(), outages.acquire_probe("scope 0", "next", 10.0))


def test_of_two_moments_the_later_one_counts_and_none_is_known_from_it_on() -> None:
    outages = Outages()
    outages.begin(HERE, 5.0)
    outages.begin(HERE, 10.0)
    assert [{HERE: 1.0}, {}] == [outages.known(now) for now in (9.0, 10.0)]


def test_a_child_does_not_wait_for_its_parents_probe() -> None:
    outages = Outages()
    outages.begin(HERE, 10.0)
    outages.acquire_probe(HERE, "the parent's", 10.0)
    fork._resets[outages](outages)
    assert (None, True) == (
        outages.probe_returned(HERE),
        outages.acquire_probe(HERE, "the child's", 10.0),
    )


@pytest.mark.parametrize(
    ("outcome", "ends"),
    [
        (says("Yes."), True),
        (limited(), True),
        (InvalidRequestError("no", status=400), True),
        (unavailable(), False),
        (LLMTimeoutError("slow"), False),
        (KeyboardInterrupt(), False),
    ],
)
def test_the_others_wait_for_the_outcome_of_the_first(outcome: object, ends: bool) -> None:
    clock = Clock()
    to = account(clock)
    to.outages.begin(MODEL, clock.now + 5)
    first, second, third = (call(to, attempts=1) for _ in range(3))
    assert [Sleep(5.0, "retry")] * 3 == [next(each) for each in (first, second, third)]
    clock.now += 5
    assert isinstance(first.send(None), Send)
    held = [each.send(None) for each in (second, third)]
    assert all(isinstance(each, Sleep) and each.wake is not None for each in held)
    if isinstance(outcome, BaseException):
        with pytest.raises(type(outcome)):
            first.throw(outcome)
    else:
        with pytest.raises(StopIteration):
            first.send(outcome)
    assert all(isinstance(each, Sleep) and each.wake and each.wake.done() for each in held)
    assert isinstance(second.send(None), Send)
    assert isinstance(third.send(None), Send if ends else Sleep)
    second.close()
    third.close()


def test_who_waits_for_the_first_keeps_to_its_own_deadline() -> None:
    clock = Clock()
    to = account(clock)
    to.outages.begin(MODEL, clock.now)
    first = call(to)
    assert isinstance(next(first), Send)
    drive = Drive(clock, [])
    with pytest.raises(LLMError, match="No answer within 30 seconds"):
        drive.run(call(to, timeout=30.0))
    assert ([30.0], []) == (drive.slept, drive.sent)
    with pytest.raises(StopIteration):
        first.send(says("Yes."))
    assert_all_is_free(to, used=1)


def test_a_call_that_gives_up_before_it_is_sent_lets_another_go_first() -> None:
    clock = Clock()
    to = account(clock)
    to.outages.begin(MODEL, clock.now)
    first = call(to)
    next(first)
    first.close()
    assert "Yes." == Drive(clock, [says("Yes.")]).run(call(to)).text
    assert {} == to.learned().outages
