"""What a model wraps around its answer, and what only looks like a wrapper."""

from __future__ import annotations

import json
from typing import Any

import pytest

from services.llm.structured import Schema
from services.llm.structured.unwrap import views
from tests.structured.parsing import GOOD, LOOSE, errors, value


@pytest.mark.parametrize(
    "text",
    [
        '{"code": "x"} {}',
        '{"name": "f", "arguments": {"code": "x"}}',
        '{"result": {"code": "x"}}',
        '{"properties": {"code": "x"}, "type": "object"}',
    ],
)
def test_a_schema_that_requires_nothing_still_gives_the_object_with_its_properties(
    text: str,
) -> None:
    assert value(text, LOOSE) == {"code": "x"}


def test_a_wrapper_that_the_schema_declares_is_the_answer_itself() -> None:
    schema = Schema.of(
        {"type": "object", "properties": {"name": {}, "arguments": {"type": "object"}}}
    )
    text = '{"name": "f", "arguments": {"name": "g"}}'
    assert value(text, schema) == {"name": "f", "arguments": {"name": "g"}}


def test_the_name_in_a_tool_call_is_the_tools_and_not_the_answers() -> None:
    schema = Schema.of({"properties": {"name": {"type": "string"}}, "required": ["name"]})
    assert value('{"name": "tool", "arguments": {"name": "Ada"}}', schema) == {"name": "Ada"}
    assert errors('{"name": "tool", "arguments": {"foo": "bar"}}', schema) == [
        "$.name: is required, but missing"
    ]
    kept = {"name": "Ada", "arguments": [1]}
    assert value('{"name": "Ada", "arguments": [1]}', schema) == kept


def test_a_wrapper_around_a_wrong_object_is_a_fault_of_the_object() -> None:
    assert errors('{"result": {"code": 5.5}}', LOOSE) == ["$.code: must be string, not 5.5"]


def test_an_answer_without_declared_properties_is_taken_as_it_stands() -> None:
    assert value('{"other": 1}', LOOSE) == {"other": 1}


@pytest.mark.parametrize("extra", ["input", "args"])
def test_a_text_is_no_payload_of_a_tool_call(extra: str) -> None:
    schema = Schema.of({"properties": {"name": {"type": "string"}}, "required": ["name"]})
    assert value(json.dumps({"name": "Ada", extra: "a b"}), schema) == {"name": "Ada", extra: "a b"}


def test_wrappers_are_opened_to_a_depth_and_no_further() -> None:
    text = '{"code": "8471.30"}'
    for _ in range(10):
        text = f'{{"result": {text}}}'
    assert value(text) == GOOD
    for _ in range(10):
        text = f'{{"result": {text}}}'
    assert errors(text) == ["$.code: is required, but missing"]


def test_a_wrapped_text_that_only_looks_like_json_stays_a_text() -> None:
    assert errors('{"result": "{hello}"}') == ["$.code: is required, but missing"]


ANSWER = {"a": 1}
TWO = {"name": "f", "arguments": ANSWER, "input": {"b": 2}}


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        ("x", ["x"]),
        ({"a": {"b": 1}}, [{"a": {"b": 1}}]),
        ({"x": ANSWER, "y": 2}, [{"x": ANSWER, "y": 2}]),
        ({"x": ANSWER}, [{"x": ANSWER}, ANSWER]),
        ({"x": "a b"}, [{"x": "a b"}]),
        ({"function": ANSWER}, [{"function": ANSWER}, ANSWER]),
        ({"name": "f", "arguments": ANSWER}, [ANSWER]),
        ({"name": "f", "arguments": '{"a": 1}'}, [ANSWER]),
        ({"name": "f", "arguments": ANSWER, "input": "a b"}, [ANSWER]),
        (TWO, [TWO]),
    ],
    ids=range(10),
)
def test_a_value_and_what_it_wraps_are_seen_once_the_outermost_first(
    given: Any, seen: list[Any]
) -> None:
    assert seen == list(views(given, frozenset({"a"})))
