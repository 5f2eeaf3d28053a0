"""The two drivers perform the same effects, one in a thread, one in a task."""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

from services.llm.call.drivers import arun, async_method, blocking_method, run
from services.llm.effects import Effects, join, run_blocking, send, sleep
from services.llm.types import Reply, Request
from tests.call.scripted import says

REQUEST = Request("m", ({"role": "user", "content": "hi"},))
HANG = 30.0


class Tape:
    """A wire that keeps what it was told to do."""

    def __init__(self, outcome: Reply | BaseException | None = None) -> None:
        self.outcome = outcome or says("Yes.")
        self.told: list[tuple[Any, ...]] = []

    def sleep(self, seconds: float) -> None:
        self.told.append(("sleep", seconds))

    def send(self, request: Request, timeout: float) -> Reply:
        self.told.append((request, timeout))
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome

    async def asend(self, request: Request, timeout: float) -> Reply:
        await asyncio.sleep(0)
        return self.send(request, timeout)


class IdenticalCall:
    """An identical call that has ended."""

    def join(self, timeout: float | None = None) -> str:
        return f"joined within {timeout}"

    async def ajoin(self, timeout: float | None = None) -> str:
        return f"awaited within {timeout}"

    def abort(self) -> None:
        """It has ended."""


Driver = Callable[[Effects[Any], Tape], Any]


def _arun(flow: Effects[Any], wire: Tape) -> Any:
    return asyncio.run(arun(flow, wire))


both = pytest.mark.parametrize("drive", [run, _arun], ids=["run", "arun"])


@both
def test_a_send_resumes_with_the_reply(drive: Driver) -> None:
    wire = Tape()
    assert says("Yes.") == drive(send(REQUEST, 3.0), wire)
    assert [(REQUEST, 3.0)] == wire.told


@both
def test_what_a_send_raises_is_thrown_into_the_flow(drive: Driver) -> None:
    def forgiving() -> Effects[str]:
        try:
            yield from send(REQUEST, 3.0)
        except KeyError as error:
            return f"caught {error}"
        return "nothing"

    assert "caught 'no'" == drive(forgiving(), Tape(KeyError("no")))


@both
@pytest.mark.parametrize("error", [KeyError("no"), KeyboardInterrupt(), SystemExit(3)])
def test_what_the_flow_does_not_catch_is_raised(drive: Driver, error: BaseException) -> None:
    with pytest.raises(type(error)):
        drive(send(REQUEST, 3.0), Tape(error))


@both
def test_a_flow_without_effects_just_returns(drive: Driver) -> None:
    assert 7 == drive(run_blocking(lambda: 7, HANG, blocks=False), Tape())


def test_a_thread_sleeps_as_its_wire_does() -> None:
    wire = Tape()
    run(sleep(2.5, "retry"), wire)
    assert [("sleep", 2.5)] == wire.told


def test_a_task_sleeps_without_blocking_its_loop() -> None:
    async def scene() -> list[str]:
        seen: list[str] = []

        async def other() -> None:
            seen.append("other")

        task = asyncio.create_task(other())
        await arun(sleep(0.001, "retry"), Tape())
        seen.append("slept")
        await task
        return seen

    assert ["other", "slept"] == asyncio.run(scene())


@both
def test_a_sleep_ends_sooner_where_it_is_told_to(drive: Driver) -> None:
    wake: Future[None] = Future()
    waking = threading.Timer(0.01, wake.set_result, [None])
    waking.start()
    began = time.monotonic()
    drive(sleep(600.0, "quota", wake), Tape())
    assert time.monotonic() - began < HANG
    waking.join()


@both
def test_a_sleep_that_nobody_ends_takes_its_seconds(drive: Driver) -> None:
    began = time.monotonic()
    drive(sleep(0.02, "quota", Future()), Tape())
    assert time.monotonic() - began >= 0.02


@pytest.mark.parametrize(("drive", "how"), [(run, "joined"), (_arun, "awaited")])
def test_a_copy_is_joined_as_the_driver_can(drive: Driver, how: str) -> None:
    assert f"{how} within 4.0" == drive(join(IdenticalCall(), 4.0), Tape())


@both
def test_a_slow_question_is_asked_in_a_thread_of_the_librarys_own(drive: Driver) -> None:
    thread = drive(run_blocking(threading.current_thread, HANG), Tape())
    assert ("llm-cache", True) == (thread.name.rpartition("-")[0], thread.daemon)


class Asker:
    """Something whose methods are flows."""

    _transport = Tape()

    @blocking_method
    def yes(self, number: int, *, twice: bool = False) -> Effects[int]:
        """Return *number*."""
        reply = yield from send(REQUEST, float(number))
        assert "Yes." == reply.text
        return 2 * number if twice else number

    ayes = async_method(yes)


def test_a_method_made_of_a_flow_keeps_its_arguments_and_its_words() -> None:
    asker = Asker()
    assert 6 == asker.yes(3, twice=True)
    assert 3 == asyncio.run(asker.ayes(3))
    assert "Return *number*." == Asker.yes.__doc__ == Asker.ayes.__doc__
    assert ["self", "number", "twice"] == list(inspect.signature(Asker.yes).parameters)
    assert inspect.iscoroutinefunction(Asker.ayes)


def test_a_coroutine_that_is_never_finished_closes_its_flow() -> None:
    closed: list[str] = []

    def flow() -> Effects[None]:
        try:
            yield from sleep(600.0, "retry")
        finally:
            closed.append("closed")

    async def scene() -> None:
        task = asyncio.create_task(arun(flow(), Tape()))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})

    asyncio.run(scene())
    assert ["closed"] == closed


@both
def test_what_is_no_effect_is_an_error(drive: Driver) -> None:
    def flow() -> Effects[None]:
        yield "nothing that a driver knows"  # type: ignore[misc]  # the error of a programmer

    with pytest.raises(AssertionError, match="nothing that a driver knows"):
        drive(flow(), Tape())
