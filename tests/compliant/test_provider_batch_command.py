"""`--batch` by Groq's Batch API: submitted once, gone on with, reported in order."""

from __future__ import annotations

import io
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from groq_client_compliant import main
from sandbox import Fault, Sandbox
from services.groq_compliant import provider_batch
from services.groq_compliant.console import Console
from services.llm.batch.provider_batch import ProviderBatch
from services.llm.batch.submission import Submission
from services.llm.errors import ProviderUnavailableError
from services.llm.stores.locks import PathLock
from tests.compliant.support import KEYS, MODEL

PROMPTS = 'one\n{"prompt": "two", "id": 7, "system": "Hm."}\n{bad\nfour\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    place = tmp_path / "prompts.jsonl"
    place.write_text(PROMPTS)
    return place


@pytest.fixture(autouse=True)
def _a_key(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    monkeypatch.setenv("GROQ_API_KEY", KEYS[0])


@pytest.fixture
def command(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the command line in this process; its code, its records and its other lines."""

    def ran(*arguments: str) -> tuple[int, list[Any], list[str]]:
        code = main([*arguments, "--base-url", sandbox.url, "--model", MODEL])
        out, err = capsys.readouterr()
        return code, [json.loads(line) for line in out.splitlines()], err.splitlines()

    return ran


def test_the_prompts_are_answered_in_order_with_what_is_wrong_among_them(
    command: Any, file: Path
) -> None:
    code, records, lines = command("--batch", str(file), "--provider-batch")
    assert (1, [1, 2, 3, 4]) == (code, [each["line"] for each in records])
    assert ["Sandbox: one", "Sandbox: two", None, "Sandbox: four"] == [
        each.get("text") for each in records
    ]
    assert (7, "InputError") == (records[1]["id"], records[2]["error"]["type"])
    assert lines[0].startswith("submitted as batch_")
    assert not Path(f"{file}.submitted").exists()


def test_values_and_whole_replies_are_shown_as_of_other_batches(
    command: Any, file: Path, tmp_path: Path
) -> None:
    file.write_text("one\n")
    schema = tmp_path / "schema.json"
    schema.write_text('{"type": "object", "properties": {"word": {"type": "string"}}}')
    asking = ("--batch", str(file), "--provider-batch", "--schema", str(schema), "--json")
    code, (record,), _ = command(*asking)
    assert (0, "text") == (code, record["value"]["word"])
    assert 1 == len(record["reply"]["attempts"])


def test_a_line_that_fails_is_told_with_its_error(command: Any, file: Path) -> None:
    file.write_text('{"prompt": "one", "model": "sandbox/503"}\n')
    code, (record,), _ = command("--batch", str(file), "--provider-batch")
    assert (1, 503) == (code, record["error"]["status"])


def test_what_was_submitted_is_gone_on_with_and_not_paid_twice(
    command: Any, file: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(self: Any, on_status: Any) -> Any:
        raise ProviderUnavailableError("the line is down")

    with monkeypatch.context() as patch:
        patch.setattr(ProviderBatch, "_adownload", broken)
        code, records, lines = command("--batch", str(file), "--provider-batch")
    assert (1, [], "error: the line is down") == (code, records, lines[-1])
    code, records, lines = command("--batch", str(file), "--provider-batch")
    assert (2, []) == (code, records)
    assert "these prompts were submitted before: give --resume" in lines[0]
    file.write_text(PROMPTS + "five\n")
    code, _, lines = command("--batch", str(file), "--provider-batch", "--resume")
    assert (1, True) == (code, "are not those that were submitted" in lines[0])
    file.write_text(PROMPTS)
    code, records, _ = command("--batch", str(file), "--provider-batch", "--resume")
    assert (1, 4) == (code, len(records))
    created = [each for each in sandbox.exchanges if each.operation == "batches"]
    assert 1 == sum(each.body is not None and "input_file_id" in each.body for each in created)


@pytest.mark.parametrize("flags", [(), ("--provider-batch",)])
def test_a_line_may_be_a_chat(command: Any, file: Path, sandbox: Sandbox, flags: Any) -> None:
    chat = [{"role": "user", "content": "one"}, {"role": "assistant", "content": "two"}]
    chat.append({"role": "user", "content": "three"})
    file.write_text(json.dumps(chat) + "\n" + json.dumps({"messages": chat, "system": "Hm."}))
    code, records, _ = command("--batch", str(file), "--cache", "none", *flags)
    assert (0, ["Sandbox: three"] * 2) == (code, [each["text"] for each in records])
    if not flags:
        asked = sorted((each.body["messages"] for each in sandbox.exchanges), key=len)
        assert [chat, [{"role": "system", "content": "Hm."}, *chat]] == asked


def test_an_id_that_groq_does_not_know_is_told_as_one(command: Any, file: Path) -> None:
    replace(provider_batch.Submitted.of(file, None), id="batch_gone").write()
    code, _, lines = command("--batch", str(file), "--provider-batch", "--resume")
    assert (1, True) == (code, "Groq has no batch batch_gone" in lines[-1])
    assert "base URL" not in lines[-1]


def test_a_note_that_is_none_is_told(command: Any, file: Path) -> None:
    Path(f"{file}.submitted").write_text("{}")
    code, _, lines = command("--batch", str(file), "--provider-batch", "--resume")
    assert (1, True) == (code, "no note of a batch (KeyError)" in lines[0])


def test_a_note_that_is_no_file_is_told(command: Any, file: Path) -> None:
    Path(f"{file}.submitted").mkdir()
    code, _, lines = command("--batch", str(file), "--provider-batch")
    assert (1, True) == (code, "(OSError): remove this file to submit" in lines[0])


def created(sandbox: Sandbox) -> int:
    """How many batches were begun."""
    asked = [each.body for each in sandbox.exchanges if each.operation == "batches"]
    return sum(body is not None and "input_file_id" in body for body in asked)


def test_a_line_that_cannot_be_sent_has_its_record_and_ends_no_other(
    command: Any, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text('one\n{"prompt": "two", "id": 7, "max_tokens": -1}\nthree\n')

    async def broken(self: Any, on_status: Any) -> Any:
        raise ProviderUnavailableError("the line is down")

    with monkeypatch.context() as patch:
        patch.setattr(ProviderBatch, "_adownload", broken)
        command("--batch", str(file), "--provider-batch")
    code, (first, second, third), _ = command("--batch", str(file), "--provider-batch", "--resume")
    assert (1, "Sandbox: one", "Sandbox: three") == (code, first["text"], third["text"])
    wrong = {"type": "ConfigurationError", "message": second["error"]["message"]}
    assert {"line": 2, "id": 7, "error": wrong} == second
    assert wrong["message"].startswith("max_tokens is -1")


def test_lines_of_which_none_can_be_sent_have_their_records(
    command: Any, file: Path, sandbox: Sandbox
) -> None:
    file.write_text('{"prompt": "one", "max_tokens": -1}\n{bad\n')
    code, records, _ = command("--batch", str(file), "--provider-batch")
    assert (1, ["ConfigurationError", "InputError"]) == (
        code,
        [each["error"]["type"] for each in records],
    )
    assert (0, False) == (created(sandbox), Path(f"{file}.submitted").exists())


def test_a_file_without_prompts_says_so(command: Any, file: Path) -> None:
    file.write_text("")
    code, records, lines = command("--batch", str(file), "--provider-batch")
    assert (1, []) == (code, records)
    assert ["error: prompts is empty: there is nothing to submit"] == lines
    assert not Path(f"{file}.submitted").exists()


class Killed(BaseException):
    """What ends the process before it does anything more."""


def test_what_was_submitted_by_a_process_that_was_killed_at_once_is_found(
    command: Any, file: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = provider_batch.Submitted.write

    def killed(note: provider_batch.Submitted) -> None:
        if note.id:
            raise Killed
        write(note)

    with monkeypatch.context() as patch:
        patch.setattr(provider_batch.Submitted, "write", killed)
        with pytest.raises(Killed):
            command("--batch", str(file), "--provider-batch")
    code, records, _ = command("--batch", str(file), "--provider-batch")
    assert (1, 4, 1) == (code, len(records), created(sandbox))


def test_prompts_that_changed_before_anything_was_submitted_are_submitted(
    command: Any, file: Path, sandbox: Sandbox
) -> None:
    provider_batch.Submitted.of(file, None).write()
    file.write_text("another\n")
    code, (record,), _ = command("--batch", str(file), "--provider-batch")
    assert (0, "Sandbox: another", 1) == (code, record["text"], created(sandbox))


def test_nothing_is_submitted_where_the_note_cannot_be_written(
    command: Any, file: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(provider_batch, "replace_file", full)
    code, _, lines = command("--batch", str(file), "--provider-batch")
    told = f"error: {file}.submitted: it cannot be written: No space left on device"
    assert (1, [told], 0) == (code, lines, created(sandbox))


def test_prompts_that_another_process_submits_are_not_submitted_too(
    command: Any, file: Path, sandbox: Sandbox, tmp_path: Path
) -> None:
    with PathLock(Path(f"{file}.submitted")).held():
        code, _, lines = command("--batch", str(file), "--provider-batch", "--resume")
    told = f"error: {file}: another process submits these prompts now"
    assert (2, [told], 0) == (code, lines, created(sandbox))
    assert 4 == len(command("--batch", str(file), "--provider-batch")[1])
    assert [file] == list(tmp_path.iterdir())


def test_prompts_from_a_pipe_are_wrong_usage_as_they_could_not_be_read_again(
    command: Any, tmp_path: Path, sandbox: Sandbox
) -> None:
    os.mkfifo(pipe := tmp_path / "prompts")
    code, _, (line,) = command("--batch", str(pipe), "--provider-batch")
    assert (2, True, 0) == (code, "no regular file" in line, created(sandbox))
    assert [pipe] == list(tmp_path.iterdir())
    code, _, (line,) = command("--batch", str(tmp_path / "none"), "--provider-batch")
    assert (2, True) == (code, "No such file" in line)


def test_nothing_is_submitted_where_the_lock_is_a_link(
    command: Any, file: Path, sandbox: Sandbox
) -> None:
    Path(f"{file}.submitted.lock").symlink_to(file)
    code, _, (line,) = command("--batch", str(file), "--provider-batch")
    assert (1, True, 0) == (code, "it cannot be locked" in line, created(sandbox))


def test_the_note_stays_where_it_is_not_known_whether_the_batch_has_begun(
    command: Any, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lost(*_: Any) -> Any:
        raise ProviderUnavailableError("the line is down")

    monkeypatch.setattr(Submission, "asubmit", lost)
    assert 1 == command("--batch", str(file), "--provider-batch")[0]
    assert "" == provider_batch.Submitted.of(file, None).id
    assert Path(f"{file}.submitted").exists()


def test_a_line_without_a_result_says_so(
    command: Any, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = ProviderBatch.aresults

    async def some(self: Any, on_status: Any) -> Any:
        async for result in found(self, on_status):
            if result.index != 1:
                yield result

    monkeypatch.setattr(ProviderBatch, "aresults", some)
    _, records, _ = command("--batch", str(file), "--provider-batch")
    assert "the batch has no result for this line" == records[1]["error"]["message"]
    assert "Sandbox: four" == records[3]["text"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("hello", "--progress"), "--progress says how --batch is answered"),
        (("hello", "--resume"), "--resume says how --batch is answered"),
        (("hello", "--provider-batch"), "--provider-batch says how --batch is answered"),
        (("--batch", "-", "--provider-batch"), "give --batch a file"),
        (("--batch", "prompts.jsonl", "--resume", "--cache", "none"), "goes on from the cache"),
        (("--batch", "prompts.jsonl", "--resume", "--cache", "memory:"), "goes on from the cache"),
    ],
)
@pytest.mark.usefixtures("file")
def test_flags_that_do_not_go_together_are_wrong_usage(
    command: Any, arguments: tuple[str, ...], words: str
) -> None:
    code, records, lines = command(*arguments)
    assert (2, [], True) == (code, records, words in lines[-1])


@pytest.mark.usefixtures("file")
@pytest.mark.parametrize("how", [(), ("--provider-batch",)])
def test_the_end_of_a_batch_tells_how_many_lines_were_answered(
    command: Any, sandbox: Sandbox, how: tuple[str, ...]
) -> None:
    sandbox.script(Fault.error(400))
    code, records, lines = command("--batch", "prompts.jsonl", "--progress", *how)
    failed = sum("error" in each for each in records)
    assert failed > 0
    assert (1, f"{len(records) - failed} answered, {failed} failed") == (code, lines[-1])
    assert not any("answered" in each for each in command("--batch", "prompts.jsonl", *how)[2])


@pytest.mark.usefixtures("file")
def test_an_interrupted_batch_of_calls_is_resumed_from_the_cache(
    command: Any, sandbox: Sandbox
) -> None:
    first = command("--batch", "prompts.jsonl", "--progress")
    assert first[:2] == command("--batch", "prompts.jsonl", "--resume")[:2]
    assert 3 == len(sandbox.exchanges)


def test_progress_is_told_every_ten_seconds_where_there_is_no_terminal() -> None:
    stream, now = io.StringIO(), 0.0
    console = Console(stream, {}, lambda: now)
    console.progress("never")
    console.tells_progress = True
    for second in range(25):
        now = float(second)
        console.progress(f"{second} answered")
    assert ["10 answered", "20 answered"] == stream.getvalue().splitlines()


def test_the_note_is_of_the_prompts_and_the_schema(file: Path) -> None:
    plain, other = (provider_batch.Submitted.of(file, schema) for schema in (None, {"a": 1}))
    assert plain.prompts != other.prompts
    replace(plain, id="batch_1").write()
    assert "batch_1" == provider_batch.Submitted.of(file, None).id
