"""No request is sent before a Retry-After has passed, whoever received it."""

from __future__ import annotations

import pytest

from sandbox import Fault, Sandbox, retry_after_date
from sandbox.faults import RetryAfter
from services import llm_client
from services.llm_client import ProviderUnavailableError, RateLimitError
from tests.wire.clock import VirtualTime
from tests.wire.conftest import OpenFace
from tests.wire.faces import Face, settings

FORMS = [
    ("2", 2.0),
    ("0.25", 0.25),
    ("600", 600.0),
    ("1m26.5s", 86.5),
    ("250ms", 0.25),
    ("1h2m3s", 3723.0),
    (retry_after_date(30), 30.0),
]
ABSURD = ["nan", "-5", "inf", "1e999", "99999999", "soon", "Thu, 99 Foo 2026 25:00:00 GMT", ""]


def arrivals(sandbox: Sandbox) -> list[float]:
    """When each request arrived, in seconds since the first."""
    times = [exchange.arrived_at for exchange in sandbox.exchanges]
    return [time - times[0] for time in times]


@pytest.mark.parametrize(("told", "seconds"), FORMS)
def test_a_429_is_raised_at_once_and_says_when_to_come_back(
    face: Face, sandbox: Sandbox, virtual: VirtualTime, told: RetryAfter, seconds: float
) -> None:
    sandbox.script(Fault.rate_limited(told))
    with pytest.raises(RateLimitError) as caught:
        face.generate("hi")
    assert (seconds, 429) == (caught.value.retry_after, caught.value.status)
    assert (1, []) == (len(sandbox.exchanges), virtual.naps)


@pytest.mark.parametrize(("told", "seconds"), FORMS)
def test_a_patient_call_waits_a_429_out_to_the_moment(
    open_face: OpenFace,
    sandbox: Sandbox,
    virtual: VirtualTime,
    told: RetryAfter,
    seconds: float,
) -> None:
    face = open_face(LLM_MAX_QUOTA_WAIT=5000.0, LLM_TIMEOUT=5000.0)
    sandbox.script(Fault.rate_limited(told))
    reply = face.respond("hi")
    assert [0.0, seconds] == arrivals(sandbox)
    assert [0.0, seconds] == [attempt.quota_wait for attempt in reply.attempts]


def test_a_call_that_is_not_patient_enough_does_not_wait_at_all(
    open_face: OpenFace, sandbox: Sandbox, virtual: VirtualTime
) -> None:
    face = open_face(LLM_MAX_QUOTA_WAIT=29.0)
    sandbox.script(Fault.rate_limited("30"))
    with pytest.raises(RateLimitError) as caught:
        face.generate("hi")
    assert (30.0, []) == (caught.value.retry_after, virtual.naps)


def test_one_callers_429_holds_every_caller_of_the_model(
    face: Face, sandbox: Sandbox, virtual: VirtualTime
) -> None:
    sandbox.script(Fault.rate_limited("30"))
    with pytest.raises(RateLimitError):
        face.generate("hi")
    virtual.seconds += 10
    with pytest.raises(RateLimitError, match=r"Please wait 20\.0 seconds") as held:
        face.generate("hi")
    assert (20.0, 1) == (held.value.retry_after, len(sandbox.exchanges))
    virtual.seconds += 20
    face.generate("hi")
    assert [0.0, 30.0] == arrivals(sandbox)


@pytest.mark.parametrize("use_groq", [True, False])
def test_it_holds_every_client_of_the_account(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, use_groq: bool
) -> None:
    monkeypatch.setattr(llm_client, "settings", settings(sandbox.url, USE_GROQ=use_groq))
    sandbox.script(Fault.rate_limited("30"))
    with llm_client.create_llm_client() as one, llm_client.create_llm_client() as other:
        for client in (one, other, other):
            with pytest.raises(RateLimitError):
                client.generate("hi")
    assert 1 == len(sandbox.exchanges)


def test_another_model_has_its_own_limit(face: Face, sandbox: Sandbox) -> None:
    sandbox.script(Fault.rate_limited("30"))
    with pytest.raises(RateLimitError):
        face.generate("hi")
    assert "Sandbox: hi" == face.generate("hi", model="sandbox/text?text=Sandbox: hi")


@pytest.mark.parametrize(("told", "seconds"), FORMS)
def test_a_retry_waits_for_a_503s_retry_after(
    open_face: OpenFace,
    sandbox: Sandbox,
    virtual: VirtualTime,
    told: RetryAfter,
    seconds: float,
) -> None:
    face = open_face(LLM_TIMEOUT=5000.0)
    sandbox.script(Fault.error(503, retry_after=told))
    reply = face.respond("hi")
    backoff = 0.5
    assert arrivals(sandbox)[1] >= seconds
    assert arrivals(sandbox)[1] <= max(seconds, backoff)
    assert arrivals(sandbox)[1] == reply.attempts[1].retry_wait


def test_one_callers_503_holds_the_next_caller_until_its_retry_after(
    face: Face, sandbox: Sandbox, virtual: VirtualTime
) -> None:
    sandbox.script(Fault.error(503, retry_after="7"))
    with pytest.raises(ProviderUnavailableError) as caught:
        face.generate("hi", max_retries=0)
    assert (7.0, []) == (caught.value.retry_after, virtual.naps)
    face.generate("hi")
    assert [0.0, 7.0] == arrivals(sandbox)


def test_a_shorter_retry_after_does_not_shorten_a_longer_one(
    face: Face, sandbox: Sandbox, virtual: VirtualTime
) -> None:
    account = face.client._account
    account.outages.begin("sandbox/ok", virtual.now() + 20)
    error = ProviderUnavailableError("Service Unavailable", retry_after=5.0, status=503)
    account.learn_about_scope(error, "sandbox/ok", "sandbox/ok", 0.0)
    began = virtual.now()
    face.generate("hi")
    assert began + 20 == sandbox.exchanges[0].arrived_at


@pytest.mark.parametrize("told", ABSURD)
def test_a_retry_after_that_makes_no_sense_is_ignored(
    face: Face, sandbox: Sandbox, virtual: VirtualTime, told: str
) -> None:
    sandbox.script(Fault.error(503, retry_after=told))
    face.generate("hi")
    assert 0.375 <= arrivals(sandbox)[1] <= 0.5


@pytest.mark.parametrize("status", [429, 503])
def test_where_the_deadline_comes_first_the_error_comes_at_once(
    open_face: OpenFace, sandbox: Sandbox, virtual: VirtualTime, status: int
) -> None:
    face = open_face(LLM_MAX_QUOTA_WAIT=1000.0, LLM_TIMEOUT=50.0)
    sandbox.script(Fault.error(status, retry_after="60"))
    with pytest.raises((RateLimitError, ProviderUnavailableError)) as caught:
        face.generate("hi")
    assert (60.0, [], 1) == (caught.value.retry_after, virtual.naps, len(sandbox.exchanges))
    with pytest.raises((RateLimitError, ProviderUnavailableError), match=r"60\.0 seconds"):
        face.generate("hi")
    assert ([], 1) == (virtual.naps, len(sandbox.exchanges))
