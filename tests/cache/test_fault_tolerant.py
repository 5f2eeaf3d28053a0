"""A cache that fails is a miss and a warning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from services.llm.stores import FaultTolerantStore, StoreError
from services.llm.stores.fault_tolerant import SUSPENSION, WARNING_INTERVAL
from tests.cache.support import Clock, key_of


class Moody:
    """A store that raises what it is told to."""

    is_blocking = True

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.calls: list[str] = []

    def __repr__(self) -> str:
        return "Moody()"

    def get(self, key: str) -> dict[str, Any] | None:
        self._do("get")
        return {"n": 1}

    def put(self, key: str, value: Mapping[str, Any]) -> None:
        self._do("put")

    def close(self) -> None:
        self.calls.append("close")

    def _do(self, what: str) -> None:
        self.calls.append(what)
        if self.error is not None:
            raise self.error


def failure(cause: Exception) -> StoreError:
    error = StoreError(f"the store failed: {cause}")
    error.__cause__ = cause
    return error


@pytest.fixture
def moody() -> Moody:
    """A store to be forgiven."""
    return Moody()


@pytest.fixture
def store(moody: Moody, clock: Clock) -> FaultTolerantStore:
    """A forgiving store around *moody*."""
    return FaultTolerantStore(moody, clock=clock)


def test_a_store_that_works_is_passed_through(store: FaultTolerantStore, moody: Moody) -> None:
    store.put(key_of(1), {})
    assert {"n": 1} == store.get(key_of(1))
    store.close()
    assert ["put", "get", "close"] == moody.calls
    assert (True, "FaultTolerantStore(Moody())") == (store.is_blocking, repr(store))


def test_a_failure_is_a_miss_and_a_warning(
    store: FaultTolerantStore, moody: Moody, caplog: pytest.LogCaptureFixture
) -> None:
    moody.error = failure(ConnectionError("refused"))
    assert store.get(key_of(1)) is None
    assert ["the cache is left out for now, calls go on without it: the store failed: refused"] == [
        record.message for record in caplog.records
    ]


def test_a_store_that_failed_rests(store: FaultTolerantStore, moody: Moody, clock: Clock) -> None:
    moody.error = failure(ConnectionError("refused"))
    store.put(key_of(1), {})
    moody.error = None
    clock.now += SUSPENSION - 0.1
    assert store.get(key_of(1)) is None
    assert ["put"] == moody.calls
    clock.now += 0.1
    assert {"n": 1} == store.get(key_of(1))


def test_each_kind_of_failure_is_warned_of_once_in_a_while(
    store: FaultTolerantStore, moody: Moody, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(error: Exception) -> int:
        moody.error, before = error, len(caplog.records)
        clock.now += SUSPENSION
        store.get(key_of(1))
        return len(caplog.records) - before

    refused, full = failure(ConnectionError("refused")), failure(OSError("full"))
    assert [1, 0, 1, 0, 0] == [fail(error) for error in (refused, refused, full, full, refused)]
    clock.now += WARNING_INTERVAL
    assert [1, 1] == [fail(refused), fail(full)]
    assert [1, 0] == [fail(StoreError("no cause")), fail(StoreError("no cause"))]


def test_a_bug_is_not_forgiven(store: FaultTolerantStore, moody: Moody) -> None:
    moody.error = TypeError("not JSON serializable")
    with pytest.raises(TypeError, match="not JSON serializable"):
        store.put(key_of(1), {})


def test_what_fails_after_the_store_was_left_out_is_worth_no_other_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = FaultTolerantStore(Moody(), clock=Clock())
    store.suspend(TimeoutError("slow"))
    assert store.is_suspended
    store.suspend(failure(ConnectionRefusedError("gone at last")))
    assert ["the cache is left out for now, calls go on without it: slow"] == caplog.messages
