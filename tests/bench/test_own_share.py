"""What is measured as a call's own share is a whole call, and none that goes anywhere."""

from __future__ import annotations

from typing import Any

import pytest

from bench.own_share import by_itself, least, with_dialects, without_sockets
from sandbox import Sandbox
from services import llm_client


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the bench's client go with the test."""
    monkeypatch.setattr(llm_client, "settings", llm_client.settings)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.mark.parametrize("provider", ["groq", "bedrock"])
@pytest.mark.parametrize("kind", [by_itself, with_dialects, without_sockets])
def test_a_call_is_whole_and_sends_nothing(kind: Any, provider: str) -> None:
    with Sandbox() as sandbox:
        ask = kind(provider, sandbox.url)
        sent = len(sandbox.exchanges)
        figures = least({"ours": ask}, rounds=2, calls=2)
        assert isinstance(ask(), str)
        assert sent == len(sandbox.exchanges)
        ask.func.__self__.close()
    assert figures["ours"] > 0
