"""Usage is written before whoever waits for it goes on, and a store that fails holds up nobody."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for

import pytest

from services.llm.ledger import ledger as ledger_module
from services.llm.ledger.ledger import Ledger
from services.llm.ledger.store import MemoryUsageStore, UsageBatch
from services.llm.ledger.usage import UsageEntry, UsageKey, UsageSums
from services.llm.runtime.workers import Workers
from services.llm.stores import StoreError

DAY = "2026-11-26"
KEY = UsageKey(DAY, "groq", "m")
CALL = UsageEntry(KEY, UsageSums(calls=1))


class Store(MemoryUsageStore):
    """A store that notes its batches, and that a test lets wait or fail."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[UsageBatch] = []
        self.is_open = threading.Event()
        self.is_open.set()
        self.error: Exception | None = None
        self.is_entered = threading.Event()

    def add(self, batch: UsageBatch) -> None:
        self.batches.append(batch)
        self.is_entered.set()
        assert self.is_open.wait(30)
        if self.error is not None:
            raise self.error
        super().add(batch)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def calls(ledger: Ledger) -> int:
    return sum(entry.sums.calls for entry in ledger.read(DAY, DAY))


def add(ledger: Ledger, entry: UsageEntry = CALL) -> None:
    """Add an entry and wait until it is written."""
    written = ledger.add(entry)
    assert written is not None
    written.result(30)


def test_what_was_added_is_written_once_its_future_is_done() -> None:
    store = Store()
    add(Ledger(store))
    assert [CALL] == store.read(DAY, DAY)


def test_what_comes_during_a_write_is_written_together() -> None:
    store = Store()
    ledger = Ledger(store, now=Clock())
    store.is_open.clear()
    first = ledger.add(CALL)
    assert store.is_entered.wait(30)
    later = [ledger.add(CALL) for _ in range(20)]
    assert not any(each is None or each.done() for each in [first, *later])
    store.is_open.set()
    wait_for([each for each in later if each is not None], 30)
    assert [1, 20] == [batch.entries[0].sums.calls for batch in store.batches]


def test_nothing_is_lost_between_threads() -> None:
    store = Store()
    ledger = Ledger(store, now=Clock())
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: add(ledger), range(400)))
    assert 400 == store.read(DAY, DAY)[0].sums.calls


def test_a_store_that_fails_holds_up_nobody_and_is_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store, clock = Store(), Clock()
    ledger = Ledger(store, now=clock)
    store.error = StoreError("redis://:gsk_NotToBeSeenAnywhere0123456789@host cannot be used")
    with caplog.at_level(logging.WARNING):
        add(ledger)
        assert ledger.add(CALL) is None
    assert 1 == len(store.batches)
    assert 1 == len(caplog.messages)
    assert "usage is kept in memory until it can be written" in caplog.text
    assert "NotToBeSeen" not in caplog.text
    store.error = None
    clock.now += 5
    add(ledger)
    assert 3 == store.read(DAY, DAY)[0].sums.calls
    # The same batch once more, by its id, and then the rest.
    assert store.batches[0] is store.batches[1]


def test_a_store_that_fails_for_long_is_told_of_once_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store, clock = Store(), Clock()
    ledger = Ledger(store, now=clock)
    store.error = RuntimeError("gone")
    with caplog.at_level(logging.WARNING):
        for _ in range(13):
            add(ledger)
            clock.now += 5
    assert 2 == len(caplog.messages)


def test_those_who_came_during_a_write_that_fails_go_on() -> None:
    store = Store()
    ledger = Ledger(store, now=Clock())
    store.is_open.clear()
    store.error = StoreError("gone")
    ledger.add(CALL)
    assert store.is_entered.wait(30)
    later = ledger.add(CALL)
    assert later is not None
    store.is_open.set()
    later.result(30)
    store.error = None
    assert 2 == calls(ledger)


def test_what_is_not_written_is_in_the_report_all_the_same() -> None:
    store = Store()
    ledger = Ledger(store)
    store.error = StoreError("gone")
    add(ledger)
    ledger.add(UsageEntry(UsageKey(DAY, "groq", "n"), UsageSums(calls=2)))
    ledger.add(UsageEntry(UsageKey("2026-11-25", "groq", "m"), UsageSums(calls=4)))
    assert 3 == calls(ledger)


def test_what_is_written_while_a_report_is_read_is_in_it_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = Store()
    ledger = Ledger(store)
    written = Future[None]()

    def read_late(first_day: str, last_day: str) -> list[UsageEntry]:
        monkeypatch.undo()
        ledger._start()
        wait_for([written], 0.05)  # who writes meanwhile is waited for
        return MemoryUsageStore.read(store, first_day, last_day)

    monkeypatch.setattr(store, "read", read_late)
    for step in ("_start", "flush"):
        monkeypatch.setattr(ledger, step, lambda: None)
    added = ledger.add(CALL)
    assert added is not None
    added.add_done_callback(lambda _: written.set_result(None))
    assert 1 == calls(ledger)
    added.result(30)
    assert 1 == calls(ledger)


def test_what_is_being_written_is_in_a_report(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store()
    ledger = Ledger(store)
    store.is_open.clear()
    ledger.add(CALL)
    assert store.is_entered.wait(30)
    monkeypatch.setattr(ledger, "flush", store.is_open.set)
    assert 1 == calls(ledger)


def test_memory_is_bounded_while_the_store_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "MOST_KEYS", 10)
    store = Store()
    ledger = Ledger(store)
    store.error = StoreError("gone")
    add(ledger)
    for n in range(50):
        tags = (("user", str(n)),)
        ledger.add(UsageEntry(UsageKey(DAY, "groq", "m", "", tags), UsageSums(calls=1)))
    entries = ledger.read(DAY, DAY)
    assert 51 == sum(entry.sums.calls for entry in entries)
    assert 11 == len(entries)


def test_without_a_thread_the_caller_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Workers, call: Callable[[], None]) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Workers, "submit", refuse)
    store = Store()
    add(Ledger(store))
    assert [CALL] == store.read(DAY, DAY)


def test_closing_writes_the_rest_and_the_exit_does_so_too() -> None:
    store, clock = Store(), Clock()
    ledger = Ledger(store, now=clock)
    store.error = StoreError("gone")
    add(ledger)
    store.error = None
    ledger.close()
    assert [CALL] == store.read(DAY, DAY)
    store.error = StoreError("gone")
    clock.now += 5
    add(ledger)
    store.error = None
    ledger_module._flush_all([ledger])
    assert 2 == store.read(DAY, DAY)[0].sums.calls


def test_flushing_what_is_empty_writes_nothing() -> None:
    store = Store()
    Ledger(store).flush()
    assert [] == store.batches


def test_a_child_leaves_the_parents_usage_to_the_parent() -> None:
    store = Store()
    ledger = Ledger(store)
    store.error = StoreError("gone")
    add(ledger)
    ledger.add(CALL)
    store.error = None
    if (child := os.fork()) == 0:
        written = [entry for batch in store.batches[1:] for entry in batch.entries]
        add_and_read = calls(ledger)
        os._exit(0 if (written, add_and_read) == ([], 0) else 1)
    assert 0 == os.waitpid(child, 0)[1]
    assert 2 == calls(ledger)


def test_a_write_that_hangs_holds_up_nobody_and_is_told_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store, clock = Store(), Clock()
    ledger = Ledger(store, now=clock)
    store.is_open.clear()
    first = ledger.add(CALL)
    assert first is not None
    assert store.is_entered.wait(30)
    clock.now += ledger_module.SLOW
    assert ledger.add(CALL) is not None
    clock.now += 0.1
    assert [None] * 3 == [ledger.add(CALL) for _ in range(3)]
    assert 1 == caplog.text.count("a write has not ended in 2 s")
    store.is_open.set()
    assert 5 == calls(ledger)
    add(ledger)
    assert 6 == calls(ledger)


@pytest.mark.parametrize("has_begun", [False, True])
def test_an_interrupt_as_the_writing_begins_leaves_it_to_the_next_call(
    has_begun: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(Store())
    submit = ledger._thread.submit

    def interrupted(write: Callable[[], None]) -> None:
        if has_begun:
            submit(write)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ledger._thread, "submit", interrupted)
        with pytest.raises(KeyboardInterrupt):
            ledger.add(CALL)
    add(ledger)
    assert 2 == calls(ledger)
