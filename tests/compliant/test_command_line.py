"""The command line as users run it: a process of its own, with its output in pipes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from sandbox import Sandbox
from services.groq_compliant import VERSION
from tests.compliant.shell import ROOT, SCRIPT, Run
from tests.compliant.support import KEYS


@pytest.mark.parametrize(
    ("started", "folder"),
    [
        (["groq_client_compliant.py"], "backend"),
        (["-m", "groq_client_compliant"], "backend"),
        (["backend/groq_client_compliant.py"], "."),
        (["-m", "backend.groq_client_compliant"], "."),
    ],
)
def test_it_runs_from_backend_and_from_the_root(run: Run, started: list[str], folder: str) -> None:
    done = run("hello", "--cache", "none", started=started, cwd=ROOT / folder)
    assert (0, "Sandbox: hello\n", "") == (done.returncode, done.stdout, done.stderr)


def test_an_answer_is_all_that_goes_to_standard_output(run: Run) -> None:
    done = run("hello", "--verbose", "--system", "Be brief.")
    assert (0, "Sandbox: hello\n") == (done.returncode, done.stdout)
    assert done.stderr.startswith("info: openai/gpt-oss-120b: ")


def test_a_second_time_it_comes_from_the_cache(run: Run, sandbox: Sandbox, tmp_path: Path) -> None:
    for _ in range(2):
        assert "Sandbox: hello\n" == run("hello").stdout
    assert 1 == len(sandbox.exchanges)
    assert 0o600 == (tmp_path / ".groq_cache.json").stat().st_mode & 0o777


def test_the_whole_reply_is_one_json_object(run: Run) -> None:
    reply = json.loads(run("hello", "--json", "--model", "openai/gpt-oss-20b").stdout)
    assert ("Sandbox: hello", "openai/gpt-oss-20b", 1) == (
        reply["text"],
        reply["model"],
        len(reply["attempts"]),
    )


def test_a_schema_makes_the_answer_json_that_satisfies_it(run: Run, tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    (tmp_path / "schema.json").write_text(json.dumps(schema))
    assert isinstance(json.loads(run("how many?", "--schema", "schema.json").stdout)["n"], int)
    whole = json.loads(run("how many?", "--schema", "schema.json", "--json").stdout)
    assert whole["value"] == json.loads(whole["text"])


def test_a_piped_prompt_is_asked(run: Run) -> None:
    assert "Sandbox: from a pipe\n" == run(input=b"from a pipe\n").stdout


@pytest.mark.parametrize("nothing", [b"", b" \n"])
@pytest.mark.parametrize("arguments", [[], ["-"], ["--prompt-file", "-"]])
def test_an_empty_pipe_is_wrong_usage_and_no_self_test(
    run: Run, sandbox: Sandbox, arguments: list[str], nothing: bytes
) -> None:
    done = run(*arguments, input=nothing)
    told = "error: there is nothing to ask: what was given as the prompt is blank\n"
    assert (2, "", told) == (done.returncode, done.stdout, done.stderr)
    assert [] == sandbox.exchanges


def test_an_empty_pipe_is_no_batch(run: Run, sandbox: Sandbox) -> None:
    done = run("--batch", "-", input=b"")
    told = "error: there is nothing to ask: standard input is empty\n"
    assert (2, "", told) == (done.returncode, done.stdout, done.stderr)


def test_a_dash_is_standard_input(run: Run, tmp_path: Path) -> None:
    asked = run("-", input=b"from a pipe")
    assert asked.stdout == run("--prompt-file", "-", input=b"from a pipe").stdout
    assert "Sandbox: from a pipe\n" == asked.stdout
    schema = b'{"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}'
    assert ["n"] == list(json.loads(run("how many?", "--schema", "-", input=schema).stdout))
    lines = run("--batch", "-", input=b"one\ntwo\n").stdout.splitlines()
    assert ["Sandbox: one", "Sandbox: two"] == [json.loads(line)["text"] for line in lines]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_batch_in_another_encoding_is_one_error_and_sends_nothing(
    run: Run, sandbox: Sandbox, tmp_path: Path, encoding: str
) -> None:
    (tmp_path / "prompts").write_bytes("one\ntwo\n".encode(encoding))
    for arguments, how in ((["prompts"], {}), (["-"], {"input": "one\n".encode(encoding)})):
        done = run("--batch", *arguments, **how)
        assert (1, "", 1) == (done.returncode, done.stdout, len(done.stderr.splitlines()))
        assert f"error: {arguments[0]}: not valid UTF-8" in done.stderr
    assert [] == sandbox.exchanges


def test_times_and_costs_are_rounded_where_they_are_read(run: Run) -> None:
    reply = json.loads(run("hello", "--json", "--model", "openai/gpt-oss-20b").stdout)
    (attempt,) = reply["attempts"]
    times = [reply["latency"], *(attempt[f"{name}_wait"] for name in ("quota", "retry"))]
    assert times == [round(each, 3) for each in times]
    assert [reply["cost"]] * 2 == [attempt["cost"], round(reply["cost"], 9)]
    assert reply["cost"] > 0


def test_a_prompt_that_is_no_ascii_comes_and_goes_unharmed(run: Run) -> None:
    assert "Sandbox: naïve – 東京\n" == run("naïve – 東京").stdout


def test_what_the_terminals_encoding_lacks_is_escaped(
    run: Run, environment: dict[str, str]
) -> None:
    done = run("東", env={**environment, "PYTHONIOENCODING": "ascii"})
    assert (0, "Sandbox: \\u6771\n") == (done.returncode, done.stdout)


def test_without_any_input_it_says_so_and_tests_itself(run: Run, tmp_path: Path) -> None:
    done = run()
    first, *_, last = done.stderr.splitlines()
    assert (0, "") == (done.returncode, done.stdout)
    assert first.startswith("There is nothing to ask, so the self-tests run")
    assert last.endswith("self-tests passed")
    assert [] == os.listdir(tmp_path)


def test_self_tests_that_fail_exit_with_1(
    run: Run, environment: dict[str, str], tmp_path: Path
) -> None:
    # Nothing can be kept in a file that stands where the folder for temporary files should be.
    program = (
        "import sys, tempfile, groq_client_compliant;"
        "tempfile.tempdir = '/dev/null';"
        "sys.exit(groq_client_compliant.main(['--self-test']))"
    )
    done = run(started=["-c", program], env={**environment, "PYTHONPATH": str(SCRIPT.parent)})
    assert 1 == done.returncode
    assert "FAILED: answers are kept for their time, in a private file" in done.stderr


def test_what_is_not_installed_is_named(run: Run, tmp_path: Path) -> None:
    program = (
        "import runpy, sys, importlib.util as known;"
        "found = known.find_spec;"
        "known.find_spec = lambda name: None if name in ('anyio', 'tenacity') else found(name);"
        f"runpy.run_path({str(SCRIPT)!r}, run_name='__main__')"
    )
    done = run(started=["-c", program])
    told = "error: not installed: anyio, tenacity (python -m pip install -r backend/requirements"
    assert (1, "") == (done.returncode, done.stdout)
    assert done.stderr.startswith(told)


def test_its_version_is_that_of_the_changelog(run: Run) -> None:
    assert f"groq_client_compliant {VERSION}\n" == run("--version").stdout
    assert VERSION in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["--prompt-file", "nowhere"], 2, "error: nowhere: No such file or directory"),
        (["--batch", "nowhere"], 2, "error: nowhere: No such file or directory"),
        (["x", "--schema", "nowhere"], 2, "error: nowhere: No such file or directory"),
        (["x", "--model", "sandbox/400"], 1, "error: Groq API error: Bad Request"),
        (["x", "--budget", "0"], 1, "error: Daily token budget exceeded: "),
        (["x", "--cache", "ftp://here"], 1, "error: cache_path: cache URL must be"),
        (["x", "--base-url", "http://x/openai/v1"], 1, "error: base_url is "),
        (["x", "--base-url", "nowhere"], 1, "error: base_url is 'nowhere'"),
        (["x", "--base-url", "https://999.1.1.1"], 1, "error: base_url is 'https://999.1.1.1'"),
        (["--batch", "."], 2, "error: .: Is a directory"),
        (["--schema", "nowhere"], 2, "error: nowhere: No such file or directory"),
        (["--prompt-file", "nowhere", "--batch", "nowhere"], 2, "leave out --prompt-file"),
        (["--batch", "-", "--schema", "-"], 2, "standard input holds one thing: --batch and --sch"),
        (["-", "--schema", "-"], 2, "the prompt and --schema cannot both be read there"),
        (["--schema", "-"], 2, "the prompt and --schema cannot both be read there"),
        ([""], 2, "error: there is nothing to ask: what was given as the prompt is blank"),
        (["--stdin"], 2, "error: there is nothing to ask"),
        (["--prompt-file", "/dev/null"], 2, "error: there is nothing to ask"),
        (["--default-prompt", " "], 2, "error: there is nothing to ask"),
        (["x", "--rpm", "none"], 2, "'none' is no whole number from 1 on"),
    ],
)
def test_a_failure_is_one_line_and_never_a_traceback(
    run: Run, arguments: list[str], code: int, told: str
) -> None:
    done = run(*arguments)
    lines = done.stderr.splitlines()
    assert (code, "") == (done.returncode, done.stdout)
    assert told in lines[-1]
    assert len(lines) == (2 if lines[0].startswith("usage: ") else 1)


def test_an_invalid_schema_is_one_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "schema.json").write_text('{"type": "nonsense"}')
    done = run("x", "--schema", "schema.json")
    assert (1, 1) == (done.returncode, len(done.stderr.splitlines()))


@pytest.mark.parametrize("keys", ["", " , ,"])
def test_a_missing_key_is_one_line(run: Run, environment: dict[str, str], keys: str) -> None:
    done = run("x", env={**environment, "GROQ_API_KEYS": keys})
    assert 1 == done.returncode
    assert done.stderr.startswith("error: no API key: set GROQ_API_KEYS or GROQ_API_KEY")


def test_keys_may_stand_in_dotenv(run: Run, environment: dict[str, str], tmp_path: Path) -> None:
    del environment["GROQ_API_KEYS"]
    (tmp_path / ".env").write_text(f"GROQ_API_KEYS={KEYS[0]}\n")
    assert "Sandbox: hello\n" == run("hello").stdout


def test_a_dotenv_that_cannot_be_read_is_one_line(
    run: Run, environment: dict[str, str], tmp_path: Path
) -> None:
    del environment["GROQ_API_KEYS"]
    (tmp_path / ".env").write_bytes(b"GROQ_API_KEY=caf\xe9\n")
    done = run("hello")
    assert (1, 1) == (done.returncode, len(done.stderr.splitlines()))


EVIL = "https://elsewhere.example"


@pytest.mark.parametrize("named", ["GROQ_BASE_URL", "groq_base_url"])
def test_a_key_does_not_go_to_the_endpoint_of_a_dotenv_that_does_not_hold_it(
    run: Run, environment: dict[str, str], tmp_path: Path, sandbox: Sandbox, named: str
) -> None:
    del environment["GROQ_BASE_URL"]
    (tmp_path / ".env").write_text(f"{named}={EVIL}\n")
    done = run("hello")
    told = f"error: GROQ_BASE_URL is '{EVIL}' in {tmp_path / '.env'}, and GROQ_API_KEYS is from the"
    assert (1, told) == (done.returncode, done.stderr[: len(told)])
    assert "Sandbox: hello\n" == run("hello", "--base-url", sandbox.url).stdout
    (tmp_path / ".env").write_text(f"{named}={sandbox.url}\n")
    assert "Sandbox: hello\n" == run("hello").stdout
    (tmp_path / ".env").write_text(f"{named}={EVIL}\n")
    assert "Sandbox: hello\n" == run("hello", env={**environment, named: sandbox.url}).stdout


def test_a_dotenv_above_does_not_count(
    run: Run, environment: dict[str, str], tmp_path: Path
) -> None:
    del environment["GROQ_API_KEYS"]
    (tmp_path / ".env").write_text(f"GROQ_API_KEYS={KEYS[0]}\n")
    (tmp_path / "below").mkdir()
    assert "error: no API key" in run("hello", cwd=tmp_path / "below").stderr


def test_a_dotenv_that_others_may_write_is_left_out(
    run: Run, environment: dict[str, str], tmp_path: Path
) -> None:
    del environment["GROQ_API_KEYS"]
    (tmp_path / ".env").write_text(f"GROQ_API_KEYS={KEYS[0]}\n")
    (tmp_path / ".env").chmod(0o666)
    lines = run("hello").stderr.splitlines()
    assert f"warning: {tmp_path / '.env'} is not read: others may write to it" in lines[0]
    assert (2, "error: no API key") == (len(lines), lines[1][:17])


def test_an_empty_variable_does_not_hide_the_key_in_dotenv(
    run: Run, environment: dict[str, str], tmp_path: Path
) -> None:
    environment |= {"GROQ_API_KEYS": "", "GROQ_API_KEY": " ", "GROQ_MODEL": "\r"}
    (tmp_path / ".env").write_text(f"GROQ_API_KEY={KEYS[0]}\nGROQ_MODEL=openai/gpt-oss-20b\n")
    assert "openai/gpt-oss-20b" == json.loads(run("hello", "--json").stdout)["model"]


def test_a_placeholder_is_named_by_its_variable(run: Run, environment: dict[str, str]) -> None:
    done = run("x", env={**environment, "GROQ_API_KEYS": "gsk_fine,your_groq_api_key"})
    assert "error: GROQ_API_KEYS[1] still has the placeholder" in done.stderr


def test_a_wrong_setting_is_one_line(run: Run, environment: dict[str, str]) -> None:
    done = run("x", env={**environment, "GROQ_ORG_RPM": "-1"})
    told = "error: the settings are wrong: GROQ_ORG_RPM is '-1': Input should be greater than"
    told += " or equal to 1"
    assert (1, f"{told}\n") == (done.returncode, done.stderr)


def test_the_settings_say_what_the_flags_do_not(
    run: Run, environment: dict[str, str], sandbox: Sandbox, tmp_path: Path
) -> None:
    known = {"GROQ_MODEL": "openai/gpt-oss-20b", "LLM_CACHE_URL": "sqlite:elsewhere.db"}
    run("hello", env={**environment, **known})
    assert "openai/gpt-oss-20b" == sandbox.exchanges[0].model
    assert (tmp_path / "elsewhere.db").exists()


def test_no_key_is_ever_shown(run: Run, sandbox: Sandbox) -> None:
    shown = ""
    for model in (
        "sandbox/401",
        "sandbox/429?retry-after=0.1&times=1",
        "sandbox/403",
        "sandbox/ok",
    ):
        done = run("hello", "--model", model, "--verbose", "--json")
        shown += done.stdout + done.stderr
    assert "key 1 of 2 is not accepted" in shown
    assert not any(part in shown for key in KEYS for part in (key, key[:9], key[-9:]))


def test_a_batch_is_answered_in_order_and_resumed_from_the_cache(
    run: Run, sandbox: Sandbox, tmp_path: Path
) -> None:
    prompts = ["one", "", '{"prompt": "two", "id": "b"}', "{bad", '"three"']
    (tmp_path / "prompts.jsonl").write_text("\n".join(prompts))
    first = run("--batch", "prompts.jsonl", "--concurrency", "2")
    records = [json.loads(line) for line in first.stdout.splitlines()]
    assert [1, 3, 4, 5] == [record["line"] for record in records]
    assert ["Sandbox: one", "Sandbox: two", None, "Sandbox: three"] == [
        record.get("text") for record in records
    ]
    assert (1, "", 3) == (first.returncode, first.stderr, len(sandbox.exchanges))
    second = run("--batch", "prompts.jsonl")
    assert (first.stdout, 3) == (second.stdout, len(sandbox.exchanges))


def test_a_batch_without_a_failure_exits_with_0(run: Run, tmp_path: Path) -> None:
    (tmp_path / "prompts.jsonl").write_text("one\n")
    done = run("--batch", "prompts.jsonl", "--json")
    assert (0, "Sandbox: one") == (done.returncode, json.loads(done.stdout)["reply"]["text"])


def test_structured_answers_of_a_batch_are_values(run: Run, tmp_path: Path) -> None:
    (tmp_path / "prompts.jsonl").write_text("one\n")
    (tmp_path / "schema.json").write_text('{"type": "object"}')
    done = run("--batch", "prompts.jsonl", "--schema", "schema.json")
    assert isinstance(json.loads(done.stdout)["value"], dict)


def test_nothing_is_configured_by_an_import(run: Run, environment: dict[str, str]) -> None:
    program = (
        "import logging, sys, groq_client_compliant;"
        "print([logging.root.handlers, logging.getLogger('services').handlers]);"
        "print(sorted(set(sys.modules) & {'groq', 'httpx', 'boto3', 'redis'}))"
    )
    done = run(started=["-c", program], env={**environment, "PYTHONPATH": str(SCRIPT.parent)})
    assert ["[[], []]", "[]"] == done.stdout.splitlines()
