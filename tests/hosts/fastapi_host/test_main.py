"""The application's own suite: on a mock in one test, on a provider of its own in the others."""

# pyright: standard
# Starlette types its test client by a package that this application does not have.

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from unittest.mock import MagicMock, patch

import httpx
import pytest
from fastapi.testclient import TestClient
from main import app

from config import Settings, get_settings

GOODS = {"description": "a wooden chair"}


@pytest.fixture
def browser() -> Iterator[TestClient]:
    with TestClient(app) as opened:
        yield opened


def test_the_settings_hold_both_kinds_of_field(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_ORIGINS", '["https://desk.example"]')
    monkeypatch.setenv("LLM_MAX_RETRIES", "5")
    settings = Settings()
    assert settings.ALLOWED_ORIGINS == ["https://desk.example"]
    assert (settings.LLM_MAX_RETRIES, settings.LLM_TIMEOUT) == (5, 20.0)


def test_an_answer(browser: TestClient) -> None:
    answer = browser.post("/ask", json=GOODS).json()
    assert "a wooden chair" in answer["text"]
    assert answer["tokens"] > 0


def test_a_classification(browser: TestClient) -> None:
    assert browser.post("/classify", json=GOODS).json()["hs_code"]


def test_an_answer_as_it_comes(browser: TestClient) -> None:
    page = browser.post("/tell", json=GOODS)
    assert page.headers["content-type"].startswith("text/event-stream")
    assert "event: text\ndata: " in page.text
    assert "event: done\ndata: " in page.text


def test_a_failure_is_a_bad_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(get_settings(), "GROQ_MODEL", "sandbox/400")
    with TestClient(app) as browser:
        assert browser.post("/ask", json=GOODS).status_code == 502


def test_a_mocked_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    reply = MagicMock()
    reply.choices[0].message.content = '{"hs_code": "9401.61"}'
    with patch("services.llm_client.Groq") as sdk:
        sdk.return_value.chat.completions.create.return_value = reply
        with TestClient(app) as browser:
            answer = browser.post("/classify", json=GOODS).json()
    assert answer == {"hs_code": "9401.61", "reason": None}


def test_mocked_settings() -> None:
    with patch("services.llm_client.settings") as settings:
        settings.USE_GROQ, settings.GROQ_API_KEY = False, MagicMock()
        with TestClient(app) as browser:
            assert type(browser.app.state.client).__name__ == "BedrockClient"  # type: ignore[attr-defined]  # starlette types it as any ASGI application


def test_two_workers_answer() -> None:
    port = os.environ["HOST_PORT"]
    command = [sys.executable, "-m", "uvicorn", "main:app", "--workers", "2", "--port", port]
    server = subprocess.Popen([*command, "--log-level", "warning"])
    try:
        asked = _asked_of_both(f"http://127.0.0.1:{port}")
    finally:
        server.terminate()
        ended = server.wait(60)
    assert len(asked) == 2
    assert ended in (0, -15)


def _asked_of_both(url: str) -> set[int]:
    """Ask until two processes have answered."""
    answered: set[int] = set()
    until = time.monotonic() + 60
    while len(answered) < 2 and time.monotonic() < until:
        try:
            # A connection each, so that either worker may take it.
            reply = httpx.post(f"{url}/ask", json=GOODS, timeout=30)
            # A worker that was always taken has used its own window up: the other is still to come.
            if reply.status_code == 200:
                answered.add(reply.json()["worker"])
        except httpx.TransportError:
            time.sleep(0.1)
    return answered
