"""Whose window a client counts in: its own, its account's, and never another test's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import count
from types import SimpleNamespace
from unittest.mock import patch

import pytest

from services.llm_client import BedrockClient, GroqClient, create_llm_client
from tests.compat.support import claude, completion, invocation

Client = GroqClient | BedrockClient

_numbers = count()


@pytest.fixture(params=["groq", "bedrock"])
def account(request: pytest.FixtureRequest, settings: SimpleNamespace) -> Iterator[SimpleNamespace]:
    """Settings of an account that no other test uses."""
    number = next(_numbers)
    settings.USE_GROQ = request.param == "groq"
    settings.GROQ_API_KEY = f"gsk_shared_{number}"
    settings.AWS_ACCESS_KEY_ID, settings.AWS_SECRET_ACCESS_KEY = f"AKIDSHARED{number}", "test"
    return settings


def build_directly(settings: SimpleNamespace) -> Client:
    return GroqClient() if settings.USE_GROQ else BedrockClient()


def test_clients_of_the_factory_share_their_accounts_window(account: SimpleNamespace) -> None:
    with closing(create_llm_client()) as first, closing(create_llm_client()) as second:
        assert first is not second
        first._max_requests_per_window = 2
        first._check_rate_limit()
        second._check_rate_limit()
        for client in (first, second):
            with pytest.raises(Exception, match="Rate limit exceeded"):
                client._check_rate_limit()


def test_an_app_that_calls_the_factory_per_request_is_held_to_the_limit(
    account: SimpleNamespace,
) -> None:
    account.GROQ_REQUESTS_PER_MINUTE = account.BEDROCK_REQUESTS_PER_MINUTE = 3

    def request() -> None:
        with closing(create_llm_client()) as client:
            client._check_rate_limit()

    for _ in range(3):
        request()
    with pytest.raises(Exception, match="Rate limit exceeded"):
        request()


def test_another_account_has_another_window(account: SimpleNamespace) -> None:
    with closing(create_llm_client()) as first:
        first._check_rate_limit()
        account.GROQ_API_KEY += "other"
        account.AWS_ACCESS_KEY_ID += "OTHER"
        with closing(create_llm_client()) as other:
            assert (len(first._request_times), len(other._request_times)) == (1, 0)


def test_a_client_that_is_built_directly_has_a_window_of_its_own(account: SimpleNamespace) -> None:
    with closing(create_llm_client()) as shared:
        shared._check_rate_limit()
        with closing(build_directly(account)) as one, closing(build_directly(account)) as two:
            one._check_rate_limit()
            one._check_rate_limit()
            counted = [len(client._request_times) for client in (shared, one, two)]

    assert counted == [1, 2, 0]


def test_hundreds_of_clients_on_a_patched_groq_share_nothing(settings: SimpleNamespace) -> None:
    settings.USE_GROQ, settings.GROQ_API_KEY = True, "test-key"
    with patch("services.llm_client.Groq") as sdk:
        sdk.return_value.chat.completions.create.return_value = completion("Hello!")
        answers = [create_llm_client().generate("x") for _ in range(200)]

    assert answers == ["Hello!"] * 200


@pytest.mark.parametrize("point", ["boto3.client", "boto3"])
def test_hundreds_of_clients_on_a_patched_boto3_share_nothing(point: str) -> None:
    with patch(f"services.llm_client.{point}") as patched:
        sdk = patched.return_value if point == "boto3.client" else patched.client.return_value
        sdk.invoke_model.side_effect = lambda **_: invocation(claude("Hello!"))
        answers = []
        for _ in range(100):
            with closing(create_llm_client()) as client:
                answers.append(client.generate("x"))

    assert answers == ["Hello!"] * 100


def test_a_later_client_is_told_which_of_its_settings_is_ignored(
    account: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(create_llm_client()):
        account.LLM_DAILY_BUDGET_USD = 5
        with caplog.at_level("WARNING"), closing(create_llm_client()):
            pass
    assert [
        "LLM_DAILY_BUDGET_USD is not set for another client of this account, and stays so:"
        " '5.0' is ignored here"
    ] == caplog.messages
