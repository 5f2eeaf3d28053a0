"""Where a model's successor is refused as well, the model that was asked for is spoken of."""

from __future__ import annotations

from services.llm.errors import ModelNotFoundError, Verdict

from .scripted import Clock, account

OLD, HEIR, NEXT = "mixtral-8x7b-32768", "openai/gpt-oss-120b", "a-later-one"


def not_found(model: str, verdict: Verdict = Verdict.FATAL) -> ModelNotFoundError:
    return ModelNotFoundError(f"Groq model not found: {model}", status=404, verdict=verdict)


def test_a_successor_that_is_not_there_is_no_longer_asked() -> None:
    ours = account(Clock(), retired={OLD: HEIR})
    error = not_found(HEIR)
    ours.mourn(error, OLD, HEIR)
    assert f"Groq model not found: {OLD}" == str(error)
    assert OLD == ours.living(OLD)


def test_a_successor_that_has_one_itself_hands_over() -> None:
    ours = account(Clock(), retired={OLD: HEIR, HEIR: NEXT})
    ours.mourn(not_found(HEIR, Verdict.AGAIN), OLD, HEIR)
    assert NEXT == ours.living(OLD)


def test_a_model_that_was_asked_for_itself_is_let_be() -> None:
    ours = account(Clock())
    error = not_found(OLD)
    ours.mourn(error, OLD, OLD)
    assert f"Groq model not found: {OLD}" == str(error)
