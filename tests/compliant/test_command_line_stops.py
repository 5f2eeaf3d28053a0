"""The command line cut short: a reader that goes, a disk that is full, an interruption."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox import Sandbox
from tests.compliant.shell import Run


def test_a_broken_pipe_is_quiet(start: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "prompts.jsonl").write_text("".join(f"prompt {n}\n" for n in range(300)))
    process = start(
        "--batch", "prompts.jsonl", "--rpm", "1000", stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout.readline().startswith(b'{"line": 1')
    process.stdout.close()
    assert b"" == process.stderr.read()
    assert 0 == process.wait(timeout=30)


def test_an_answer_to_a_reader_that_has_gone_is_quiet(start: Callable[..., Any]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = start("hello", stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert b"" == process.stderr.read()
    assert 0 == process.wait(timeout=30)


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_help_to_a_reader_that_has_gone_is_quiet(
    start: Callable[..., Any], arguments: list[str]
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = start(*arguments, stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert b"" == process.stderr.read()
    assert 0 == process.wait(timeout=30)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no full device")
def test_a_full_disk_is_one_line(start: Callable[..., Any]) -> None:
    with open("/dev/full", "wb") as full:
        process = start("hello", stdout=full, stderr=subprocess.PIPE)
        lines = process.stderr.read().decode().splitlines()
    assert ["error: the answer cannot be written: No space left on device"] == lines
    assert 1 == process.wait(timeout=30)


@pytest.mark.parametrize("model", ["sandbox/silence", "sandbox/429?retry-after=600"])
def test_an_interruption_exits_with_130(
    start: Callable[..., Any], sandbox: Sandbox, model: str
) -> None:
    process = start("hello", "--model", model, stderr=subprocess.PIPE)
    sandbox.wait_for(1)
    process.send_signal(signal.SIGINT)
    *_, last = process.stderr.read().decode().splitlines()
    assert (130, "error: interrupted") == (process.wait(timeout=30), last)


def test_an_interruption_while_it_starts_is_no_traceback(
    start: Callable[..., Any], environment: dict[str, str], tmp_path: Path
) -> None:
    # Stands in for a package that takes long to import.
    (tmp_path / "tenacity.py").write_text("import time; print('on', flush=True); time.sleep(60)")
    slow = {**environment, "PYTHONPATH": str(tmp_path)}
    process = start("hello", env=slow, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert b"on\n" == process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert (130, b"") == (process.wait(timeout=30), process.stderr.read())


def test_further_interruptions_change_nothing(start: Callable[..., Any], sandbox: Sandbox) -> None:
    process = start("hello", "--model", "sandbox/silence", stderr=subprocess.PIPE)
    sandbox.wait_for(1)
    process.send_signal(signal.SIGINT)
    assert b"error: interrupted\n" == process.stderr.readline()
    while process.poll() is None:
        process.send_signal(signal.SIGINT)
        time.sleep(0.001)
    assert (130, b"") == (process.returncode, process.stderr.read())


def test_an_interruption_that_is_ignored_stays_so(
    start: Callable[..., Any], sandbox: Sandbox
) -> None:
    # As `nohup` and the shells start what runs in the background.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        asking = ("hello", "--model", "sandbox/silence?seconds=0.3", "--cache", "none")
        process = start(*asking, stdout=subprocess.PIPE)
    finally:
        signal.signal(signal.SIGINT, before)
    sandbox.wait_for(1)
    process.send_signal(signal.SIGINT)
    assert b"Sandbox: hello\n" == process.stdout.read()
    assert 0 == process.wait(timeout=30)


def test_an_interrupted_batch_keeps_what_it_has_and_goes_on_next_time(
    start: Callable[..., Any], run: Run, sandbox: Sandbox, tmp_path: Path
) -> None:
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text('one\n{"prompt": "two", "model": "sandbox/silence?times=1"}\n')
    process = start("--batch", str(prompts), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert "Sandbox: one" == json.loads(process.stdout.readline())["text"]
    sandbox.wait_for(2)
    process.send_signal(signal.SIGINT)
    assert [
        "1 lines are answered, 0 have failed: run it again to go on, the answers so far come from"
        " the cache",
        "error: interrupted",
    ] == process.stderr.read().decode().splitlines()
    assert 130 == process.wait(timeout=30)
    done = run("--batch", str(prompts))
    assert [1, 2] == [json.loads(line)["line"] for line in done.stdout.splitlines()]
    assert (0, 3) == (done.returncode, len(sandbox.exchanges))


def test_an_interrupted_batch_without_a_cache_says_that_it_begins_anew(
    start: Callable[..., Any], sandbox: Sandbox, tmp_path: Path
) -> None:
    (tmp_path / "prompts").write_text("one\n")
    asking = ("--batch", "prompts", "--model", "sandbox/silence", "--cache", "none")
    process = start(*asking, stderr=subprocess.PIPE)
    sandbox.wait_for(1)
    process.send_signal(signal.SIGINT)
    first, last = process.stderr.read().decode().splitlines()
    assert "0 lines are answered, 0 have failed: nothing is kept without a cache" in first
    assert (130, "error: interrupted") == (process.wait(timeout=30), last)
