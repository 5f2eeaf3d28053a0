from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.llm.structured import InvalidAnswer, Schema, ValidAnswer, parse_answer
from services.llm.structured.numbers import UnreadableError
from services.llm.structured.tolerant import parse_strict, parse_tolerant
from tests.conftest import FEWER
from tests.structured.strategies import JSON_VALUES, asked

SCHEMAS = [
    Schema.of({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}),
    Schema.of({"type": "array", "items": {"type": "integer"}}),
    Schema.of({"anyOf": [{"type": "integer"}, {"$ref": "#"}]}),
    Schema.of({}),
]
MARKS = [
    *("{", "}", "[", "]", '"', "'", "“", "”", ":", ",", "\\", "\n", " ", "//", "/*", "*/", "#"),
    *("<think>", "</think>", "```json\n", "```\n", "a", '"a"', "1", "-", "1e9", ".5", "null", "="),
    *(
        "True",
        "NaN",
        '{"a":',
        "f(",
        ")",
        "\\u12",
        "\\ud800",
        "\ud800",
        "\0",
        '"arguments"',
        '"name"',
    ),
]


def check(text: str) -> None:
    for schema in SCHEMAS:
        for cut in (False, True):
            verdict = parse_answer(text, cut, schema)
            if isinstance(verdict, ValidAnswer):
                assert schema.accepts(verdict.value)
                json.dumps(verdict.value, allow_nan=False, ensure_ascii=False).encode()
            else:
                assert verdict.raw == text
                assert 1 <= len(verdict.errors) <= 20
                assert all(len(error.message) <= 400 for error in verdict.errors)
                str(verdict.errors).encode()


@settings(max_examples=100 // FEWER, deadline=None)
@given(st.text())
def test_any_text_gives_a_valid_value_or_a_reason(text: str) -> None:
    check(text)


@settings(max_examples=200 // FEWER, deadline=None)
@given(st.lists(st.sampled_from(MARKS), max_size=30).map("".join))
def test_any_jumble_of_marks_gives_a_valid_value_or_a_reason(text: str) -> None:
    check(text)


@settings(max_examples=100 // FEWER, deadline=None)
@given(st.binary())
def test_any_bytes_give_a_valid_value_or_a_reason(raw: bytes) -> None:
    check(raw.decode("utf-8", "surrogateescape"))
    check(raw.decode("latin-1"))


@settings(max_examples=100 // FEWER, deadline=None)
@given(asked(), st.sampled_from(["{}", "x {} y", "```json\n{}\n```", "<think>hm</think>{}"]))
def test_any_valid_answer_is_found_in_its_disguise(
    pair: tuple[dict[str, Any], Any], disguise: str
) -> None:
    document, value = pair
    schema = Schema.of(
        {
            "type": "object",
            "properties": {"answer": {k: v for k, v in document.items() if k != "$defs"}},
            "required": ["answer"],
            "$defs": document["$defs"],
        }
    )
    text = disguise.replace("{}", json.dumps({"answer": value}))
    verdict = parse_answer(text, False, schema, coerce=False)
    assert verdict == ValidAnswer({"answer": value})


@settings(max_examples=200 // FEWER, deadline=None)
@given(JSON_VALUES)
def test_the_tolerant_reader_reads_every_json_as_it_is(value: Any) -> None:
    for text in (json.dumps(value), json.dumps(value, indent=1, ensure_ascii=False)):
        assert (
            json.dumps(parse_tolerant(text)) == json.dumps(parse_strict(text)) == json.dumps(value)
        )


@settings(max_examples=200 // FEWER, deadline=None)
@given(JSON_VALUES, st.data())
def test_the_tolerant_reader_reads_no_beginning_of_a_value(value: Any, data: st.DataObject) -> None:
    text = json.dumps({"a": value})
    end = data.draw(st.integers(0, len(text) - 1))
    with pytest.raises(UnreadableError):
        parse_tolerant(text[:end])


@settings(max_examples=200 // FEWER, deadline=None)
@given(JSON_VALUES)
def test_the_tolerant_reader_reads_python_or_refuses_it(value: Any) -> None:
    try:
        assert parse_tolerant(repr(value)) == value
    except UnreadableError:  # a string whose quotes or escapes could be read in two ways
        assert "'" in repr(value) or '"' in repr(value)


@settings(max_examples=200 // FEWER, deadline=None)
@given(st.dictionaries(st.text("ab", min_size=1), st.text("xy\"',:{}[]\\ \n"), max_size=4))
def test_mending_never_changes_what_a_string_says(value: dict[str, str]) -> None:
    text = json.dumps(value)[:-1] + ",}"
    assert parse_tolerant(text) == value if value else True
    verdict = parse_answer(text, False, Schema.of({"type": "object"}))
    assert isinstance(verdict, InvalidAnswer if not value else ValidAnswer)
