"""A soft time limit strikes in the middle of a call, or a signal handler closes its client."""

from __future__ import annotations

import operator
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

import pytest

from sandbox import Fault, Sandbox
from tests.wire.conftest import OpenFace
from tests.wire.faces import Face

HANG = 30.0


class SoftTimeLimit(Exception):  # noqa: N818  as task queues name it
    """What a task queue raises in the task that takes too long."""


@contextmanager
def struck(handler: Callable[[int, FrameType | None], object], sandbox: Sandbox) -> Iterator[None]:
    """Have *handler* called in this thread once the sandbox has seen a request."""
    first = iter([handler])  # whatever comes after it does nothing
    before = signal.signal(signal.SIGUSR1, lambda *given: next(first, operator.is_)(*given))
    here, ended = threading.get_ident(), threading.Event()

    def strike() -> None:
        sandbox.wait_for(1)
        # One that comes just before the read begins is not noticed until the next.
        while not ended.is_set():
            signal.pthread_kill(here, signal.SIGUSR1)
            time.sleep(0.05)

    striking = threading.Thread(target=strike)
    striking.start()
    try:
        yield
    finally:
        ended.set()
        striking.join()
        signal.signal(signal.SIGUSR1, before)


def raising(kind: type[Exception]) -> Callable[[int, FrameType | None], NoReturn]:
    def handler(_: int, __: FrameType | None) -> NoReturn:
        raise kind("this task takes too long")

    return handler


def assert_nothing_is_held(face: Face) -> None:
    account = face.client._account
    assert account.concurrency._size == account.concurrency.free
    assert (0, 0) == (
        len(account.window.pending),
        account.window.pending.in_flight_amount,
    )
    assert 0 == len(account.single_flight)


@pytest.mark.parametrize("kind", ["groq", "bedrock"])
@pytest.mark.parametrize("limit", [SoftTimeLimit, TimeoutError])
def test_a_soft_time_limit_goes_through_as_itself(
    open_client: OpenFace, sandbox: Sandbox, kind: str, limit: type[Exception]
) -> None:
    face = open_client(kind, LLM_CACHE_URL="memory:", LLM_MAX_RETRIES=3)
    sandbox.script(Fault.silent(60))
    with struck(raising(limit), sandbox), pytest.raises(limit, match="takes too long") as caught:
        face.generate("hi", timeout=HANG)
    assert limit is type(caught.value)
    assert_nothing_is_held(face)
    assert "Sandbox: hi" == face.generate("hi", timeout=HANG)
    assert 1 <= len(sandbox.exchanges) <= 2


@pytest.mark.parametrize("kind", ["groq", "bedrock"])
def test_a_handler_may_close_the_client_that_it_interrupts(
    open_client: OpenFace, sandbox: Sandbox, kind: str
) -> None:
    face = open_client(kind)
    sandbox.script(Fault.silent(0.2))
    with struck(lambda *_: face.client.close(), sandbox):
        assert "Sandbox: hi" == face.generate("hi", timeout=HANG)
    assert "Sandbox: again" == face.generate("again", timeout=HANG)
