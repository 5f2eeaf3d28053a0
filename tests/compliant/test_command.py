"""What becomes of the answers, the errors and the interruptions of a command, in this process."""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from services.groq_compliant import command_line, console, interrupts
from services.groq_compliant.command_line import run
from services.llm.errors import LLMError
from services.llm.types import Reply
from tests.compliant.support import KEYS


class Scripted:
    """A client whose every answer is what a test says, be it raised."""

    def __init__(self, outcome: BaseException | str) -> None:
        self.outcome = outcome

    async def __aenter__(self) -> Scripted:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing is open."""

    async def respond(self, messages: Any, **how: Any) -> Reply:
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return Reply(self.outcome, "a model", "groq")


class Refusing(io.StringIO):
    """A standard output that fails as a test says."""

    def __init__(self, error: OSError) -> None:
        super().__init__()
        self.error = error

    def write(self, text: str, /) -> int:
        raise self.error


@pytest.fixture(autouse=True)
def _a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROQ_API_KEY", KEYS[0])


@pytest.fixture
def last_error(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Notes that standard output was given up, which must not happen to that of the tests."""
    notes: list[str] = []
    monkeypatch.setattr(console, "give_up_answers", lambda: notes.append("given up"))
    return notes


def scripted(outcome: BaseException | str) -> Callable[..., Any]:
    return lambda *_, **__: Scripted(outcome)


def test_an_answer_is_told_and_exits_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == run(scripted("yes"), ["hello"])
    assert ("yes\n", "") == capsys.readouterr()


def test_an_error_is_told_and_exits_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert 1 == run(scripted(LLMError("no")), ["hello"])
    assert ("", "error: no\n") == capsys.readouterr()


def test_a_missing_package_is_told_and_exits_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert 1 == run(scripted(ImportError("no redis")), ["hello"])
    assert ("", "error: no redis\n") == capsys.readouterr()


def test_an_interruption_is_told_and_exits_with_130(capsys: pytest.CaptureFixture[str]) -> None:
    assert 130 == run(scripted(KeyboardInterrupt()), ["hello"])
    assert ("", "error: interrupted\n") == capsys.readouterr()


def test_wrong_usage_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == run(scripted("yes"), ["--rpm", "0"])
    assert "--rpm" in capsys.readouterr().err


def test_help_exits_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == run(scripted("yes"), ["--help"])
    assert "exit codes: 0 answered" in capsys.readouterr().out


def test_a_reader_that_has_gone_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, last_error: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", Refusing(BrokenPipeError(32, "Broken pipe")))
    assert 0 == run(scripted("yes"), ["hello"])
    assert (["given up"], "") == (last_error, capsys.readouterr().err)


def test_an_answer_that_cannot_be_written_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, last_error: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", Refusing(OSError(28, "No space left on device")))
    assert 1 == run(scripted("yes"), ["hello"])
    assert ["given up"] == last_error
    assert "the answer cannot be written: No space left" in capsys.readouterr().err


def test_without_input_the_self_tests_run_and_their_failures_count(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert 0 == run(scripted("yes"), [])
    monkeypatch.setattr("services.groq_compliant.self_test.run_all", lambda tell: 1)
    for also in ([], ["hello"], ["--batch", "nowhere"]):
        assert 1 == run(scripted("yes"), ["--self-test", *also])
    assert "" == capsys.readouterr().out


def test_a_batch_tells_every_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "prompts.jsonl").write_text("one\n{bad\n")
    assert 1 == run(scripted("yes"), ["--batch", str(tmp_path / "prompts.jsonl")])
    assert '{"line": 1, "text": "yes"}' == capsys.readouterr().out.splitlines()[0]


def test_a_batch_that_is_no_file_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == run(scripted("yes"), ["--batch", "nowhere"])
    assert "error: nowhere: No such file or directory\n" == capsys.readouterr().err


def test_a_dotenv_that_is_no_text_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("GROQ_API_KEY")
    (tmp_path / ".env").write_bytes(b"GROQ_API_KEY=caf\xe9\n")
    assert 1 == run(scripted("yes"), ["hello"])
    assert f"{tmp_path / '.env'} is not valid UTF-8" in capsys.readouterr().err


def test_the_exit_codes_are_those_that_scripts_rely_on() -> None:
    assert (0, 1, 130) == (command_line.ANSWERED, command_line.FAILED, interrupts.INTERRUPTED)


class Pipe(io.TextIOWrapper):
    """Standard input as a pipe that holds this."""

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BufferedReader(io.BytesIO(data)))


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ("one\n".encode("utf-16"), "error: -: not valid UTF-8, but UTF-16 or UTF-32"),
        ("one\n".encode("utf-16-le"), "error: -: not valid UTF-8, since it holds NUL bytes"),
        (None, "error: standard input is closed"),
    ],
)
def test_a_batch_that_is_no_text_is_one_error(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    data: bytes | None,
    problem: str,
) -> None:
    monkeypatch.setattr(sys, "stdin", None if data is None else Pipe(data))
    assert (2 if data is None else 1) == run(scripted("yes"), ["--batch", "-"])
    out, err = capsys.readouterr()
    assert ("", 1, True) == (out, len(err.splitlines()), err.startswith(problem))


@pytest.mark.parametrize(
    ("place", "promise"),
    [("c.json", "run it again to go on"), ("none", "nothing is kept"), ("memory:", "nothing is")],
)
def test_an_interrupted_batch_says_how_many_were_answered(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    place: str,
    promise: str,
) -> None:
    class Interrupted(Scripted):
        async def respond(self, messages: Any, **how: Any) -> Reply:
            if "two" in str(messages):
                raise asyncio.CancelledError
            return await super().respond(messages, **how)

    def made(*_: object, **__: object) -> Any:
        return Interrupted("yes")

    (tmp_path / "prompts").write_text("one\ntwo\n")
    asking = ["--batch", str(tmp_path / "prompts"), "--cache", place]
    with pytest.raises(asyncio.CancelledError):
        run(made, asking)
    assert f"1 lines are answered, 0 have failed: {promise}" in capsys.readouterr().err
