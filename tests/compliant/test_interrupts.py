"""What an interruption ends, and what it leaves as it was, in this process."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Iterator

import pytest

from services.groq_compliant import interrupts


@pytest.fixture(autouse=True)
def _own_signals(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Handlers that end with the test, and exits that do not end the test run."""

    def leave(code: int) -> None:
        raise SystemExit(code)

    monkeypatch.setattr(os, "_exit", leave)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


async def interrupted() -> int:
    interrupt()
    await asyncio.sleep(60)
    return 0


async def answered() -> int:
    return 7


def test_a_deed_that_is_done_cannot_be_interrupted_any_more() -> None:
    assert 7 == interrupts.run_to_exit(lambda: 7)
    assert signal.SIG_IGN == signal.getsignal(signal.SIGINT)


def test_an_interruption_that_is_ignored_stays_so() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def deed() -> int:
        interrupt()
        return interrupts.run(answered())

    assert 7 == interrupts.run_to_exit(deed)


def test_a_deed_is_interrupted_once_and_then_the_process_ends() -> None:
    def deed() -> int:
        with pytest.raises(KeyboardInterrupt):
            interrupt()
        with pytest.raises(SystemExit, match="130"):
            interrupt()
        return 7

    assert 7 == interrupts.run_to_exit(deed)


def test_what_was_interrupted_ends_the_process_at_once() -> None:
    with pytest.raises(SystemExit, match="130"):
        interrupts.run_to_exit(lambda: 130)


def test_an_interruption_cancels_what_is_awaited_and_a_second_ends_the_process() -> None:
    def deed() -> int:
        with pytest.raises(KeyboardInterrupt):
            interrupts.run(interrupted())
        with pytest.raises(SystemExit, match="130"):
            interrupt()
        return 7

    assert 7 == interrupts.run_to_exit(deed)


def test_it_is_an_interruption_whatever_the_cancelled_make_of_it() -> None:
    async def upset() -> int:
        try:
            return await interrupted()
        finally:
            raise RuntimeError("cancelled at a bad moment")

    with pytest.raises(KeyboardInterrupt):
        interrupts.run(upset())


def test_within_a_program_the_handler_is_its_own_again_afterwards() -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupts.run(interrupted())
    assert signal.default_int_handler == signal.getsignal(signal.SIGINT)
    assert 7 == interrupts.run(answered())
    assert signal.default_int_handler == signal.getsignal(signal.SIGINT)


def test_a_programs_own_handler_is_kept() -> None:
    heard: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: heard.append(number))

    async def heeded() -> int:
        interrupt()
        return await answered()

    assert (7, [signal.SIGINT]) == (interrupts.run(heeded()), heard)


def test_another_thread_has_no_say_in_signals() -> None:
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(interrupts.run(answered())))
    thread.start()
    thread.join()
    assert [7] == codes


def test_a_failure_without_an_interruption_stays_what_it_is() -> None:
    async def failing() -> int:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        interrupts.run(failing())
