"""A key that cannot work is refused by its variable's name, and is itself never shown."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock, patch

import pytest
from hypothesis import given
from hypothesis import settings as tried
from hypothesis import strategies as st
from pydantic import SecretStr

import config
from groq_client_compliant import GroqClient as CompliantClient
from services.llm_client import BedrockClient, GroqClient, create_llm_client

BROKEN = {
    "a space inside": "gsk_s3cret s3cret",
    "a space behind": "gsk_s3cret ",
    "a line break behind": "gsk_s3cret\n",
    "a line break inside": "gsk_s3cret\ngsk_s3cret",
    "a tab before": "\tgsk_s3cret",
    "a letter of another alphabet": "gsk_s3сret",
    "a typographic quote": "“gsk_s3cret”",
    "a control character": "gsk_s3cret\x00",
}
PLACEHOLDERS = ["your-s3cret-groq-api-key", "your_s3cret_api_key_here", "<s3cret>", "your_api_key"]
BLANK = ["", " ", "\t\n"]

everyone = pytest.mark.parametrize("key", BROKEN.values(), ids=BROKEN)


@pytest.fixture
def groq() -> Iterator[Mock]:
    with patch("services.llm_client.Groq") as sdk:
        yield sdk


@pytest.fixture
def build() -> Iterator[Mock]:
    with patch("services.llm_client.boto3.client") as building:
        yield building


def refused(construct: Callable[[], object], name: str) -> None:
    with pytest.raises(ValueError, match=rf"\b{name}\b") as caught:
        construct()

    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    told = [caught.value, caught.value.__cause__, caught.value.__context__]
    assert not [text for text in (shown, *map(repr, told), *map(str, told)) if "s3" in text]


@everyone
def test_an_unusable_groq_key_of_the_settings_is_named(
    settings: SimpleNamespace, groq: Mock, key: str
) -> None:
    settings.GROQ_API_KEY, settings.USE_GROQ = key, True

    refused(lambda: GroqClient(), "GROQ_API_KEY")
    refused(create_llm_client, "GROQ_API_KEY")
    groq.assert_not_called()


@everyone
def test_an_unusable_groq_key_of_the_caller_is_named(groq: Mock, key: str) -> None:
    refused(lambda: GroqClient(api_key=key), "api_key")
    groq.assert_not_called()


@everyone
@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_an_unusable_aws_key_is_named(
    settings: SimpleNamespace, build: Mock, name: str, key: str
) -> None:
    settings.AWS_ACCESS_KEY_ID, settings.AWS_SECRET_ACCESS_KEY = "AKIDTEST", "test"
    setattr(settings, name, key)

    refused(lambda: BedrockClient(), name)
    build.assert_not_called()


@everyone
def test_an_unusable_key_in_our_own_settings_is_named(
    monkeypatch: pytest.MonkeyPatch, groq: Mock, key: str
) -> None:
    ours = config.Settings(GROQ_API_KEY=SecretStr(key))
    monkeypatch.setattr("services.llm_client.settings", ours)

    refused(lambda: GroqClient(), "GROQ_API_KEY")
    assert "s3" not in repr(ours) + str(ours)


@pytest.mark.parametrize("key", BLANK)
@pytest.mark.parametrize("given_as", ["api_key", "GROQ_API_KEY"])
def test_a_blank_key_is_no_key(
    settings: SimpleNamespace, groq: Mock, given_as: str, key: str
) -> None:
    arguments: dict[str, Any] = {}
    if given_as == "api_key":
        arguments["api_key"] = key
    else:
        settings.GROQ_API_KEY = key

    with pytest.raises(ValueError, match="key") as caught:
        GroqClient(**arguments)

    told = "Groq API key is required. Set GROQ_API_KEY in environment."
    assert told == str(caught.value)


@pytest.mark.parametrize("key", BLANK)
def test_a_blank_aws_key_leaves_boto3_its_own_chain(
    settings: SimpleNamespace, build: Mock, key: str
) -> None:
    settings.AWS_ACCESS_KEY_ID = settings.AWS_SECRET_ACCESS_KEY = key
    BedrockClient()

    assert not {"aws_access_key_id", "aws_secret_access_key"} & set(build.call_args.kwargs)


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_half_a_pair_of_aws_keys_is_refused(
    settings: SimpleNamespace, build: Mock, name: str
) -> None:
    setattr(settings, name, "s3cret")

    refused(lambda: BedrockClient(), "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    build.assert_not_called()


def test_the_callers_key_comes_before_that_of_the_settings(
    settings: SimpleNamespace, groq: Mock
) -> None:
    settings.GROQ_API_KEY = "of-the-settings"

    assert GroqClient(api_key="of-the-caller").api_key == "of-the-caller"
    assert GroqClient().api_key == "of-the-settings"


def test_the_environment_is_not_consulted_behind_the_settings_back(
    settings: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROQ_API_KEY", "of-the-environment")

    with pytest.raises(ValueError, match="Groq API key is required"):
        GroqClient()
    settings.GROQ_API_KEY = "of-the-settings"
    # The real SDK, which would read the variable if it were given no key.
    assert GroqClient().client.api_key == "of-the-settings"


@tried(deadline=None)
@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1))
def test_every_key_that_a_header_can_carry_is_taken(key: str) -> None:
    key = f"gsk_{key}"
    with patch("services.llm_client.Groq") as sdk:
        assert GroqClient(api_key=key).api_key == key == sdk.call_args.kwargs["api_key"]


placeholders = pytest.mark.parametrize("key", PLACEHOLDERS)


@placeholders
def test_a_placeholder_left_in_the_settings_is_named_where_the_sdk_would_send_it(
    settings: SimpleNamespace, key: str
) -> None:
    settings.GROQ_API_KEY = settings.AWS_ACCESS_KEY_ID = settings.AWS_SECRET_ACCESS_KEY = key
    refused(lambda: GroqClient(), "GROQ_API_KEY")
    refused(lambda: BedrockClient(), "AWS_ACCESS_KEY_ID")


@placeholders
def test_a_placeholder_before_a_tests_stand_in_is_a_key_like_any_other(
    settings: SimpleNamespace, groq: Mock, build: Mock, key: str
) -> None:
    settings.GROQ_API_KEY = settings.AWS_ACCESS_KEY_ID = settings.AWS_SECRET_ACCESS_KEY = key
    assert key == GroqClient().api_key
    BedrockClient()
    assert key == build.call_args.kwargs["aws_access_key_id"]


@placeholders
def test_a_placeholder_as_an_argument_is_a_key_like_any_other(groq: Mock, key: str) -> None:
    assert key == GroqClient(api_key=key).api_key
    CompliantClient([key], cache_path=None)


@placeholders
def test_with_the_real_sdk_too(settings: SimpleNamespace, key: str) -> None:
    with GroqClient(api_key=key) as client:
        assert key == client.api_key
