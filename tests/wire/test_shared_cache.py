"""Whose cache a client closes: its own, and never its account's, which others may be using."""

from __future__ import annotations

import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest

from sandbox import Sandbox
from services import llm_client
from services.llm_client import create_llm_client
from tests.wire.faces import settings

_PLACES = ["memory:", "json:{}/answers.json", "sqlite:{}/answers.db"]
_numbers = count()

PROVIDERS = pytest.mark.parametrize("is_groq", [True, False], ids=["groq", "bedrock"])


@pytest.fixture(params=_PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where answers are kept."""
    return str(request.param).format(tmp_path)


def _use(monkeypatch: pytest.MonkeyPatch, url: str, place: str, *, is_groq: bool) -> None:
    """Lead the factory to an account that no other test uses."""
    account = {
        "GROQ_API_KEY": f"gsk_cached_{next(_numbers):020}",
        "AWS_ACCESS_KEY_ID": f"AKIDCACHED{next(_numbers):010}",
    }
    known = settings(url, USE_GROQ=is_groq, LLM_CACHE_URL=place, **account)
    monkeypatch.setattr(llm_client, "settings", known)


@PROVIDERS
def test_an_app_that_calls_the_factory_per_request_finds_its_answers_again(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, place: str, is_groq: bool
) -> None:
    _use(monkeypatch, sandbox.url, place, is_groq=is_groq)
    for _ in range(3):
        with create_llm_client() as client:
            assert "Sandbox: hi" == client.generate("hi")
    assert 1 == len(sandbox.exchanges)


@PROVIDERS
def test_closing_one_client_closes_nothing_that_another_of_its_account_uses(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, is_groq: bool
) -> None:
    _use(monkeypatch, sandbox.url, "memory:", is_groq=is_groq)
    with create_llm_client() as staying:
        with create_llm_client() as leaving:
            leaving.generate("hi")
        assert staying.respond("hi").cached


@PROVIDERS
def test_a_client_of_its_own_closes_its_own_cache(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, is_groq: bool
) -> None:
    _use(monkeypatch, sandbox.url, "memory:", is_groq=is_groq)
    make = llm_client.GroqClient if is_groq else llm_client.BedrockClient
    with make() as client:
        client.generate("hi")
    assert not client.respond("hi").cached  # memory was all that it had
    client.close()


def test_what_is_shared_is_closed_as_the_process_ends(sandbox: Sandbox, tmp_path: Path) -> None:
    program = (
        "from services.llm_client import create_llm_client\n"
        "with create_llm_client() as client:\n"
        "    client.generate('hi')\n"
    )
    environment = {
        "USE_GROQ": "true",
        "GROQ_API_KEY": "gsk_ClosedAtTheEnd0123456789",
        "GROQ_BASE_URL": sandbox.url,
        "GROQ_MODEL": "openai/gpt-oss-20b",
        "LLM_CACHE_URL": f"sqlite:{tmp_path / 'answers.db'}",
        "LLM_CACHE_TIMEOUT": "30",
        "PYTHONPATH": str(Path(llm_client.__file__).parents[1]),
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (0, b"") == (done.returncode, done.stderr)
    # SQLite takes its -wal and -shm files away as the last connection is closed.
    assert ["answers.db", "answers.db.lock"] == sorted(each.name for each in tmp_path.iterdir())


@PROVIDERS
def test_accounts_share_answers_within_a_namespace_and_not_across_them(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, is_groq: bool
) -> None:
    for namespace in ("", "", "one", "two", "one"):
        _use(monkeypatch, sandbox.url, f"{tmp_path}/cache.json", is_groq=is_groq)
        llm_client.settings.LLM_CACHE_NAMESPACE = namespace
        with create_llm_client() as client:
            client.generate("hi")
    assert 3 == len(sandbox.exchanges)
