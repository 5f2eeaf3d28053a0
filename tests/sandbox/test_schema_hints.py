"""What a description asks for is done, as a model would do it."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.schema.example import example
from sandbox.schema.hints import with_hints


@pytest.mark.parametrize(
    ("description", "keywords"),
    [
        (r"(pattern: ^\d{4}\.\d{2}$)", {"pattern": r"^\d{4}\.\d{2}$"}),
        ("A share. (minimum: 0; maximum: 1)", {"minimum": 0, "maximum": 1}),
        ("(pattern: ^(a; b)$; maxLength: 9)", {"pattern": "^(a; b)$", "maxLength": 9}),
        ("(minimum: some)", {}),
        ("(of the tariff)", {}),
        ("", {}),
    ],
)
def test_hints_become_keywords(description: str, keywords: dict[str, Any]) -> None:
    node = {"type": "string", "description": description}
    assert {"items": [{**node, **keywords}]} == with_hints({"items": [node]})


def test_a_keyword_that_is_there_wins() -> None:
    node = {"minimum": 5, "description": "(minimum: 1)"}
    assert node == with_hints(node)


def test_an_answer_heeds_its_description() -> None:
    value = example({"type": "string", "description": r"(pattern: ^\d{4}\.\d{2}$)"})
    assert "1111.11" == value


def test_hints_that_cannot_be_followed_are_let_be() -> None:
    assert isinstance(example({"type": "string", "description": "(pattern: ^[)"}), str)


def test_a_description_inside_a_value_is_no_hint() -> None:
    schema = {"enum": [{"description": "(minimum: 1)"}], "default": {"description": "(format: x)"}}
    assert schema == with_hints(schema)
