"""The worker's own suite: as a program, since a suite's own process is none to fork."""

import json
import os
import subprocess
import sys
from unittest.mock import Mock, patch

import pytest
import worker

from services.llm_client import GroqClient, create_llm_client


@pytest.mark.parametrize("use_groq", ["true", "false"])
def test_children_do_the_tasks_of_a_parent_that_has_asked(use_groq: str) -> None:
    done = subprocess.run(
        [sys.executable, "worker.py", "one", "two", "three", "four"],
        env={**os.environ, "USE_GROQ": use_groq},
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert (done.returncode, done.stderr) == (0, "")
    answers: list[tuple[int, str]] = json.loads(done.stdout)
    assert [text for _, text in answers] == [
        f"Sandbox: {task}" for task in ("one", "two", "three", "four", "the last")
    ]
    assert len({process for process, _ in answers}) >= 2


def test_text_says_what_its_knob_is() -> None:
    with patch("services.llm_client.Groq"):
        client = create_llm_client()
    assert isinstance(client, GroqClient)
    assert client.max_retries == 3


def test_a_task_with_a_mocked_client() -> None:
    with patch("worker.client") as client:
        client.generate_with_retry = Mock(return_value="9401.61")
        assert worker.classify("a chair") == (os.getpid(), "9401.61")
