"""The command line as it writes an answer that comes in pieces: piped, on a terminal, cut short."""

from __future__ import annotations

import io
import signal
import subprocess
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from groq_client_compliant import main
from sandbox import Answer, Fault, Sandbox
from services.groq_compliant import console
from tests.compliant.support import KEYS
from tests.compliant.test_command_line_terminal import on_a_terminal

EVIL = ("Red\x1b[2J", " team\r", "\ning\r", "\x9b1m\n\n")
SHOWN = "Red\\u001b[2J team\r\ning\\u000d\\u009b1m\n\n"
CUT = Fault.in_stream("cut", pieces=2, answer=Answer.streams(*EVIL))


class Terminal(io.StringIO):
    """A standard output that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> Callable[..., int]:
    """Run the command line in this process, without a cache; the sandbox's answer is scripted."""
    monkeypatch.setenv("GROQ_API_KEY", KEYS[0])
    sandbox.script(Answer.streams(*EVIL))
    return lambda *flags: main([*flags, "--cache", "none", "--base-url", sandbox.url])


@pytest.fixture
def show(run: Callable[..., int]) -> Callable[..., tuple[int, str]]:
    """Do the same on a terminal, and return what it showed, too."""

    def shown(*flags: str) -> tuple[int, str]:
        terminal = Terminal(newline="")
        with redirect_stdout(terminal):
            return run(*flags), terminal.getvalue()

    return shown


def is_streamed(sandbox: Sandbox) -> bool:
    return bool(sandbox.exchanges[-1].body.get("stream"))


def test_a_pipe_gets_the_same_bytes_streamed_or_not(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str], sandbox: Sandbox
) -> None:
    assert 0 == run("hello", "--stream")
    assert "".join(EVIL) + "\n" == capsys.readouterr().out
    assert is_streamed(sandbox)
    sandbox.script(Answer.streams(*EVIL))
    assert 0 == run("hello")
    assert "".join(EVIL) + "\n" == capsys.readouterr().out
    assert not is_streamed(sandbox)


def test_a_terminal_sees_a_stream_without_its_control_characters(
    show: Callable[..., tuple[int, str]], sandbox: Sandbox
) -> None:
    assert (0, f"{SHOWN}\n") == show("hello")
    assert is_streamed(sandbox)


def test_a_stream_can_be_turned_off(show: Callable[..., tuple[int, str]], sandbox: Sandbox) -> None:
    assert (0, f"{SHOWN}\n") == show("hello", "--no-stream")
    assert not is_streamed(sandbox)


def test_whole_answers_are_not_streamed_on_a_terminal(
    show: Callable[..., tuple[int, str]], sandbox: Sandbox, tmp_path: Path
) -> None:
    (tmp_path / "prompts.jsonl").write_text("one\n")
    (tmp_path / "schema.json").write_text('{"type": "object"}')
    sandbox.clear()
    for whole in (["x", "--json"], ["x", "--schema", "schema.json"], ["--batch", "prompts.jsonl"]):
        assert 0 == show(*whole)[0]
        assert not is_streamed(sandbox)


@pytest.mark.parametrize(
    ("whole", "flag"),
    [
        (["x", "--json"], "--json"),
        (["x", "--schema", "schema.json"], "--schema"),
        (["--batch", "prompts.jsonl"], "--batch"),
    ],
)
def test_a_stream_of_what_is_written_whole_is_wrong_usage(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str], whole: list[str], flag: str
) -> None:
    assert 2 == run(*whole, "--stream")
    assert f"--stream is for text: leave out {flag}" in capsys.readouterr().err


def test_a_stream_that_breaks_ends_the_terminals_line_before_the_error(
    show: Callable[..., tuple[int, str]], sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    sandbox.clear()
    sandbox.script(CUT)
    assert (1, "Red\\u001b[2J team\\u000d\n") == show("hello")
    assert capsys.readouterr().err.startswith("error: Groq ")


def test_a_stream_that_breaks_leaves_a_pipe_as_it_came(
    run: Callable[..., int], sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    sandbox.clear()
    sandbox.script(CUT)
    assert 1 == run("hello", "--stream")
    assert "Red\x1b[2J team\r" == capsys.readouterr().out


def test_what_a_stream_took_is_told_where_that_is_asked_for(
    run: Callable[..., int], sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == run("hello", "--stream", "--verbose")
    assert "1 attempt(s)" in capsys.readouterr().err


def test_a_disk_that_is_full_ends_the_call(
    run: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Full(Terminal):
        def write(self, text: str, /) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(console, "give_up_answers", lambda: None)
    with redirect_stdout(Full()):
        assert 1 == run("hello")
    assert "No space left" in capsys.readouterr().err


def test_ctrl_c_in_the_middle_ends_the_line_and_the_call(
    start: Callable[..., Any], sandbox: Sandbox
) -> None:
    sandbox.clear()
    answer = Answer.streams("Red", " team", "ing")
    sandbox.script(Fault.in_stream("stall", pieces=2, seconds=60, answer=answer))
    process = start(
        *("hello", "--stream", "--cache", "none"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert b"Red team" == process.stdout.read(8)
    process.send_signal(signal.SIGINT)
    assert (b"", b"error: interrupted\n") == (process.stdout.read(), process.stderr.read())
    assert 130 == process.wait(timeout=30)


def test_a_real_terminal_sees_the_answer_as_it_comes(
    start: Callable[..., Any], sandbox: Sandbox
) -> None:
    sandbox.script(Answer.streams(*EVIL))
    assert (0, "Red\\u001b[2J team\r\r\ning\\u000d\\u009b1m\r\n\r\n\r\n") == on_a_terminal(
        start, "hello", "--cache", "none"
    )
    assert is_streamed(sandbox)
