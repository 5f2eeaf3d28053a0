"""A provider's own batch in the ledger, the budgets and the hooks: once, however often read."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from groq_client_compliant import GroqClient
from sandbox import Answer, Fault, Sandbox
from services.llm import models
from services.llm.account.daily_budget import DailyBudget, MemoryDayCounter
from services.llm.account.registry import new_account
from services.llm.batch import batch_events, bookkeeping, provider_batch
from services.llm.batch.batch_events import BatchEvents
from services.llm.batch.batch_note import BatchNote
from services.llm.batch.batch_sums import BatchSums
from services.llm.batch.bookkeeping import BatchBookkeeper
from services.llm.batch.reservations import BatchReservations
from services.llm.batch.result_files import ResultFile
from services.llm.effects import Overdue, RunBlocking
from services.llm.events import (
    BatchEnded,
    BatchPolled,
    BatchSubmitted,
    Event,
    Hooks,
    hears,
)
from services.llm.ledger import opening
from services.llm.ledger.store import MemoryUsageStore
from services.llm.ledger.usage import NANO
from services.llm.providers.batch_types import BatchLine, BatchStatus, CustomId
from services.llm.providers.groq.batch_api import GroqBatchApi
from services.llm.settings.knobs import Knobs
from services.llm.stores import StoreError
from services.llm.types import Reply, Request, Usage
from services.llm_client import (
    ConfigurationError,
    InvalidRequestError,
    LLMError,
    LLMTimeoutError,
    ProviderUnavailableError,
    RateLimitError,
)
from tests.call.scripted import Clock, account
from tests.compliant.support import KEYS, MODEL, with_client

MODELS = {"groq": MODEL, "bedrock": "us.anthropic.claude-sonnet-4-6"}
PROMPTS = [f"Say {number}." for number in range(6)]
Make = Callable[..., Any]


@pytest.fixture(autouse=True)
def _nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "_ledgers", {})
    monkeypatch.setattr(bookkeeping, "_in_memory", MemoryUsageStore())


@pytest.fixture(params=["sqlite:usage.db", "json:usage.jsonl", "memory:"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a ledger of each kind."""
    kind, _, name = request.param.partition(":")
    url = f"{kind}:{tmp_path / name}" if name else request.param
    yield url
    opening.ledger_at(url).close()


@pytest.fixture(params=["groq", "bedrock"])
def client(request: pytest.FixtureRequest, make: Make, sandbox: Sandbox) -> Any:
    """A client with a ledger in memory."""
    return made(make, sandbox, request.param, "memory:")


def made(make: Make, sandbox: Sandbox, provider: str, url: str, **knobs: object) -> Any:
    return make(
        provider,
        GROQ_MODEL=MODELS["groq"],
        BEDROCK_MODEL_ID=MODELS["bedrock"],
        AWS_ENDPOINT_URL_BEDROCK=sandbox.url,
        AWS_ENDPOINT_URL_S3=sandbox.url,
        BEDROCK_BATCH_BUCKET="s3://box/",
        BEDROCK_BATCH_ROLE_ARN="arn:aws:iam::123456789012:role/batch",
        LLM_LEDGER_URL=url,
        **knobs,
    )


def rows(client: Any, by: str = "model,tier") -> dict[tuple[str, ...], Any]:
    return {row.group: row.sums for row in client.usage_report(by=by.split(",")).rows}


@pytest.mark.parametrize("provider", MODELS)
def test_what_a_batch_has_used_is_in_the_ledger_once(
    make: Make, sandbox: Sandbox, ledger: str, provider: str
) -> None:
    client = made(make, sandbox, provider, ledger)
    batch = client.submit_batch(PROMPTS)
    assert {} == rows(client)
    replies = [each.reply for each in batch.results()]
    list(batch.results())
    list(made(make, sandbox, provider, ledger).resume_batch(batch.id).results())
    (((_, tier), sums),) = rows(client).items()
    assert ("batch", 6, 0, 6) == (tier, sums.calls, sums.failed, sums.attempts)
    assert sum(each.usage.total_tokens for each in replies) == (
        sums.input_tokens + sums.output_tokens
    )
    assert round(sum(each.cost for each in replies) * NANO) == sums.cost


def test_prompts_keep_their_tags_though_another_process_reads_them(
    make: Make, sandbox: Sandbox, ledger: str
) -> None:
    client = made(make, sandbox, "groq", ledger)
    prompts = [{"prompt": "a", "tags": {"tenant": "umbrella"}}, *PROMPTS, "b"]
    batch = client.submit_batch(prompts, tags={"tenant": "acme"})
    opening.ledger_at(ledger).close()
    list(made(make, sandbox, "groq", ledger).resume_batch(batch.id).results())
    assert {("acme",): 7, ("umbrella",): 1} == {
        group: sums.calls for group, sums in rows(client, "tag:tenant").items()
    }


def test_a_prompt_that_fails_is_a_failed_call_of_its_model(client: Any, sandbox: Sandbox) -> None:
    sandbox.script(Fault.error(400), prompt="Say 2.")
    list(client.submit_batch(PROMPTS).results())
    ((_, sums),) = rows(client).items()
    assert (6, 1, 6, 1) == (sums.calls, sums.failed, sums.attempts, sums.unreported)


def test_what_was_cut_off_is_counted_as_the_provider_counts_it(
    client: Any, sandbox: Sandbox
) -> None:
    sandbox.script(Answer(text="a b", finish="length"))
    (result,) = client.submit_batch(["a"]).results()
    ((_, sums),) = rows(client).items()
    usage = result.error.partial.usage
    assert (usage.total_tokens, 1) == (sums.input_tokens + sums.output_tokens, sums.failed)


def test_the_most_that_a_batch_can_cost_is_reserved_and_settled_by_what_it_has(
    make: Make, sandbox: Sandbox, ledger: str
) -> None:
    def of_day() -> list[int]:
        money, now = bounded._account.money, bounded._account.wall()
        return [each._counter.add(0, now) for each in money.of({"tenant": "acme"})]

    bounded = made(
        *(make, sandbox, "groq", ledger),
        LLM_DAILY_BUDGET_USD=1,
        LLM_TAG_BUDGETS_USD="tenant=*:0.5",
    )
    prompts = [*PROMPTS, {"prompt": "for nobody", "tags": {}}]
    batch = bounded.submit_batch(prompts, max_tokens=1000, tags={"tenant": "acme"})
    most = models.most_cost(MODEL, 0, 1000)
    assert most is not None
    whole, tagged = of_day()
    assert whole * 6 // 7 == pytest.approx(tagged, rel=0.02)
    assert tagged > 6 * 0.5 * most * NANO
    replies = [each.reply for each in bounded.resume_batch(batch.id).results()]
    costs = [round(each.cost * NANO) for each in replies]
    assert [sum(costs), sum(costs[:6])] == of_day()
    list(batch.results())
    assert [sum(costs), sum(costs[:6])] == of_day()


@pytest.mark.parametrize(
    ("dollars", "kind"), [(0.001, InvalidRequestError), (0.000001, InvalidRequestError)]
)
def test_nothing_is_submitted_that_a_budget_has_no_room_for(
    make: Make, sandbox: Sandbox, dollars: float, kind: type[Exception]
) -> None:
    client = made(make, sandbox, "groq", "", LLM_DAILY_BUDGET_USD=dollars)
    with pytest.raises(kind, match="the batch may cost"):
        client.submit_batch(PROMPTS, max_tokens=60_000)
    assert not any(each.operation == "batches" and each.body for each in sandbox.exchanges)


def test_of_two_files_that_have_room_for_one_nothing_stays_reserved(
    make: Make, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(GroqBatchApi, "max_lines", 3)
    of_file = models.most_cost(MODEL, 0, 3 * 600)
    assert of_file is not None
    client = made(make, sandbox, "groq", "", LLM_DAILY_BUDGET_USD=of_file * 0.8)
    with pytest.raises(RateLimitError, match="are left until 00:00 UTC"):
        client.submit_batch(PROMPTS, max_tokens=600)
    (budget,) = client._account.money.of({})
    assert 0 == budget._counter.add(0, client._account.wall())


def test_what_cannot_be_submitted_is_given_back(
    make: Make, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = made(make, sandbox, "groq", "", LLM_DAILY_BUDGET_USD=1)

    def failing(*_: Any) -> str:
        raise ProviderUnavailableError("no more", retry_after=0.0)

    monkeypatch.setattr(GroqBatchApi, "submit", failing)
    monkeypatch.setattr(provider_batch, "_ATTEMPTS", 1)
    with pytest.raises(ProviderUnavailableError):
        client.submit_batch(PROMPTS)
    (budget,) = client._account.money.of({})
    assert 0 == budget._counter.add(0, client._account.wall())


@pytest.mark.parametrize(
    ("status", "is_given_back"),
    [
        (BatchStatus("failed", message="a line is no JSON"), True),
        (BatchStatus("cancelled", total=6), True),
        (BatchStatus("expired", total=6, completed=0), True),
        (BatchStatus("expired", total=6, completed=1), False),
        # Where no count is told, prompts may have been answered.
        (BatchStatus("cancelled"), False),
        (BatchStatus("running", total=6), False),
    ],
)
def test_what_is_reserved_for_a_batch_that_has_no_answers_is_given_back_unread(
    make: Make,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    status: BatchStatus,
    *,
    is_given_back: bool,
) -> None:
    client = made(make, sandbox, "groq", "memory:", LLM_DAILY_BUDGET_USD=1)
    (budget,) = client._account.money.of({})
    batch = client.submit_batch(PROMPTS)
    reserved = budget._counter.add(0, client._account.wall())
    assert reserved > 0
    monkeypatch.setattr(GroqBatchApi, "status", lambda *_: status)
    for _ in range(2):
        assert status == batch.status()
        left = budget._counter.add(0, client._account.wall())
        assert (0 if is_given_back else reserved) == left


def test_prompts_that_have_all_failed_are_counted_though_the_status_was_looked_at_before(
    make: Make, sandbox: Sandbox
) -> None:
    client = made(make, sandbox, "groq", "memory:", LLM_DAILY_BUDGET_USD=1)
    sandbox.script(Fault.error(503), times=None)
    batch = client.submit_batch(PROMPTS[:2])
    assert (0, 2) == (batch.status().completed, batch.status().failed)
    assert 2 == sum(each.error is not None for each in batch.results())
    total = client.usage_report().total
    (budget,) = client._account.money.of({})
    assert (2, 2) == (total.calls, total.failed)
    assert 0 == budget._counter.add(0, client._account.wall())


def test_of_a_batch_without_answers_nothing_is_given_back_that_was_not_reserved(
    make: Make, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(GroqBatchApi, "status", lambda *_: BatchStatus("failed"))
    for knobs in ({}, {"LLM_DAILY_BUDGET_USD": 1}):
        client = made(make, sandbox, "groq", "", **knobs)
        assert "failed" == client.resume_batch("batch_of_others").status().state


def test_the_days_tokens_of_several_keys_count_batches(sandbox: Sandbox) -> None:
    async def reading(client: GroqClient) -> tuple[int, list[Any]]:
        batch = await client.submit_batch(PROMPTS, model=MODEL, max_tokens=1000, tags={"a": "b"})
        budget: Any = client._account.budget
        reserved = budget._counter.add(0, client._account.wall())
        results = [each async for each in batch.aresults()]
        return reserved, [budget._counter.add(0, client._account.wall()), results]

    options = {"daily_token_budget": 100_000, "cache_path": None}
    reserved, (spent, results) = with_client(sandbox.url, reading, keys=KEYS, **options)
    assert 6_000 < reserved < 7_000
    assert spent == sum(each.reply.usage.total_tokens for each in results)


def test_an_answer_without_a_count_has_spent_its_part_of_what_was_reserved(
    make: Make, sandbox: Sandbox
) -> None:
    client = made(make, sandbox, "groq", "")
    client._account.budget = DailyBudget(100_000, MemoryDayCounter())
    prompts = [{"prompt": "a", "model": "sandbox/no-usage"}, "b"]
    batch = client.submit_batch(prompts, max_tokens=100)
    counter = client._account.budget._counter
    reserved = counter.add(0, client._account.wall())
    counted = sum(each.reply.usage.total_tokens for each in batch.results())
    assert counted + reserved // 2 == counter.add(0, client._account.wall())


def test_money_of_an_answer_without_a_price_is_its_part_of_what_was_reserved() -> None:
    note = BatchNote("2026-11-26", 4, money={"": 400, "a=b": 200})
    note.add(0, "m", {"a": "b"})
    note.add(1, "m", {})
    usage = Usage(1, 1, 2, reported=True)
    lines = [
        BatchLine(CustomId(0), Reply("", "unpriced", "groq", "stop", usage)),
        BatchLine(CustomId(1), LLMError("no")),
    ]
    sums = BatchSums(lines, GroqBatchApi(None, None), note)  # type: ignore[arg-type]  # nothing is asked of it
    assert {"": 400 // 6, "a=b": 200 // 6} == sums.spent
    assert {"unpriced": 1, "m": 1} == {name: each.calls for name, each in sums.by_model().items()}


def test_a_model_without_a_price_is_no_batch_under_a_budget(make: Make, sandbox: Sandbox) -> None:
    client = made(make, sandbox, "groq", "", LLM_DAILY_BUDGET_USD=1)
    with pytest.raises(ConfigurationError, match=r"^prompts\[1\]: .*LLM_PRICES"):
        client.submit_batch(["a", {"prompt": "b", "model": "nobody/knows"}])


class Failing(MemoryUsageStore):
    """A ledger of which some operations fail."""

    def __init__(self, *failing: str) -> None:
        super().__init__()
        self.failing = failing

    def fail(self, *_: Any) -> Any:
        raise StoreError("the disk is full, gsk_abcdefghijklmnopqrstuvwxyz")

    def __getattribute__(self, name: str) -> Any:
        if name in ("keep_note", "note_of", "add_once") and name in self.failing:
            return self.fail
        return super().__getattribute__(name)


@pytest.mark.parametrize("failing", ["keep_note", "note_of", "add_once"])
def test_a_ledger_that_fails_fails_no_batch(
    client: Any, caplog: pytest.LogCaptureFixture, failing: str
) -> None:
    store = client._account.ledger.store = Failing(failing)
    with caplog.at_level(logging.WARNING):
        batch = client.submit_batch(PROMPTS, tags={"tenant": "acme"})
        assert 6 == len(list(batch.results()))
    (line,) = caplog.messages
    assert line.startswith(f"the ledger does not know all of the batch {batch.id}, until its")
    assert "abcdefgh" not in line
    store.failing = ()
    list(batch.results())
    assert {("acme",): 6} == {g: sums.calls for g, sums in rows(client, "tag:tenant").items()}


def test_a_ledger_that_hangs_is_told_and_holds_up_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    account = new_account("groq", Knobs(), None)
    account.ledger = opening.ledger_at("memory:")
    heard: list[Event] = []
    hooks = Hooks()
    hooks.add(heard.append)
    bookkeeper, api = BatchBookkeeper(account, hooks), GroqBatchApi(None, None)  # type: ignore[arg-type]  # nothing is asked of it
    file = ResultFile(api, "batch_1", BatchStatus("completed"))
    with closing(file), caplog.at_level(logging.WARNING):
        keeping = bookkeeper.submitted("batch_1", BatchNote())
        next(keeping)
        with pytest.raises(StopIteration):
            keeping.throw(Overdue(True))
        ending = bookkeeper.ended(file, api)
        next(ending)
        reading = ending.throw(Overdue(True))
        assert isinstance(reading, RunBlocking)
        with pytest.raises(StopIteration):
            ending.send(reading.function())
    assert 2 == len(caplog.messages)
    assert "it has not answered within 60 seconds" in caplog.messages[0]
    assert [BatchSubmitted, BatchEnded] == [type(each) for each in heard]
    assert [(False, ())] == [(e.is_new, e.by_model) for e in heard if isinstance(e, BatchEnded)]


def test_results_that_are_not_read_in_time_are_an_error() -> None:
    account = new_account("groq", Knobs(), None)
    account.ledger = opening.ledger_at("memory:")
    bookkeeper, api = BatchBookkeeper(account, Hooks()), GroqBatchApi(None, None)  # type: ignore[arg-type]  # nothing is asked of it
    with closing(ResultFile(api, "batch_1", BatchStatus("completed"))) as file:
        steps = bookkeeper.ended(file, api)
        next(steps)
        steps.send(BatchNote())
        with pytest.raises(LLMTimeoutError, match="were not read within 3600 seconds"):
            steps.throw(Overdue(True))


def test_what_is_read_after_midnight_is_of_the_new_day_and_its_budget_of_the_old(
    make: Make, sandbox: Sandbox, ledger: str
) -> None:
    client = made(make, sandbox, "groq", ledger, LLM_DAILY_BUDGET_USD=1)
    account, wall = client._account, [86_400.0 * 20_000 - 1]
    account.wall = lambda: wall[0]
    (budget,) = account.money.of({})
    batch = client.submit_batch(PROMPTS, max_tokens=1000)
    assert budget._counter.add(0, wall[0]) > 0
    wall[0] += 2
    list(batch.results())
    assert 0 == budget._counter.add(0, wall[0])
    days = [each.key.day for each in account.ledger.read("2000-01-01", "2100-01-01")]
    assert ["2024-10-04"] == days


def test_a_line_of_no_prompt_of_ours_is_left_out_and_not_paid_for(
    make: Make, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = made(make, sandbox, "groq", "memory:")
    batch = client.submit_batch(PROMPTS)
    download = GroqBatchApi.download

    def with_another(self: GroqBatchApi, identity: str, into: Any) -> str:
        scope = download(self, identity, into)
        into.write(b'{"custom_id": "n0000000077", "error": {"message": "Hm."}}\n')
        return scope

    monkeypatch.setattr(GroqBatchApi, "download", with_another)
    results = list(batch.results())
    assert PROMPTS == [each.prompt for each in results]
    assert [6] == [sums.calls for sums in rows(client).values()]


def test_a_budget_that_hangs_ends_the_submission() -> None:
    account = new_account("groq", Knobs(), None)

    class Slow(MemoryDayCounter):
        is_blocking = True

    account.budget = DailyBudget(1000, Slow())
    reservations = BatchReservations(account)
    max_use = reservations.max_use(Request(MODEL, ({"role": "user", "content": "a"},)), {})
    reservations.add("word", 0, MODEL, {}, max_use)
    steps = reservations.reserve()
    next(steps)
    with pytest.raises(LLMTimeoutError, match="was not counted within 60 seconds"):
        steps.throw(Overdue(True))
    reservations.cancel()


def test_what_is_reserved_over_midnight_is_of_the_day_that_its_note_names() -> None:
    account = new_account("groq", Knobs(), None)
    seconds = itertools.count(86_400 * 20_000 - 1)
    account.wall = lambda: float(next(seconds))
    account.budget = DailyBudget(1000, MemoryDayCounter())
    reservations = BatchReservations(account)
    max_use = reservations.max_use(Request(MODEL, ({"role": "user", "content": "a"},)), {})
    reservations.add("word", 0, MODEL, {}, max_use)
    steps = reservations.reserve()
    for step in steps:
        assert isinstance(step, RunBlocking)
        step.function()
    (file,) = reservations._files.values()
    assert [file.note.day] == [reservation.day for _, reservation in file.reservations]


def test_hooks_are_told_of_a_batch_and_which_reading_was_the_first(client: Any) -> None:
    heard: list[Any] = []
    client.hooks.add(heard.append)
    batch = client.submit_batch(PROMPTS, tags={"tenant": "acme"})
    batch.status()
    list(batch.results())
    asyncio.run(_read(client.resume_batch(batch.id)))
    assert [*(BatchSubmitted, BatchPolled, BatchPolled, BatchEnded, BatchPolled, BatchEnded)] == [
        type(each) for each in heard
    ]
    submitted, polled, _, first, _, second = heard
    assert (batch.id, 6) == (submitted.batch, submitted.prompts)
    assert ("completed", 6, 6, 0) == (polled.state, polled.total, polled.completed, polled.failed)
    assert (True, False) == (first.is_new, second.is_new)
    (usage,) = first.by_model
    assert (6, 0, True) == (usage.answered, usage.failed, usage.usage.reported)
    assert usage.cost == pytest.approx(sum(row.dollars for row in rows(client).values()))
    assert 1 == len({each.call.id for each in heard[:4]})
    assert ("batch", {"tenant": "acme"}) == (first.call.operation, first.call.tags)
    assert first.call.endpoint.startswith("http://")


def test_of_a_batch_no_event_is_made_that_nobody_hears(monkeypatch: pytest.MonkeyPatch) -> None:
    heard, hooks = list[Any](), Hooks()
    hooks.add(hears(BatchEnded)(lambda event: heard.append(event)))
    events = BatchEvents(account(Clock()), hooks, "", {})
    monkeypatch.setattr(batch_events, "BatchSubmitted", None)
    events.submitted("batch_1", 3)
    events.ended("batch_1", "completed", is_new=True, sums={})
    assert [BatchEnded] == [type(each) for each in heard]


async def _read(batch: Any) -> None:
    _ = [each async for each in batch.aresults()]


@pytest.mark.parametrize(
    ("on_status", "words"),
    [
        (5, "on_status is 5: give a function of a BatchStatus"),
        (_read, "on_status is _read, a coroutine function: give a plain one"),
    ],
)
def test_what_cannot_be_told_of_a_status_is_named(
    client: Any, sandbox: Sandbox, on_status: Any, words: str
) -> None:
    batch = client.submit_batch(["a"])
    sandbox.clear()
    with pytest.raises(ConfigurationError, match=words):
        next(batch.results(on_status))
    with pytest.raises(ConfigurationError, match=words):
        asyncio.run(anext(batch.aresults(on_status)))
    assert [] == sandbox.exchanges


def test_without_ledger_budget_and_hooks_nothing_is_added_up(
    make: Make, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BatchBookkeeper, "_note_of", None)
    batch = made(make, sandbox, "groq", "").submit_batch(PROMPTS)
    assert 6 == len(list(batch.results()))


def test_without_a_ledger_the_process_remembers_what_it_was_told_of(
    make: Make, sandbox: Sandbox
) -> None:
    client = made(make, sandbox, "groq", "")
    heard: list[Event] = []
    client.hooks.add(heard.append)
    batch = client.submit_batch(PROMPTS)
    for _ in range(2):
        list(batch.results())
    assert [True, False] == [each.is_new for each in heard if isinstance(each, BatchEnded)]
