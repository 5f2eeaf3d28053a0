"""What happens around a fork, with the hooks called by hand; `test_processes` forks for real."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from services.llm.runtime import fork
from services.llm.stores import FaultTolerantStore, sqlite_database
from services.llm.stores.memory import MemoryStore
from services.llm.stores.sqlite import SqliteStore
from tests.cache.support import key_of

pytestmark = pytest.mark.usefixtures("forks_of_its_own")


def test_no_database_connection_is_there_to_be_copied(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "db", ttl=60)
    store.put(key_of(1), {"n": 1})
    fork._before_fork()
    try:
        assert store._connection is None
        worker = threading.Thread(target=store.put, args=(key_of(2), {"n": 2}))
        worker.start()  # waits until the fork is over
    finally:
        fork._after_fork_in_parent()
    worker.join()
    assert [{"n": 1}, {"n": 2}] == [store.get(key_of(n)) for n in (1, 2)]
    store.close()


def test_a_child_goes_on_with_stores_of_its_own(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "db", ttl=60)
    forgiving = FaultTolerantStore(MemoryStore(ttl=60))
    fork._before_fork()
    fork._after_fork_in_child()
    forgiving._mutex.__enter__()
    fork._before_fork()
    fork._after_fork_in_child()
    with forgiving._mutex:
        pass
    store.put(key_of(1), {"n": 1})
    assert {"n": 1} == store.get(key_of(1))
    store.close()


def test_a_connection_that_a_fork_copied_unannounced_is_neither_used_nor_closed(
    tmp_path: Path,
) -> None:
    store = SqliteStore(tmp_path / "db", ttl=60)
    store.put(key_of(1), {"n": 1})
    copied = store._connection
    fork._after_fork_in_child()
    assert copied is not None
    assert copied in sqlite_database._connections_of_parent
    assert {"n": 1} == store.get(key_of(1))
    assert store._connection is not copied
    store.close()
    sqlite_database._connections_of_parent.remove(copied)
    copied.close()


def test_a_store_that_is_gone_is_called_no_more(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "db", ttl=60)
    assert store in fork._pauses
    before = len(fork._pauses)
    del store
    assert before - 1 == len(fork._pauses)
