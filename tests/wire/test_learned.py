"""What one answer teaches holds for all, for a while; it can be looked at and dropped."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from sandbox import Fault, Sandbox
from services.llm_client import (
    InvalidRequestError,
    LLMError,
    ModelNotFoundError,
    ProviderUnavailableError,
    RateLimitError,
)
from tests.wire.clock import VirtualTime
from tests.wire.conftest import OpenFace
from tests.wire.faces import Face

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
REFUSED = Fault.error(400, "`temperature` is deprecated for this model.")


def bodies(sandbox: Sandbox) -> list[str]:
    return [str(exchange.body) for exchange in sandbox.exchanges]


def test_a_week_of_retry_after_closes_a_model_for_minutes(
    face: Face, sandbox: Sandbox, virtual: VirtualTime
) -> None:
    sandbox.script(Fault.error(503, retry_after="604800"))
    with pytest.raises(ProviderUnavailableError) as caught:
        face.generate("hi", max_retries=0)
    assert 600.0 == caught.value.retry_after
    assert [600.0] == list(face.client.learned().outages.values())
    face.generate("hi", timeout=1_000)
    assert {} == face.client.learned().outages


def test_a_limit_closes_a_model_for_a_day_at_most_and_can_be_dropped(
    face: Face, sandbox: Sandbox, virtual: VirtualTime
) -> None:
    sandbox.script(Fault.rate_limited("604800"))
    with pytest.raises(RateLimitError):
        face.generate("hi")
    with pytest.raises(RateLimitError) as caught:
        face.generate("hi")
    assert caught.value.retry_after == pytest.approx(86_400.0)
    assert face.client.learned().pauses
    face.client.forget()
    assert face.generate("hi")
    assert {} == face.client.learned().pauses


def test_what_a_models_tool_is_called_makes_nobody_wait(
    open_client: OpenFace, sandbox: Sandbox
) -> None:
    said = "attempted to call tool 'please try again in 167h' which was not in request.tools"
    face = open_client("groq")
    sandbox.script(Fault.error(400, said))
    with pytest.raises(InvalidRequestError) as caught:
        face.generate("hi")
    assert caught.value.retry_after is None
    assert face.generate("hi")


@pytest.mark.parametrize(
    "fault",
    [
        Fault.error(404, ""),
        Fault.html(404, "<html>Not Found</html>"),
        Fault.error(404, "Model use case details have not been submitted for this account."),
        Fault.error(400, "The provided model identifier is invalid."),
    ],
)
def test_no_404_but_an_end_of_life_moves_a_model_in_service(
    open_client: OpenFace, sandbox: Sandbox, fault: Fault
) -> None:
    face = open_client("bedrock")
    sandbox.script(fault)
    with pytest.raises(LLMError):
        face.generate("hi", model=CLAUDE)
    assert {} == face.client.learned().ended
    assert CLAUDE == face.respond("hi", model=CLAUDE).model


def test_a_default_that_is_refused_is_left_out_from_then_on(
    face: Face, sandbox: Sandbox, virtual: VirtualTime
) -> None:
    sandbox.script(REFUSED)
    assert face.generate("hi")
    face.generate("hi")
    assert [True, False, False] == ["temperature" in body for body in bodies(sandbox)]
    ((_, options),) = face.client.learned().refused_options.items()
    assert ("temperature",) == options
    face.client.forget()
    face.generate("hi")
    assert "temperature" in bodies(sandbox)[-1]


def test_what_the_caller_gave_stays_and_fails(face: Face, sandbox: Sandbox) -> None:
    sandbox.script(REFUSED)
    with pytest.raises(InvalidRequestError, match="temperature"):
        face.generate("hi", temperature=0.5)
    assert 1 == len(sandbox.exchanges)


@pytest.mark.parametrize(
    ("kind", "given", "words"),
    [
        ("groq", {"extra_body": {"maxTokens": 9}}, "property 'maxTokens' is unsupported"),
        (
            "bedrock",
            {"additionalModelRequestFields": {"max_tokens": 9}},
            "max_tokens: Extra inputs are not permitted",
        ),
    ],
)
def test_a_refusal_of_what_the_caller_gave_by_another_name_teaches_nothing(
    open_client: OpenFace, sandbox: Sandbox, kind: str, given: dict[str, Any], words: str
) -> None:
    face = open_client(kind)
    sandbox.script(Fault.error(400, words))
    with pytest.raises(InvalidRequestError, match=words):
        face.generate("hi", **given)
    assert (1, {}) == (len(sandbox.exchanges), face.client.learned().refused_options)


def test_a_model_of_the_other_provider_is_sent_once(
    open_client: OpenFace, sandbox: Sandbox
) -> None:
    face = open_client("bedrock")
    with pytest.raises(ModelNotFoundError, match=r"a model of Groq's; choose a model") as caught:
        face.respond("hi", model="llama-3.1-8b-instant")
    assert (None, 1) == (caught.value.successor, len(sandbox.exchanges))


@pytest.mark.parametrize(
    ("kind", "model"),
    [
        ("groq", "openai/gpt-oss-120b"),
        ("bedrock", "us.anthropic.claude-sonnet-4-6"),
        ("bedrock", "openai.gpt-oss-120b-1:0"),
    ],
)
def test_a_prefix_of_another_library_is_named(
    open_client: OpenFace, sandbox: Sandbox, kind: str, model: str
) -> None:
    face = open_client(kind)
    with pytest.raises(ModelNotFoundError) as caught:
        face.respond("hi", model=f"{kind}/{model}")
    assert str(caught.value).endswith(f" (here its id is {model}, without {kind}/)")


def test_after_an_outage_one_goes_first_and_the_others_wait_for_it(
    open_client: OpenFace, sandbox: Sandbox
) -> None:
    client = open_client("groq").client
    sandbox.script(Fault.error(503, retry_after="0.2"), Fault.slow_body(0.3))
    with pytest.raises(ProviderUnavailableError):
        client.generate("hi", max_retries=0)
    threads = [threading.Thread(target=client.generate, args=(f"{n}",)) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first, *others = sorted(exchange.arrived_at for exchange in sandbox.exchanges[1:])
    assert 4 == len(others)
    assert min(others) - first >= 0.3
