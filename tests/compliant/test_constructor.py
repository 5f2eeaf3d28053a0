from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import config
from groq_client_compliant import GroqClient
from services.groq_compliant.constructor import keys_in, request_of, token_counter_at
from services.llm.account.daily_budget import MemoryDayCounter
from services.llm.errors import ConfigurationError
from services.llm.stores import BudgetFile, RedisBudget
from tests.compliant.support import KEYS, MODEL, said


def client(**arguments: Any) -> GroqClient:
    return GroqClient(**{"keys": KEYS, "cache_path": None, **arguments})


def test_keys_may_be_one_string_with_commas() -> None:
    assert ["gsk_a", "gsk_b"] == keys_in(" gsk_a, ,gsk_b,gsk_a")


@pytest.mark.parametrize("keys", ["", " , ", [], ["", "  "], ()])
def test_no_key_is_an_error_that_says_so(keys: object) -> None:
    with pytest.raises(ValueError, match="keys holds no API key"):
        client(keys=keys)


@pytest.mark.parametrize("keys", [None, 7, {"gsk_a"}, [b"gsk_a"], ["gsk_a", None]])
def test_keys_that_are_no_list_of_texts_are_refused(keys: object) -> None:
    with pytest.raises(ConfigurationError, match=r"keys is a .*: give a list of API keys"):
        client(keys=keys)


@pytest.mark.parametrize("key", ["gsk_with space", "gsk_wïth", "gsk_a\n"])
def test_an_unusable_key_is_named_by_its_place_and_not_shown(key: str) -> None:
    with pytest.raises(ConfigurationError, match=r"keys\[1\]") as caught:
        client(keys=["gsk_fine", key])
    assert key not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rpm_per_key", 0),
        ("rpm_per_key", -1),
        ("rpm_per_key", 1.5),
        ("max_concurrency", 0),
        ("organization_rpm", 0),
        ("organization_rpm", "30"),
        ("daily_token_budget", -1),
        ("cache_ttl_sec", 0),
        ("cache_ttl_sec", -5),
        ("cache_ttl_sec", 1e12),
        ("request_timeout", 0),
        ("request_timeout", math.nan),
        ("max_retries", -1),
        ("max_quota_wait", -1),
        ("max_quota_wait", math.nan),
        ("max_quota_wait", True),
        ("max_quota_wait", None),
        ("window", 0),
        ("cache_path", "mongodb://somewhere"),
        ("cache_path", 5),
        ("cache_path", b"cache.json"),
        ("base_url", "https://api.groq.com/openai/v1"),
        ("base_url", "api.groq.com"),
        ("base_url", 5),
    ],
)
def test_a_limit_that_makes_no_sense_is_a_value_error_that_names_it(
    name: str, value: object
) -> None:
    with pytest.raises(ValueError, match=name):
        client(**{name: value})


def test_the_settings_say_what_the_arguments_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    known = SimpleNamespace(GROQ_ORG_RPM=5, GROQ_BASE_URL="https://example.com")
    monkeypatch.setattr(config, "settings", known)
    assert (5, "https://example.com") == (client()._account.window.amount, client()._base_url)
    assert 7 == client(organization_rpm=7)._account.window.amount
    assert "https://example.org" == client(base_url="https://example.org")._base_url


def test_without_any_word_it_is_groq_itself() -> None:
    assert "https://api.groq.com" == client()._base_url


def test_the_arguments_are_those_that_programs_rely_on() -> None:
    made = GroqClient(KEYS, 30, 8, 1000, Path("cache.json"), 60, "http://localhost", 5)
    assert "http://localhost" == made._base_url


@pytest.mark.parametrize("messages", ["hello", [], (), None, {"role": "user"}, 7])
def test_messages_that_are_no_chat_list_are_refused(messages: object) -> None:
    with pytest.raises(ConfigurationError, match=r"messages is .*: give a chat list"):
        request_of(messages, MODEL, 0.7, None, {})


@pytest.mark.parametrize("message", ["hello", {"content": "hello"}, {"role": 7}])
def test_a_message_without_a_role_is_named(message: object) -> None:
    with pytest.raises(ConfigurationError, match=r"messages\[1\] is no mapping with a role"):
        request_of([*said("hello"), message], MODEL, 0.7, None, {})


@pytest.mark.parametrize("model", ["", " ", None])
def test_a_model_is_needed(model: object) -> None:
    with pytest.raises(ConfigurationError, match="model is"):
        request_of(said("hello"), model, 0.7, None, {})


@pytest.mark.parametrize("length", [0, -1, 1.5, "7"])
def test_a_length_is_a_whole_number(length: Any) -> None:
    with pytest.raises(ConfigurationError, match="max_tokens is"):
        request_of(said("hello"), MODEL, 0.7, length, {})


def test_the_newer_name_of_the_length_is_understood() -> None:
    request = request_of(said("hello"), MODEL, 0.7, None, {"max_completion_tokens": 9, "seed": 1})
    assert (9, {"seed": 1}) == (request.max_tokens, request.options)


@pytest.mark.parametrize(
    ("place", "file"),
    [("c.json", "c.json"), ("json:c", "c"), ("sqlite:c.db", "c.db"), ("SQLITE:c.db", "c.db")],
)
def test_the_budget_is_kept_beside_the_cache(place: str, file: str) -> None:
    tally = token_counter_at(place)
    assert isinstance(tally, BudgetFile)
    assert f"{file}.budget" == tally.path.name


@pytest.mark.parametrize("place", ["redis://localhost", "rediss://localhost", "REDIS://localhost"])
def test_the_budget_is_kept_on_the_caches_server(place: str) -> None:
    assert isinstance(token_counter_at(place), RedisBudget)


@pytest.mark.parametrize("place", [None, "memory:"])
def test_without_a_cache_that_lasts_the_budget_is_this_processs(place: str | None) -> None:
    assert isinstance(token_counter_at(place), MemoryDayCounter)
