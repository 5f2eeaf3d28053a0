"""A batch that is killed at any moment goes on where it was."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from sandbox import Sandbox

PROGRAM = Path(__file__).parent / "programs" / "killed.py"
BACKEND = Path(__file__).parents[2] / "backend"
PROMPTS, KILLS, CONCURRENCY = 40, 3, 4


@pytest.mark.parametrize("scheme", ["sqlite"])
def test_no_prompt_is_lost_and_none_is_paid_twice_but_those_in_flight(
    sandbox: Sandbox, tmp_path: Path, scheme: str
) -> None:
    cache = f"{scheme}:{tmp_path / 'answers'}"
    arguments = [str(BACKEND), sandbox.url, cache, str(PROMPTS), str(KILLS)]
    done = subprocess.run(
        [sys.executable, str(PROGRAM), *arguments], capture_output=True, text=True, timeout=60
    )
    assert list(range(PROMPTS)) == [int(index) for index in done.stdout.split()], done.stderr
    asked = Counter(each.body["messages"][0]["content"] for each in sandbox.exchanges)
    assert PROMPTS == len(asked)
    assert max(asked.values()) <= 1 + KILLS
    assert sum(asked.values()) <= PROMPTS + KILLS * CONCURRENCY
