from __future__ import annotations

from pathlib import Path

import pytest

from services.groq_compliant.arguments import DEFAULT_PROMPT, parse


def test_flags_that_are_not_given_leave_it_to_the_settings() -> None:
    options = parse([])
    assert [None] * 4 == [options.model, options.rpm, options.cache, options.cache_ttl]
    assert (8, 0.7, None, False) == (
        options.concurrency,
        options.temperature,
        options.budget,
        options.json,
    )


def test_numbers_are_read_as_numbers() -> None:
    options = parse(["--temperature", "0", "--cache-ttl", "1.5", "--rpm", "7", "--budget", "0"])
    assert (0.0, 1.5, 7, 0) == (
        options.temperature,
        options.cache_ttl,
        options.rpm,
        options.budget,
    )


def test_a_model_may_be_left_to_its_own_temperature() -> None:
    assert None is parse(["--temperature", "none"]).temperature


def test_a_default_prompt_needs_no_text() -> None:
    assert DEFAULT_PROMPT == parse(["--default-prompt"]).default_prompt
    assert "this" == parse(["--default-prompt", "this"]).default_prompt


def test_a_batch_is_a_file() -> None:
    assert Path("prompts.jsonl") == parse(["--batch", "prompts.jsonl"]).batch


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--rpm", "0"], "--rpm: '0' is no whole number from 1 on"),
        (["--rpm", "1.5"], "--rpm: '1.5' is no whole number from 1 on"),
        (["--concurrency", "none"], "--concurrency: 'none' is no whole number from 1 on"),
        (["--budget", "-1"], "--budget: '-1' is no whole number from 0 on"),
        (["--max-tokens", "0"], "--max-tokens: '0' is no whole number from 1 on"),
        (["--cache-ttl", "0"], "--cache-ttl: '0' is no number of seconds above 0"),
        (["--cache-ttl", "1e12"], "--cache-ttl: '1e12' is no number of seconds above 0, at most "),
        (["--cache-ttl", "inf"], "--cache-ttl: 'inf' is no number of seconds above 0"),
        (["--system", "\udcff"], "--system: '\\udcff' is not valid UTF-8"),
        (["--model", "\udcff"], "--model: '\\udcff' is not valid UTF-8"),
        (["--temperature", "3"], "--temperature: '3' is no number from 0 to 2"),
        (["--temperature", "warm"], "--temperature: 'warm' is no number from 0 to 2"),
        (["--batch", "f", "asked"], "--batch holds the prompts: leave out a prompt"),
        (["--batch", "f", "--stdin"], "--batch holds the prompts: leave out --stdin"),
        (["--tempe", "1"], "unrecognized arguments: --tempe"),
        (["one", "two"], "unrecognized arguments: two"),
    ],
)
def test_a_wrong_flag_is_named_and_exits_with_2(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as leaving:
        parse(arguments)
    assert 2 == leaving.value.code
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["-"], ["--prompt-file", "-"], ["--stdin"]])
def test_a_dash_is_standard_input(arguments: list[str]) -> None:
    options = parse(arguments)
    assert (None, None, True) == (options.prompt, options.prompt_file, options.stdin)


@pytest.mark.parametrize(
    "arguments", [["--schema", "-"], ["-", "--schema", "-"], ["--batch", "-", "--schema", "-"]]
)
def test_standard_input_is_read_once(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse(arguments)
    assert "standard input holds one thing" in capsys.readouterr().err
    assert parse(["x", "--schema", "-"]).schema is not None
