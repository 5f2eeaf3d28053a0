"""Anything can be cancelled at any moment: nothing stays reserved, taken or running."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

from sandbox import Fault, Sandbox
from services import llm_client
from services.llm.call import drivers
from tests.timing import await_until
from tests.wire.conftest import OpenFace
from tests.wire.faces import Face

AWAITING = ["groq async", "bedrock async"]
BLOCKING = ["groq", "bedrock"]
PATIENT = {"LLM_MAX_QUOTA_WAIT": 100.0, "LLM_MAX_CONCURRENCY": 1}
HANG = 30.0


def cancelled(face: Face, when: Callable[[], Coroutine[Any, Any, object]]) -> None:
    """Start a call, cancel it as soon as *when* has passed, and see that nothing is left of it."""

    async def scene() -> None:
        task = asyncio.create_task(face.client.agenerate("never mind"))
        await when()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert {asyncio.current_task()} == asyncio.all_tasks()

    face.run(scene())


def assert_nothing_is_held(face: Face, used: int) -> None:
    """There is a slot beside the *used* ones, and a place on the wire."""
    face.client._max_requests_per_window = used + 1
    assert "Sandbox: hi" == face.generate("hi", timeout=HANG)
    assert used + 1 == len(face.client._request_times)


@pytest.mark.parametrize("kind", AWAITING)
def test_a_task_cancelled_in_the_queue_gives_its_reservation_back(
    open_client: OpenFace, sandbox: Sandbox, kind: str
) -> None:
    face = open_client(kind, **PATIENT)
    face.client._max_requests_per_window = 1
    face.generate("first")
    reserved = face.client._account.window.pending
    cancelled(face, lambda: await_until(lambda: len(reserved)))
    assert 1 == len(sandbox.exchanges)
    assert_nothing_is_held(face, used=1)


@pytest.mark.usefixtures("short_first_answer_wait")
@pytest.mark.parametrize("kind", AWAITING)
def test_a_task_cancelled_while_it_waits_for_a_place_gives_up_its_turn(
    open_client: OpenFace, sandbox: Sandbox, kind: str
) -> None:
    face = open_client(kind, **PATIENT)
    concurrency = face.client._account.concurrency
    place = concurrency.acquire()
    cancelled(face, lambda: await_until(lambda: len(concurrency._waiting)))
    concurrency.release(place)
    assert [] == sandbox.exchanges
    assert_nothing_is_held(face, used=0)


@pytest.mark.usefixtures("long_backoff")
@pytest.mark.parametrize("kind", AWAITING)
def test_a_task_cancelled_before_its_retry_makes_none(
    open_client: OpenFace, sandbox: Sandbox, kind: str
) -> None:
    face = open_client(kind, **PATIENT)
    sandbox.script(Fault.error(500))
    account = face.client._account
    cancelled(face, lambda: await_until(lambda: account.window.times and account.concurrency.free))
    assert_nothing_is_held(face, used=1)
    assert 2 == len(sandbox.exchanges)


@pytest.mark.parametrize("kind", AWAITING)
def test_a_task_cancelled_at_any_step_leaves_the_way_free(
    open_client: OpenFace, sandbox: Sandbox, kind: str
) -> None:
    face = open_client(kind, **PATIENT)
    face.client._max_requests_per_window = 1000

    async def scene(steps: int) -> None:
        task = asyncio.create_task(face.client.agenerate("never mind"))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    for steps in range(60):
        face.run(scene(steps))
        assert "Sandbox: hi" == face.generate("hi", timeout=HANG)


@pytest.mark.parametrize("kind", AWAITING)
def test_a_task_cancelled_on_the_wire_hangs_up(
    open_client: OpenFace, sandbox: Sandbox, kind: str
) -> None:
    face = open_client(kind, **PATIENT)
    sandbox.script(Fault.silent(60))
    cancelled(face, lambda: asyncio.to_thread(sandbox.wait_for, 1))
    assert_nothing_is_held(face, used=1)
    assert None is sandbox.exchanges[0].status


@pytest.mark.usefixtures("short_first_answer_wait")
@pytest.mark.parametrize("kind", AWAITING)
def test_a_hundred_tasks_can_be_cancelled_wherever_they_are(
    open_client: OpenFace, sandbox: Sandbox, kind: str
) -> None:
    face = open_client(kind, LLM_MAX_QUOTA_WAIT=100.0, LLM_MAX_CONCURRENCY=4)
    face.client._max_requests_per_window = 20
    sandbox.script(*[Fault.silent(60), Fault.error(500), None] * 10)

    async def scene() -> None:
        tasks = [asyncio.create_task(face.client.agenerate(str(each))) for each in range(100)]
        await asyncio.to_thread(sandbox.wait_for, 8)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert {asyncio.current_task()} == asyncio.all_tasks()

    face.run(scene())
    used = len(face.client._request_times)
    assert used <= 20
    sandbox.clear()
    assert_nothing_is_held(face, used)


@pytest.mark.parametrize("kind", AWAITING)
def test_no_thread_outlives_a_cancelled_task(
    open_client: OpenFace, sandbox: Sandbox, kind: str
) -> None:
    before = set(threading.enumerate())
    face = open_client(kind)
    sandbox.script(Fault.silent(60))

    async def scene() -> None:
        task = asyncio.create_task(face.client.agenerate("never mind"))
        while not sandbox.exchanges:
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait({task})

    face.run(scene())
    face.client.close()
    assert face.loop is not None
    face.run(face.loop.shutdown_default_executor())  # asyncio's own, which looks names up
    for thread in set(threading.enumerate()) - before:
        thread.join(HANG)
    assert set() == set(threading.enumerate()) - before


def interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


@pytest.mark.parametrize("kind", BLOCKING)
def test_an_interrupt_before_a_retry_makes_none(
    open_client: OpenFace, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    face = open_client(kind, **PATIENT)
    sandbox.script(Fault.error(500))
    with monkeypatch.context() as patch:
        patch.setattr(llm_client, "time", SimpleNamespace(sleep=interrupt))
        with pytest.raises(KeyboardInterrupt):
            face.generate("never mind")
    assert_nothing_is_held(face, used=1)


@pytest.mark.parametrize("kind", BLOCKING)
def test_an_interrupt_in_the_queue_gives_the_reservation_back(
    open_client: OpenFace, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    face = open_client(kind, **PATIENT)
    face.client._max_requests_per_window = 1
    face.generate("first")
    with monkeypatch.context() as patch:
        patch.setattr(drivers, "wait", interrupt)
        with pytest.raises(KeyboardInterrupt):
            face.generate("never mind")
    assert_nothing_is_held(face, used=1)


@pytest.mark.parametrize("kind", BLOCKING)
def test_control_c_on_the_wire_hangs_up(open_client: OpenFace, sandbox: Sandbox, kind: str) -> None:
    face = open_client(kind, **PATIENT)
    sandbox.script(Fault.silent(60))
    main, ended = threading.get_ident(), threading.Event()
    first = iter([interrupt])  # whatever comes after it does nothing

    def press() -> None:
        sandbox.wait_for(1)
        # One that comes just before the read begins is not noticed until the next.
        while not ended.is_set():
            signal.pthread_kill(main, signal.SIGINT)
            time.sleep(0.05)

    before = signal.signal(signal.SIGINT, lambda *_: next(first, bool)())
    pressing = threading.Thread(target=press)
    pressing.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            face.generate("never mind")
    finally:
        ended.set()
        pressing.join()
        signal.signal(signal.SIGINT, before)
    assert_nothing_is_held(face, used=1)
    assert None is sandbox.exchanges[0].status
