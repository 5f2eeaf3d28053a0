"""A process that forks goes on in both, and one that ends leaves nothing unsaid or undone."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import pytest

from groq_client_compliant import GroqClient
from sandbox import Sandbox
from services import llm_client
from services.llm.ledger.opening import ledger_at
from tests.wire.faces import settings

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
    ended = run("using_everything.py")  # within a minute; calls left behind would take an hour
    said = "refused\nlate\nlate\nlate\n" * 2 + "done\n"
    assert ("", said, 0) == (ended.stderr, ended.stdout, ended.returncode)


@pytest.mark.parametrize("provider", ["groq", "bedrock"])
def test_a_call_that_is_on_its_way_as_the_process_ends_comes_to_its_end(provider: str) -> None:
    ended = run("leaving.py", provider)
    said = "Sandbox: one Sandbox: two 3\n"
    assert ("", said, 0) == (ended.stderr, ended.stdout, ended.returncode)


def test_a_stream_that_is_open_as_the_process_ends_is_told_of_and_entered(tmp_path: Path) -> None:
    url = f"sqlite:{tmp_path / 'usage.db'}"
    ended = run("leaving_a_stream.py", url)
    said = "True\nended after 1 attempt\n"
    assert ("", said, 0) == (ended.stderr, ended.stdout, ended.returncode)
    (entry,) = ledger_at(url).read("2000-01-01", "2100-01-01")
    assert (1, 1) == (entry.sums.calls, entry.sums.attempts)


@pytest.mark.parametrize("copied", [pickle.dumps, copy.copy, copy.deepcopy])
@pytest.mark.parametrize("kind", ["groq", "bedrock"])
def test_a_client_handed_to_a_spawned_process_says_what_to_do_instead(
    sandbox: Sandbox, kind: str, copied: Callable[[object], object]
) -> None:
    known = settings(sandbox.url, USE_GROQ=kind == "groq")
    with (
        patch.object(llm_client, "settings", known),
        llm_client.create_llm_client() as client,
        pytest.raises(TypeError, match=r"Client cannot be .* Make one in that process instead"),
    ):
        copied(client)


def test_the_client_of_several_keys_says_so_too() -> None:
    client = GroqClient(["gsk_FirstKey0123456789"], cache_path=None)
    with pytest.raises(TypeError, match="GroqClient cannot be copied or sent to another process"):
        pickle.dumps(client)
