from __future__ import annotations

import os
import re
import runpy
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from sandbox import Sandbox
from sandbox.__main__ import limits_in_words, parser

BACKEND = Path(__file__).parents[2] / "backend"
CHAT = "/openai/v1/chat/completions"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "none"),
        (["--plan", "free"], "free"),
        (["--rpm", "240", "--tpm", "9000"], "rpm 240, tpm 9000"),
        (["--plan", "free", "--tpm", "9000"], "free, tpm 9000"),
    ],
)
def test_the_limits_that_are_enforced_are_said(arguments: list[str], words: str) -> None:
    assert words == limits_in_words(parser().parse_args(arguments))


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """The command, and the environment variables that it prints."""
    environment = {**os.environ, "PYTHONPATH": "", "PYTHONWARNINGS": "error"}
    with subprocess.Popen(
        [sys.executable, "-m", "sandbox", *arguments],
        cwd=BACKEND,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            lines = [process.stdout.readline() for _ in range(3)]
            yield process, dict(re.findall(r"export (\w+)=(\S+)", "".join(lines)))
        finally:
            process.kill()


def ask(url: str) -> httpx.Response:
    body = {"model": "openai/gpt-oss-20b", "messages": [{"role": "user", "content": "hello"}]}
    return httpx.post(
        url + CHAT, json=body, headers={"authorization": "Bearer k"}, trust_env=False, verify=False
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_and_logs_until_it_is_stopped(number: signal.Signals) -> None:
    with running() as (process, variables):
        assert variables["GROQ_BASE_URL"] == variables["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"]
        assert 200 == ask(variables["GROQ_BASE_URL"]).status_code
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (0, "") == (process.returncode, err)
    assert "groq chat openai/gpt-oss-20b -> 200, 2+8 tokens\n" == out


def test_a_plan_enforces_its_limits_and_no_log_is_quiet() -> None:
    with running("--plan", "free", "--no-log") as (process, variables):
        headers = ask(variables["GROQ_BASE_URL"]).headers
        process.terminate()
        out, _ = process.communicate(timeout=60)
    assert "1000" == headers["x-ratelimit-limit-requests"]
    assert "" == out


def test_a_port_that_is_taken_is_one_line_and_exit_1() -> None:
    with Sandbox() as sandbox:
        port = sandbox.url.rpartition(":")[2]
        with running("--port", port) as (process, _):
            out, err = process.communicate(timeout=60)
    assert (1, "") == (process.returncode, out)
    assert re.fullmatch(rf"cannot listen on 127\.0\.0\.1:{port}: .*in use.*\n", err)


def test_what_is_not_installed_is_named_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [each for each in sys.modules if each.partition(".")[0] == "sandbox"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(SystemExit, match="the sandbox needs uvicorn: install it with pip install"):
        runpy.run_module("sandbox", run_name="__main__")
