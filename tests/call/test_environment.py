"""A `.env` counts where it is the application's own; what is blank counts as not set."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic_settings import SettingsConfigDict

import config
from services.llm.errors import ConfigurationError
from services.llm.settings import environment
from services.llm.settings.environment import ENVIRONMENT, VariableSource, variable_sources

OTHERS = "it belongs to another user (chown it to the one that runs this)"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory below another, and a third folder beside `config.py`."""
    for name in list(os.environ):
        if name.startswith(("GROQ_", "AWS_", "BEDROCK_", "LLM_", "USE_GROQ")):
            monkeypatch.delenv(name)
    folder = tmp_path / "parent" / "work"
    folder.mkdir(parents=True)
    (tmp_path / "code").mkdir()
    monkeypatch.setattr(environment, "_BESIDE_CONFIG", tmp_path / "code")
    monkeypatch.chdir(folder)
    return folder


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def models() -> list[str]:
    return [source.get("GROQ_MODEL") for source in variable_sources()]


def test_the_working_directory_comes_before_the_folder_of_the_code(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / ".env").write_text("GROQ_MODEL=here\n")
    (tmp_path / "code" / ".env").write_text("GROQ_MODEL=there\nAWS_REGION=eu-west-1\n")
    places = [ENVIRONMENT, str(here / ".env"), str(tmp_path / "code" / ".env")]
    assert (places, ["", "here", "there"]) == (
        [source.place for source in variable_sources()],
        models(),
    )
    assert ("here", "eu-west-1") == (config.Settings().GROQ_MODEL, config.Settings().AWS_REGION)
    monkeypatch.setenv("GROQ_MODEL", "set")
    assert "set" == config.Settings().GROQ_MODEL


def test_a_file_above_does_not_count(here: Path) -> None:
    (here.parent / ".env").write_text("GROQ_BASE_URL=https://evil.example\n")
    assert "" == config.Settings().GROQ_BASE_URL
    assert not any(source.get("GROQ_BASE_URL") for source in variable_sources())


def test_one_folder_is_read_once(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "_BESIDE_CONFIG", here)
    assert [ENVIRONMENT, str(here / ".env")] == [source.place for source in variable_sources()]


def test_a_working_directory_that_is_gone_holds_none(here: Path) -> None:
    here.rmdir()
    assert 2 == len(variable_sources())


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_what_others_may_write_is_left_out_with_one_warning(
    here: Path, caplog: pytest.LogCaptureFixture, mode: int
) -> None:
    (here / ".env").write_text("GROQ_MODEL=planted\n")
    (here / ".env").chmod(mode)
    with caplog.at_level(logging.WARNING):
        assert ["", "", ""] == models() == models()
        assert set() == config.Settings().model_fields_set
    assert [f"{here / '.env'} is not read: others may write to it (chmod go-w)"] == warnings_of(
        caplog
    )


@pytest.mark.parametrize(
    ("link", "content", "reason"),
    [(0, 0, None), (1000, 1000, None), (0, 1000, None), (7, 1000, OTHERS), (1000, 7, OTHERS)],
)
def test_a_name_and_its_content_belong_to_the_user_or_to_root(
    monkeypatch: pytest.MonkeyPatch, link: int, content: int, reason: str | None
) -> None:
    def owned(user: int) -> os.stat_result:
        return os.stat_result((0o100600, 0, 0, 1, user, user, 0, 0, 0, 0))

    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert reason == environment._reason_to_distrust(owned(link), owned(content))


def test_what_belongs_to_another_user_is_left_out_with_one_warning(
    here: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / ".env").write_text("GROQ_MODEL=planted\n")
    if os.geteuid() == 0:
        os.chown(here / ".env", 4711, 4711)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 4711)
    with caplog.at_level(logging.WARNING):
        assert ["", "", ""] == models() == models()
    assert [f"{here / '.env'} is not read: {OTHERS}"] == warnings_of(caplog)


def test_a_system_without_owners_trusts_the_file(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / ".env").write_text("GROQ_MODEL=here\n")
    (here / ".env").chmod(0o666)
    monkeypatch.delattr(os, "geteuid")
    assert ["", "here", ""] == models()


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_file_is_not_there(here: Path, kind: str) -> None:
    (here / ".env").mkdir() if kind == "folder" else os.mkfifo(here / ".env")
    assert ["", "", ""] == models()


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        ("GROQ_MODEL=x\n".encode("utf-16"), "not valid UTF-8"),
        ("GROQ_MODEL=x\n".encode("utf-16-le"), "NULs"),
        ("GROQ_MODEL=x\n".encode("utf-16-be"), "NULs"),
        ("GROQ_MODEL=x\n".encode("utf-32"), "not valid UTF-8"),
        ("GROQ_MODEL=café\n".encode("latin-1"), "not valid UTF-8"),
    ],
)
def test_a_file_that_is_no_utf_8_is_named(here: Path, raw: bytes, problem: str) -> None:
    (here / ".env").write_bytes(raw)
    for reader in (variable_sources, config.Settings):
        with pytest.raises(ConfigurationError, match=f"^{here}/.env is .*{problem}.*: save it as"):
            reader()


def test_a_file_without_an_end_is_named(here: Path) -> None:
    (here / ".env").write_bytes(b"GROQ_MODEL=x\n" + b"#" * 2**20)
    with pytest.raises(ConfigurationError, match=f"^{here}/.env is longer than 1 MiB: keep"):
        variable_sources()


@pytest.mark.parametrize(
    "raw", [b"\xef\xbb\xbfGROQ_MODEL=x", b"GROQ_MODEL=x\r\n", b"GROQ_MODEL= x "]
)
def test_what_editors_leave_in_a_file_does_no_harm(here: Path, raw: bytes) -> None:
    (here / ".env").write_bytes(raw)
    assert "x" == config.Settings().GROQ_MODEL


@pytest.mark.parametrize(("owner", "counts"), [(1000, True), (7, False)])
def test_a_file_that_cannot_be_opened_is_named_unless_it_is_anothers(
    here: Path, monkeypatch: pytest.MonkeyPatch, owner: int, counts: bool
) -> None:
    (here / ".env").write_text("GROQ_MODEL=x\n")

    def forbidden(file: Path, flags: int) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", forbidden)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "lstat", lambda file: SimpleNamespace(st_uid=owner))
    monkeypatch.setattr(os, "stat", lambda file: SimpleNamespace(st_uid=owner, st_mode=0o100600))
    if counts:
        with pytest.raises(ConfigurationError, match=f"^{here}/.env: Permission denied$"):
            variable_sources()
    else:
        assert ["", "", ""] == models()


@pytest.mark.parametrize("blank", ["", " ", "\r"])
def test_a_blank_variable_hides_nothing(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blank: str
) -> None:
    monkeypatch.setenv("GROQ_MODEL", blank)
    (here / ".env").write_text("GROQ_MODEL=\n")
    assert config.Settings.model_fields["GROQ_MODEL"].default == config.Settings().GROQ_MODEL
    assert set() == config.Settings().model_fields_set
    (tmp_path / "code" / ".env").write_text("GROQ_MODEL=there\n")
    assert "there" == config.Settings().GROQ_MODEL


def test_another_variables_value_is_not_put_into_a_file(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTHER_SECRET", "s3cret")
    (here / ".env").write_text("GROQ_BASE_URL=https://evil.example/${OTHER_SECRET}\n")
    assert "https://evil.example/${OTHER_SECRET}" == config.Settings().GROQ_BASE_URL


@pytest.mark.parametrize(
    ("values", "expected"),
    [({"GROQ_MODEL": "a", "groq_model": "b"}, "a"), ({"groq_Model": "b"}, "b"), ({}, "")],
)
def test_a_variable_is_found_in_any_case(values: dict[str, str], expected: str) -> None:
    assert expected == VariableSource("here", values).get("GROQ_MODEL")


def test_a_file_that_is_given_takes_the_place_of_ours(here: Path, tmp_path: Path) -> None:
    (here / ".env").write_bytes(b"\xff")
    (tmp_path / "given").write_text("GROQ_MODEL=given\n")
    settings: Any = config.Settings
    assert "given" == settings(_env_file=tmp_path / "given").GROQ_MODEL
    assert set() == settings(_env_file=None).model_fields_set


def test_a_setting_that_cannot_work_is_named_as_the_settings_are_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LLM_TIMEOUT", "soon")
    with pytest.raises(ConfigurationError, match=r"^LLM_TIMEOUT is 'soon': ") as caught:
        config._settings()
    assert caught.value.__cause__ is None


def test_names_are_told_apart_by_case_where_a_host_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    class Strict(config.Settings):
        model_config = SettingsConfigDict(case_sensitive=True)

    monkeypatch.setenv("groq_model", "lower")
    assert "lower" == config.Settings().GROQ_MODEL
    assert set() == Strict().model_fields_set
