from __future__ import annotations

import io
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest

from services.groq_compliant.sources import (
    InputError,
    UsageError,
    keys_of,
    prompt_of,
    schema_in,
    text_in,
    text_in_stdin,
)
from services.llm.settings.environment import VariableSource


class Stdin(io.TextIOWrapper):
    """Standard input as a pipe, or as a terminal where nobody types."""

    def __init__(self, data: bytes = b"", *, terminal: bool = False) -> None:
        super().__init__(io.BytesIO(data))
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


@pytest.fixture
def file(tmp_path: Path) -> Path:
    place = tmp_path / "prompt.txt"
    place.write_text("from the file\n", encoding="utf-8")
    return place


@pytest.fixture(autouse=True)
def _piped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Stdin(b"from the pipe"))


def test_the_argument_comes_first(file: Path) -> None:
    assert "asked" == prompt_of("asked", file, "default", stdin=True)


def test_then_the_file(file: Path) -> None:
    assert "from the file\n" == prompt_of(" ", file, "default", stdin=True)


def test_then_standard_input(tmp_path: Path) -> None:
    blank = tmp_path / "blank"
    blank.write_text(" \n")
    assert "from the pipe" == prompt_of(None, blank, "default", stdin=True)


def test_then_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Stdin(b" \n"))
    assert "default" == prompt_of(None, None, "default", stdin=True)


def test_blank_is_wrong_usage_and_nothing_at_all_no_prompt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", Stdin())
    with pytest.raises(UsageError, match="what was given as the prompt is blank"):
        prompt_of("", None, None, stdin=False)
    monkeypatch.setattr(sys, "stdin", Stdin(terminal=True))
    assert prompt_of(None, None, None, stdin=False) is None


def test_a_pipe_is_read_where_nothing_else_was_given() -> None:
    assert "from the pipe" == prompt_of(" ", None, None, stdin=False)


def test_a_pipe_is_not_read_unasked_where_something_else_was_given() -> None:
    prompt_of(None, None, "default", stdin=False)
    with pytest.raises(UsageError):
        prompt_of(None, None, " ", stdin=False)
    assert "from the pipe" == text_in_stdin()


def test_a_terminal_is_read_only_if_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Stdin(b"typed", terminal=True))
    assert prompt_of(None, None, None, stdin=False) is None
    assert "typed" == prompt_of(None, None, None, stdin=True)


def test_a_closed_standard_input_is_no_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert prompt_of(None, None, None, stdin=False) is None
    with pytest.raises(InputError, match="standard input is closed"):
        prompt_of(None, None, None, stdin=True)


def test_a_prompt_of_undecodable_bytes_is_refused() -> None:
    with pytest.raises(InputError, match="the prompt is not valid UTF-8"):
        prompt_of("caf\udce9", None, None, stdin=False)


def test_a_byte_order_mark_is_not_part_of_a_prompt(tmp_path: Path) -> None:
    (tmp_path / "prompt").write_bytes(b"\xef\xbb\xbfasked")
    assert "asked" == text_in(tmp_path / "prompt")


@pytest.mark.parametrize("data", [b"caf\xe9", b"\xff\xfea\x00", b"\xfe\xff\x00a", b"a\x00b\x00"])
def test_what_is_no_utf_8_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    (tmp_path / "prompt").write_bytes(data)
    with pytest.raises(InputError, match="prompt: not valid UTF-8"):
        text_in(tmp_path / "prompt")
    monkeypatch.setattr(sys, "stdin", Stdin(data))
    with pytest.raises(InputError, match="standard input: not valid UTF-8"):
        text_in_stdin()


def test_what_cannot_be_read_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> bytes:
        raise OSError(5, "Input/output error")

    with pytest.raises(InputError, match="nowhere: No such file or directory"):
        text_in(tmp_path / "nowhere")
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=SimpleNamespace(read=broken)))
    with pytest.raises(InputError, match="standard input: Input/output error"):
        text_in_stdin()


def test_a_schema_is_a_json_object(tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text('{"type": "object"}')
    assert {"type": "object"} == schema_in(schema)


@pytest.mark.parametrize(
    ("text", "problem"),
    [("{", "no JSON"), ("[" * 100_000, "no JSON"), ("[]", "a JSON Schema is a JSON object")],
)
def test_a_schema_that_is_none_is_one_line(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "schema.json").write_text(text)
    with pytest.raises(InputError, match=problem):
        schema_in(tmp_path / "schema.json")


@pytest.mark.parametrize(
    ("environment", "dotenv", "expected"),
    [
        ({"GROQ_API_KEYS": "a,b", "GROQ_API_KEY": "c"}, {}, ("GROQ_API_KEYS", "a,b")),
        ({"GROQ_API_KEYS": " , ", "GROQ_API_KEY": "c"}, {}, ("GROQ_API_KEY", "c")),
        ({"GROQ_API_KEY": "c"}, {"GROQ_API_KEYS": "d"}, ("GROQ_API_KEY", "c")),
        ({"GROQ_API_KEY": ""}, {"GROQ_API_KEYS": "d"}, ("GROQ_API_KEYS", "d")),
        ({}, {"GROQ_API_KEYS": "", "GROQ_API_KEY": "e"}, ("GROQ_API_KEY", "e")),
        ({"groq_api_keys": "f"}, {"GROQ_API_KEY": "e"}, ("GROQ_API_KEYS", "f")),
    ],
)
def test_keys_come_from_the_first_place_that_holds_any(
    environment: Mapping[str, str], dotenv: Mapping[str, str], expected: tuple[str, str]
) -> None:
    found = keys_of([VariableSource("here", environment), VariableSource("there", dotenv)])
    assert (*expected, "here" if expected[1] in environment.values() else "there") == found


def test_without_a_key_the_error_says_where_to_put_one() -> None:
    with pytest.raises(InputError, match=r"no API key: set GROQ_API_KEYS or GROQ_API_KEY"):
        keys_of([VariableSource("here", {})])


def test_the_null_device_holds_no_prompt_and_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with open(os.devnull) as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        assert prompt_of(None, None, None, stdin=False) is None


def test_a_dash_names_standard_input() -> None:
    assert "from the pipe" == text_in(Path("-"))
