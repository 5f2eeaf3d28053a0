"""The site's own suite. There is no `config` here: `configure` says where the settings are."""

from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import pytest
from assistant import apps, views
from mysite import settings

from services import llm_client
from services.llm_client import BedrockClient, create_llm_client


def test_without_settings_the_error_says_where_to_put_them() -> None:
    with pytest.raises(ValueError, match=r"llm_client\.configure\(settings\)"):
        create_llm_client()


@pytest.fixture
def ready() -> None:
    apps.ready()


@pytest.mark.usefixtures("ready")
def test_the_clients_are_as_the_settings_say() -> None:
    with create_llm_client() as client:
        assert isinstance(client, BedrockClient)
        assert (client.region_name, client.timeout) == ("eu-central-1", 30.0)
        assert client.default_temperature == 0


@pytest.mark.usefixtures("ready")
def test_a_classification_is_kept() -> None:
    first = views.classify("a wooden chair")
    assert first["hs_code"] is not None
    assert views.classify("a wooden chair") == first
    assert Path(settings.LLM_CACHE_URL).exists()


@pytest.mark.usefixtures("ready")
def test_a_text() -> None:
    assert "9401.61" in views.describe("9401.61")


@pytest.mark.usefixtures("ready")
def test_a_failure_falls_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "BEDROCK_MODEL_ID", "sandbox/400")
    assert views.classify("a wooden chair") == {"hs_code": None, "confidence": 0.0}


def test_settings_in_another_case_are_told() -> None:
    with pytest.raises(ValueError, match="use_groq for USE_GROQ"):
        llm_client.configure(SimpleNamespace(use_groq=True))


def test_a_mocked_sdk() -> None:
    apps.ready()
    with patch("services.llm_client.boto3") as boto3:
        views.describe.__globals__["create_llm_client"]()
    assert boto3.client.call_args.kwargs["region_name"] == "eu-central-1"
