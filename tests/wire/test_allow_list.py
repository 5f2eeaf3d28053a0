"""Only what is known to pass is tried again; everything else is raised at once, as what it is."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox import Fault, Sandbox
from services.llm_client import (
    AuthenticationError,
    ConfigurationError,
    ContextLengthError,
    InvalidRequestError,
    LLMError,
    ModelNotFoundError,
    RateLimitError,
)
from tests.wire.clock import VirtualTime
from tests.wire.conftest import OpenFace
from tests.wire.faces import Face

REFUSALS = [
    (Fault.error(400), InvalidRequestError),
    (Fault.error(401), AuthenticationError),
    (Fault.error(403), AuthenticationError),
    (Fault.invalid_key(), AuthenticationError),
    (Fault.model_not_found(), ModelNotFoundError),
    (Fault.context_length(), ContextLengthError),
    (Fault.too_large(), ContextLengthError),
    (Fault.error(422), LLMError),
    (Fault.error(424), LLMError),
]


@pytest.mark.parametrize(("fault", "kind"), REFUSALS)
def test_a_refusal_has_its_class_and_its_cause(
    face: Face, sandbox: Sandbox, fault: Fault, kind: type[LLMError]
) -> None:
    sandbox.script(fault)
    with pytest.raises(kind) as caught:
        face.generate("hi")
    sdk = {"groq": "groq", "bedrock": "botocore"}[face.provider]
    assert sdk == type(caught.value.__cause__).__module__.partition(".")[0]
    assert (face.provider, 1) == (caught.value.provider, len(sandbox.exchanges))
    assert caught.value.request_id


@pytest.mark.parametrize(("fault", "kind"), REFUSALS)
def test_generate_with_retry_raises_it_at_once_too(
    face: Face, sandbox: Sandbox, virtual: VirtualTime, fault: Fault, kind: type[LLMError]
) -> None:
    sandbox.script(*[fault] * 3)
    with pytest.raises(kind):
        face.generate_with_retry("hi", max_retries=3)
    assert (1, []) == (len(sandbox.exchanges), virtual.naps)


def test_a_429_stops_generate_with_retry_as_well(
    open_client: OpenFace, sandbox: Sandbox, virtual: VirtualTime
) -> None:
    sandbox.script(Fault.rate_limited("9"))
    with pytest.raises(RateLimitError):
        open_client("groq").generate_with_retry("hi", max_retries=3)
    assert 1 == len(sandbox.exchanges)


@pytest.mark.parametrize("bug", [TypeError("'NoneType'"), KeyError("model"), AssertionError("no")])
def test_a_bug_below_us_is_raised_at_once_with_its_cause(
    open_client: OpenFace, virtual: VirtualTime, monkeypatch: pytest.MonkeyPatch, bug: Exception
) -> None:
    calls = []

    def broken(*_: object, **__: object) -> None:
        calls.append(1)
        raise bug

    groq, bedrock = open_client("groq"), open_client("bedrock")
    monkeypatch.setattr(groq.client.client.chat.completions, "create", broken)
    monkeypatch.setattr(bedrock.client.client, "converse", broken)
    for face in (groq, bedrock):
        with pytest.raises(LLMError) as caught:
            face.generate("hi")
        assert caught.value.__cause__ is bug
    assert ([1, 1], []) == (calls, virtual.naps)


@pytest.mark.parametrize(
    "option",
    [{"stream": True}, {"no_such_option": {1, 2}}],
)
def test_an_option_that_cannot_be_sent_is_named_and_nothing_is_sent(
    face: Face, sandbox: Sandbox, virtual: VirtualTime, option: dict[str, Any]
) -> None:
    with pytest.raises(LLMError):
        face.generate("hi", **option)
    assert ([], []) == (sandbox.exchanges, virtual.naps)


@pytest.mark.parametrize(
    "argument",
    [
        {"timeout": 0},
        {"timeout": float("nan")},
        {"timeout": float("inf")},
        {"timeout": "soon"},
        {"timeout": True},
        {"max_retries": -1},
        {"max_retries": 1.5},
        {"max_retries": True},
        {"prompt": 7},
        {"system_prompt": ["be brief"]},
    ],
)
def test_an_argument_that_cannot_work_is_named_before_anything_is_sent(
    face: Face, sandbox: Sandbox, argument: dict[str, Any]
) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(argument))):
        face.generate(**{"prompt": "hi", **argument})
    assert ([], []) == (sandbox.exchanges, face.client._request_times)
