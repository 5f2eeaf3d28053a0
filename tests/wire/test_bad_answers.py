"""What a model gives in place of the JSON it was asked for costs no call where it can be read."""

from __future__ import annotations

from typing import Any

import pytest

from bench.bad_answers import HOPELESS, REPAIRABLE, SALVAGEABLE, Case, Classification
from bench.structured import Outcome, outcome
from sandbox import Sandbox
from tests.wire.conftest import OpenFace
from tests.wire.faces import KINDS

KNOBS = {
    "GROQ_MODEL": "openai/gpt-oss-120b",
    "GROQ_REQUESTS_PER_MINUTE": 1000,
    "BEDROCK_MODEL_ID": "us.anthropic.claude-sonnet-4-6",
    "BEDROCK_REQUESTS_PER_MINUTE": 1000,
}
SCHEMAS = [Classification, Classification.model_json_schema()]


def _asked(case: Case, kind: str) -> bool:
    """Whether a provider can give this answer: only Groq returns what it refused."""
    return case.refused is None or kind.startswith("groq")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("spec", SCHEMAS, ids=["model", "dict"])
@pytest.mark.parametrize(
    ("cases", "expected"),
    [
        (SALVAGEABLE, Outcome(1, "right")),
        (REPAIRABLE, Outcome(2, "right")),
        (HOPELESS, Outcome(3, "error")),
    ],
    ids=["salvageable", "repairable", "hopeless"],
)
def test_bad_answers_end_right_in_the_fewest_calls_or_in_an_error(
    open_client: OpenFace,
    sandbox: Sandbox,
    kind: str,
    spec: Any,
    cases: tuple[Case, ...],
    expected: Outcome,
) -> None:
    face = open_client(kind, **KNOBS)

    def ask() -> object:
        return face.structured("Classify.", spec)

    asked = {
        case.name: outcome(sandbox, ask, case, by_tool=False)
        for case in cases
        if _asked(case, kind)
    }
    assert dict.fromkeys(asked, expected) == asked
