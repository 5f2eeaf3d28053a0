"""Threads of a client's own: no more than there may be, reused, and gone when not needed."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from services.llm.runtime.workers import Workers

HANG = 30.0


def threads(name: str) -> list[threading.Thread]:
    """The living threads of this name."""
    return [each for each in threading.enumerate() if each.name.startswith(name)]


def test_a_call_is_carried_out_in_a_thread_of_its_own_name() -> None:
    workers = Workers(2, "named")
    thread = workers.submit(threading.current_thread).result(HANG)
    assert ("named-0", True) == (thread.name, thread.daemon)
    workers.close()


def test_a_thread_that_is_idle_is_used_again() -> None:
    workers = Workers(8, "idle")
    for _ in range(50):
        workers.submit(lambda: None).result(HANG)
    assert 1 == len(threads("idle"))
    workers.close()


@pytest.mark.parametrize("size", [1, 3])
def test_there_are_no_more_threads_than_there_may_be(size: int) -> None:
    workers, release = Workers(size, f"many{size}"), threading.Event()
    calls = [workers.submit(release.wait) for _ in range(10)]
    assert size == len(threads(f"many{size}"))
    release.set()
    assert [True] * 10 == [call.result(HANG) for call in calls]
    workers.close()


def test_what_a_call_raises_is_its_futures() -> None:
    workers = Workers(1, "raising")
    for error in (KeyError("no"), SystemExit(3)):
        failing: Future[None] = workers.submit(lambda raised=error: _raise(raised))  # type: ignore[misc] # mypy infers no lambda with a default
        with pytest.raises(type(error)):
            failing.result(HANG)
    assert "still there" == workers.submit(lambda: "still there").result(HANG)
    workers.close()


def _raise(error: BaseException) -> None:
    raise error


def test_a_call_that_was_cancelled_in_the_queue_is_never_made() -> None:
    workers, release, made = Workers(1, "cancelling"), threading.Event(), []
    first = workers.submit(release.wait)
    second = workers.submit(lambda: made.append("second"))
    third = workers.submit(lambda: made.append("third"))
    assert second.cancel()
    release.set()
    third.result(HANG)
    assert first.result(HANG)
    assert ["third"] == made
    workers.close()


def test_a_call_sees_the_context_of_its_caller() -> None:
    said: contextvars.ContextVar[str] = contextvars.ContextVar("said")
    workers = Workers(1, "context")
    said.set("ours")
    assert "ours" == workers.submit(said.get).result(HANG)
    workers.close()


def test_closing_ends_the_threads_and_the_next_call_starts_new_ones() -> None:
    workers, release = Workers(2, "closing"), threading.Event()
    running = [workers.submit(release.wait) for _ in range(3)]
    old = threads("closing")
    workers.close()
    assert "anew" == workers.submit(lambda: "anew").result(HANG)
    release.set()
    assert [True] * 3 == [call.result(HANG) for call in running]
    workers.close()
    for thread in [*old, *threads("closing")]:
        thread.join(HANG)
    assert [] == threads("closing")


def test_a_child_process_starts_with_no_threads() -> None:
    workers, release = Workers(1, "forked"), threading.Event()
    parents = workers.submit(release.wait)
    workers._reset_in_child()  # as in a child, where the one thread is not
    assert "ours" == workers.submit(lambda: "ours").result(HANG)
    workers.close()
    release.set()
    assert parents.result(HANG)


def refuse(_: object) -> None:
    raise RuntimeError("can't start new thread")


def test_a_thread_that_could_not_be_started_is_started_another_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    workers, release = Workers(2, "refused"), threading.Event()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="can't start"):
            workers.submit(lambda: None)
    running = workers.submit(release.wait)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        queued = workers.submit(lambda: "in its turn")
    second = workers.submit(lambda: "by the second thread")
    assert "by the second thread" == second.result(HANG)
    assert "in its turn" == queued.result(HANG)
    release.set()
    assert running.result(HANG)
    workers.close()


def test_a_job_that_comes_as_its_pool_ends_is_carried_out() -> None:
    workers = Workers(1, "ending")
    pool = workers._pool
    jobs = pool._jobs

    class Closing:
        """Ends the pool as a job is put, as a signal handler may."""

        def get(self) -> object:
            return jobs.get()

        def put(self, job: object) -> None:
            if job is not None and not pool._is_over:
                workers.close()
            jobs.put(job)  # type: ignore[arg-type]  # whatever it is

    pool._jobs = Closing()  # type: ignore[assignment]  # as far as it is used
    assert 7 == workers.submit(lambda: 7).result(HANG)
    for thread in threads("ending"):
        thread.join(HANG)
    assert [] == threads("ending")


def test_a_thread_whose_call_was_abandoned_is_replaced() -> None:
    workers, begun, release = Workers(1, "replaced"), threading.Event(), threading.Event()
    hanging = workers.submit(lambda: (begun.set(), release.wait(HANG))[1])  # type: ignore[func-returns-value] # one expression
    assert begun.wait(HANG)
    waiting = workers.submit(lambda: "next")
    workers.abandon(hanging)
    assert "next" == waiting.result(HANG)
    workers.abandon(hanging)  # there is at most one more than there may be
    release.set()
    assert hanging.result(HANG)
    assert "still there" == workers.submit(lambda: "still there").result(HANG)
    workers.close()


def test_a_stop_iteration_reaches_whoever_awaits_as_another_error() -> None:
    # As a test's mock raises it that has no answer left.
    exhausted: Iterator[None] = iter(())
    workers = Workers(1, "stop")

    async def ask() -> None:
        await asyncio.wait_for(asyncio.wrap_future(workers.submit(lambda: next(exhausted))), HANG)

    with pytest.raises(RuntimeError, match="the call raised StopIteration") as caught:
        asyncio.run(ask())
    assert isinstance(caught.value.__cause__, StopIteration)
    workers.close()


def test_a_thread_whose_call_was_abandoned_stays_where_nobody_took_its_place() -> None:
    workers, begun, release = Workers(1, "kept"), threading.Event(), threading.Event()
    hanging = workers.submit(lambda: (begun.set(), release.wait(HANG))[1])  # type: ignore[func-returns-value] # one expression
    assert begun.wait(HANG)
    workers.abandon(hanging)
    (thread,) = threads("kept")
    release.set()
    assert hanging.result(HANG)
    workers.abandon(hanging)  # which has ended
    assert thread is workers.submit(threading.current_thread).result(HANG)
    workers.close()


def test_what_has_ended_just_before_it_is_abandoned_counts_as_no_lost_thread() -> None:
    workers = Workers(1, "ended")
    work = workers.submit(int)
    assert 0 == work.result(HANG)
    workers._pool.abandon(work)
    assert (False, 0) == (work.is_abandoned, workers._pool._abandoned)
    workers.close()
