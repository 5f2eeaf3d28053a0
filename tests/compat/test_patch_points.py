"""What hosts' suites replace in the module, and that nothing of it stays replaced."""

from __future__ import annotations

import time
from types import ModuleType
from unittest.mock import MagicMock, Mock, patch

import pytest

from services import llm_client
from services.llm_client import BedrockClient, GroqClient
from tests.compat.support import completion

NAMES = (
    *("LLMClient", "BedrockClient", "GroqClient", "ModelType", "create_llm_client"),
    *("Groq", "GROQ_AVAILABLE", "boto3", "settings", "time"),
)


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_there(name: str) -> None:
    assert hasattr(llm_client, name)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"'services\.llm_client' has no attribute 'Grok'"):
        llm_client.Grok  # noqa: B018 - the look-up itself is what is tested


@pytest.mark.parametrize("name", ["Groq", "boto3"])
@pytest.mark.parametrize("looked_up_before", [False, True])
def test_a_patch_of_an_sdk_is_undone(name: str, looked_up_before: bool) -> None:
    vars(llm_client).pop(name, None)
    before = getattr(llm_client, name) if looked_up_before else None

    with patch(f"services.llm_client.{name}") as stand_in:
        assert getattr(llm_client, name) is stand_in

    after = getattr(llm_client, name)
    assert after.__name__ == name
    assert before in (None, after)


@pytest.mark.parametrize("spelling", ["services.llm_client", "backend.services.llm_client"])
def test_a_patch_under_either_spelling_reaches_the_client(spelling: str) -> None:
    with patch(f"{spelling}.Groq") as groq, patch(f"{spelling}.boto3.client") as build:
        assert GroqClient(api_key="test-key").client is groq.return_value
        assert BedrockClient().client is build.return_value


def test_a_patch_of_an_objects_attribute_reaches_the_client() -> None:
    with patch.object(llm_client, "Groq") as groq:
        assert GroqClient(api_key="test-key").client is groq.return_value


def test_monkeypatch_reaches_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    class FakeGroq:
        def __init__(self, **options: object) -> None:
            self.options = options

    monkeypatch.setattr("services.llm_client.Groq", FakeGroq)

    assert isinstance(GroqClient(api_key="test-key").client, FakeGroq)


def test_the_client_function_is_looked_up_on_boto3_at_construction() -> None:
    boto3 = ModuleType("boto3")
    boto3.client = MagicMock()  # type: ignore[attr-defined]  # a module made for this test
    with patch("services.llm_client.boto3", boto3):
        assert BedrockClient().client is boto3.client.return_value


def test_settings_are_read_at_construction() -> None:
    with patch("services.llm_client.settings") as settings, patch("services.llm_client.Groq"):
        settings.GROQ_API_KEY = "first"
        first = GroqClient()
        settings.GROQ_API_KEY = "second"

        assert [first.api_key, GroqClient().api_key] == ["first", "second"]


def test_a_stand_in_for_a_client_class_comes_out_of_the_factory() -> None:
    class Fake:
        def __init__(self, **_: object) -> None:
            pass

    with patch("services.llm_client.BedrockClient", Fake):
        assert isinstance(llm_client.create_llm_client(), Fake)


def test_sleep_is_patched_and_undone(groq_client: GroqClient, create: Mock, sleep: Mock) -> None:
    create.side_effect = [Exception("Temporary error"), completion("Hello!")]
    groq_client.generate_with_retry("x")

    sleep.assert_called_once_with(1.0)
    assert time.sleep is sleep


def test_the_whole_time_module_may_be_a_mock(groq_client: GroqClient, create: Mock) -> None:
    create.side_effect = [Exception("Temporary error"), completion("Hello!")]

    with patch("services.llm_client.time") as patched:
        assert groq_client.generate_with_retry("x") == "Hello!"

    patched.sleep.assert_called_once_with(1.0)
    assert llm_client.time is time


def test_the_sdks_client_can_be_patched_on_a_client_and_comes_back(
    client: GroqClient | BedrockClient,
) -> None:
    before = client.client
    with patch.object(client, "client", Mock()) as replaced:
        assert client.client is replaced
    assert client.client is before
