"""The SDKs' own retries are off: there are as many calls on the wire as were asked for."""

from __future__ import annotations

import pytest

from sandbox import Fault, Sandbox
from services.llm_client import (
    LLMError,
    ProviderUnavailableError,
    RateLimitError,
    RetriesExhaustedError,
)
from tests.wire.clock import VirtualTime
from tests.wire.conftest import OpenFace
from tests.wire.faces import Face

PASSING = {
    "408": Fault.error(408),
    "500": Fault.error(500),
    "502": Fault.error(502),
    "503": Fault.error(503),
    "504": Fault.error(504),
    "no capacity": Fault.capacity(),
    "reset": Fault.reset(),
    "close": Fault.close(),
    "cut body": Fault.cut_off(),
    "broken JSON": Fault.malformed_json(),
    "proxy's page": Fault.html(502),
}
LASTING = (400, 401, 403, 404, 409, 413, 415, 422, 424)


@pytest.mark.parametrize("fault", PASSING)
def test_a_passing_fault_is_retried_as_often_as_the_knob_says(
    open_face: OpenFace, sandbox: Sandbox, virtual: VirtualTime, fault: str
) -> None:
    face = open_face(LLM_MAX_RETRIES=3)
    sandbox.script(*[PASSING[fault]] * 9)
    with pytest.raises(ProviderUnavailableError) as caught:
        face.generate("hi")
    assert (4, 4) == (len(sandbox.exchanges), len(caught.value.attempts))
    assert 3 == len(virtual.naps)


@pytest.mark.parametrize("fault", PASSING)
def test_a_passing_fault_is_survived(
    face: Face, sandbox: Sandbox, virtual: VirtualTime, fault: str
) -> None:
    sandbox.script(PASSING[fault], PASSING[fault])
    assert "Sandbox: hi" == face.generate("hi")
    assert (3, 2) == (len(sandbox.exchanges), len(virtual.naps))


def test_backoff_doubles_from_half_a_second_less_a_quarter_at_most(
    open_face: OpenFace, sandbox: Sandbox, virtual: VirtualTime
) -> None:
    face = open_face(LLM_MAX_RETRIES=6)
    sandbox.script(*[Fault.error(500)] * 6)
    face.generate("hi")
    for nap, full in zip(virtual.naps, [0.5, 1.0, 2.0, 4.0, 8.0, 8.0], strict=True):
        assert 0.75 * full <= nap <= full


@pytest.mark.parametrize("attempts", [1, 2, 4])
def test_generate_with_retry_makes_exactly_the_attempts_it_is_told(
    face: Face, sandbox: Sandbox, virtual: VirtualTime, attempts: int
) -> None:
    sandbox.script(*[Fault.error(503)] * 9)
    with pytest.raises(
        RetriesExhaustedError, match=f"Failed after {attempts} attempts: "
    ) as caught:
        face.generate_with_retry("hi", max_retries=attempts)
    assert (attempts, attempts) == (len(sandbox.exchanges), len(caught.value.attempts))
    assert [1.0, 2.0, 4.0][: attempts - 1] == virtual.naps
    assert isinstance(caught.value.__cause__, ProviderUnavailableError)


def test_retries_are_counted_per_call_too(
    face: Face, sandbox: Sandbox, virtual: VirtualTime
) -> None:
    sandbox.script(*[Fault.error(503)] * 9)
    with pytest.raises(ProviderUnavailableError):
        face.generate("hi", max_retries=0)
    assert 1 == len(sandbox.exchanges)


@pytest.mark.parametrize("status", LASTING)
def test_a_refusal_is_raised_at_once(
    face: Face, sandbox: Sandbox, virtual: VirtualTime, status: int
) -> None:
    sandbox.script(Fault.error(status))
    with pytest.raises(LLMError) as caught:
        face.generate("hi")
    assert (1, status, []) == (len(sandbox.exchanges), caught.value.status, virtual.naps)
    assert not isinstance(caught.value, ProviderUnavailableError)


def test_groqs_429_without_a_time_is_raised_at_once(
    open_client: OpenFace, sandbox: Sandbox, virtual: VirtualTime
) -> None:
    sandbox.script(Fault.error(429, "Slow down."))
    with pytest.raises(RateLimitError, match=r"Groq rate limit exceeded: Slow down\."):
        open_client("groq").generate("hi")
    assert (1, []) == (len(sandbox.exchanges), virtual.naps)


@pytest.mark.parametrize("kind", ["bedrock", "bedrock async"])
def test_bedrocks_throttling_names_no_time_and_is_retried(
    open_client: OpenFace, sandbox: Sandbox, virtual: VirtualTime, kind: str
) -> None:
    sandbox.script(*[Fault.rate_limited()] * 9)
    with pytest.raises(RateLimitError) as caught:
        open_client(kind).generate("hi")
    assert (3, 2) == (len(sandbox.exchanges), len(virtual.naps))
    assert 3 == len(caught.value.attempts)


@pytest.mark.parametrize("status", [501, 507, 520])
def test_an_unknown_server_error_is_retried_only_where_attempts_were_asked_for(
    face: Face, sandbox: Sandbox, virtual: VirtualTime, status: int
) -> None:
    sandbox.script(*[Fault.error(status)] * 9)
    with pytest.raises(ProviderUnavailableError):
        face.generate("hi")
    assert 1 == len(sandbox.exchanges)
    with pytest.raises(RetriesExhaustedError):
        face.generate_with_retry("hi", max_retries=2)
    assert 3 == len(sandbox.exchanges)


def test_boto3_is_told_to_attempt_once(open_client: OpenFace) -> None:
    client = open_client("bedrock").client.client
    assert 1 == client.meta.config.retries["total_max_attempts"]


def test_the_groq_sdk_is_told_not_to_retry(open_client: OpenFace) -> None:
    assert 0 == open_client("groq").client.client.max_retries
