"""What a signal handler raises goes through as itself, wherever it strikes."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from types import FrameType
from typing import Any, NoReturn

import pytest

from services.llm.call.drivers import arun, run
from services.llm.effects import send
from services.llm.errors import LLMError, ProviderUnavailableError
from services.llm.runtime.fork import ForkLock
from services.llm.runtime.sdk_client import SdkClient
from services.llm.runtime.signals import find_signal_error
from services.llm.runtime.workers import Workers
from services.llm.stores.memory import MemoryStore
from services.llm.types import Reply, Request
from tests.call.scripted import says

REQUEST = Request("m", ({"role": "user", "content": "hi"},))
HANG = 30.0


class SoftTimeLimit(Exception):  # noqa: N818  as task queues name it
    """What a task queue raises in the task that takes too long."""


def strike(_: int, __: FrameType | None) -> NoReturn:
    raise SoftTimeLimit


class Striking:
    """A handler that is an object."""

    def __call__(self, _: int, __: FrameType | None) -> NoReturn:
        raise TimeoutError("of the task")

    def method(self, _: int, __: FrameType | None) -> NoReturn:
        raise SoftTimeLimit


HANDLERS: list[Any] = [strike, Striking(), Striking().method, partial(strike)]


@pytest.fixture(params=HANDLERS, ids=["function", "object", "method", "partial"])
def handler(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A handler of SIGALRM for as long as the test runs."""
    before = signal.signal(signal.SIGALRM, request.param)
    yield request.param
    signal.signal(signal.SIGALRM, before)


class Wire:
    """A transport that is struck, and takes it for a failure of the network."""

    def sleep(self, seconds: float) -> None:
        """Nobody sleeps here."""

    def send(self, request: Request, timeout: float) -> Reply:
        try:
            try:
                signal.raise_signal(signal.SIGALRM)
            except Exception as error:
                raise ConnectionError("broken") from error
        except ConnectionError as error:
            raise ProviderUnavailableError("The network failed") from error
        return says("Yes.")

    async def asend(self, request: Request, timeout: float) -> Reply:
        return self.send(request, timeout)


def _arun(flow: Any, wire: Wire) -> Any:
    return asyncio.run(arun(flow, wire))


@pytest.mark.parametrize("drive", [run, _arun])
def test_a_soft_time_limit_is_no_failure_of_the_provider(
    handler: Any, drive: Callable[..., Any]
) -> None:
    with pytest.raises((SoftTimeLimit, TimeoutError)):
        drive(send(REQUEST, HANG), Wire())


@pytest.mark.parametrize("drive", [run, _arun])
def test_a_call_made_while_one_is_handled_fails_as_it_does(
    handler: Any, drive: Callable[..., Any]
) -> None:
    class Failing(Wire):
        def send(self, request: Request, timeout: float) -> Reply:
            raise ProviderUnavailableError("The network failed")

    try:
        signal.raise_signal(signal.SIGALRM)
    except (SoftTimeLimit, TimeoutError):
        with pytest.raises(LLMError):
            drive(send(REQUEST, HANG), Failing())


def test_any_other_error_is_itself(handler: Any) -> None:
    error = ProviderUnavailableError("The network failed")
    error.__cause__ = KeyError("no")
    assert error is find_signal_error(error, None)


def test_a_loop_of_causes_has_an_end() -> None:
    one, other = KeyError("one"), KeyError("other")
    one.__cause__, other.__cause__ = other, one
    assert one is find_signal_error(one, None)


class Switch:
    """Runs *act* in this thread at the given touch of a lock's way in or out."""

    def __init__(self, act: Callable[[], object], at: int) -> None:
        self._act, self._left = act, at

    def __call__(self, frame: FrameType, event: str, _: Any) -> Any:
        if event == "line" and frame.f_code.co_filename.endswith(
            ("forks.py", "workers.py", "sdk_client.py", "memory.py")
        ):
            self._left -= 1
            if not self._left:
                self._act()
        return self


class Sdk:
    """An SDK's client that counts how often it is closed."""

    closed = 0

    def close(self) -> None:
        self.closed += 1


def struck(work: Callable[[], object], act: Callable[[], object], at: int) -> None:
    """Do *work*, and *act* in the middle of it, as a signal handler does at any line."""
    done = threading.Event()

    def both() -> None:
        sys.settrace(Switch(act, at))
        try:
            work()
        finally:
            sys.settrace(None)
        done.set()

    thread = threading.Thread(target=both, daemon=True)
    thread.start()
    assert done.wait(HANG), f"stuck at line {at}"
    thread.join()


@pytest.mark.parametrize("at", range(1, 40))
def test_closing_in_a_signal_handler_waits_for_nobody(at: int) -> None:
    workers, sdk, store = Workers(1, "struck"), Sdk(), MemoryStore(ttl=60.0)
    held = SdkClient(sdk)
    answers: list[int] = []

    def work() -> None:
        answers.append(workers.submit(lambda: 7).result(HANG))
        if held.try_borrow():
            with held:
                pass
        store.put("0" * 64, {"n": 1})
        store.get("0" * 64)
        ForkLock(leaf=True)

    def close() -> None:
        workers.close()
        held.retire()
        store.close()

    struck(work, close, at)
    close()
    assert [7] == answers
    assert not held.try_borrow()
    assert sdk.closed >= 1
