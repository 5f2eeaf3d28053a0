"""A sandbox, and clients that ask it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from sandbox import Sandbox
from services import llm_client
from tests.wire.faces import settings

#: Makes the client of a provider, with these knobs.
Make = Callable[..., Any]


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch, one_certificate: Path) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(one_certificate))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def make(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    with ExitStack() as closing:

        def made(provider: str = "groq", **knobs: object) -> Any:
            plan = {f"{provider.upper()}_REQUESTS_PER_MINUTE": 100_000}
            known = settings(sandbox.url, **{**plan, **knobs})
            monkeypatch.setattr(llm_client, "settings", known)
            kind: Any = llm_client.GroqClient if provider == "groq" else llm_client.BedrockClient
            return closing.enter_context(kind())

        yield made


@pytest.fixture
def client(make: Make) -> Any:
    """A client of Groq."""
    return make()
