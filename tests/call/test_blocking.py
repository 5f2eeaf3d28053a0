"""What blocks is asked in threads of the library's own, and waited for until its time is over."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from typing import Any

import pytest

from services.llm.effects import Overdue, RunBlocking
from services.llm.runtime import blocking
from services.llm.runtime.blocking import BlockingCall, run_in_thread
from services.llm.runtime.workers import Workers
from tests.timing import with_more_time

HANG = 30.0


def _awaited(ask: RunBlocking) -> Any:
    async def waiting() -> Any:
        return await BlockingCall(ask).aresult()

    return asyncio.run(waiting())


def _here(ask: RunBlocking) -> Any:
    return BlockingCall(ask).result()


both = pytest.mark.parametrize("answer", [_here, _awaited], ids=["thread", "task"])
Answer = Callable[[RunBlocking], Any]


@pytest.fixture
def hanging() -> Iterator[threading.Event]:
    """What a store that hangs waits for; it comes after the test."""
    released = threading.Event()
    yield released
    released.set()


@both
def test_what_is_answered_in_time_is_the_answer(answer: Answer) -> None:
    assert 7 == answer(RunBlocking(lambda: 7, HANG))


@both
def test_what_is_raised_is_raised(answer: Answer) -> None:
    def fail() -> None:
        raise KeyError("no")

    with pytest.raises(KeyError):
        answer(RunBlocking(fail, HANG))


@both
def test_what_hangs_is_left_at_its_time_and_blamed(
    answer: Answer, hanging: threading.Event
) -> None:
    def scene(seconds: float) -> None:
        began = time.monotonic()
        with pytest.raises(Overdue) as late:
            answer(RunBlocking(hanging.wait, seconds))  # blamed if it has begun in half of it
        assert seconds <= time.monotonic() - began < HANG
        assert late.value.is_slow

    with_more_time(scene)


@both
@pytest.mark.parametrize("timeout", [0.0, -1.0, 1e10, float("inf")])
def test_any_time_may_be_left(answer: Answer, timeout: float, hanging: threading.Event) -> None:
    if timeout > 0:
        assert 7 == answer(RunBlocking(lambda: 7, timeout))
    else:
        with pytest.raises(Overdue):
            answer(RunBlocking(hanging.wait, timeout))


@both
def test_what_waits_for_its_turn_is_not_blamed_and_never_made(
    answer: Answer, hanging: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads, made = Workers(1, "full"), threading.Event()
    monkeypatch.setitem(blocking._THREADS, "cache", threads)
    first = threads.submit(hanging.wait)
    with pytest.raises(Overdue) as late:
        answer(RunBlocking(made.set, 0.05))
    assert not late.value.is_slow
    hanging.set()
    first.result(HANG)
    threads.submit(lambda: None).result(HANG)
    assert not made.is_set()
    threads.close()


def test_one_that_hangs_delays_nothing_else(
    hanging: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = Workers(1, "full")
    monkeypatch.setitem(blocking._THREADS, "cache", full)
    full.submit(hanging.wait)
    assert 7 == _here(RunBlocking(lambda: 7, HANG, "validation"))
    assert 8 == _here(RunBlocking(lambda: 8, HANG, "budget"))
    full.close()


@both
def test_where_no_thread_can_be_started_it_is_asked_at_once(
    answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setitem(blocking._THREADS, "cache", Workers(1, "none"))
    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert threading.get_ident() == answer(RunBlocking(threading.get_ident, HANG))
    with pytest.raises(ZeroDivisionError):
        answer(RunBlocking(lambda: 1 // 0, HANG))


def test_an_interruption_of_the_wait_takes_back_the_question(
    hanging: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads, made = Workers(1, "interrupted"), threading.Event()
    monkeypatch.setitem(blocking._THREADS, "cache", threads)
    threads.submit(hanging.wait)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(blocking, "wait", interrupt)
        with pytest.raises(KeyboardInterrupt):
            _here(RunBlocking(made.set, HANG))

    async def cancelled() -> None:
        asking = asyncio.create_task(BlockingCall(RunBlocking(made.set, HANG)).aresult())
        await asyncio.sleep(0)
        asking.cancel()
        await asking

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())
    hanging.set()
    threads.submit(lambda: None).result(HANG)
    assert not made.is_set()
    threads.close()


def test_an_error_that_comes_too_late_is_nobodys(
    hanging: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    done = threading.Event()

    def fail_late() -> None:
        hanging.wait(HANG)
        done.set()
        raise KeyError("late")

    async def waiting() -> None:
        with pytest.raises(Overdue):
            await BlockingCall(RunBlocking(fail_late, 0.01)).aresult()
        hanging.set()
        await run_in_thread(lambda: done.wait(HANG))
        await asyncio.sleep(0.01)

    asyncio.run(waiting())
    assert [] == caplog.records


def test_a_busy_event_loop_is_not_taken_for_a_slow_answer() -> None:
    async def busy() -> Any:
        question = BlockingCall(RunBlocking(lambda: 7, 0.01))
        asking = asyncio.create_task(question.aresult())
        await asyncio.sleep(0)
        wait([question._future], HANG)
        time.sleep(0.02)
        return await asking

    assert 7 == asyncio.run(busy())


def test_a_whole_call_is_made_in_a_thread_of_the_librarys_own() -> None:
    thread = asyncio.run(run_in_thread(threading.current_thread))
    assert ("llm-call", True) == (thread.name.rpartition("-")[0], thread.daemon)
