"""The kinds of Redis that a fleet may share, and those that are of no use to it."""

from __future__ import annotations

import socket
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis

from services.llm.account import redis_shared_quota
from services.llm.account.redis_shared_quota import RedisSharedQuota
from services.llm.quota.shared import Granted
from services.llm.stores import StoreError
from services.llm.stores.redis_server import RedisServer
from tests.fleet.shared_quotas import requests, take, tokens
from tests.redis_server import PASSWORD, _free_port, _server_binary, is_there
from tests.timing import wait_until


@contextmanager
def started(folder: Path, *options: str, port: int | None = None) -> Iterator[int]:
    """A server of one's own, by its port."""
    port = port or _free_port()
    folder.mkdir(exist_ok=True)
    command = [_server_binary(), *options, "--port", str(port), "--bind", "127.0.0.1"]
    if "--sentinel" not in options:
        command += ["--save", "", "--appendonly", "no", "--dir", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            wait_until(lambda: is_there(port))
            yield port
        finally:
            server.kill()


@contextmanager
def hanging_up() -> Iterator[tuple[int, list[object]]]:
    """A server that hangs up on everybody, by its port, and whom it has hung up on."""
    seen: list[object] = []

    class HangUp(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            seen.append(self.client_address)

    with socketserver.TCPServer(("127.0.0.1", 0), HangUp) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_address[1], seen
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A cluster of three, by the port of one of them."""
    folder = tmp_path_factory.mktemp("cluster")
    with ExitStack() as stack:
        ports = [
            stack.enter_context(started(folder / str(n), "--cluster-enabled", "yes"))
            for n in range(3)
        ]
        nodes: list[Any] = [stack.enter_context(redis.Redis(port=port)) for port in ports]
        for n, node in enumerate(nodes):
            slots = range(n * 5_462, min(16_384, (n + 1) * 5_462))
            node.execute_command("CLUSTER ADDSLOTS", *slots)
            node.execute_command("CLUSTER SET-CONFIG-EPOCH", n + 1)
        for n, node in enumerate(nodes):
            for port in ports[n + 1 :]:
                node.execute_command("CLUSTER MEET", "127.0.0.1", port)

        def agrees(node: Any) -> bool:
            info = node.execute_command("CLUSTER INFO")
            return (info["cluster_state"], info["cluster_known_nodes"]) == ("ok", "3")

        wait_until(lambda: all(map(agrees, nodes)))
        yield ports[0]


def test_a_cluster_keeps_each_account_in_one_slot(cluster: int) -> None:
    url = f"redis://127.0.0.1:{cluster}/0"
    shared_quotas = [RedisSharedQuota(url, uuid4().hex) for _ in range(6)]
    for shared_quota in shared_quotas:
        for used in (0.0, 10.0):
            asked = take(uuid4().hex, tokens(10, window=86_400.0), requests())
            (decision,) = shared_quota.exchange([asked]).decisions
            assert isinstance(decision, Granted)
            assert used == pytest.approx(decision.used[0], abs=1.0)
        shared_quota.close()
    # All three have some of them: a client that asked one alone would have failed.
    kinds = {type(shared_quota._server.client).__name__ for shared_quota in shared_quotas}
    assert "RedisCluster" in kinds


def test_sentinels_name_the_server(redis_url: str, tmp_path: Path) -> None:
    port = redis_url.rpartition(":")[2].removesuffix("/0")
    config = tmp_path / "sentinel.conf"
    config.write_text(
        f"sentinel monitor main 127.0.0.1 {port} 1\nsentinel auth-pass main {PASSWORD}\n"
        f"dir {tmp_path}\n"
    )
    with started(tmp_path, str(config), "--sentinel") as sentinel, hanging_up() as (gone, asked):
        url = f"redis+sentinel://:{PASSWORD}@127.0.0.1:{gone},127.0.0.1:{sentinel}/main/0"
        shared_quota = RedisSharedQuota(url, uuid4().hex)
        assert PASSWORD not in f"{shared_quota!r} {shared_quota}"
        assert str(shared_quota) in repr(shared_quota)
        (decision,) = shared_quota.exchange([take("1", tokens(10))]).decisions
        assert Granted(0.0, (0.0,)) == decision
        # One that is gone is not asked again and again: the others know.
        assert 1 == len(asked)
        shared_quota.close()


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://127.0.0.1:1",
        "redis+sentinel://127.0.0.1:1/main/x",
        "redis+sentinel://127.0.0.1/main",
        "redis+sentinel://127.0.0.1:0/main",
        "redis+sentinel://127.0.0.1:1,127.0.0.1:70000/main",
        "http+sentinel://127.0.0.1:1/main",
        "http://127.0.0.1",
    ],
)
def test_what_is_no_url_of_a_server_is_an_error(url: str) -> None:
    with pytest.raises(ValueError, match="is not a Redis URL"):
        RedisServer(url)


def test_sentinels_may_be_asked_over_tls_and_by_name() -> None:
    server = RedisServer("rediss+sentinel://me:pass%40word@a:1,b:2/main/3")
    pool = server.client.connection_pool
    named = {key: pool.connection_kwargs[key] for key in ("username", "password", "db")}
    assert {"username": "me", "password": "pass@word", "db": 3} == named
    assert "SSL" in pool.connection_class.__name__
    assert "redis://" not in server.where
    assert "pass" not in server.where


def failure(url: str) -> str:
    """What is said of a shared quota at *url*."""
    shared_quota = RedisSharedQuota(url, uuid4().hex)
    with pytest.raises(StoreError) as caught:
        shared_quota.exchange([take("1", tokens(10), requests())])
    shared_quota.close()
    return str(caught.value)


def test_a_wrong_password_or_database_is_an_error_without_the_password(redis_url: str) -> None:
    assert "invalid username-password pair" in failure(redis_url.replace(PASSWORD, "wrong-one"))
    assert "wrong-one" not in failure(redis_url.replace(PASSWORD, "wrong-one"))
    assert "DB index is out of range" in failure(redis_url.removesuffix("/0") + "/99")


def test_a_replica_or_a_server_without_memory_is_an_error(tmp_path: Path) -> None:
    with started(tmp_path / "full", "--maxmemory", "1") as full:
        assert "maxmemory" in failure(f"redis://127.0.0.1:{full}/0")
        with started(tmp_path / "copy", "--replicaof", "127.0.0.1", str(full)) as copy:
            assert "read only replica" in failure(f"redis://127.0.0.1:{copy}/0")


def test_a_server_that_never_answers_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_shared_quota, "_TIMEOUT", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        assert "Timeout" in failure(f"redis://127.0.0.1:{port}/0")
    assert "refused" in failure(f"redis://127.0.0.1:{port}/0")


@pytest.mark.parametrize(
    "options", ["no_such=of-whom", "protocol=9", "ssl_cert_reqs=none", "path=of-whom"]
)
def test_an_option_that_the_package_does_not_take_is_an_error(options: str) -> None:
    with pytest.raises(ValueError, match="has an option that the redis package") as caught:
        RedisServer(f"redis://:{PASSWORD}@127.0.0.1:1/0?{options}")
    assert PASSWORD not in str(caught.value)
    assert "of-whom" not in str(caught.value)
