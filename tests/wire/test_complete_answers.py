"""An answer that is not whole is never a success, and what came of it is not lost."""

from __future__ import annotations

import pytest

from sandbox import Answer, Fault, Sandbox
from services.llm_client import (
    ContentFilteredError,
    LLMError,
    ProviderUnavailableError,
    TruncatedError,
)
from tests.wire.clock import VirtualTime
from tests.wire.conftest import OpenFace
from tests.wire.faces import Face

#: Bedrock asks these through InvokeModel, each in a body of its own.
INVOKED = (
    "anthropic.claude-3-opus-20240229-v1:0",
    "meta.llama3-70b-instruct-v1:0",
    "mistral.mixtral-8x7b-instruct-v0:1",
)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (Answer.truncated("Half of a"), "Half of a"),
        (Answer.unfinished(), "Sandbox: hi"),
        (Answer.empty(), ""),
        (Answer.null(), ""),
        (Answer.says("  \n"), "  \n"),
    ],
    ids=["length", "no finish reason", "empty", "null", "blank"],
)
def test_an_answer_that_is_not_whole_is_an_error_with_the_partial_text(
    face: Face, sandbox: Sandbox, virtual: VirtualTime, answer: Answer, text: str
) -> None:
    sandbox.script(answer)
    with pytest.raises(TruncatedError) as caught:
        face.generate("hi")
    assert (text, 200, 1) == (caught.value.text, caught.value.status, len(sandbox.exchanges))


@pytest.mark.parametrize("kind", ["bedrock", "bedrock async"])
@pytest.mark.parametrize("model", INVOKED)
@pytest.mark.parametrize(
    "answer", [Answer.truncated("Half of a"), Answer.unfinished(), Answer.empty()]
)
def test_nor_is_it_a_success_in_any_familys_body(
    open_client: OpenFace,
    sandbox: Sandbox,
    virtual: VirtualTime,
    kind: str,
    model: str,
    answer: Answer,
) -> None:
    face = open_client(kind, LLM_RETIRED_MODELS="error")
    sandbox.script(answer)
    with pytest.raises(TruncatedError):
        face.generate("hi", model=model)
    assert "invoke" == sandbox.exchanges[0].operation


def test_an_answer_without_choices_is_an_error(face: Face, sandbox: Sandbox) -> None:
    sandbox.script(Answer.no_choices())
    with pytest.raises(LLMError):
        face.generate("hi")
    assert 1 == len(sandbox.exchanges)


def test_an_answer_that_was_withheld_says_so(face: Face, sandbox: Sandbox) -> None:
    sandbox.script(Answer.filtered("Some of"))
    with pytest.raises(ContentFilteredError):
        face.generate("hi")
    assert 1 == len(sandbox.exchanges)


@pytest.mark.parametrize("kind", ["bedrock", "bedrock async"])
def test_so_does_one_that_a_guardrail_replaced(
    open_client: OpenFace, sandbox: Sandbox, kind: str
) -> None:
    sandbox.script(Answer.guarded())
    with pytest.raises(ContentFilteredError):
        open_client(kind).generate("hi")


@pytest.mark.parametrize("after", [0.0, 0.1, 0.5, 0.99])
@pytest.mark.parametrize("model", ["sandbox/ok", INVOKED[1]])
def test_a_body_that_was_cut_off_is_never_a_success(
    face: Face, sandbox: Sandbox, virtual: VirtualTime, after: float, model: str
) -> None:
    model = model if face.provider == "bedrock" else "sandbox/ok"
    sandbox.script(*[Fault.cut_off(after)] * 3)
    with pytest.raises(ProviderUnavailableError):
        face.generate("hi", model=model)
    assert 3 == len(sandbox.exchanges)


@pytest.mark.parametrize("model", ["sandbox/ok", INVOKED[0]])
def test_broken_json_is_never_a_success(
    face: Face, sandbox: Sandbox, virtual: VirtualTime, model: str
) -> None:
    model = model if face.provider == "bedrock" else "sandbox/ok"
    sandbox.script(*[Fault.malformed_json()] * 3)
    with pytest.raises(ProviderUnavailableError):
        face.generate("hi", model=model)
    assert 3 == len(sandbox.exchanges)


def test_a_page_with_status_200_is_never_a_success(
    face: Face, sandbox: Sandbox, virtual: VirtualTime
) -> None:
    sandbox.script(*[Fault.html(200)] * 3)
    with pytest.raises(LLMError):
        face.generate("hi")
