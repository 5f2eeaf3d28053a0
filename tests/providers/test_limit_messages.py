"""What the words of a Groq refusal say of the limit that it is about."""

from __future__ import annotations

import hashlib
from typing import Any

import groq
import httpx
import pytest

from services.llm.providers.groq.limit_messages import (
    amount_of,
    amounts_in,
    error_object,
    exceeds_limit_alone,
    excess_in,
    limit_of,
    organization_of,
)

ORG = "org_01j5xyzabcd0123456789"
FULL = "tokens per minute (TPM): Limit 8000, Used 5536, Requested 5599. Please try again in 23.5s."


def refusal(words: str, body: Any) -> groq.APIError:
    return groq.APIError(words, httpx.Request("POST", "https://groq.example/chat"), body=body)


@pytest.mark.parametrize(
    "error",
    [
        refusal("No.", {"error": {"message": f"Limit reached in organization `{ORG}` today"}}),
        refusal("No.", {"message": f"Limit reached in organization `{ORG}` today"}),
        refusal(f"in organization `{ORG}`", None),
        refusal("in organization `org_other`", {"error": {"message": f"in `{ORG}`"}}),
    ],
    ids=["an answer", "an event of a stream", "without a body", "the body before the summary"],
)
def test_an_organization_is_told_from_others_by_sixteen_digits_of_a_hash(
    error: groq.APIError,
) -> None:
    assert hashlib.sha256(ORG.encode()).hexdigest()[:16] == organization_of(error)


def test_a_refusal_that_names_no_organization_is_of_none() -> None:
    assert organization_of(refusal("Slow down.", {"error": {"message": "Slow down."}})) is None


def test_an_error_object_is_found_with_and_without_its_wrapping() -> None:
    inner = {"message": "No."}
    assert inner == error_object({"error": inner}) == error_object(inner)
    assert {"error": "No."} == error_object({"error": "No."})


@pytest.mark.parametrize("limit", ["RPM", "RPD", "TPM", "TPD", "ITPM", "OTPM", "ASH", "ASD"])
def test_a_refusal_names_each_limit_that_groq_has(limit: str) -> None:
    assert limit == limit_of(f"Rate limit reached for model `m (XPM) (RPM)` on it ({limit}): ...")


def test_words_without_a_limit_name_none() -> None:
    words = "Rate limit reached for model `m (TPM): Limit 7, Requested 9`."
    assert (None, None) == (limit_of(words), amount_of(words))


@pytest.mark.parametrize(
    ("words", "amounts"),
    [
        (FULL, (8_000, 5_536, 5_599)),
        ("Limit 6000, Requested 700", (6_000, None, 700)),
        ("Limit 0, Used 0, Requested 1", (None, 0, 1)),
        ("Used 12 of it", (None, 12, None)),
        ("Limit 8,000, Used 5,536, Requested 1,234,567.", (8_000, 5_536, 1_234_567)),
        ("Limit 1234567890, Requested 1", (None, None, None)),
        ("Limit 1,234,567,890,123, Used 1,5, Requested 1", (None, None, None)),
        ("", (None, None, None)),
    ],
)
def test_the_amounts_of_a_limit_are_read_as_far_as_they_are_named(
    words: str, amounts: tuple[float | None, float | None, float | None]
) -> None:
    assert amounts == amounts_in(words)


@pytest.mark.parametrize(("words", "amount"), [(FULL, 8_000), ("Used 5", None)])
def test_the_amount_of_a_limit_is_what_it_allows(words: str, amount: int | None) -> None:
    assert amount == amount_of(words)


@pytest.mark.parametrize(
    ("words", "excess"),
    [
        ("Limit 8000, Requested 9000", " (it is 1000 more than the whole limit of 8000)"),
        ("Limit 8000, Requested 8001", " (it is 1 more than the whole limit of 8000)"),
        ("Limit 8000, Requested 8000", ""),
        ("Limit 0, Requested 5", ""),
        ("Request Entity Too Large", ""),
        ("`Limit 8000, Requested 9000`", ""),
    ],
)
def test_it_is_told_by_how_much_a_request_exceeds_its_limit(words: str, excess: str) -> None:
    assert excess == excess_in(words)


@pytest.mark.parametrize(
    ("words", "alone"),
    [
        (FULL, False),
        ("Limit 8000, Used 0, Requested 8000", False),
        ("Limit 8000, Used 0, Requested 8001", True),
        ("Limit 8,000, Used 0, Requested 9", False),
        ("Request too large for model `m`", True),
        ("Slow down.", False),
    ],
)
def test_what_is_larger_than_its_limit_exceeds_it_alone(words: str, alone: bool) -> None:
    assert alone is exceeds_limit_alone(words)
