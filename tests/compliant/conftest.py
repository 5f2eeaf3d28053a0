"""A machine without keys, settings or files of its own, and a sandbox."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import certifi
import pytest

import config
from sandbox import Sandbox
from services.llm.knobs import Knobs


@pytest.fixture(scope="session")
def one_certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trust store that loads at once, where nothing is reached by TLS anyway."""
    end = "-----END CERTIFICATE-----\n"
    first, *_ = Path(certifi.where()).read_text(encoding="ascii").split(end)
    file = tmp_path_factory.mktemp("trust") / "one.pem"
    file.write_text(first[first.index("-----BEGIN") :] + end, encoding="ascii")
    return file


@pytest.fixture(autouse=True)
def _nothing_of_this_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, one_certificate: Path
) -> None:
    for name in list(os.environ):
        if name.startswith(("GROQ_", "LLM_")) or name in ("NO_COLOR", "FORCE_COLOR"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("SSL_CERT_FILE", str(one_certificate))
    monkeypatch.setattr(config, "settings", Knobs())
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A provider on loopback, without limits."""
    with Sandbox() as running:
        yield running
