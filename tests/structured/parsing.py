"""What a text is judged to hold, by two schemas that many tests share."""

from __future__ import annotations

from typing import Any

from services.llm.structured import InvalidAnswer, Schema, ValidAnswer, parse_answer

CODE = Schema.of(
    {
        "type": "object",
        "properties": {
            "code": {"type": "string", "pattern": r"^\d{4}\.\d{2}$"},
            "count": {"type": "integer"},
            "note": {"type": "string"},
            "rate": {"type": ["number", "null"]},
        },
        "required": ["code"],
    }
)

LOOSE = Schema.of({"type": "object", "properties": {"code": {"type": "string"}}})

GOOD = {"code": "8471.30"}


def value(text: str, schema: Schema = CODE, **options: Any) -> Any:
    """The value that an answer holds."""
    verdict = parse_answer(text, False, schema, **options)
    assert isinstance(verdict, ValidAnswer), verdict
    return verdict.value


def errors(text: str, schema: Schema = CODE, **options: Any) -> list[str]:
    """The faults of an answer that holds none."""
    verdict = parse_answer(text, False, schema, **options)
    assert isinstance(verdict, InvalidAnswer), verdict
    return [str(error) for error in verdict.errors]
