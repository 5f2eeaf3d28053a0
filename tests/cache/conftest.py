"""A clock that tests move, and each kind of store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.llm.account.single_flight import SingleFlight
from services.llm.stores import Store
from services.llm.stores.json_log import JsonStore
from services.llm.stores.memory import MemoryStore
from services.llm.stores.redis_store import RedisStore
from services.llm.stores.sqlite import SqliteStore
from tests.cache.support import Clock


@pytest.fixture
def clock() -> Clock:
    """A clock for stores that stands still until a test moves it."""
    return Clock()


@pytest.fixture(params=["json", "sqlite", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Store]:
    """Each kind of store that keeps time by the injected clock, with a ttl of 60 s."""
    kinds: dict[str, Callable[[], Store]] = {
        "json": lambda: JsonStore(tmp_path / "cache", ttl=60, clock=clock),
        "sqlite": lambda: SqliteStore(tmp_path / "cache", ttl=60, clock=clock),
        "memory": lambda: MemoryStore(ttl=60, clock=clock),
    }
    made = kinds[request.param]()
    yield made
    made.close()


@pytest.fixture
def redis_store(redis_url: str) -> Iterator[RedisStore]:
    """A store on the test run's server, with a ttl of 60 s."""
    made = RedisStore(redis_url, ttl=60)
    yield made
    made.close()


@pytest.fixture(params=["json", "sqlite", "memory", "redis"])
def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Each kind of store, with a ttl of 60 s."""
    if request.param == "redis":
        made: Store = request.getfixturevalue("redis_store")
    elif request.param == "memory":
        made = MemoryStore(ttl=60)
    else:
        kind = JsonStore if request.param == "json" else SqliteStore
        made = kind(tmp_path / "cache", ttl=60)
    yield made
    made.close()


@pytest.fixture
def single_flight() -> SingleFlight[str]:
    """An empty sky."""
    return SingleFlight()
