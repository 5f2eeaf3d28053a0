"""What the clients add to a ledger is what the provider has counted."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from groq_client_compliant import GroqClient as CompliantClient
from sandbox import Answer, Fault, Sandbox
from services import llm_client
from services.llm.errors import ConfigurationError, LLMError
from services.llm.ledger.opening import ledger_at
from services.llm.ledger.sqlite_usage import SqliteUsage
from services.llm.ledger.usage import NANO, UsageSums
from services.llm.settings import host
from services.llm.stores import StoreError
from tests.wire.clock import VirtualTime
from tests.wire.conftest import OpenFace
from tests.wire.faces import KEY, KINDS, MODEL, settings
from tests.wire.ledgers import seen
from tests.wire.streaming import open_stream, read

BACKEND = Path(llm_client.__file__).parents[1]


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A ledger of the test's own."""
    return f"sqlite:{tmp_path / 'usage.db'}"


def totals(url: str) -> UsageSums:
    entries = ledger_at(url).read("2000-01-01", "2100-01-01")
    return sum((entry.sums for entry in entries), UsageSums())


@pytest.mark.parametrize("kind", KINDS)
def test_the_sums_are_those_of_the_provider(
    kind: str, url: str, virtual: VirtualTime, sandbox: Sandbox, open_client: OpenFace
) -> None:
    face = open_client(kind, LLM_LEDGER_URL=url, LLM_MAX_QUOTA_WAIT=60)
    sandbox.script(Fault(status=503), Answer(text="one"), Answer(text="half", finish="length"))
    face.respond("a", tags={"tenant": "acme"})
    with pytest.raises(LLMError):
        face.generate("b", max_retries=0)
    sandbox.script(Answer(text="no JSON"), Answer(text='{"a": 1}'))
    face.structured("c", {"type": "object", "properties": {"a": {"type": "integer"}}})
    read(face, "d")
    sums, counted = totals(url), seen(sandbox)
    assert (4, 1, len(counted)) == (sums.calls, sums.failed, sums.attempts)
    assert sum(row[2] for row in counted) == sums.input_tokens
    assert sum(row[3] for row in counted) == sums.output_tokens
    assert sum(row[1] != 200 for row in counted) == sums.unreported
    report = face.client.usage_report(days=1, by="tag:tenant")
    assert [("",), ("acme",)] == [row.group for row in report.rows]
    assert [3, 1] == [row.sums.calls for row in report.rows]


def test_a_failed_call_is_of_the_model_that_was_asked_last(
    url: str, sandbox: Sandbox, open_client: OpenFace
) -> None:
    face = open_client("groq", LLM_LEDGER_URL=url)
    sandbox.script(Fault.decommissioned(), Fault.error(400))
    with pytest.raises(LLMError):
        face.generate("a", model="llama3-70b-8192")
    entries = ledger_at(url).read("2000-01-01", "2100-01-01")
    failed = {each.key.model: (each.sums.failed, each.sums.attempts) for each in entries}
    assert (0, 1) == failed.pop("llama3-70b-8192")
    assert [(1, 1)] == list(failed.values())


@pytest.mark.parametrize("failures", [0, 1])
def test_a_call_and_its_attempt_are_in_one_row_of_the_model_and_the_tier_that_answered(
    failures: int, url: str, sandbox: Sandbox, open_client: OpenFace
) -> None:
    face = open_client("groq", LLM_LEDGER_URL=url)
    cut = Answer(model="openai/gpt-oss-20b", finish="length")
    sandbox.script(cut if failures else Answer(model="openai/gpt-oss-20b"))
    if failures:
        with pytest.raises(LLMError) as caught:
            face.respond("a", service_tier="flex")
        (attempt,) = caught.value.attempts
    else:
        reply = face.respond("a", service_tier="flex")
        (attempt,) = reply.attempts
        assert reply.cost == attempt.cost
    (entry,) = ledger_at(url).read("2000-01-01", "2100-01-01")
    assert ("openai/gpt-oss-20b", "flex") == (entry.key.model, entry.key.tier)
    assert (1, failures, 1) == (entry.sums.calls, entry.sums.failed, entry.sums.attempts)
    assert attempt.cost is not None
    assert round(attempt.cost * NANO) == entry.sums.cost


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_that_was_kept_costs_nothing(kind: str, url: str, open_client: OpenFace) -> None:
    face = open_client(kind, LLM_LEDGER_URL=url, LLM_CACHE_URL="memory:")
    for _ in range(3):
        face.respond("a")
    sums = totals(url)
    assert (3, 2, 1) == (sums.calls, sums.cached, sums.attempts)


@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_that_is_left_counts_as_an_attempt_of_unknown_use(
    kind: str, url: str, sandbox: Sandbox, open_client: OpenFace
) -> None:
    face = open_client(kind, LLM_LEDGER_URL=url)
    sandbox.script(Answer(text="one two three four five six"))
    if face.loop is None:
        with open_stream(face, "a") as stream:
            next(iter(stream))
    else:

        async def leave() -> None:
            async with face.client.astream("a") as stream:
                async for _ in stream:
                    break

        face.run(leave())
    sums = totals(url)
    assert (1, 1, 1, 1) == (sums.calls, sums.failed, sums.attempts, sums.unreported)


@pytest.mark.parametrize("kind", KINDS)
def test_a_ledger_that_fails_fails_no_call(
    kind: str, url: str, open_client: OpenFace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: SqliteUsage, batch: object) -> None:
        raise StoreError("gone")

    with monkeypatch.context() as patched:
        patched.setattr(SqliteUsage, "add", fail)
        face = open_client(kind, LLM_LEDGER_URL=url)
        face.respond("a")
        face.respond("a")
    assert 2 == totals(url).calls


def test_the_client_for_several_keys_adds_to_the_ledger_of_the_settings(
    url: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "_configured", settings(sandbox.url, LLM_LEDGER_URL=url))

    async def ask() -> int:
        async with CompliantClient([KEY], base_url=sandbox.url, cache_path=None) as client:
            await client.chat([{"role": "user", "content": "a"}], model=MODEL)
            return client.usage_report(by="model").total.calls

    assert 1 == asyncio.run(ask())


@pytest.mark.parametrize("kind", ["groq"])
def test_without_a_ledger_a_report_says_how_to_have_one(kind: str, open_client: OpenFace) -> None:
    with pytest.raises(ConfigurationError, match="LLM_LEDGER_URL is not set"):
        open_client(kind).client.usage_report()


@pytest.mark.parametrize("kind", ["groq"])
def test_a_ledger_that_cannot_be_read_is_an_error_of_ours(
    kind: str, url: str, open_client: OpenFace, tmp_path: Path
) -> None:
    (tmp_path / "usage.db").write_text("mine")
    face = open_client(kind, LLM_LEDGER_URL=url)
    with pytest.raises(LLMError, match=r"The ledger cannot be read: .*usage\.db"):
        face.client.usage_report()


WRITER = """
import sys
from services.llm_client import GroqClient, configure
configure({"USE_GROQ": True, "GROQ_API_KEY": "gsk_x", "GROQ_BASE_URL": sys.argv[1],
           "GROQ_MODEL": "sandbox/ok", "LLM_LEDGER_URL": sys.argv[2],
           "GROQ_REQUESTS_PER_MINUTE": 9999})
client = GroqClient()
while True:
    client.generate("a")
    sys.stdout.write(".")
    sys.stdout.flush()
"""


@pytest.mark.parametrize("form", ["sqlite", "json"])
def test_no_call_that_has_returned_is_lost_to_a_kill(
    form: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    url, answered = f"{form}:{tmp_path / 'usage'}", 0
    environment = {**os.environ, "PYTHONPATH": str(BACKEND)}
    for n in range(2):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, sandbox.url, url],
            stdout=subprocess.PIPE,
            env=environment,
        ) as writer:
            assert writer.stdout is not None
            answered += len(writer.stdout.read(7 + n))
            writer.send_signal(signal.SIGKILL)
            answered += len(writer.stdout.read())
    sums = totals(url)
    # The call that was made when the process died may be there or not.
    assert answered <= sums.calls <= answered + 2
    assert answered <= sums.attempts <= len(sandbox.exchanges)


@pytest.mark.usefixtures("own_prices")
@pytest.mark.parametrize("kind", KINDS)
def test_a_budget_in_dollars_ends_the_call_before_it_and_is_settled_after(
    kind: str, url: str, sandbox: Sandbox, open_client: OpenFace
) -> None:
    price = '{"sandbox/ok": {"input": 0, "output": 1000}}'
    face = open_client(
        kind,
        LLM_LEDGER_URL=url,
        LLM_PRICES=price,
        LLM_DAILY_BUDGET_USD=1,
        LLM_TAG_BUDGETS_USD="tenant=small:0.01",
    )
    sandbox.script(Answer(text="one", output_tokens=5))
    assert 0.005 == face.respond("a", max_tokens=900).cost
    with pytest.raises(LLMError, match=r"US\$1 exceeded: the call may cost US\$0.996"):
        face.generate("a", max_tokens=996)
    with pytest.raises(LLMError, match=r"US\$0\.01 of tenant=small"):
        face.generate("a", max_tokens=11, tags={"tenant": "small"})
    # What was reserved for calls that were refused is given back.
    face.generate("a", max_tokens=900)
    read(face, "b", max_tokens=900)
    with pytest.raises(ConfigurationError, match="the price of 'sandbox/other' is not known"):
        face.generate("a", model="sandbox/other", max_retries=0)
