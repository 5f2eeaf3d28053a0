from __future__ import annotations

import json

from services.llm.structured import Schema, Violation, instructions, repair_message


def test_the_instructions_name_json_and_hold_the_schema_in_compact_form() -> None:
    schema = Schema.of({"type": "object", "properties": {"ü": {"type": "string"}}})
    words = instructions(schema.document)
    assert "JSON" in words
    assert words.endswith(schema.text)
    assert json.loads(words[words.index("{") :]) == schema.document


def test_a_repair_message_lists_every_error_by_its_path() -> None:
    message = repair_message(
        [Violation("$.a", "is required, but missing"), Violation("$[0]", "is odd")]
    )
    assert "- $.a: is required, but missing\n- $[0]: is odd\n" in message
    assert "JSON" in message


def test_a_repair_message_has_a_bound_and_counts_what_does_not_fit() -> None:
    message = repair_message([Violation(f"$.a{i}", "x" * 300) for i in range(100)])
    assert len(message) <= 6_000
    assert "- and 83 more\n" in message
