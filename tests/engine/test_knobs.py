"""Knobs are read off any settings object, and what cannot work is named without being shown."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
from pydantic import SecretStr

from services.llm.errors import ConfigurationError
from services.llm.knobs import Knobs, aws_credentials, endpoint, read, secret
from services.llm.stores import LONGEST_TTL

DEFAULTS = Knobs()


@pytest.mark.parametrize("settings", [object(), MagicMock(), None, 7])
def test_whatever_has_no_knobs_has_the_defaults(settings: object) -> None:
    assert DEFAULTS == read(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LLM_TIMEOUT", "60"),
        ("LLM_TIMEOUT", True),
        ("LLM_MAX_RETRIES", 1.5),
        ("LLM_MAX_RETRIES", True),
        ("USE_GROQ", 1),
        ("USE_GROQ", "true"),
        ("GROQ_MODEL", None),
        ("GROQ_API_KEY", 7),
        ("GROQ_TOKENS_PER_MINUTE", "many"),
        ("LLM_RETIRED_MODELS", 1),
    ],
)
def test_a_value_of_another_type_counts_as_not_set(name: str, value: object) -> None:
    assert DEFAULTS == read(SimpleNamespace(**{name: value}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LLM_TIMEOUT", 60),
        ("LLM_TIMEOUT", 0.5),
        ("LLM_MAX_RETRIES", 0),
        ("USE_GROQ", True),
        ("GROQ_TOKENS_PER_MINUTE", 8000),
        ("LLM_RETIRED_MODELS", "error"),
        ("GROQ_API_KEY", SecretStr("gsk_x")),
    ],
)
def test_a_value_of_the_right_type_is_taken(name: str, value: object) -> None:
    assert value == getattr(read(SimpleNamespace(**{name: value})), name)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LLM_TIMEOUT", 0),
        ("LLM_TIMEOUT", float("nan")),
        ("LLM_MAX_RETRIES", -1),
        ("LLM_MAX_QUOTA_WAIT", float("inf")),
        ("LLM_MAX_CONCURRENCY", 0),
        ("GROQ_REQUESTS_PER_MINUTE", 0),
        ("BEDROCK_TEMPERATURE", 1.5),
        ("LLM_RETIRED_MODELS", "maybe"),
        ("LLM_CACHE_TTL", 0),
        ("LLM_CACHE_TTL", -1.0),
    ],
)
def test_a_value_out_of_bounds_is_an_error_that_names_the_knob(name: str, value: object) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name} is "):
        read(SimpleNamespace(**{name: value}))


@pytest.mark.parametrize("value", ["", "  ", None, 7, SecretStr(""), MagicMock()])
def test_a_secret_that_is_blank_or_no_text_is_not_set(value: object) -> None:
    assert "" == secret("GROQ_API_KEY", value)


def test_a_secret_is_the_text_itself() -> None:
    assert ["gsk_x", "gsk_y"] == [secret("K", "gsk_x"), secret("K", SecretStr("gsk_y"))]


@pytest.mark.parametrize(
    "value",
    ["gsk x", "gsk\nx", "gsk_é", "'gsk_\x00'", "your-groq-api-key", "<your key>", "YOUR_KEY_HERE"],
)
def test_a_secret_that_cannot_be_one_is_named_and_not_shown(value: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^GROQ_API_KEY ") as caught:
        secret("GROQ_API_KEY", value)
    assert value not in repr(caught.value)


def test_an_answer_may_be_kept_as_long_as_the_stores_keep_any() -> None:
    assert LONGEST_TTL == read(SimpleNamespace(LLM_CACHE_TTL=LONGEST_TTL)).LLM_CACHE_TTL
    with pytest.raises(ConfigurationError, match=r"^LLM_CACHE_TTL is "):
        read(SimpleNamespace(LLM_CACHE_TTL=LONGEST_TTL + 1))


@pytest.mark.parametrize("url", ["https://x/openai/v1", "https://x/openai/v1/"])
def test_an_endpoint_with_the_sdks_own_path_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^GROQ_BASE_URL is "):
        endpoint("GROQ_BASE_URL", url)
    for fine in ("https://x", "http://127.0.0.1:8000/proxy", "http://[::1]:80", ""):
        assert fine == endpoint("GROQ_BASE_URL", fine)


@pytest.mark.parametrize(
    "url",
    [
        *("x", "localhost:80", "ftp://x", "http://", "http://[::1", "http://x:99999"),
        *("http://x:port", "http://x y", "http://\udcff", "http://x\n", 5, None),
    ],
)
def test_an_endpoint_that_is_no_web_address_is_refused(url: object) -> None:
    with pytest.raises(ConfigurationError, match=r"^GROQ_BASE_URL is .*https://api\.groq\.com"):
        endpoint("GROQ_BASE_URL", url)


@pytest.mark.parametrize("url", ["http://user:pa55word@x/openai/v1", "ftp://user:pa55word@x"])
def test_an_endpoints_password_is_not_shown(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        endpoint("GROQ_BASE_URL", url)
    assert "pa55word" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {}),
        (
            {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"},
            {"aws_access_key_id": "a", "aws_secret_access_key": "b"},
        ),
        ({"AWS_SESSION_TOKEN": "t"}, {"aws_session_token": "t"}),
    ],
)
def test_only_the_credentials_that_are_set_are_given(
    given: dict[str, Any], expected: dict[str, str]
) -> None:
    assert expected == aws_credentials(read(SimpleNamespace(**given)))


@pytest.mark.parametrize("half", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_half_a_pair_of_keys_is_an_error(half: str) -> None:
    with pytest.raises(ConfigurationError, match="go together"):
        aws_credentials(read(SimpleNamespace(**{half: "x"})))
