"""The knobs take what can be read as their type, in a host's class too, and show no secret."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from decimal import Decimal
from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
from pydantic import AnyUrl, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.llm.settings.knob_errors import refusal
from services.llm.settings.knobs import Knobs
from services.llm.stores import LONGEST_TTL

URLS = ("GROQ_BASE_URL", "AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "LLM_CACHE_URL")


class Host(BaseSettings, Knobs):
    """A host's own class, with fields of its own and a default of its own."""

    model_config = SettingsConfigDict(env_prefix="HOST_")

    DATABASE_URL: str = ""
    DEBUG_LEVEL: int = Field(default=0)
    GROQ_MODEL: str = "openai/gpt-oss-20b"


def made(**values: object) -> Knobs:
    """Return the knobs with *values*, whatever their types."""
    return Knobs(**values)  # type: ignore[arg-type]  # wrong types are what is tried


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        *[("USE_GROQ", yes, True) for yes in ("true", " TRUE\r", "1", "on", 1, 1.0, b"yes")],
        *[("USE_GROQ", no, False) for no in ("false", "0", "off", 0)],
        *[("LLM_MAX_RETRIES", five, 5) for five in ("5", "5\r", 5.0, Decimal(5), "5.0")],
        *[("LLM_TIMEOUT", long, 90.0) for long in ("90", "90.0", Decimal(90))],
        ("LLM_TIMEOUT", timedelta(seconds=90), 90.0),
        *[("GROQ_TOKENS_PER_MINUTE", many, 8000) for many in ("8000", 8000, 8e3)],
        ("LLM_RETIRED_MODELS", " error ", "error"),
        *[("GROQ_MODEL", model, "m") for model in ("m\r", " m\t", SecretStr("m "), b"m")],
        ("AWS_REGION", "eu-west-1\r\n", "eu-west-1"),
        ("GROQ_BASE_URL", AnyUrl("https://proxy.example/groq"), "https://proxy.example/groq"),
        ("LLM_CACHE_URL", PurePosixPath("/var/answers.db"), "/var/answers.db"),
        ("GROQ_API_KEY", b"gsk_x", SecretStr("gsk_x")),
        *[("GROQ_API_KEYS", two, SecretStr("a,b")) for two in ("a,b", ["a", SecretStr("b")])],
    ],
)
def test_what_can_be_read_as_a_knobs_type_is_read_so(
    name: str, value: object, expected: object
) -> None:
    for knobs in (made(**{name: value}), Host(**{name: value})):  # type: ignore[arg-type]  # as above
        assert expected == getattr(knobs, name)
        assert {name} == knobs.model_fields_set


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("USE_GROQ", flag) for flag in ("maybe", 2, [True])],
        *[("LLM_MAX_RETRIES", number) for number in ("many", 1.5, "1.5", True, [1], -1)],
        *[("LLM_TIMEOUT", period) for period in ("60 s", True, 0, float("nan"), "inf", (1,))],
        *[("LLM_MAX_QUOTA_WAIT", wait) for wait in (float("inf"), -0.5, False)],
        *[("GROQ_MODEL", model) for model in (7, True, ["m"])],
        *[("LLM_RETIRED_MODELS", word) for word in ("maybe", 1, True)],
        *(("LLM_MAX_CONCURRENCY", 0), ("GROQ_REQUESTS_PER_MINUTE", 0), ("BEDROCK_TEMPERATURE", 2)),
        ("LLM_MAX_RESPONSE_MB", 1e308),
        *(("LLM_CACHE_TTL", LONGEST_TTL + 1), ("GROQ_API_KEY", 7), ("GROQ_API_KEYS", 7)),
    ],
)
def test_what_cannot_be_read_or_is_out_of_bounds_is_refused_by_name(
    name: str, value: object
) -> None:
    for kind in (Knobs, Host):
        with pytest.raises(ValidationError) as caught:
            kind(**{name: value})  # type: ignore[arg-type]  # as above
        assert str(refusal(caught.value)).startswith(f"{name} is ")


def test_an_answer_may_be_kept_as_long_as_the_stores_keep_any() -> None:
    assert LONGEST_TTL == Knobs(LLM_CACHE_TTL=LONGEST_TTL).LLM_CACHE_TTL


@pytest.mark.parametrize("nothing", ["", " \r", None, MagicMock(), SecretStr(""), object()])
@pytest.mark.parametrize("name", list(Knobs.model_fields))
def test_what_says_nothing_is_not_set(name: str, nothing: object) -> None:
    for knobs in (made(**{name: nothing}), Host(**{name: nothing})):  # type: ignore[arg-type]  # as above
        assert type(knobs).model_fields[name].default == getattr(knobs, name)
        assert set() == knobs.model_fields_set


def test_a_hosts_own_fields_are_left_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST_DATABASE_URL", " x ")
    monkeypatch.setenv("HOST_LLM_TIMEOUT", " 5 ")
    monkeypatch.setenv("HOST_DEBUG_LEVEL", "1")
    host = Host()
    assert (" x ", 1, 5.0) == (host.DATABASE_URL, host.DEBUG_LEVEL, host.LLM_TIMEOUT)
    assert "openai/gpt-oss-20b" == host.GROQ_MODEL


@pytest.mark.parametrize("name", URLS)
@pytest.mark.parametrize(
    "url",
    [
        "https://user:pa55word@x/y",
        "redis://:pa55word@x",
        "redis://:pa55/wo?rd#@pa55word@x",
        "https://x/?api_key=pa55word",
        "https://pa55word@x",
        "redis://:pa55 word@x",
        "redis::pa55word@x",
    ],
)
def test_no_password_in_a_url_is_shown(name: str, url: str) -> None:
    for knobs in (made(**{name: url}), Host(**{name: url})):  # type: ignore[arg-type]  # as above
        shown = [repr(knobs), str(knobs), str(knobs.model_dump()), knobs.model_dump_json()]
        assert not [text for text in shown if "pa55" in text]
        assert url == getattr(knobs, name)


def test_no_password_in_a_hosts_own_url_is_shown_either() -> None:
    host = Host(DATABASE_URL="postgres://user:pa55word@db/main")
    assert "pa55word" not in repr(host) + str(host)
    assert "postgres://user:pa55word@db/main" == host.model_dump()["DATABASE_URL"]


@pytest.mark.parametrize("name", [each for each in Knobs.model_fields if "_PER_" in each])
def test_a_limit_is_no_larger_than_what_hosts_write_for_none(name: str) -> None:
    assert sys.maxsize == getattr(made(**{name: sys.maxsize}), name)
    for wrong in (0, 10**400):
        with pytest.raises(ValueError, match=name):
            made(**{name: wrong})


def test_what_holds_no_password_is_shown_whole() -> None:
    knobs = Knobs(GROQ_BASE_URL="https://proxy.example/groq", LLM_CACHE_URL="/var/a@b?c")
    assert "https://proxy.example/groq" == json.loads(knobs.model_dump_json())["GROQ_BASE_URL"]
    assert "GROQ_BASE_URL='https://proxy.example/groq'" in repr(knobs)
    assert "/var/a@b?c" == knobs.model_dump()["LLM_CACHE_URL"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GROQ_API_KEY", ["s3cret"]),
        ("LLM_TIMEOUT", SecretStr("s3cret")),
        ("LLM_TIMEOUT", "redis://:s3cret@x"),
        ("DEBUG_LEVEL", "s3cret"),
    ],
)
def test_a_refused_value_that_may_be_secret_is_not_shown(name: str, value: Any) -> None:
    given = {name: value}
    with pytest.raises(ValidationError) as caught:
        Host(**given)
    told = str(refusal(caught.value, given))
    assert told.startswith(f"{name} is ")
    assert "s3cret" not in told + str(caught.value)


def test_what_a_validator_of_the_whole_class_refuses_is_told_without_the_values() -> None:
    class Strict(Knobs):
        @model_validator(mode="after")
        def _refuse(self) -> Strict:
            raise ValueError("two of these exclude each other")

    with pytest.raises(ValidationError) as caught:
        Strict(GROQ_API_KEY="s3cret")  # type: ignore[arg-type]  # as a host's settings give it
    told = str(refusal(caught.value))
    assert told.startswith("Strict is ")
    assert told.endswith("two of these exclude each other")
    assert "s3cret" not in told


def test_every_refused_value_is_named_at_once() -> None:
    with pytest.raises(ValidationError) as caught:
        made(LLM_TIMEOUT="soon", LLM_MAX_RETRIES=-1)
    told = str(refusal(caught.value))
    assert "LLM_TIMEOUT is 'soon': " in told
    assert "; LLM_MAX_RETRIES is -1: " in told or told.startswith("LLM_MAX_RETRIES is -1: ")


def test_knobs_are_made_of_whatever_pydantic_makes_them_of() -> None:
    knobs = Knobs(LLM_TIMEOUT=5)
    assert knobs == Knobs.model_validate(knobs)
    host = SimpleNamespace(LLM_TIMEOUT="5")
    assert 5.0 == Knobs.model_validate(host, from_attributes=True).LLM_TIMEOUT
