"""A process that forks goes on in both, and one that ends leaves nothing unsaid or undone."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).parent / "programs"
ROOT = Path(__file__).parents[2]


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program of ours with every warning an error."""
    # Whether threads live while it forks is the very thing that is tried.
    forking = "ignore:This process:DeprecationWarning"
    command = [sys.executable, "-X", "dev", "-W", "error", "-W", forking]
    return subprocess.run(
        [*command, str(PROGRAMS / program), *arguments],
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'backend'}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.parametrize("provider", ["groq", "bedrock"])
def test_a_fork_while_another_thread_calls_hurts_neither_process(provider: str) -> None:
    ended = run("forking.py", provider)
    assert ("", "done\n", 0) == (ended.stderr, ended.stdout, ended.returncode)


def test_a_process_that_uses_everything_ends_at_once_and_in_silence() -> None:
    began = time.monotonic()
    ended = run("using_everything.py")
    said = "refused\nlate\nlate\nlate\n" * 2 + "done\n"
    assert ("", said, 0) == (ended.stderr, ended.stdout, ended.returncode)
    assert time.monotonic() - began < 20  # the calls left behind would have taken an hour


@pytest.mark.parametrize("provider", ["groq", "bedrock"])
def test_a_call_that_is_on_its_way_as_the_process_ends_comes_to_its_end(provider: str) -> None:
    ended = run("leaving.py", provider)
    said = "Sandbox: one Sandbox: two 3\n"
    assert ("", said, 0) == (ended.stderr, ended.stdout, ended.returncode)
