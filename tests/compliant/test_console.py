from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Mapping

import pytest

from services.groq_compliant import console
from services.groq_compliant.console import (
    AnswerLost,
    Console,
    answer,
    is_coloured,
    log_off,
    log_on,
)
from services.llm.errors import LLMError


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Gone(io.StringIO):
    def write(self, text: str, /) -> int:
        raise BrokenPipeError


class Full(io.StringIO):
    def write(self, text: str, /) -> int:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    ("is_terminal", "environment", "expected"),
    [
        (True, {}, True),
        (False, {}, False),
        (True, {"NO_COLOR": "1"}, False),
        (True, {"NO_COLOR": ""}, True),
        (False, {"FORCE_COLOR": "1"}, True),
        (True, {"FORCE_COLOR": "0"}, False),
        (False, {"FORCE_COLOR": ""}, False),
        (True, {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        (True, {"TERM": "dumb"}, False),
    ],
)
def test_colours_are_for_terminals_unless_the_environment_says_otherwise(
    is_terminal: bool, environment: Mapping[str, str], expected: bool
) -> None:
    assert expected == is_coloured(is_terminal, environment)


def test_a_message_is_one_line() -> None:
    stream = io.StringIO()
    Console(stream, {}).line("two\n lines", "error")
    assert "error: two lines\n" == stream.getvalue()


def test_only_the_level_is_coloured() -> None:
    stream = Terminal()
    shown = Console(stream, {})
    shown.line("red", "error")
    shown.line("plain", "info")
    assert "\x1b[31merror: \x1b[0mred\ninfo: plain\n" == stream.getvalue()


def test_progress_stands_below_the_lines_of_a_terminal() -> None:
    stream = Terminal()
    shown = Console(stream, {"NO_COLOR": "1"})
    shown.progress("1 of 2")
    shown.progress("2 of 2")
    shown.line("done")
    shown.wipe()
    wiped = "\r      \r"
    assert f"1 of 2{wiped}2 of 2{wiped}done\n" == stream.getvalue()


def test_a_file_gets_no_progress() -> None:
    stream = io.StringIO()
    Console(stream, {}).progress("1 of 2")
    assert "" == stream.getvalue()


@pytest.mark.parametrize("stream", [None, Gone()])
def test_where_nobody_reads_nothing_is_said(stream: io.StringIO | None) -> None:
    shown = Console(stream, {})
    shown.line("lost")
    shown.line("lost too")
    assert not shown._is_terminal


@pytest.mark.parametrize(("verbose", "expected"), [(False, ""), (True, "info: news\n")])
def test_the_log_is_shown_from_warnings_on_unless_all_is_wanted(
    verbose: bool, expected: str
) -> None:
    stream = io.StringIO()
    handler = log_on(Console(stream, {}), verbose=verbose)
    try:
        logging.getLogger("services.llm.account.multi_key").info("news")
        logging.getLogger("services.llm.account.multi_key").warning("key %d", 1)
        logging.getLogger("httpx").warning("foreign")
    finally:
        log_off(handler)
    logging.getLogger("services.llm.account.multi_key").warning("after")
    assert f"{expected}warning: key 1\n" == stream.getvalue()


def test_an_answer_that_nobody_reads_is_a_broken_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Gone())
    with pytest.raises(BrokenPipeError):
        console.answer("lost")


def test_an_answer_that_cannot_be_written_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Full())
    with pytest.raises(AnswerLost, match="No space left on device"):
        console.answer("lost")


def test_without_standard_output_an_answer_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(AnswerLost, match="standard output is closed"):
        console.answer("lost")
    console.flush_answers()
    console.give_up_answers()


def test_what_is_given_up_is_written_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    with open(writing, "w") as stdout, open(reading) as read:
        monkeypatch.setattr(sys, "stdout", stdout)
        console.give_up_answers()
        console.answer("to nobody")
        assert "" == read.read()


EVIL = "\x1b]0;title\x07\x1b[31mred\x08\x9b2J\x7f\rover"
HARMLESS = "\\u001b]0;title\\u0007\\u001b[31mred\\u0008\\u009b2J\\u007f\\u000dover"


@pytest.mark.parametrize("terminal", [True, False])
def test_control_characters_of_a_provider_are_written_out_in_every_line(terminal: bool) -> None:
    stream = Terminal() if terminal else io.StringIO()
    Console(stream, {"NO_COLOR": "1"}).line(EVIL.replace("\r", ""), "error")
    assert f"error: {HARMLESS.replace(chr(92) + 'u000d', '')}\n" == stream.getvalue()


@pytest.mark.parametrize(
    ("terminal", "shown"), [(True, f"{HARMLESS}\r\n\tnext é\n"), (False, f"{EVIL}\r\n\tnext é\n")]
)
def test_answers_obey_nobody_on_a_terminal_and_stay_as_they_are_in_a_pipe(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, shown: str
) -> None:
    stream = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    answer(f"{EVIL}\r\n\tnext é")
    assert shown == stream.getvalue()


def test_an_answer_is_flushed_when_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(raw, 1 << 16)))
    for n in range(2):
        answer(f"answer {n}")
        assert raw.getvalue().endswith(f"answer {n}\n".encode())


def test_an_errors_message_holds_no_control_character_wherever_it_is_shown() -> None:
    assert HARMLESS == str(LLMError(EVIL))
    assert "one\n\ttwo é" == str(LLMError("one\n\ttwo é"))
