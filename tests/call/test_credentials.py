"""A key is used as it is, or named without being shown."""

from __future__ import annotations

from typing import Any
from unittest.mock import MagicMock

import pytest
from pydantic import SecretStr

from services.llm.errors import ConfigurationError
from services.llm.settings.credentials import aws_credentials, secret
from services.llm.settings.knobs import Knobs


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
        secret("GROQ_API_KEY", value, is_set=True)
    assert value not in repr(caught.value)


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
    assert expected == aws_credentials(Knobs.model_validate(given))


@pytest.mark.parametrize("half", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_half_a_pair_of_keys_is_an_error(half: str) -> None:
    with pytest.raises(ConfigurationError, match="go together"):
        aws_credentials(Knobs.model_validate({half: "x"}))


@pytest.mark.parametrize("token", ["a\r\nX-Evil: 1", "a b", " abc", "é", " ", "\t"])
def test_a_bearer_token_that_boto3_would_send_as_it_is_is_named_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", token)
    with pytest.raises(ConfigurationError, match=r"^AWS_BEARER_TOKEN_BEDROCK ") as caught:
        aws_credentials(Knobs())
    assert "Evil" not in repr(caught.value)
    assert {} == aws_credentials(Knobs(), is_real=False)


@pytest.mark.parametrize("token", ["", "bedrock-api-key-abc"])
def test_a_bearer_token_is_left_to_boto3(monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", token)
    assert {} == aws_credentials(Knobs())
