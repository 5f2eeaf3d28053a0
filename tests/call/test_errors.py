"""Errors travel between processes whole."""

from __future__ import annotations

import pickle

from services.llm.errors import RateLimitError, Retry, StructuredOutputError
from services.llm.types import Attempt, Usage


def test_an_error_survives_its_way_to_another_process() -> None:
    error = RateLimitError(
        "Rate limit exceeded", provider="groq", status=429, retry_after=7.5, retry=Retry.AT_ONCE
    )
    error.attempts = (Attempt(1, "m", usage=Usage(1, 2, 3, reported=True)),)
    copy = pickle.loads(pickle.dumps(error))
    assert (RateLimitError, error.args, vars(error)) == (type(copy), copy.args, vars(copy))
    assert 3 == copy.usage.total_tokens


def test_what_a_kind_of_error_carries_beside_goes_with_it() -> None:
    error = StructuredOutputError("LLM did not return valid JSON")
    error.raw, error.errors = "no", (("$", "no JSON"),)
    copy = pickle.loads(pickle.dumps(error))
    assert isinstance(copy, StructuredOutputError)
    assert ("no", (("$", "no JSON"),)) == (copy.raw, copy.errors)
