from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from services.groq_compliant import self_test
from services.groq_compliant.self_test import SelfTestError, expect, run_all
from tests.compliant.shell import ROOT, SCRIPT


def test_all_pass_and_leave_nothing_behind(tmp_path: Path) -> None:
    told: list[str] = []
    assert 0 == run_all(told.append)
    assert f"{len(self_test.TESTS)} of {len(self_test.TESTS)} self-tests passed" == told[-1]
    assert [] == os.listdir(tmp_path)


def test_one_that_fails_is_named_and_the_others_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setitem(self_test.TESTS, "a broken one", broken)
    told: list[str] = []
    assert 1 == run_all(told.append)
    assert "FAILED: a broken one: ZeroDivisionError: a bug" in told
    assert 1 + len(self_test.TESTS) == len(told)


def test_a_difference_is_told() -> None:
    with pytest.raises(SelfTestError, match="the sum: 3 instead of 4"):
        expect(4, 3, "the sum")


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("seconds_until_retry", lambda text, wall: 0.0),
        ("wait_decorrelated", lambda base, cap: lambda state: cap + 1),
        ("keys_of", lambda places: ("GROQ_API_KEY", "")),
        ("first_of", lambda places: [place() for place in places] and "two"),
        ("BudgetFile", lambda path: SimpleNamespace(add=max, used=max)),
    ],
)
def test_what_is_broken_does_not_pass(
    monkeypatch: pytest.MonkeyPatch, name: str, broken: object
) -> None:
    monkeypatch.setattr(self_test, name, broken)
    assert run_all(lambda _: None) >= 1


@pytest.mark.parametrize("started", [[str(SCRIPT)], ["-m", "backend.groq_client_compliant"]])
def test_without_the_requirements_it_says_what_is_missing(started: list[str]) -> None:
    # -S leaves out the installed packages.
    done = subprocess.run(
        [sys.executable, "-S", *started, "--self-test"], capture_output=True, text=True, cwd=ROOT
    )
    assert (1, "", 1) == (done.returncode, done.stdout, len(done.stderr.splitlines()))
    for name in ("anyio", "pydantic", "tenacity", "pip install -r backend/requirements.txt"):
        assert name in done.stderr
