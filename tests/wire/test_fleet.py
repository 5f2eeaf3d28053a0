"""Clients of several processes share one account's limits through a real Redis server."""

from __future__ import annotations

import os
import sys

import pytest
import redis

from sandbox import Sandbox
from services.llm.account import fleet as fleets
from services.llm.errors import ConfigurationError, RateLimitError
from tests.redis_server import PASSWORD
from tests.timing import wait_until
from tests.wire.conftest import OpenFace
from tests.wire.faces import KINDS

TWO = {"GROQ_REQUESTS_PER_MINUTE": 2, "BEDROCK_REQUESTS_PER_MINUTE": 2}


@pytest.fixture(autouse=True)
def _answers_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is, a Redis server that is there answers in time."""
    monkeypatch.setattr("services.llm.call.fleet_grant.ANSWER_TIMEOUT", 30.0)


@pytest.mark.parametrize("kind", KINDS)
def test_what_one_client_uses_another_does_not_have(
    kind: str, redis_url: str, sandbox: Sandbox, open_client: OpenFace
) -> None:
    knobs = {**TWO, "LLM_QUOTA_URL": redis_url}
    one, other = open_client(kind, **knobs), open_client(kind, **knobs)
    for face in (one, other):
        face.generate("hi")
    with pytest.raises(RateLimitError) as caught:
        one.generate("hi")
    assert 50.0 < (caught.value.retry_after or 0.0) <= 66.0
    assert 2 == len(sandbox.exchanges)
    (left,) = [each.left for each in other.client.headroom() if each.name == "RPM"]
    assert left < 0.5


def test_a_call_costs_one_round_trip(
    redis_url: str, sandbox: Sandbox, open_client: OpenFace
) -> None:
    def scripts() -> int:
        stats = client.info("commandstats")
        names = ("cmdstat_evalsha", "cmdstat_eval")
        return sum(stats.get(name, {"calls": 0})["calls"] for name in names)

    with redis.Redis.from_url(redis_url) as client:
        client.script_flush()
        face = open_client("groq", LLM_QUOTA_URL=redis_url, GROQ_REQUESTS_PER_MINUTE=1_000)
        before = scripts()
        for _ in range(20):
            face.generate("hi")
        # The script itself is sent once more.
        assert 20 <= scripts() - before <= 1.2 * 20


@pytest.mark.parametrize("kind", ["groq", "groq async"])
def test_without_its_redis_a_client_goes_on_within_its_share(
    kind: str, sandbox: Sandbox, open_client: OpenFace, caplog: pytest.LogCaptureFixture
) -> None:
    gone = f"redis://:{PASSWORD}@127.0.0.1:1/0"
    share = {"LLM_QUOTA_FALLBACK_SHARE": 0.5, "GROQ_REQUESTS_PER_MINUTE": 7}
    face = open_client(kind, LLM_QUOTA_URL=gone, **share)
    for _ in range(3):
        face.generate("hi")
    with pytest.raises(RateLimitError):
        face.generate("hi")
    assert 3 == len(sandbox.exchanges)
    # Calls go on before the thread that asks has told of it.
    wait_until(lambda: "shared quota" in caplog.text)
    warnings = [text for text in caplog.messages if "shared quota" in text]
    assert (1, False) == (len(warnings), PASSWORD in caplog.text)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # it is what is tried
def test_a_child_shares_the_limits_of_its_parent(
    redis_url: str, sandbox: Sandbox, open_client: OpenFace
) -> None:
    face = open_client("groq", LLM_QUOTA_URL=redis_url, GROQ_REQUESTS_PER_MINUTE=3)
    face.generate("hi")
    child = os.fork()
    if not child:
        answered = face.generate("hi")
        os._exit(0 if answered else 1)
    _, status = os.waitpid(child, 0)
    assert 0 == status
    face.generate("hi")
    other = open_client("groq", LLM_QUOTA_URL=redis_url, GROQ_REQUESTS_PER_MINUTE=3)
    with pytest.raises(RateLimitError):
        other.generate("hi")


def test_what_was_spent_is_told_before_the_process_ends(
    redis_url: str, sandbox: Sandbox, open_client: OpenFace
) -> None:
    tokens = {"LLM_QUOTA_URL": redis_url, "GROQ_TOKENS_PER_MINUTE": 100_000}
    face = open_client("groq", {"max_tokens": 50_000}, **tokens)
    face.generate("hi")
    fleets._finish_all()
    # What the first has not spent is there for another.
    open_client("groq", {"max_tokens": 90_000}, **tokens).generate("hi")


def test_a_fleet_needs_a_url_and_the_redis_package(
    open_client: OpenFace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigurationError, match="LLM_QUOTA_URL: http://x is not a Redis URL"):
        open_client("groq", LLM_QUOTA_URL="http://x")
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(ConfigurationError, match=r"LLM_QUOTA_URL: .* pip install redis"):
        open_client("groq", LLM_QUOTA_URL="redis://x")
