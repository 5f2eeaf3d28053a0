"""What a lock guards is touched by none but its holder: each lock that there is has a test here."""

from __future__ import annotations

import asyncio
import math
import re
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import prometheus_client
import pytest

from services import llm_client
from services.llm.account import shared_settings
from services.llm.account.budget_queue import BudgetQueue
from services.llm.account.concurrency import ConcurrencyLimiter
from services.llm.account.daily_budget import BudgetReservation, DailyBudget, MemoryDayCounter
from services.llm.account.fleet import Fleet
from services.llm.account.money_budgets import MoneyBudgets, TagBudget
from services.llm.account.multi_key import MultiKeyAccount
from services.llm.account.outages import Outages
from services.llm.account.single_flight import Leader, SingleFlight
from services.llm.account.token_estimator import TokenEstimator
from services.llm.account.what_counts import WhatCounts
from services.llm.batch.blocking import Batch
from services.llm.batch.options import BatchOptions
from services.llm.batch.progress import reporter_of
from services.llm.batch.provider_results import AsyncProviderResults, ProviderResults
from services.llm.batch.result_files import ResultFiles
from services.llm.batch.results import BatchResult
from services.llm.errors import AuthenticationError, RateLimitError
from services.llm.events import CallEnded, CallInfo, Event, Hooks, LimitSources, hook_registry
from services.llm.http.addresses import Names
from services.llm.ledger import opening
from services.llm.ledger.ledger import Ledger
from services.llm.ledger.store import MemoryUsageStore, UsageBatch, UsageStore
from services.llm.ledger.usage import UsageEntry, UsageKey, UsageSums
from services.llm.limit_types import LimitReport
from services.llm.providers.bedrock import abort
from services.llm.providers.bedrock import connect as bedrock_connect
from services.llm.quota import (
    NEVER,
    LearnedLimit,
    Quota,
    Reservation,
    SlidingWindow,
    TokenBucketLimit,
)
from services.llm.quota.shared import KnownLimit, Pause, SetCounting, Settle
from services.llm.runtime import fork
from services.llm.runtime.fork import ForkLock
from services.llm.runtime.sdk_client import SdkClient
from services.llm.runtime.ttl_map import TTLMap
from services.llm.runtime.watchdog import Watchdog, Watched
from services.llm.runtime.workers import Workers
from services.llm.stores import FaultTolerantStore, StoreError
from services.llm.stores.json_log import JsonStore
from services.llm.stores.locks import PathLock
from services.llm.stores.memory import MemoryStore
from services.llm.stores.sqlite import SqliteStore
from services.llm.telemetry import prometheus
from services.llm.telemetry.call_counts import CallCounts, Counts
from services.llm.telemetry.metrics import Distribution
from services.llm.telemetry.prometheus import MultiprocessHook
from services.llm.types import Reply, Request
from tests.call.scripted import Clock, account
from tests.fleet.shared_quotas import take, tokens
from tests.fleet.workers import Server, Threads
from tests.guarding import Touches, is_held, watch
from tests.wire.faces import settings

MODEL = "openai/gpt-oss-120b"
NOON = 1_800_014_400.0
KEY = "0" * 64
HANG = 30.0


def quota() -> Touches:
    limits = Quota((SlidingWindow(2, 60.0),), lambda: [TokenBucketLimit(10, 60.0)])
    state, names = limits._state, ("queues", "latest_now", "_parent_charges", "scheduler")
    touches = watch(state, lambda: limits._lock, *names)
    demand = {"requests": 1.0, "tokens": 4.0}
    reservations = [limits.reserve("m", demand, 100.0, NEVER) for _ in range(3)]  # type: ignore[arg-type]  # the units are literals
    first, second, third = (each for each in reservations if isinstance(each, Reservation))
    limits.try_start(first, 100.0)
    limits.try_start(second, 100.0)
    limits.try_start(third, 100.0)
    limits.settle(first, {"tokens": 1.0}, 101.0, 101.0)
    limits.cancel(third, 101.0)
    limits.pause("m", 110.0)
    limits.paused_for("m", 101.0)
    return touches


def a_fleet() -> Touches:
    threads = Threads()
    server = Server(Clock())  # type: ignore[arg-type]  # another clock, of the same form
    of_one = Fleet(server, 0.5, server.clock, lambda _: None, threads)
    guarded = (
        "_pending",
        "_answers",
        "_sending",
        "_is_urgent",
        "_from_shared_quota",
        "_view",
        "_outage",
    )
    touches = watch(of_one, lambda: of_one._lock, *guarded)
    first, second = take("1", tokens(10)), take("2", tokens(10))
    answer = of_one.take(first)
    threads.run()
    of_one.decide(first, answer)
    of_one.publish(Pause("m", 1.0))
    threads.run()
    known = LearnedLimit(10.0, 60.0, "tokens")
    of_one.used("m", known, 0.0)
    limits = Quota((known,))
    reservation = limits.reserve("m", {"tokens": 1.0}, 0.0)
    assert isinstance(reservation, Reservation)
    of_one.charges(reservation)
    of_one.note_from_shared_quota(KnownLimit("m", "tokens", 60.0, 10.0))
    of_one.note_from_provider("m", ())
    server.is_away = True
    answer = of_one.take(second)
    threads.run()
    of_one.decide(second, answer)
    of_one.settle(Settle(second, (1.0,), (None,)))
    of_one.take(take("3", tokens(10)))
    of_one.flush()
    return touches


def what_counts() -> Touches:
    counts, limit = WhatCounts(), LearnedLimit(100.0, 60.0, "tokens")
    touches = watch(counts, lambda: counts._lock, "_counts_declared", "_far_less")
    counts.learn([SetCounting("m", "tokens/60", counts_declared=True)])
    counts.all_known()
    counts.amount_spent(limit, tokens(10), {})
    reports = (LimitReport("tokens", 60.0, 100.0, 10.0),)
    counts.at_most(limit, tokens(10), reports, 0.0)
    counts.newly_shown(limit, tokens(10), reports, 0.0, is_alone=False, is_full=True)
    return touches


def concurrency_limiter() -> Touches:
    concurrency = ConcurrencyLimiter(1)
    touches = watch(concurrency, lambda: concurrency._lock, "_held", "_waiting", "_parent_permits")
    inside, next_in, last = (
        concurrency.acquire(),
        concurrency.acquire(),
        concurrency.acquire(),
    )
    concurrency.release(last)
    concurrency.release(inside)
    concurrency.release(next_in)
    assert 1 == concurrency.free
    return touches


def single_flight() -> Touches:
    single_flight: SingleFlight[str] = SingleFlight()
    touches = watch(single_flight, lambda: single_flight._lock, "_leaders")
    first = single_flight.claim("k")
    assert isinstance(first, Leader)
    followers = [single_flight.claim("k") for _ in range(2)]
    first._thread = -1  # as if in another thread
    with pytest.raises(KeyboardInterrupt), first:
        raise KeyboardInterrupt
    next_leader = followers[0]._result()  # type: ignore[union-attr]  # followers both
    single_flight._take_over(followers[1], next_leader)  # type: ignore[arg-type]  # a lead it is
    taken = followers[1]._result()  # type: ignore[union-attr]  # a follower
    taken.set_result("answer")  # type: ignore[union-attr]  # the lead it is
    assert 0 == len(single_flight)
    return touches


def single_flight_followers() -> Touches:
    single_flight: SingleFlight[str] = SingleFlight()
    leader = single_flight.claim("k")
    assert isinstance(leader, Leader)
    touches = watch(leader, lambda: single_flight._lock, "_thread")
    with pytest.raises(RuntimeError):
        single_flight.claim("k").join(0)  # type: ignore[union-attr]  # a follower
    return touches


def budgets_in_money() -> Touches:
    rules = (TagBudget("user", "*", 1),)
    budgets = MoneyBudgets(1, rules, lambda name: MemoryDayCounter())
    touches = watch(budgets, lambda: budgets._lock, "_others")
    assert budgets.of({"user": "ann"}) == budgets.of({"user": "ann"})
    return touches


def sums_in_memory() -> Touches:
    store = MemoryUsageStore()
    touches = watch(store, lambda: store._lock, "_sums", "_notes", "_added")
    entry = UsageEntry(UsageKey("2026-11-26", "groq", "m"), UsageSums(calls=1))
    store.add(UsageBatch((entry,)))
    store.keep_note("batch_1", "2026-11-26", "note")
    assert store.add_once(UsageBatch((entry,), "batch_1"), "2026-11-26")
    assert "" == store.note_of("batch_1")
    assert [2] == [each.sums.calls for each in store.read("2026-11-26", "2026-11-26")]
    return touches


def a_ledger() -> Touches:
    store = MemoryUsageStore()
    ledger = Ledger(store)
    names = ("_sums", "_written", "_is_writing", "_unwritten", "_pause_until", "_log_at")
    touches = watch(ledger, lambda: ledger._lock, *names)
    entry = UsageEntry(UsageKey("2026-11-26", "groq", "m"), UsageSums(calls=1))
    for failure in (None, StoreError("gone")):
        with pytest.MonkeyPatch.context() as patch:
            if failure is not None:
                patch.setattr(store, "add", Mock(side_effect=failure))
            written = ledger.add(entry)
            assert written is not None
            written.result(30)
    assert 2 == sum(each.sums.calls for each in ledger.read("2026-11-26", "2026-11-26"))
    ledger.close()
    return touches


def days_sum() -> Touches:
    tally = MemoryDayCounter()
    touches = watch(tally, lambda: tally._lock, "_used")
    tally.add(5, NOON)
    tally.add(-5, NOON + 86_400.0)
    return touches


class Sum:
    """A day's tokens, kept where adding them waits for nothing."""

    is_blocking = False

    def add(self, tokens: int, now: float, *, day: str | None = None) -> int:
        return tokens


def days_bookings() -> Touches:
    budget, reservation = DailyBudget(100, Sum()), BudgetReservation(10)
    touches = watch(reservation, lambda: budget._lock, "day", "is_settled")
    budget.reserve(reservation, NOON)
    budget.settle(reservation, 5, NOON)
    return touches


def a_budgets_queue() -> Touches:
    queue = BudgetQueue()
    touches = watch(queue, lambda: queue._lock, "_held", "_waiting")
    queue.add(one := BudgetReservation(10), 10)
    assert 0 == queue.held_beside(one)
    waiting = [queue.wait((False, number)) for number in (1, 0)]
    assert queue.has_before((True, 0))
    queue.leave(waiting[0])
    queue.remove(one, gives_back=True)
    assert [False, True] == [each.done() for each in waiting]
    assert not queue.has_before((True, 0))
    return touches


def workers() -> Touches:
    threads = Workers(2, "locks")
    pool = threads._pool
    touches = watch(pool, lambda: pool._lock, "_threads", "_unfinished", "_is_over")
    for future in [threads.submit(lambda: None) for _ in range(5)]:
        future.result(HANG)
    threads.close()
    return touches


def what_an_account_learns() -> Touches:
    learnt = TTLMap[str, bool](size=1)
    touches = watch(learnt, lambda: learnt._lock, "_entries")
    learnt.put("one", True, 0.0, 60.0)
    learnt.put("other", True, 0.0, 60.0)
    assert (True, {"other": True}) == (learnt.get("other", 1.0), learnt.items(1.0))
    learnt.drop("other")
    learnt.clear()
    return touches


def estimates() -> Touches:
    estimator, request = TokenEstimator(), Request("m", ({"role": "user", "content": "word"},))
    touches = watch(estimator, lambda: estimator._lock, "_models")
    estimator.learn(estimator.estimate(request), 9)
    estimator.estimate(request)
    estimator.clear()
    return touches


def outages() -> Touches:
    all_of_them, call = Outages(), object()
    touches = watch(all_of_them, lambda: all_of_them._lock, "_outages")
    all_of_them.begin("m", 10.0)
    assert 5.0 == all_of_them.wait("m", 5.0)
    assert all_of_them.acquire_probe("m", call, 10.0)
    assert None is not all_of_them.probe_returned("m")
    all_of_them.release_probe(call)
    all_of_them.known(10.0)
    all_of_them.end("m", 10.0)
    all_of_them.clear()
    return touches


def look_ups() -> Touches:
    names = Names(lambda host, port: ("192.0.2.1",))
    touches = watch(names, lambda: names._lock, "_resolving")
    assert ("192.0.2.1",) == names.look_up("provider.invalid", 443, HANG)
    return touches


def deadlines() -> Touches:
    dog = Watchdog()
    dog._thread = threading.current_thread()  # as if it had one, which would outlive the test
    touches = watch(dog, lambda: dog._changed, "_heap", "_ended", "_thread")
    with dog.abort_after(HANG, lambda: None):
        dog.abort_due()
    return touches


def a_deadline() -> Touches:
    watched = Watched(lambda: None)
    touches = watch(watched, lambda: watched._lock, "has_ended")
    watched.end()
    watched.abort()
    return touches


def keys() -> Touches:
    clock = Clock()
    many_keys = MultiKeyAccount(
        ["one", "two"], rpm_per_key=9, max_concurrency=1, now=clock, wall=clock
    )
    touches = watch(many_keys, lambda: many_keys._lock, "_organizations", "_requests", "_refusals")
    scope, other = many_keys.scopes(MODEL)
    reservation = many_keys.reserve(scope, {"requests": 1.0}, clock.now)
    assert isinstance(reservation, Reservation)
    many_keys.cancel(reservation, clock.now)
    assert many_keys.is_usable(scope, clock.now)
    many_keys.learn_about_scope(
        RateLimitError("no", status=429, retry_after=1.0), scope, MODEL, 0.0
    )
    many_keys.learn_about_scope(AuthenticationError("no", status=401), other, MODEL, 0.0)
    assert 1 == many_keys.refusals
    return touches


def an_sdks_client() -> Touches:
    client = SdkClient(SimpleNamespace(close=lambda: None))
    touches = watch(client, lambda: client._lock, "_users", "_is_retired")
    assert client.try_borrow()
    with client:
        client.retire()
    assert not client.try_borrow()
    return touches


def a_forgiving_store() -> Touches:
    class Broken(MemoryStore):
        def get(self, key: str) -> dict[str, Any] | None:
            raise StoreError("no")

    store = FaultTolerantStore(Broken(ttl=60.0))
    touches = watch(store, lambda: store._mutex, "_suspended_until", "_warned")
    assert None is store.get(KEY)
    assert None is store.get(KEY)
    return touches


def a_memory_store() -> Touches:
    store = MemoryStore(ttl=60.0)
    touches = watch(store, lambda: store._mutex, "_entries")
    store.put(KEY, {"n": 1})
    store.get(KEY)
    store.close()
    return touches


def a_json_store(folder: Path) -> Touches:
    store = JsonStore(folder / "log.json", ttl=60.0)
    touches = watch(store, lambda: store._mutex, "_index")
    for _ in range(2):
        store.put(KEY, {"n": 1})
        store.get(KEY)
        store.close()
    return touches


def an_sqlite_store(folder: Path) -> Touches:
    store = SqliteStore(folder / "db", ttl=60.0)
    touches = watch(store, lambda: store._mutex, "_connection")
    store.put(KEY, {"n": 1})
    store.get(KEY)
    store.close()
    return touches


def a_locked_path(folder: Path) -> Touches:
    lock = PathLock(folder / "file")
    touches = watch(lock, lambda: lock._threads, "_handle")
    with lock.held():
        pass
    return touches


def an_aborted_call() -> Touches:
    call = abort.AbortableCall(math.inf, 1)
    touches = watch(call, lambda: abort._lock, "_connection")
    call.run(lambda: call.connected(SimpleNamespace(sock=None, call=None)))
    call.abort()
    return touches


def hooks_that_fail() -> Touches:
    hooks = Hooks()
    hooks.add(lambda _: 1 / 0)
    (hook,) = hooks.registered
    touches = watch(hook, lambda: hook_registry._lock, "_failures", "_log_at")
    hook.tell(Event(CallInfo("1", "groq", MODEL, "respond", 0.0), 0.0))
    return touches


def counts_of_calls() -> Touches:
    counts = CallCounts(Distribution)
    touches = watch(counts, lambda: counts._lock, "_increments", "_observations", "_levels")
    counts.note(CallEnded(CallInfo("1", "groq", MODEL, "respond", 0.0), 0.0, MODEL, 1.0))
    counts.catch_up()
    assert 1 == len(counts.totals().observations) == len(counts.take().observations)
    return touches


def sources_of_limits() -> Touches:
    sources, owner = LimitSources(), account(Clock())
    touches = watch(sources, lambda: sources._lock, "_accounts")
    sources.note(owner, MODEL)
    assert list(sources.headroom())
    return touches


def a_batchs_source() -> Touches:
    async def ask(prompt: int) -> Reply:
        return Reply(str(prompt), MODEL, "groq")

    batch = Batch[str]([1, 2, 3], ask, BatchOptions(1))
    touches = watch(batch._pipeline, lambda: batch._pipeline._changed, "_source")
    assert 3 == len(list(batch))
    return touches


#: Who has a lock, with the test below that is about it.
LOCKS = {
    "llm/batch/blocking.py": "a_batchs_source",
    "llm/batch/progress.py": "test_a_batchs_progress_is_shown_by_one_thread_at_a_time",
    "llm/batch/provider_results.py": "test_results_are_downloaded_by_one_reader_at_a_time",
    "llm/account/fleet.py": "a_fleet",
    "llm/account/what_counts.py": "what_counts",
    "llm/account/budget_queue.py": "a_budgets_queue",
    "llm/account/daily_budget.py": "days_sum, days_bookings",
    "llm/runtime/sdk_lender.py": "test_a_client_is_built_anew_by_one_thread_at_a_time",
    "llm/account/single_flight.py": "single_flight",
    "llm/runtime/fork.py": "test_what_a_fork_changes_is_registered_while_none_is_under_way",
    "llm/account/concurrency.py": "concurrency_limiter",
    "llm/events/hook_registry.py": "hooks_that_fail",
    "llm/events/limit_sources.py": "sources_of_limits",
    "llm/telemetry/call_counts.py": "counts_of_calls",
    "llm/telemetry/prometheus.py": "test_metrics_are_brought_up_to_date_by_one_thread_at_a_time,"
    " test_the_hook_of_a_registry_is_made_by_one_thread_at_a_time",
    "llm/http/addresses.py": "look_ups",
    "llm/account/multi_key.py": "keys",
    "llm/account/outages.py": "outages",
    "llm/account/token_estimator.py": "estimates",
    "llm/account/money_budgets.py": "budgets_in_money",
    "llm/ledger/ledger.py": "a_ledger",
    "llm/ledger/opening.py": "test_each_url_is_opened_once",
    "llm/ledger/store.py": "sums_in_memory",
    "llm/account/shared_settings.py": "test_differences_are_looked_up_by_the_locks_holder",
    "llm/quota/quota.py": "quota",
    "llm/providers/bedrock/abort.py": "an_aborted_call",
    "llm/runtime/watchdog.py": "deadlines, a_deadline",
    "llm/runtime/sdk_client.py": "an_sdks_client",
    "llm/stores/fault_tolerant.py": "a_forgiving_store",
    "llm/stores/json_log.py": "a_json_store",
    "llm/stores/locks.py": "a_locked_path",
    "llm/stores/memory.py": "a_memory_store",
    "llm/stores/sqlite_database.py": "an_sqlite_store",
    "llm/runtime/ttl_map.py": "what_an_account_learns",
    "llm/runtime/workers.py": "workers",
    "llm/providers/bedrock/connect.py": "test_boto3_makes_one_client_at_a_time",
}
_MAKES_A_LOCK = re.compile(r"\b(ForkLock|R?Lock|Condition|Semaphore)\(")

ALONE = [
    a_batchs_source,
    budgets_in_money,
    sums_in_memory,
    a_ledger,
    quota,
    a_fleet,
    concurrency_limiter,
    single_flight,
    single_flight_followers,
    days_sum,
    days_bookings,
    a_budgets_queue,
    workers,
    what_an_account_learns,
    outages,
    estimates,
    look_ups,
    deadlines,
    a_deadline,
    keys,
    an_sdks_client,
    a_forgiving_store,
    a_memory_store,
    an_aborted_call,
    hooks_that_fail,
    counts_of_calls,
    sources_of_limits,
    what_counts,
]
IN_A_FOLDER = [a_json_store, an_sqlite_store, a_locked_path]


def test_no_lock_is_without_its_test() -> None:
    services = Path(llm_client.__file__).parent
    having = {
        path.relative_to(services).as_posix()
        for path in services.rglob("*.py")
        if path.name != "test_llm_client.py" and _MAKES_A_LOCK.search(path.read_text("utf-8"))
    }
    assert set(LOCKS) == having
    assert all(name in globals() for names in LOCKS.values() for name in names.split(", "))


@pytest.mark.parametrize("use", ALONE, ids=lambda use: use.__name__)
def test_what_a_lock_guards_is_touched_by_its_holder(use: Callable[[], Touches]) -> None:
    touches = use()
    assert touches.seen
    assert touches.watched <= touches.seen
    assert [] == touches.unguarded


@pytest.mark.parametrize("use", IN_A_FOLDER, ids=lambda use: use.__name__)
def test_what_a_stores_lock_guards_is_touched_by_its_holder(
    use: Callable[[Path], Touches], tmp_path: Path
) -> None:
    touches = use(tmp_path)
    assert touches.watched == touches.seen
    assert [] == touches.unguarded


def test_differences_are_looked_up_by_the_locks_holder(monkeypatch: pytest.MonkeyPatch) -> None:
    class Known(set[tuple[str, ...]]):
        """What is known, touched by the holder of the lock alone."""

        def __contains__(self, difference: object) -> bool:
            assert is_held(shared_settings._lock)
            return super().__contains__(difference)

        def add(self, difference: tuple[str, ...]) -> None:
            assert is_held(shared_settings._lock)
            super().add(difference)

    monkeypatch.setattr(shared_settings, "_known", Known())
    difference = ("groq", "LLM_CACHE_TTL", "1", "2")
    told = [shared_settings._is_news(difference) for _ in range(2)]
    assert [True, False] == told


def test_a_client_is_built_anew_by_one_thread_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llm_client, "settings", settings("http://127.0.0.1:9"))
    client = llm_client.GroqClient()
    held: list[bool] = []
    lender = client._transport.lender
    connect = lender._connect

    def noting() -> Any:
        held.append(is_held(lender._lock))
        return connect()

    monkeypatch.setattr(lender, "_connect", noting)
    client.close()
    with lender.lend():
        pass
    client.close()
    assert [True] == held


def test_boto3_makes_one_client_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llm_client, "settings", settings("http://127.0.0.1:9"))
    held: list[bool] = []
    real = llm_client._sdk("boto3")

    def noting(*arguments: Any, **named: Any) -> Any:
        held.append(is_held(bedrock_connect._connecting))
        return real.client(*arguments, **named)

    monkeypatch.setattr(llm_client, "boto3", SimpleNamespace(client=noting))
    llm_client.BedrockClient().close()
    assert [True] == held


def test_metrics_are_brought_up_to_date_by_one_thread_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hook = MultiprocessHook(prometheus_client)
    held: list[bool] = []
    take = hook._counts.take

    def noting() -> Counts[list[float]]:
        held.append(is_held(hook._lock))
        return take()

    monkeypatch.setattr(hook._counts, "take", noting)
    hook.collect()
    assert [True] == held


def test_a_batchs_progress_is_shown_by_one_thread_at_a_time() -> None:
    held: list[bool] = []
    reporter = reporter_of(lambda _: held.append(is_held(reporter._lock)), 1)
    reporter.begin()
    reporter.add(BatchResult(0, "hi", Reply("", MODEL, "groq")))
    assert [True] == held


def test_results_are_downloaded_by_one_reader_at_a_time() -> None:
    def download() -> ResultFiles:
        held.append(is_held(of_threads._lock))
        return ResultFiles([])

    async def adownload() -> ResultFiles:
        held.append(is_held(of_tasks._lock))
        return ResultFiles([])

    held: list[bool] = []
    of_threads = ProviderResults[Any](download, Mock())
    of_tasks = AsyncProviderResults[Any](adownload, Mock())
    assert [] == list(of_threads)
    with pytest.raises(StopAsyncIteration):
        asyncio.run(anext(of_tasks))
    assert [True, True] == held


def test_the_hook_of_a_registry_is_made_by_one_thread_at_a_time() -> None:
    held: list[bool] = []

    class Registry(prometheus_client.CollectorRegistry):
        def register(self, collector: Any) -> None:
            held.append(is_held(prometheus._lock))
            super().register(collector)

    registry = Registry()
    assert prometheus.hook_of(registry) is prometheus.hook_of(registry)
    assert [True] == held


@pytest.mark.parametrize("leaf", [True, False])
def test_what_a_fork_changes_is_registered_while_none_is_under_way(
    leaf: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[bool] = []

    class Registry:
        def __setitem__(self, thing: object, function: object) -> None:
            held.append(is_held(fork._forking))

    for name in ("_resets", "_pauses"):
        monkeypatch.setattr(fork, name, Registry())
    ForkLock(leaf=leaf)
    assert {True} == set(held)


def test_a_lock_that_holds_nobody_back_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ForkLock, "__enter__", lambda _: None)
    monkeypatch.setattr(ForkLock, "__exit__", lambda *_: None)
    for use in (quota, concurrency_limiter, single_flight, days_sum, days_bookings, workers, keys):
        assert use().unguarded, use.__name__


def test_each_url_is_opened_once(monkeypatch: pytest.MonkeyPatch) -> None:
    store, held = opening._store, []

    def noting(url: str) -> UsageStore:
        held.append(is_held(opening._opening))
        return store(url)

    monkeypatch.setattr(opening, "_ledgers", {})
    monkeypatch.setattr(opening, "_store", noting)
    assert opening.ledger_at("memory:") is opening.ledger_at("memory:")
    assert [True] == held
