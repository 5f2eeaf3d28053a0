"""The command line on a pseudo-terminal: colours, progress, and who is waited for."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox import Answer, Fault, Sandbox
from tests.compliant.shell import Run


def on_a_terminal(
    start: Callable[..., Any], *arguments: str, typed: bytes = b"", **how: Any
) -> tuple[int, str]:
    """Run with a pseudo-terminal for all three streams; the exit code and what was shown."""
    ours, theirs = os.openpty()
    process = start(*arguments, stdin=theirs, stdout=theirs, stderr=theirs, **how)
    os.close(theirs)
    os.write(ours, typed)
    shown, ended = b"", time.monotonic() + 30
    while time.monotonic() < ended:
        ready, _, _ = select.select([ours], [], [], 0.2)
        try:
            data = os.read(ours, 4096) if ready else None
        except OSError:  # Linux says so where the other end is closed
            data = b""
        if data == b"":
            break
        shown += data or b""
    os.close(ours)
    return process.wait(timeout=30), shown.decode()


@pytest.fixture
def terminal(start: Callable[..., Any], environment: dict[str, str]) -> Callable[..., Any]:
    """Run on a pseudo-terminal, with this added to the environment."""

    def ran(*arguments: str, typed: bytes = b"", **added: str) -> tuple[int, str]:
        shell = {**environment, "TERM": "xterm", **added}
        return on_a_terminal(start, *arguments, typed=typed, env=shell)

    return ran


def test_a_terminal_sees_colours(terminal: Callable[..., Any]) -> None:
    code, shown = terminal("x", "--model", "sandbox/400")
    assert (1, "\x1b[31merror: \x1b[0mGroq API error: Bad Request\r\n") == (code, shown)


def test_no_color_and_force_color_are_obeyed(
    terminal: Callable[..., Any], run: Run, environment: dict[str, str]
) -> None:
    _, shown = terminal("x", "--model", "sandbox/400", NO_COLOR="1")
    assert shown.startswith("error: Groq")
    forced = run("x", "--model", "sandbox/400", env={**environment, "FORCE_COLOR": "1"})
    assert forced.stderr.startswith("\x1b[31merror: ")


def test_a_terminal_is_not_waited_for_unless_asked_to(terminal: Callable[..., Any]) -> None:
    code, shown = terminal()
    assert (0, True) == (code, "There is nothing to ask" in shown)
    code, shown = terminal("--stdin", typed=b"typed\n\x04")
    assert (0, True) == (code, "Sandbox: typed" in shown)


def test_a_terminal_sees_how_far_a_batch_has_come(
    terminal: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "prompts.jsonl").write_text("one\n{bad\n")
    code, shown = terminal("--batch", "prompts.jsonl")
    assert 1 == code
    assert "1 answered, 0 failed, 100 % read" in shown
    # The last progress is wiped, so that the prompt of the shell stands at the line's beginning.
    assert shown.endswith("\r" + " " * len("2 answered, 1 failed, 100 % read") + "\r")


def test_a_provider_moves_no_cursor_and_sets_no_title(
    terminal: Callable[..., Any], run: Run, sandbox: Sandbox
) -> None:
    evil, written = "\x1b[2J\x9b1m", "\\u001b[2J\\u009b1m"
    sandbox.script(Answer(text=evil))
    assert (0, f"{written}\r\n") == terminal("x", "--cache", "none")
    sandbox.script(Answer(text=evil))
    assert f"{evil}\n" == run("x", "--cache", "none").stdout
    for show in (lambda *asked: terminal(*asked)[1], lambda *asked: run(*asked).stderr):
        sandbox.script(Fault.error(400, message=evil))
        told = show("x", "--cache", "none")
        assert written in told
        assert "\x1b[2J" not in told
