"""Batches that several threads or tasks read, and reads that are interrupted or cancelled."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from services.llm.batch import loop_thread, runner
from services.llm.batch.options import BatchOptions
from services.llm.batch.results import BatchProgress
from services.llm.types import Reply
from services.llm_client import AsyncBatch, AuthenticationError, Batch, BatchStoppedError
from tests.batch.reading import waiters
from tests.timing import await_until, wait_until

PATIENCE = 10.0


async def at_once(prompt: int) -> Reply:
    return Reply(str(prompt), "a model", "groq")


class Gate:
    """Answers no prompt before it is open."""

    def __init__(self, is_due: Callable[[], bool] = lambda: False) -> None:
        self.is_open = threading.Event()
        self.is_due = is_due

    async def ask(self, prompt: int) -> Reply:
        while not (self.is_open.is_set() or self.is_due()):
            await asyncio.sleep(0.001)
        return await at_once(prompt)


def blocking_batch(prompts: Any, ask: Any = at_once, **more: Any) -> Batch[str]:
    return Batch[str](prompts, ask, BatchOptions(2, **more))


def async_batch(prompts: Any, ask: Any = at_once, **more: Any) -> AsyncBatch[str]:
    return AsyncBatch[str](prompts, ask, BatchOptions(2, **more))


def indexes(results: Any) -> list[int]:
    return [each.index for each in results]


class Reader(threading.Thread):
    """Reads a batch to its end in a thread."""

    def __init__(self, batch: Batch[str]) -> None:
        super().__init__(daemon=True)
        self.batch, self.seen = batch, list[int]()
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            for result in self.batch:
                self.seen.append(result.index)
        except BaseException as error:
            self.error = error

    def ended(self) -> Reader:
        self.join(PATIENCE)
        assert not self.is_alive(), "it hangs"
        return self


@pytest.mark.parametrize("prompts", [1, 40])
def test_threads_share_a_batch_and_all_end_with_it(prompts: int) -> None:
    batch = blocking_batch(range(prompts), Gate(lambda: waiters(batch) == 3 or prompts > 1).ask)
    readers = [Reader(batch) for _ in range(3)]
    seen = [index for reader in readers for index in reader.ended().seen]
    assert list(range(prompts)) == sorted(seen)
    assert [None] * 3 == [reader.error for reader in readers]
    assert prompts == batch.progress.done


def test_a_thread_that_waits_for_a_prompt_holds_no_result_back_from_another() -> None:
    reads, goes_on = threading.Event(), threading.Event()

    def prompts() -> Iterator[int]:
        yield 0
        reads.set()
        assert goes_on.wait(PATIENCE)
        yield 1

    batch = blocking_batch(prompts())
    reader = Reader(batch)
    assert reads.wait(PATIENCE)
    assert 0 == next(batch).index
    goes_on.set()
    assert ([1], None) == (reader.ended().seen, reader.error)


def test_each_reader_gets_the_error_that_ends_the_batch() -> None:
    async def refuse(prompt: int) -> Reply:
        raise AuthenticationError("no")

    def failing() -> Iterator[int]:
        yield 0
        raise KeyError("the database has gone")

    for prompts, ask, kind, count in (
        (failing(), at_once, KeyError, 1),
        (range(100), refuse, BatchStoppedError, 8),
    ):
        batch = blocking_batch(prompts, ask)
        readers = [Reader(batch).ended() for _ in range(2)]
        assert [kind, kind] == [type(reader.error) for reader in readers]
        assert sum(len(reader.seen) for reader in readers) <= count

    async def main() -> None:
        batch = async_batch(failing())
        seen = [await anext(batch)]
        for _ in range(2):
            with pytest.raises(KeyError):
                await anext(batch)
        assert [0] == indexes(seen)

    asyncio.run(main())


def test_an_interrupted_read_loses_nothing_and_the_batch_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    batch = blocking_batch(range(3))
    pipeline = batch._pipeline

    def interrupted(_: object) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pipeline._changed, "wait_for", interrupted)
        with pytest.raises(KeyboardInterrupt):
            next(batch)
    assert (0, [0, 1, 2]) == (pipeline._waiting, indexes(batch))


def test_a_cancelled_read_loses_nothing_and_the_batch_goes_on() -> None:
    async def main() -> list[int]:
        gate = Gate()
        batch = async_batch(range(5), gate.ask)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(anext(batch), 0.01)
        gate.is_open.set()
        async for result in batch:
            assert 0 == result.index
            break
        return [result.index async for result in batch]

    assert [1, 2, 3, 4] == asyncio.run(main())


def test_what_a_cancelled_reader_leaves_in_flight_ends_with_its_batch() -> None:
    async def main() -> None:
        async def read(batch: AsyncBatch[str]) -> None:
            async with batch:
                async for _ in batch:
                    raise AssertionError

        for reading in (read(async_batch(range(5), Gate().ask)), dropped()):
            task = asyncio.create_task(reading)
            await await_until(lambda: len(asyncio.all_tasks()) == 4)
            task.cancel()
            await asyncio.wait({task})
            del reading, task
            await await_until(lambda: len(asyncio.all_tasks()) == 1)

    async def dropped() -> None:
        async for _ in async_batch(range(5), Gate().ask):
            raise AssertionError

    asyncio.run(main())


def test_a_result_whose_progress_is_interrupted_is_given_to_the_next_read() -> None:
    done: list[int] = []

    def interrupted(progress: BatchProgress) -> None:
        done.append(progress.done)
        if done == [1]:
            raise KeyboardInterrupt

    batch = blocking_batch(range(2), progress=interrupted)
    with pytest.raises(KeyboardInterrupt):
        next(batch)
    assert 0 == batch.progress.done
    assert ([0, 1], [1, 1, 2]) == (indexes(batch), done)

    async def main() -> list[int]:
        done.clear()
        batch = async_batch(range(2), progress=interrupted)
        with pytest.raises(KeyboardInterrupt):
            await anext(batch)
        return [result.index async for result in batch]

    assert ([0, 1], [1, 1, 2]) == (asyncio.run(main()), done)


class Raising:
    """Prompts 0 and 1, and then an exception."""

    def __init__(self, error: type[BaseException]) -> None:
        self.error, self.read = error, 0

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        self.read += 1
        if self.read == 3:
            raise self.error
        return self.read

    async def later(self) -> AsyncIterator[int]:
        for each in self:
            yield each


@pytest.mark.parametrize("error", [GeneratorExit, asyncio.CancelledError, ZeroDivisionError])
def test_whatever_the_prompts_raise_comes_after_the_results_before_it(
    error: type[BaseException],
) -> None:
    batch = blocking_batch(Raising(error))
    assert [0, 1] == [next(batch).index, next(batch).index]
    with pytest.raises(error):
        next(batch)

    async def main(prompts: Any) -> None:
        batch = async_batch(prompts)
        assert [0, 1] == [(await anext(batch)).index, (await anext(batch)).index]
        with pytest.raises(error):
            await anext(batch)

    asyncio.run(main(Raising(error)))
    asyncio.run(main(Raising(error).later()))


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_exit_amid_the_prompts_is_raised_at_once_and_again_after_the_results(
    error: type[BaseException],
) -> None:
    gate = Gate()
    batch = Batch[str](Raising(error), gate.ask, BatchOptions(4))
    with pytest.raises(error):
        next(batch)
    gate.is_open.set()
    assert [0, 1] == [next(batch).index, next(batch).index]
    with pytest.raises(error):
        next(batch)

    async def main() -> None:
        batch = AsyncBatch[str](Raising(error), at_once, BatchOptions(4))
        with pytest.raises(error):
            await anext(batch)
        assert [0, 1] == [(await anext(batch)).index, (await anext(batch)).index]
        with pytest.raises(error):
            await anext(batch)

    asyncio.run(main())


def test_what_a_progress_function_raises_ends_all_readers() -> None:
    def failing(_: BatchProgress) -> None:
        wait_until(lambda: waiters(batch) > 0)
        raise ZeroDivisionError

    async def first_alone(prompt: int) -> Reply:
        return await (Gate().ask if prompt else at_once)(prompt)

    batch = blocking_batch(range(2), first_alone, progress=failing)
    readers = [Reader(batch) for _ in range(2)]
    assert [ZeroDivisionError] * 2 == [type(reader.ended().error) for reader in readers]


@pytest.mark.parametrize("error", [StopIteration, StopAsyncIteration])
def test_a_progress_function_that_raises_the_end_does_not_look_like_it(
    error: type[Exception],
) -> None:
    def ending(_: BatchProgress) -> None:
        raise error

    words = f"progress raised {error.__name__}"
    batch = blocking_batch(range(3), progress=ending)
    for _ in range(2):
        with pytest.raises(RuntimeError, match=words):
            next(batch)

    async def main() -> None:
        with pytest.raises(RuntimeError, match=words):
            await anext(async_batch(range(3), progress=ending))

    asyncio.run(main())


def test_a_progress_function_may_close_its_batch_whose_result_is_given() -> None:
    batch: Batch[str] = blocking_batch(range(9), progress=lambda _: batch.close())
    assert ([0], 1) == (indexes(batch), batch.progress.done)

    async def main() -> list[int]:
        closing: list[asyncio.Task[None]] = []

        def close(_: BatchProgress) -> None:
            closing.append(asyncio.create_task(batch.aclose()))

        batch: AsyncBatch[str] = async_batch(range(9), progress=close)
        first = await anext(batch)
        await closing[0]
        return [first.index, *[result.index async for result in batch]]

    assert [0] == asyncio.run(main())


def test_prompts_may_read_what_their_own_batch_has_but_wait_for_no_more() -> None:
    def prompts() -> Iterator[int]:
        yield 0
        assert 0 == next(batch).index
        next(batch)

    batch = blocking_batch(prompts())
    with pytest.raises(RuntimeError, match="wait for a result of their own batch"):
        next(batch)

    async def main() -> None:
        async def prompts() -> AsyncIterator[int]:
            yield 0
            await anext(batch)
            await anext(batch)

        batch = async_batch(prompts())
        with pytest.raises(RuntimeError, match="wait for a result of their own batch"):
            async for _ in batch:
                pass

    asyncio.run(main())


def test_prompts_may_close_their_own_batch() -> None:
    def prompts() -> Iterator[int]:
        batch.close()
        yield 0

    batch = blocking_batch(prompts())
    with pytest.raises(RuntimeError, match="the batch was closed"):
        next(batch)
    batch.close()

    async def main() -> None:
        async def prompts() -> AsyncIterator[int]:
            await batch.aclose()
            yield 0

        batch = async_batch(prompts())
        with pytest.raises(RuntimeError, match="the batch was closed"):
            await anext(batch)
        assert [] == [result async for result in batch]

    asyncio.run(main())


def test_prompts_that_go_on_after_the_batch_was_closed_are_not_asked() -> None:
    asked: list[int] = []

    async def ask(prompt: int) -> Reply:
        asked.append(prompt)
        return await at_once(prompt)

    async def prompts() -> AsyncIterator[int]:
        try:
            await asyncio.sleep(PATIENCE)
        except asyncio.CancelledError:
            for _ in range(3):
                await asyncio.sleep(0)
            yield 0

    async def main() -> None:
        batch = async_batch(prompts(), ask)
        reader = asyncio.create_task(anext(batch))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await asyncio.gather(batch.aclose(), batch.aclose())
        with pytest.raises(RuntimeError, match="the batch was closed"):
            await reader

    asyncio.run(main())
    assert [] == asked


def test_a_signal_handler_may_close_a_batch_whatever_it_has_interrupted() -> None:
    gate = Gate()

    def close() -> None:
        pipeline = batch._pipeline
        pipeline._begin().submit(0, 0)
        with pipeline._changed:  # the handler runs in the thread that holds it
            gate.is_open.set()
            wait_until(lambda: pipeline._answered)
            batch.close()

    batch = blocking_batch([])
    thread = threading.Thread(target=close, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert not thread.is_alive(), "it hangs"


@pytest.mark.parametrize("kind", [Batch, AsyncBatch])
def test_prompts_without_a_length_that_can_be_told_make_no_batch(kind: Any) -> None:
    class Odd(list[int]):
        def __len__(self) -> int:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        kind(Odd(), at_once, BatchOptions(2))


def test_a_runner_that_is_closed_asks_nothing_more() -> None:
    async def main() -> set[Any]:
        closed = runner.Runner(at_once, 1, lambda result: None)
        await closed.aclose()
        closed.submit(0, 0)
        return asyncio.all_tasks() - {asyncio.current_task()}

    assert set() == asyncio.run(main())


def test_a_batch_is_read_in_one_event_loop() -> None:
    batch = async_batch(range(9))

    async def read() -> int:
        return (await anext(batch)).index

    assert 0 == asyncio.run(read())
    with pytest.raises(RuntimeError, match="in the event loop that began it"):
        asyncio.run(read())
    asyncio.run(batch.aclose())

    async def prompts() -> AsyncIterator[int]:
        yield 0

    batch = async_batch(prompts())
    assert 0 == asyncio.run(read())
    asyncio.run(batch.aclose())


def test_a_batch_that_is_dropped_amid_an_error_of_its_prompts_ends() -> None:
    batch: Any = blocking_batch(Raising(ZeroDivisionError))
    assert 0 == next(batch).index
    while batch._pipeline._ending.is_reading:
        batch._pipeline._read(batch._pipeline._source, batch._pipeline._thread)
    thread = batch._pipeline._thread._thread
    del batch
    gc.collect()
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_a_thread_of_a_batch_may_close_it_and_tells_nobody_who_has_gone() -> None:
    class Told:
        def deliver(self, result: Any) -> None:
            raise AssertionError

        def fail(self, error: BaseException) -> None:
            raise AssertionError

    told = Told()
    closed = threading.Event()

    async def ask(prompt: int) -> Reply:
        thread.close()
        closed.set()
        return await at_once(prompt)

    thread = loop_thread.LoopThread(ask, 1, told.deliver, told.fail)
    del told
    thread.submit(0, 0)
    assert closed.wait(PATIENCE)
    thread._thread.join(PATIENCE)
    thread.submit(1, 1)


class Prompted:
    """A loop's thread that is held up, what it answers, and how often it is woken for a prompt."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answered: set[int] = set()
        self.woken: list[Callable[..., object]] = []
        self.interrupts = 0
        self.all_answered = threading.Event()
        self.is_held = threading.Event()
        self.thread = loop_thread.LoopThread(at_once, 3, self.deliver, self.fail)
        self._wake = self.thread._loop.call_soon_threadsafe
        self._wake(self.is_held.wait, PATIENCE)
        monkeypatch.setattr(self.thread._loop, "call_soon_threadsafe", self.wake)

    def wake(self, function: Callable[..., object], *args: Any) -> None:
        if self.interrupts:
            self.interrupts -= 1
            raise KeyboardInterrupt
        self.woken.append(function)
        self._wake(function, *args)

    def deliver(self, result: Any) -> None:
        self.answered.add(result.index)
        if len(self.answered) == 3:
            self.all_answered.set()

    def fail(self, error: BaseException) -> None:
        raise AssertionError from error

    def submit_three(self) -> None:
        for index in range(3):
            try:
                self.thread.submit(index, index)
            except KeyboardInterrupt:
                continue
        self.is_held.set()
        assert self.all_answered.wait(PATIENCE)


@pytest.mark.parametrize("interrupts", [0, 1])
def test_a_loop_is_woken_once_for_all_prompts_that_come_before_it_looks(
    interrupts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompted = Prompted(monkeypatch)
    prompted.interrupts = interrupts
    prompted.submit_three()
    assert [prompted.thread._submit_all] == prompted.woken
    prompted.thread.close()


class InterruptedOnce(Future[Any]):
    """What is interrupted as it is waited for the first time."""

    was_interrupted = False

    def result(self, timeout: float | None = None) -> Any:
        if not self.was_interrupted:
            self.was_interrupted = True
            raise KeyboardInterrupt
        return super().result(timeout)


@pytest.mark.parametrize("has_failed", [False, True])
def test_a_batch_whose_begin_is_interrupted_leaves_no_thread(
    has_failed: bool, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(coroutine: Any) -> None:
        coroutine.close()
        raise OSError("too many open files")

    before = threading.enumerate()
    with monkeypatch.context() as patch, client.generate_batch(["one", "two"]) as batch:
        patch.setattr(loop_thread, "Future", InterruptedOnce)
        if has_failed:
            patch.setattr(asyncio, "run", fails)
        with pytest.raises(KeyboardInterrupt):
            next(batch)
        for thread in set(threading.enumerate()) - {*before}:
            if thread.name == "llm-batch":
                thread.join(PATIENCE)
                assert not thread.is_alive()
        patch.undo()
        assert ["Sandbox: one", "Sandbox: two"] == [result.value for result in batch]
