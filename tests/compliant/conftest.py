"""A machine without keys, settings or files of its own, a sandbox, and a shell to run it from."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import config
from sandbox import Sandbox
from services.llm.account.multi_key import MultiKeyAccount
from services.llm.settings.knobs import Knobs
from tests.compliant.multi_key import make
from tests.compliant.preloaded import Preloaded
from tests.compliant.shell import SCRIPT, Run
from tests.compliant.support import KEYS, Clock


@pytest.fixture(autouse=True)
def _nothing_of_this_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, one_certificate: Path
) -> None:
    for name in list(os.environ):
        if name.startswith(("GROQ_", "LLM_")) or name in ("NO_COLOR", "FORCE_COLOR"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("SSL_CERT_FILE", str(one_certificate))
    monkeypatch.setattr(config, "settings", Knobs(LLM_CACHE_TIMEOUT=30.0))  # however slow it is
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A provider on loopback, without limits."""
    with Sandbox() as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def many_keys(clock: Clock) -> MultiKeyAccount:
    return make(clock)


@pytest.fixture
def environment(sandbox: Sandbox) -> dict[str, str]:
    """What a user's shell would hold, who has two keys for the sandbox."""
    known = {"GROQ_BASE_URL": sandbox.url, "GROQ_API_KEYS": ",".join(KEYS[:2])}
    return {**os.environ, **known, "LLM_CACHE_TIMEOUT": "30"}


@pytest.fixture(scope="session")
def preloaded() -> Iterator[Preloaded]:
    """A process that runs the command line sooner than one that starts from nothing."""
    process = Preloaded()
    yield process
    process.close()


@pytest.fixture
def run(environment: dict[str, str], tmp_path: Path, preloaded: Preloaded) -> Run:
    """Run the command line to its end, in a folder of its own, with nothing to read.

    What is to be *started* otherwise, or to have another encoding, gets a process of its own.
    """

    def ran(*arguments: str, **how: Any) -> subprocess.CompletedProcess[str]:
        how = {"cwd": tmp_path, "env": environment, **how}
        started: list[str] | None = how.pop("started", None)
        if started or "PYTHONIOENCODING" in how["env"]:
            command = [sys.executable, *(started or [str(SCRIPT)]), *arguments]
            if "input" not in how:
                how["stdin"] = subprocess.DEVNULL
            done = subprocess.run(command, capture_output=True, timeout=60, **how)
        else:
            done = preloaded.run(
                [str(SCRIPT), *arguments], how["env"], str(how["cwd"]), how.get("input")
            )
        return subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
        )

    return ran


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Start the command line; what still runs after the test is killed."""
    running: list[subprocess.Popen[bytes]] = []

    def started(*arguments: str, **how: Any) -> subprocess.Popen[bytes]:
        how = {"cwd": tmp_path, "env": environment, "stdin": subprocess.DEVNULL, **how}
        running.append(subprocess.Popen([sys.executable, str(SCRIPT), *arguments], **how))
        return running[-1]

    yield started
    for process in running:
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
