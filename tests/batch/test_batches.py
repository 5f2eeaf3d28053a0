"""Many prompts through one client: results, their order, errors, and what is read when."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import os
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from sandbox import Fault, Sandbox
from services.llm.batch import runner
from services.llm.batch.options import AHEAD, BatchOptions
from services.llm.batch.results import BatchResult
from services.llm_client import (
    AsyncBatch,
    AuthenticationError,
    Batch,
    BatchStoppedError,
    ConfigurationError,
    InvalidRequestError,
    LLMError,
    ModelNotFoundError,
    Reply,
)
from tests.batch.conftest import Make
from tests.batch.reading import BOTH, Read, awaiting, blocking, waiters
from tests.timing import wait_until

#: A limit that is taken for the provider's own: then requests need not begin one after another.
NO_SLOW_START = {"GROQ_REQUESTS_PER_MINUTE": 300}


class Word(BaseModel):
    word: str


def numbered(count: int) -> Iterator[str]:
    return (f"Say {number}." for number in range(count))


@pytest.mark.parametrize("provider", ["groq", "bedrock"])
@pytest.mark.parametrize("read", BOTH)
def test_each_prompt_has_its_reply_in_order(make: Make, read: Read, provider: str) -> None:
    results = read(make(provider), numbered(20), concurrency=4)
    assert [f"Sandbox: Say {number}." for number in range(20)] == [each.value for each in results]
    assert list(range(20)) == [each.index for each in results]
    assert list(numbered(20)) == [each.prompt for each in results]
    assert all(isinstance(each.reply, Reply) and each.error is None for each in results)


class LastIsFirst:
    """Answers prompt 0 once all others of eight are answered."""

    def __init__(self) -> None:
        self.answered = 0

    async def ask(self, prompt: int) -> Reply:
        while prompt == 0 and self.answered < 7:
            await asyncio.sleep(0)
        self.answered += 1
        return Reply(str(prompt), "a model", "groq")


@pytest.mark.parametrize("ordered", [True, False])
def test_results_come_as_they_are_there_where_no_order_is_asked_for(ordered: bool) -> None:
    options = BatchOptions(2, ordered)
    one = [each.index for each in Batch[str](range(8), LastIsFirst().ask, options)]

    async def read() -> list[int]:
        batch = AsyncBatch[str](range(8), LastIsFirst().ask, options)
        return [each.index async for each in batch]

    other = asyncio.run(read())
    expected = list(range(8)) if ordered else [*range(1, 8), 0]
    assert (expected, expected) == (one, other)


@pytest.mark.parametrize("read", BOTH)
def test_a_slow_first_call_holds_the_others_back_no_longer_than_the_window(
    client: Any, sandbox: Sandbox, read: Read
) -> None:
    sandbox.script(Fault.slow_body(0.1), prompt="Say 0.")
    results = read(client, numbered(8), concurrency=2)
    assert list(range(8)) == [each.index for each in results]


@pytest.mark.parametrize("read", BOTH)
def test_a_prompt_that_fails_has_its_error_and_the_others_go_on(
    client: Any, sandbox: Sandbox, read: Read
) -> None:
    sandbox.script(Fault.error(400), prompt="Say 1.")
    zero, one, two = read(client, numbered(3))
    assert (None, None) == (zero.error, two.error)
    assert (True, None) == (isinstance(one.error, InvalidRequestError), one.reply)
    with pytest.raises(InvalidRequestError):
        _ = one.value


@pytest.mark.parametrize("read", BOTH)
def test_answers_satisfy_a_schema_and_are_its_instances(client: Any, read: Read) -> None:
    results = read(client, numbered(3), schema=Word)
    assert [Word] * 3 == [type(each.value) for each in results]
    results = read(client, numbered(2), schema=Word.model_json_schema())
    assert [dict] * 2 == [type(each.value) for each in results]


@pytest.mark.parametrize("read", BOTH)
def test_a_prompt_may_be_a_chat_or_have_arguments_of_its_own(
    client: Any, sandbox: Sandbox, read: Read
) -> None:
    chat = [{"role": "user", "content": "In a chat."}]
    own = {"prompt": "By itself.", "system_prompt": "Be brief.", "temperature": 0.1, "top_p": 0.5}
    read(client, [chat, own, "Plain."], system_prompt="Be kind.", concurrency=1, seed=7)
    first, second, third = (exchange.body for exchange in sandbox.exchanges)
    assert ["Be kind.", "In a chat."] == [each["content"] for each in first["messages"]]
    assert ["Be brief.", "By itself."] == [each["content"] for each in second["messages"]]
    assert (0.1, 0.5, 7) == (second["temperature"], second["top_p"], second["seed"])
    assert (0.7, "Be kind.") == (third["temperature"], third["messages"][0]["content"])


@pytest.mark.parametrize("read", BOTH)
def test_tags_are_those_of_the_batch_or_the_prompts_own(client: Any, read: Read) -> None:
    seen: list[dict[str, str]] = []
    client.hooks.add(lambda event: seen.append(dict(event.call.tags)))
    prompts = ["One.", {"prompt": "Two.", "tags": {"tenant": "b"}}]
    read(client, prompts, tags={"tenant": "a"}, concurrency=1)
    assert [{"tenant": "a"}, {"tenant": "b"}] == [seen[0], seen[-1]]
    with pytest.raises(ConfigurationError, match="tags"):
        client.generate_batch([], tags={"tenant": 7})


@pytest.mark.parametrize("read", BOTH)
def test_what_is_no_prompt_is_an_error_of_its_own(client: Any, read: Read) -> None:
    results = read(client, ["Say it.", 7, b"bytes", {"prmpt": "it"}, {1: 2}, ""])
    kinds = [type(each.error).__name__ for each in results]
    assert ["NoneType", *["ConfigurationError"] * 4] == kinds[:5]
    assert "a prompt is of type int: give text, a chat list, or a dict" in str(results[1].error)


async def _awaited(progress: object) -> None:
    raise AssertionError("never called")


@pytest.mark.parametrize(
    ("prompts", "arguments", "words"),
    [
        ("Say it.", {}, "prompts is one str: give a list"),
        (bytearray(b"Say it."), {}, "prompts is one bytearray: give a list"),
        ([], {"ordered": "no"}, "ordered is 'no': give True or False"),
        ({"prompt": "Say it."}, {}, "prompts is one dict"),
        (7, {}, "prompts is no iterable, but 7"),
        ([], {"concurrency": 0}, "concurrency is 0: give a whole number from 1 on"),
        ([], {"progress": "yes"}, "progress is 'yes': give a function of a BatchProgress, or True"),
        ([], {"progress": _awaited}, "progress is _awaited, a coroutine function: give a plain"),
        ([], {"temprature": 0}, "did you mean temperature"),
        ([], {"schema": {"type": "none"}}, "none"),
        ([], {"timeout": 0}, "timeout is 0"),
    ],
)
def test_what_is_wrong_for_all_prompts_is_an_error_at_once(
    client: Any, prompts: Any, arguments: dict[str, Any], words: str
) -> None:
    for generate in (client.generate_batch, client.agenerate_batch):
        with pytest.raises(ConfigurationError) as raised:
            generate(prompts, **arguments)
        assert words in str(raised.value)


def test_an_async_iterable_is_for_the_async_counterpart(client: Any) -> None:
    async def prompts() -> AsyncIterator[str]:
        for prompt in numbered(9):
            await asyncio.sleep(0)
            yield prompt

    with pytest.raises(ConfigurationError, match="agenerate_batch takes it"):
        client.generate_batch(prompts())
    results = awaiting(client, prompts(), concurrency=2)
    assert list(range(9)) == [each.index for each in results]


@pytest.mark.parametrize("read", BOTH)
def test_calls_wait_for_their_limits_however_long_that_takes(
    make: Make, sandbox: Sandbox, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = make(GROQ_REQUESTS_PER_MINUTE=5, LLM_TIMEOUT=20)
    client._rate_limit_window = 0.1
    results = read(client, numbered(12))
    assert [None] * 12 == [each.error for each in results]
    assert any(each.reply.attempts[0].quota_wait > 0 for each in results)


@pytest.mark.usefixtures("short_backoff")
@pytest.mark.parametrize("read", BOTH)
def test_a_limit_that_refuses_again_and_again_fails_no_prompt(
    client: Any, sandbox: Sandbox, read: Read
) -> None:
    sandbox.script(*[Fault.rate_limited(0.01)] * 4)
    (result,) = read(client, ["Say it."], max_retries=0)
    assert (None, 5) == (result.error, len(result.reply.attempts))


@pytest.mark.parametrize("read", BOTH)
def test_a_batch_lets_interactive_calls_go_first_unless_it_is_told_not_to(
    client: Any, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    reserve = client._account.reserve

    def noting(*arguments: Any, **more: Any) -> Any:
        seen.append(inspect.signature(reserve).bind(*arguments, **more).arguments["priority"])
        return reserve(*arguments, **more)

    monkeypatch.setattr(client._account, "reserve", noting)
    own = {"prompt": "At once.", "priority": "interactive"}
    assert [None, None] == [each.error for each in read(client, ["Say it.", own], concurrency=1)]
    assert ("batch", "interactive") == (seen[0], seen[-1])
    with pytest.raises(ConfigurationError, match="priority is 'high'"):
        client.generate_batch([], priority="high")


@pytest.mark.parametrize("read", BOTH)
def test_a_refused_key_ends_the_batch_and_those_in_flight_have_their_errors(
    client: Any, sandbox: Sandbox, read: Read
) -> None:
    seen: list[Any] = []
    sandbox.script(Fault.error(401), times=None)
    with pytest.raises(BatchStoppedError) as raised:
        read(client, numbered(10_000), concurrency=2, progress=seen.append)
    assert isinstance(raised.value.__cause__, AuthenticationError)
    assert "the batch was stopped after" in str(raised.value)
    assert 401 == raised.value.status
    assert len(sandbox.exchanges) <= 4 * AHEAD
    assert (seen[-1].done, seen[-1].done) == (len(seen), seen[-1].failed)


@pytest.mark.parametrize("read", BOTH)
def test_where_all_prompts_were_read_none_is_said_to_be_left(
    client: Any, sandbox: Sandbox, read: Read
) -> None:
    sandbox.script(Fault.error(401), times=None)
    # As many as are asked at once: whether another follows is not looked at before it fails.
    results = read(client, list(numbered(1)), concurrency=1)
    assert [AuthenticationError] == [type(each.error) for each in results]


def test_a_refused_key_ends_the_reading_of_an_async_source(client: Any, sandbox: Sandbox) -> None:
    async def prompts() -> AsyncIterator[str]:
        for prompt in numbered(10_000):
            yield prompt

    sandbox.script(Fault.error(401), times=None)
    with pytest.raises(BatchStoppedError):
        awaiting(client, prompts(), concurrency=2)
    assert len(sandbox.exchanges) <= 4 * AHEAD


@pytest.mark.parametrize("read", BOTH)
def test_a_model_that_is_not_there_ends_the_batch_unless_a_prompt_names_it(
    client: Any, read: Read
) -> None:
    with pytest.raises(BatchStoppedError):
        read(client, numbered(1_000), model="nobody/has-this", concurrency=2)
    own = {"prompt": "Say it.", "model": "nobody/has-this"}
    results = read(client, [own, *numbered(20)], concurrency=1)
    assert isinstance(results[0].error, ModelNotFoundError)
    assert [None] * 20 == [each.error for each in results[1:]]


@pytest.mark.parametrize("read", BOTH)
def test_an_error_of_the_prompts_own_is_raised_after_the_results_of_those_before(
    client: Any, read: Read
) -> None:
    def prompts() -> Iterator[str]:
        yield from numbered(3)
        raise KeyError("the database has gone")

    seen: list[Any] = []
    with pytest.raises(KeyError, match="the database has gone"):
        read(client, prompts(), progress=seen.append)
    assert (3, 0) == (seen[-1].done, seen[-1].failed)


def test_an_error_of_an_async_source_is_raised_as_well(client: Any) -> None:
    async def prompts() -> AsyncIterator[str]:
        yield "Say it."
        raise KeyError("the queue has gone")

    seen: list[Any] = []
    with pytest.raises(KeyError, match="the queue has gone"):
        awaiting(client, prompts(), progress=seen.append)
    assert 1 == seen[-1].done


@pytest.mark.parametrize("read", BOTH)
def test_an_unknown_exception_is_that_prompts_alone(client: Any, read: Read) -> None:
    class Odd(dict[str, Any]):
        def items(self) -> Any:
            raise ZeroDivisionError

    results = read(client, [[Odd(role="user", content="x")], "Say it."])
    assert (ZeroDivisionError, None) == (type(results[0].error), results[1].error)


@pytest.mark.parametrize("ordered", [True, False])
def test_a_slow_reader_stops_the_reading(client: Any, ordered: bool) -> None:
    read = 0

    def prompts() -> Iterator[str]:
        nonlocal read
        for prompt in numbered(100):
            read += 1
            yield prompt

    with client.generate_batch(prompts(), concurrency=2, ordered=ordered) as batch:
        for given, _ in enumerate(batch, 1):
            assert read <= given + 2 * AHEAD

    async def main() -> None:
        nonlocal read
        read = 0
        async with client.agenerate_batch(prompts(), concurrency=2, ordered=ordered) as batch:
            given = 0
            async for _ in batch:
                given += 1
                await asyncio.sleep(0.001)
                assert read <= given + 2 * AHEAD

    asyncio.run(main())


def test_a_slow_source_holds_no_result_back() -> None:
    given: list[int] = []

    async def ask(prompt: int) -> Reply:
        return Reply(str(prompt), "a model", "groq")

    def prompts() -> Iterator[int]:
        yield 0
        wait_until(lambda: batch._pipeline._answered or batch._pipeline._window.is_ready)
        yield 1
        assert [0] == given, "a third prompt was waited for while a result was there"
        yield 2

    batch = Batch[str](prompts(), ask, BatchOptions(4))
    for result in batch:
        given.append(result.index)
    assert [0, 1, 2] == given


@pytest.mark.parametrize("read", BOTH)
def test_no_more_calls_are_made_at_once_than_asked_for(
    client: Any, sandbox: Sandbox, read: Read
) -> None:
    results = read(client, numbered(30), concurrency=3, ordered=False)
    assert 30 == len(results)
    connections = {exchange.connection for exchange in sandbox.exchanges}
    assert len(connections) <= 3


def test_leaving_early_cancels_what_is_in_flight(client: Any, sandbox: Sandbox) -> None:
    sandbox.script(None, Fault.silent(30), times=None)
    before = set(threading.enumerate())
    with client.generate_batch(numbered(100), concurrency=2) as batch:
        assert 0 == next(batch).index
        sandbox.wait_for(2)
    assert set() == set(threading.enumerate()) - before
    assert [] == list(batch)
    batch.close()

    async def main() -> None:
        async with client.agenerate_batch(numbered(100), concurrency=2, ordered=False) as batch:
            async for _ in batch:
                break
        assert {asyncio.current_task()} == asyncio.all_tasks()
        assert [] == [result async for result in batch]

    asyncio.run(main())
    assert client._account.concurrency.free == 64


@pytest.mark.usefixtures("short_first_answer_wait")
@pytest.mark.parametrize("readers", [1, 2])
def test_a_batch_that_another_thread_closes_ends_its_waiting_readers(
    make: Make, sandbox: Sandbox, readers: int
) -> None:
    sandbox.script(Fault.silent(60), times=None)
    batch = make(LLM_MAX_RETRIES=0, **NO_SLOW_START).generate_batch(["one", "two"])
    errors: list[object] = []

    def read() -> None:
        try:
            next(batch)
        except RuntimeError as error:
            errors.append(str(error))

    threads = [threading.Thread(target=read, daemon=True) for _ in range(readers)]
    for thread in threads:
        thread.start()
    sandbox.wait_for(2)
    wait_until(lambda: waiters(batch) == readers)
    batch.close()
    for thread in threads:
        thread.join(20)
    assert ["the batch was closed while its next result was waited for"] * readers == errors


@pytest.mark.parametrize("source", ["prompts", "an async source that waits"])
def test_a_batch_that_another_task_closes_ends_its_waiting_reader(
    make: Make, sandbox: Sandbox, source: str
) -> None:
    sandbox.script(Fault.silent(60), times=None)

    async def waiting() -> AsyncIterator[str]:
        await asyncio.sleep(60)
        yield "never"

    async def main() -> None:
        prompts: Any = ["one"] if source == "prompts" else waiting()
        batch = make(LLM_MAX_RETRIES=0).agenerate_batch(prompts)
        reader = asyncio.create_task(anext(batch))
        for _ in range(3):
            await asyncio.sleep(0)
        await batch.aclose()
        with pytest.raises(RuntimeError, match="closed while its next result was waited for"):
            await asyncio.wait_for(reader, 10)

    asyncio.run(main())


def test_dropping_the_iterator_cancels_what_is_in_flight(client: Any, sandbox: Sandbox) -> None:
    sandbox.script(None, Fault.silent(30), times=None)
    for _ in client.generate_batch(numbered(100), concurrency=2):
        break
    for thread in threading.enumerate():
        if thread.name == "llm-batch":
            thread.join()

    async def main() -> None:
        batch = client.agenerate_batch(numbered(100), concurrency=2, ordered=False)
        await batch.__anext__()
        del batch
        while len(asyncio.all_tasks()) > 1:
            await asyncio.sleep(0)

    asyncio.run(main())
    assert client._account.concurrency.free == 64


def test_a_loop_that_ends_amid_a_batch_is_given_no_new_calls() -> None:
    asked: list[int] = []

    async def ask(prompt: int) -> Reply:
        asked.append(prompt)
        if prompt:
            await asyncio.Event().wait()
        return Reply(str(prompt), "a model", "groq")

    async def main() -> AsyncBatch[str]:
        batch = AsyncBatch[str](iter(range(9)), ask, BatchOptions(2, False))
        assert 0 == (await batch.__anext__()).index
        await asyncio.sleep(0)
        return batch

    batch = asyncio.run(main())
    del batch
    assert [0, 1, 2] == asked


def test_what_is_never_read_is_never_asked(client: Any, sandbox: Sandbox) -> None:
    client.generate_batch(numbered(3)).close()

    async def main() -> None:
        await client.agenerate_batch(numbered(3)).aclose()

    asyncio.run(main())
    assert () == tuple(sandbox.exchanges)


def test_two_tasks_may_read_one_batch(client: Any) -> None:
    async def main() -> list[int]:
        seen: list[int] = []
        batch = client.agenerate_batch(numbered(20), concurrency=2)

        async def read() -> None:
            async for result in batch:
                seen.append(result.index)

        await asyncio.gather(read(), read())
        return seen

    assert list(range(20)) == sorted(asyncio.run(main()))


@pytest.mark.parametrize("read", BOTH)
def test_context_variables_reach_the_prompts_and_the_calls(client: Any, read: Read) -> None:
    tenant = contextvars.ContextVar("tenant", default="nobody")
    seen: list[str] = []

    class Noting(dict[str, Any]):
        def keys(self) -> Any:
            seen.append(tenant.get())
            return super().keys()

        def __iter__(self) -> Iterator[str]:
            seen.append(tenant.get())
            return super().__iter__()

    def prompts() -> Iterator[Any]:
        seen.append(tenant.get())
        yield [Noting(role="user", content="Say it.")]

    tenant.set("acme")
    (result,) = read(client, prompts())
    assert (None, {"acme"}) == (result.error, set(seen))


def test_a_call_that_was_cancelled_from_outside_has_an_error(client: Any, sandbox: Sandbox) -> None:
    sandbox.script(Fault.silent(30), None)

    async def main() -> list[Any]:
        batch = client.agenerate_batch(numbered(2), concurrency=1)
        reading = asyncio.create_task(batch.__anext__())
        while not sandbox.exchanges:
            await asyncio.sleep(0.001)
        (call,) = asyncio.all_tasks() - {asyncio.current_task(), reading}
        call.cancel()
        return [await reading, await batch.__anext__()]

    first, second = asyncio.run(main())
    assert ("The call was cancelled", None) == (str(first.error), second.error)


def test_an_async_source_that_is_cancelled_ends_the_batch(client: Any) -> None:
    async def prompts() -> AsyncIterator[str]:
        yield "Say it."
        raise asyncio.CancelledError

    async def main() -> None:
        batch = client.agenerate_batch(prompts())
        assert (await batch.__anext__()).error is None
        with pytest.raises(asyncio.CancelledError):
            await batch.__anext__()

    asyncio.run(main())


def test_what_ends_the_loop_of_a_blocking_batch_is_raised_where_it_is_read(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dying(self: Any, index: int, prompt: Any) -> None:
        raise SystemExit("no more")

    monkeypatch.setattr(runner.Runner, "submit", dying)
    with pytest.raises(SystemExit, match="no more"):
        next(client.generate_batch(numbered(3)))


def test_where_no_loop_can_be_made_that_is_raised(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(_: Any) -> None:
        _.close()
        raise OSError("too many open files")

    monkeypatch.setattr(asyncio, "run", failing)
    with pytest.raises(OSError, match="too many open files"):
        next(client.generate_batch(numbered(3)))


def test_a_forked_child_does_not_wait_for_the_batch_of_its_parent(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with client.generate_batch(numbered(20), concurrency=1) as batch:
        next(batch)
        with monkeypatch.context() as patch:
            patch.setattr(os, "getpid", lambda: -1)
            with pytest.raises(RuntimeError, match="not in a forked one"):
                list(batch)
            batch.close()
        batch._pipeline.close()


def test_identical_prompts_in_flight_are_asked_once(make: Make, sandbox: Sandbox) -> None:
    client = make(LLM_CACHE_URL="memory:")
    results = blocking(client, ["Say it."] * 10)
    assert (10, 1) == (len(results), len(sandbox.exchanges))
    assert 9 == sum(each.reply.cached for each in results)


@pytest.mark.parametrize("read", BOTH)
def test_a_second_run_takes_its_answers_from_the_cache(
    make: Make, sandbox: Sandbox, read: Read, tmp_path: Any
) -> None:
    sandbox.script(Fault.error(400), prompt="Say 2.")
    client = make(LLM_CACHE_URL=f"json:{tmp_path}/answers")
    first = read(client, numbered(5))
    assert [False, False, True, False, False] == [each.error is not None for each in first]
    seen: list[Any] = []
    second = read(client, numbered(5), progress=seen.append)
    assert (6, 4) == (len(sandbox.exchanges), seen[-1].cached)
    assert [None] * 5 == [each.error for each in second]


def test_a_result_without_a_call_says_so() -> None:
    result = BatchResult[str](0, "Say it.", error=LLMError("no"))
    with pytest.raises(LLMError, match="no"):
        _ = result.value
    assert not result.stops_batch
