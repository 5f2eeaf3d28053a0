"""What a second client of one account sets otherwise is said to be ignored, once."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from services.llm.account import registry, shared_settings
from services.llm.account.registry import new_account, shared_account
from services.llm.settings.knobs import Knobs


@pytest.fixture(autouse=True)
def _nothing_was_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_settings, "_known", set())
    monkeypatch.setattr(registry, "_accounts", {})


def told(caplog: pytest.LogCaptureFixture, *settings: dict[str, Any]) -> list[str]:
    """What is logged where clients of one account of Groq's are made with these settings."""
    with caplog.at_level(logging.WARNING):
        for each in settings:
            knobs = Knobs(**each)
            shared_account(new_account("groq", knobs, None), knobs, "key", "url")
    return caplog.messages


def test_another_ledger_is_told_once_with_both_values(caplog: pytest.LogCaptureFixture) -> None:
    first, other = {"LLM_LEDGER_URL": "sqlite:a.db"}, {"LLM_LEDGER_URL": "sqlite:b.db"}
    assert [
        "LLM_LEDGER_URL is 'sqlite:a.db' for another client of this account, and stays so:"
        " 'sqlite:b.db' is ignored here"
    ] == told(caplog, first, other, other, first)


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("LLM_DAILY_BUDGET_USD", 5.0, "'5.0'"),
        ("LLM_TAG_BUDGETS_USD", "tenant=acme:5", "'tenant=acme:5'"),
        ("LLM_CACHE_URL", "json:answers", "'json:answers'"),
        ("LLM_CACHE_TTL", 60.0, "'60.0'"),
        ("LLM_MAX_CONCURRENCY", 3, "'3'"),
        ("GROQ_REQUESTS_PER_MINUTE", 7, "'7'"),
        ("GROQ_TOKENS_PER_DAY", 9, "'9'"),
        ("GROQ_PLAN", "free", "'free'"),
    ],
)
def test_whatever_an_account_shares_is_told(
    caplog: pytest.LogCaptureFixture, name: str, value: object, shown: str
) -> None:
    (line,) = told(caplog, {}, {name: value})
    assert line.startswith(f"{name} is ")
    assert f"{shown} is ignored here" in line


@pytest.mark.parametrize("name", ["LLM_TIMEOUT", "BEDROCK_REQUESTS_PER_MINUTE", "LLM_MAX_RETRIES"])
def test_what_is_each_clients_own_is_not_told(caplog: pytest.LogCaptureFixture, name: str) -> None:
    assert [] == told(caplog, {}, {name: 7})


def test_no_secret_is_shown(caplog: pytest.LogCaptureFixture) -> None:
    urls = ("redis://me:open-sesame@host/0", "redis://me:mellon-mellon@host/0", "")
    lines = told(caplog, *({"LLM_LEDGER_URL": url} for url in urls))
    assert [
        "LLM_LEDGER_URL is 'redis://host/0' for another client of this account, and stays so:"
        " another is ignored here",
        "LLM_LEDGER_URL is 'redis://host/0' for another client of this account, and stays so:"
        " not set is ignored here",
    ] == lines


def test_what_was_told_is_bounded(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_settings, "_MOST", 2)
    budgets: list[dict[str, Any]] = [{"LLM_DAILY_BUDGET_USD": dollars} for dollars in range(9)]
    assert 2 == len(told(caplog, *budgets))
