"""Megabytes built to be slow: each of these would run for hours if any step were quadratic."""

from __future__ import annotations

import json
from typing import Any

import pytest

from services.llm.structured import (
    InvalidAnswer,
    Rewritten,
    Schema,
    Target,
    Unrewritable,
    ValidAnswer,
    parse_answer,
    rewrite,
)
from tests.conftest import FEWER

SCHEMA = Schema.of(
    {
        "type": "object",
        "properties": {
            "a": {"type": "string"},
            "l": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["a"],
    }
)
#: A part of a megabyte takes hours, too, where the work grows too fast.
MB = 1_000_000 // FEWER


@pytest.mark.parametrize(
    ("unit", "head", "tail"),
    [
        ("{", "", ""),
        ("[", "", ""),
        ('{"', "", ""),
        ("{'", "", ""),
        ("{“", "", ""),
        ('{"a":', "", ""),
        ("{a:", "", ""),
        ("{ ", "", ""),
        (" ", "{", "x"),
        ("a", "{", "{"),
        ("{//", "", ""),
        ("{/*", "", ""),
        ("{#", "", ""),
        ('\\"', '{"', ""),
        ("\\", '{"a": "', ""),
        ("\\", "{'a': \\'", "'}"),
        ('x" ', '{"a": "', '"}'),
        ('" ', '{"a": "', '"}'),
        ('"#', '{"a": "', ""),
        ('"/*', '{"a": "', '"}'),
        ("<think>", "", ""),
        ("<think>", "", "</thinking>"),
        ("</think>", "", ""),
        ("```\n", "", ""),
        ("```\n{\n", "", ""),
        ("9", '{"a": ', "}"),
        ("9", '{"a": ', "x}"),
        ("9", "[1e", "]"),
        ("f(", "", ""),
        ("f(a=", "", ""),
        ("\ud800", '{"a": "', '"}'),
        ("\\ud800", '{"a": "', '"}'),
        ("[1] ", "", ""),
        ('{"l":1} ', "", ""),
        ('{"b": [', "", ""),
    ],
)
def test_a_megabyte_of_anything_ends_in_a_short_error(unit: str, head: str, tail: str) -> None:
    times = MB // len(unit) | 1  # quotes in an odd number stay open
    verdict = parse_answer(head + unit * times + tail, False, SCHEMA)
    errors = verdict.errors if isinstance(verdict, InvalidAnswer) else ()
    assert 0 < sum(len(str(error)) for error in errors) < 5_000


@pytest.mark.parametrize("wrap", ["{}", "so: {} there", "```json\n{}\n```", "<think>x</think>{}"])
@pytest.mark.parametrize("ending", ["}", ",}"])
def test_a_megabyte_of_answer_is_read(wrap: str, ending: str) -> None:
    answer = {"a": "x" * (MB // 2), "l": ["abc"] * 20_000}
    text = wrap.replace("{}", json.dumps(answer)[:-1] + ending)
    found = parse_answer(text, False, SCHEMA) == ValidAnswer(
        answer
    )  # a failing assert would print it all
    assert found


def test_half_a_million_blocks_of_reasoning_are_left_out() -> None:
    text = "<think></think>" * 500_000 + '{"a": "x"}'
    assert parse_answer(text, False, SCHEMA) == ValidAnswer({"a": "x"})


def test_of_a_hundred_thousand_values_the_last_ones_count() -> None:
    text = '{"a": "early"}' + "[1] " * 100_000 + '{"a": "x"}' + '{"l": ["y"]} ' * 63
    assert parse_answer(text, False, SCHEMA) == ValidAnswer({"a": "x"})


def test_two_thousand_properties_are_no_burden() -> None:
    names = [f"p{i}" for i in range(2_000)]
    spec = {
        "type": "object",
        "properties": {name: {"type": "string", "minLength": 1} for name in names},
        "additionalProperties": False,
    }
    schema = Schema.of({**spec, "required": names})
    for target in Target:
        rewritten = rewrite(schema, target)
        assert isinstance(rewritten, Rewritten)
        answer = dict.fromkeys(names, "x")
        assert parse_answer(
            json.dumps(answer), False, schema, restore=rewritten.restore
        ) == ValidAnswer(answer)
    wrong = parse_answer(json.dumps({f"q{i}": "y" * 100 for i in range(9_000)}), False, schema)
    assert isinstance(wrong, InvalidAnswer)
    assert len(wrong.errors) == 20


def test_one_schema_for_each_of_many_properties_is_no_burden() -> None:
    parts = [{"properties": {f"p{i}": {"type": "integer"}}} for i in range(9_000)]
    schema = Schema.of({"type": "object", "allOf": parts})
    answer = dict.fromkeys((f"p{i}" for i in range(9_000)), 1)
    found = parse_answer(json.dumps(dict.fromkeys(answer, "1")), False, schema) == ValidAnswer(
        answer
    )
    assert found  # a failing comparison would print it all
    assert parse_answer(json.dumps(dict.fromkeys(answer)), False, schema) == ValidAnswer({})
    wrong = parse_answer(json.dumps({**answer, "p8999": "x"}), False, schema)
    assert isinstance(wrong, InvalidAnswer)
    assert ["$.p8999"] == [error.path for error in wrong.errors]


@pytest.mark.parametrize("pattern", ["^(a+)+$", r"^(a*)*\1$", "^(?=(a+)+b)(a|aa)+$"])
def test_a_catastrophic_pattern_is_given_up_on(pattern: str) -> None:
    schema = Schema.of({"type": "array", "items": {"type": "string", "pattern": pattern}})
    verdict = parse_answer(json.dumps(["a" * 50_000 + "!"] * 20), False, schema)
    assert isinstance(verdict, InvalidAnswer)


@pytest.mark.parametrize("pattern", ["(?=a)(a+)+$", r"(?:(a+)+\b)+$"])
def test_an_assertion_at_each_of_many_places_is_given_up_on(pattern: str) -> None:
    schema = Schema.of({"properties": {"a": {"pattern": pattern}}, "required": ["a"]})
    verdict = parse_answer(json.dumps({"a": "a" * (MB // 16) + "!"}), False, schema)
    assert isinstance(verdict, InvalidAnswer)


def test_patterns_with_assertions_search_long_texts_all_the_same() -> None:
    members = {"a": {"pattern": r"(?<!\d)\d{4}(?!\d)"}, "b": {"pattern": r"^(?!.*--)[a-z-]+$"}}
    schema = Schema.of({"patternProperties": {r"\bx\b": False}, "properties": members})
    for answer in ({"a": "12345 " * 1_000 + "1234"}, {"b": "ab-" * 100_000}):
        found = parse_answer(json.dumps(answer), False, schema) == ValidAnswer(answer)
        assert found  # a failing comparison would print it all


@pytest.mark.parametrize("keyword", ["anyOf", "oneOf", "allOf"])
def test_recursive_alternatives_do_not_multiply(keyword: str) -> None:
    branch = {"type": "object", "properties": {"c": {"$ref": "#/$defs/n"}}}
    parts = [{**branch, "required": ["x"]}, {**branch, "required": ["y"]}]
    schema = Schema.of({"$ref": "#/$defs/n", "$defs": {"n": {keyword: parts}}})
    assert isinstance(parse_answer('{"c":' * 90 + "{}" + "}" * 90, False, schema), InvalidAnswer)
    assert isinstance(rewrite(schema, Target.GROQ_STRICT), Unrewritable)


def test_a_recursive_union_maps_back_in_linear_time() -> None:
    def tagged(tag: str) -> dict[str, Any]:
        properties = {
            "kind": {"const": tag},
            "child": {"$ref": "#/$defs/n"},
            "note": {"type": "string"},
        }
        return {"type": "object", "properties": properties, "required": ["kind"]}

    schema = Schema.of({"$ref": "#/$defs/n", "$defs": {"n": {"anyOf": [tagged("a"), tagged("b")]}}})
    rewritten = rewrite(schema, Target.GROQ_STRICT)
    assert isinstance(rewritten, Rewritten)
    value: Any = None
    expected: Any = None
    for _ in range(45):
        value = {"kind": "b", "child": value, "note": None}
        expected = {"kind": "b"} if expected is None else {"kind": "b", "child": expected}
    verdict = parse_answer(json.dumps({"value": value}), False, schema, restore=rewritten.restore)
    assert verdict == ValidAnswer(expected)
