"""Snapshots of an answer that comes in pieces: each extends the last, and the whole extends all."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.llm.structured import (
    PartialAnswer,
    Rewritten,
    Schema,
    Target,
    ValidAnswer,
    extends,
    parse_answer,
    rewrite,
)
from services.llm.structured.open_json import OpenJson
from tests.conftest import FEWER
from tests.structured.strategies import JSON_VALUES, asked, to_provider

GOODS = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "pieces": {"type": "integer"},
        "kind": {"enum": ["chair", "table"]},
        "tags": {"type": "array", "items": {"type": "string"}},
        "maker": {"anyOf": [{"$ref": "#/$defs/Maker"}, {"type": "null"}]},
        "is_new": {"type": "boolean"},
    },
    "required": ["name"],
    "$defs": {"Maker": {"type": "object", "properties": {"city": {"type": "string"}}}},
}


ANY = {"type": "object", "properties": {"a": True, "b": {"type": "array", "items": True}}}


def snapshots(
    text: str, schema: Any = GOODS, size: int = 1, is_wrapped: bool = False, coerce: bool = True
) -> Iterator[Any]:
    """All snapshots of *text* that comes in pieces of this size."""
    partial = PartialAnswer(Schema.of(schema), is_wrapped=is_wrapped, coerce=coerce)
    for start in range(0, len(text), size):
        if (shown := partial.add(text[start : start + size])) is not None:
            yield json.loads(json.dumps(shown))
            shown.clear() if isinstance(shown, (dict, list)) else None  # as a reader may


def test_strings_grow_and_all_else_comes_whole() -> None:
    text = '{"name": "oak", "pieces": 12, "kind": "chair", "is_new": true, "tags": 1}'
    assert [
        {"name": ""},
        {"name": "o"},
        {"name": "oa"},
        {"name": "oak"},
        {"name": "oak", "pieces": 12},
        {"name": "oak", "pieces": 12, "kind": "chair"},
        {"name": "oak", "pieces": 12, "kind": "chair", "is_new": True},
    ] == list(snapshots(text))


def test_an_item_that_is_not_whole_is_shown_when_it_can_be_nothing_else() -> None:
    schema = {"type": "object", "properties": {"kinds": {"items": {"enum": ["chair", "table"]}}}}
    text = '{"kinds": ["chair", "table"]}'
    expected = [{"kinds": kinds} for kinds in ([], ["chair"], ["chair", "table"])]
    assert expected == list(snapshots(text, schema))


def test_a_member_that_may_yet_be_one_of_two_is_not_shown_before_it_is_whole() -> None:
    one, other = ({"type": "object", "required": [name]} for name in "ab")
    schema = {"type": "object", "properties": {"it": {"anyOf": [one, other]}}}
    assert [{"it": {"b": "x"}}] == list(snapshots('{"it": {"b": "x"}}', schema))


def test_lists_and_members_grow() -> None:
    text = '{"tags": ["a", "b"], "maker": {"city": "Ro"}}'
    assert [
        {"tags": []},
        {"tags": [""]},
        {"tags": ["a"]},
        {"tags": ["a", ""]},
        {"tags": ["a", "b"]},
        {"tags": ["a", "b"], "maker": {}},
        {"tags": ["a", "b"], "maker": {"city": ""}},
        {"tags": ["a", "b"], "maker": {"city": "R"}},
        {"tags": ["a", "b"], "maker": {"city": "Ro"}},
    ] == list(snapshots(text))


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        # What is converted is not shown before it is whole.
        ('{"pieces": "36", "name": "a"}', {"pieces": 36}, {"pieces": 36, "name": "a"}),
        ('{"is_new": "true", "name": "a"}', {"is_new": True}, {"is_new": True, "name": "a"}),
        ('{"tags": "oak", "name": "a"}', {"tags": ["oak"]}, {"tags": ["oak"], "name": "a"}),
        # Null may mean absence.
        ('{"maker": null, "name": "a"}', {"name": ""}, {"name": "a"}),
        ('{"pieces": {"a": 1}, "name": "a"}', {"name": ""}, {"name": "a"}),
    ],
)
def test_what_the_whole_answer_might_take_back_is_not_shown(
    text: str, first: Any, last: Any
) -> None:
    shown = list(snapshots(text))
    assert (first, last) == (shown[0], shown[-1])


@pytest.mark.parametrize(
    "before",
    ["", "\ufeff \n", "```json\n", "Here it is:\n```json\n", "<think>{hm}</think>\n", "```\n"],
)
def test_an_answer_begins_after_thoughts_words_and_a_fence(before: str) -> None:
    shown = list(snapshots(f'{before}{{"name": "oak" }}\n```', size=3))
    assert {"name": "oak"} == shown[-1]


@pytest.mark.parametrize(
    "text",
    [
        "There is none.",
        '{"answer": {"name": "oak"}}',  # a wrapper is no part of the answer
        "{name: 'oak'}",
        "[" * 200,
        "Words {with} brackets, and more {words}: " * 60 + '{"name": "oak"}',
        '{"name": "\\ud800 alone"}',
    ],
)
def test_what_is_in_doubt_is_shown_at_the_end_alone(text: str) -> None:
    assert all(shown == {"name": ""} for shown in snapshots(text, size=4))


def test_what_the_schema_leaves_open_is_shown() -> None:
    shown = list(snapshots('{"a": {"x": "y", "z": 1}, "b": [{"c": "d"}], "e": 1}', ANY, size=9))
    assert {"a": {"x": "y", "z": 1}, "b": [{"c": "d"}]} == shown[-1]


def test_a_wrapped_root_is_shown_without_its_wrapper() -> None:
    words = {"type": "array", "items": {"type": "string"}}
    shown = list(snapshots('{"value": ["a", "b"]}', words, is_wrapped=True))
    assert [[""], ["a"], ["a", ""], ["a", "b"]] == shown
    assert [["a"]] == list(snapshots('["a" ]', words, size=5, is_wrapped=True))
    text = list(snapshots('{"value": "hi"}', {"type": "string"}, is_wrapped=True))
    assert ["h", "hi"] == text


def test_a_long_answer_is_not_read_again_at_every_piece() -> None:
    text = json.dumps({"name": "x" * 20_000})
    shown = list(snapshots(text))
    assert 100 < len(shown) < 1_000
    assert shown[-1]["name"].startswith("x" * 19_000)


def test_each_part_of_a_long_answer_is_looked_at_a_few_times_only() -> None:
    schema = {"type": "object", "properties": {"tags": {"type": "array", "items": {}}}}
    steps = {}
    for items in (500, 2_000):
        answer = PartialAnswer(Schema.of(schema), is_wrapped=False, coerce=True)
        for character in json.dumps({"tags": [{"a": "b"}] * items}):
            answer.add(character)
        steps[items] = answer._view._coercion.deadline.steps
    assert 500 < steps[500] < 4_000
    assert steps[2_000] < 5 * steps[500]


def test_a_name_that_is_given_twice_is_no_more_than_a_contradiction() -> None:
    text = '{"a": {"b": 1}, "a": [1, 2], "b": [3]}'
    assert [{"a": {}}, {"a": {"b": 1}}] == list(snapshots(text, ANY))


@settings(max_examples=50 // FEWER)
@given(
    JSON_VALUES.filter(lambda value: isinstance(value, (dict, list))),
    st.integers(1, 7),
    st.booleans(),
)
def test_any_beginning_of_json_can_be_closed(value: Any, size: int, ascii: bool) -> None:
    text, opened = json.dumps(value, ensure_ascii=ascii), OpenJson()
    for start in range(0, len(text), size):
        opened.add(text[start : start + size])
        json.loads(opened.closed())
    assert (value, 0) == (json.loads(opened.closed()), opened.levels)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (r'["\\', "\\"),
        (r'["a\u00e', "a"),
        ('["a\\', "a"),
        (r'["a\ud83d', "a"),
        (r'["a\ud83d\u', "a"),
        (r'["a\ud83d\ude00', "a\U0001f600"),
        ('["\\\\ud83d\\', "\\ud83d"),
    ],
)
def test_an_escape_is_read_once_it_is_whole(text: str, read: str) -> None:
    opened = OpenJson()
    opened.add(text)
    assert [read] == json.loads(opened.closed())


@settings(max_examples=30 // FEWER)
@given(asked(), st.integers(1, 9), st.booleans(), st.booleans())
def test_snapshots_only_grow_up_to_the_whole_answer(
    pair: Any, size: int, ascii: bool, coerce: bool
) -> None:
    document, value = pair
    schema = Schema.of(document)
    for target in (Target.GROQ_STRICT, Target.BEDROCK_TEXT_FORMAT, Target.PROMPT):
        form = rewrite(schema, target)
        if not isinstance(form, Rewritten):
            continue
        written = to_provider(form.schema, {"value": value} if form.is_wrapped else value)
        text = json.dumps(written, ensure_ascii=ascii)
        whole = parse_answer(text, False, schema, coerce=coerce, restore=form.restore)
        shown = [*snapshots(text, document, size, form.is_wrapped, coerce)]
        assert isinstance(whole, ValidAnswer)
        for earlier, later in itertools.pairwise([*shown, whole.json_value]):
            assert extends(later, earlier)
        assert all(one != other for one, other in itertools.pairwise(shown))


@settings(max_examples=30 // FEWER)
@given(asked(), st.integers(1, 9), st.booleans())
def test_what_was_taken_over_is_what_would_be_read_anew(pair: Any, size: int, coerce: bool) -> None:
    schema, text = Schema.of(pair[0]), json.dumps(pair[1])
    partial = PartialAnswer(schema, is_wrapped=False, coerce=coerce)
    last = None, 0
    for end in range(size, len(text) + size, size):
        if (shown := partial.add(text[end - size : end])) is not None:
            last = shown, end
    anew = PartialAnswer(schema, is_wrapped=False, coerce=coerce)
    assert last[0] == anew.add(text[: last[1]])


@pytest.mark.parametrize(
    ("later", "earlier", "does"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, True),
        ({"b": 2}, {"a": 1}, False),
        ([1, 2], [1], True),
        ([2], [1], False),
        ([], [1], False),
        ("ab", "a", True),
        ("b", "a", False),
        (1, 1.0, True),
        (True, 1, False),
        ([], {}, False),
        (0, None, True),
    ],
)
def test_extending_is_told_from_changing(later: Any, earlier: Any, does: bool) -> None:
    assert does is extends(later, earlier)


@pytest.mark.parametrize(
    ("text", "closed", "levels"),
    [
        ("", "", 0),
        ("tru", "", 0),
        ("[", "[]", 1),
        ('{"a": 1', "{}", 1),
        ('{"a": 1,', '{"a": 1}', 1),
        ('{"a": 1 }', '{"a": 1 }', 0),
        ('{"a"', "{}", 1),
        ('{"a":', "{}", 1),
        ('{"a": "x', '{"a": "x"}', 2),
        ('{"a": "x"', '{"a": "x"}', 1),
        ('{"a": "x", "b', '{"a": "x"}', 1),
        ('{"a": ["x"', '{"a": ["x"]}', 2),
        ('[{"a": {}, "b": [1, {', '[{"a": {}, "b": [1, {}]}]', 4),
        ('["x", "y', '["x", "y"]', 2),
        ('["\\', '[""]', 2),
        ('["\\"', '["\\""]', 2),
        ('["a\\u12', '["a"]', 2),
        ('["a\\ud83d', '["a"]', 2),
        ('["a\\ud83d\\ude', '["a"]', 2),
        ('["a\\ud83d\\ude00', '["a\\ud83d\\ude00"]', 2),
        ('["a\\nb', '["a\\nb"]', 2),
    ],
)
def test_what_is_open_is_closed_and_what_has_only_begun_is_left_out(
    text: str, closed: str, levels: int
) -> None:
    whole, by_character = OpenJson(), OpenJson()
    whole.add(text)
    for character in text:
        by_character.closed()
        by_character.add(character)
    assert (closed, levels) == (whole.closed(), whole.levels)
    assert (closed, levels) == (by_character.closed(), by_character.levels)


@pytest.mark.parametrize(
    ("later", "earlier", "does"),
    [
        ("a", 1, False),
        (1, "a", False),
        ([1, 2, 3], [1, 2], True),
        ([0, 2, 3], [1, 2], False),
        ([1, 0, 3], [1, 2, 3], False),
        ([[1], [2, 3]], [[1], [2]], True),
        ([[1, 4], [2, 3]], [[1], [2]], True),
        ([[0], [2, 3]], [[1], [2]], False),
        ({"a": [1, 2]}, {"a": [1]}, True),
    ],
)
def test_a_list_extends_another_item_by_item(later: Any, earlier: Any, does: bool) -> None:
    assert does is extends(later, earlier)


def test_members_beside_an_answer_in_its_wrapper_are_no_part_of_it() -> None:
    words = {"type": "array", "items": {"type": "string"}}
    text = '{"note": "x", "value": ["a", "b"], "more": 1}'
    assert [["a"], ["a", "b"]] == list(snapshots(text, words, is_wrapped=True, size=9))


def test_integers_and_numbers_are_shown_as_their_schema_takes_them() -> None:
    schema = {
        "allOf": [{"type": "object", "properties": {"n": {"type": "integer"}}}],
        "properties": {"x": {"type": "number"}},
    }
    shown = list(snapshots('{"n": 1.0, "x": 1.5, "n": 1.5}', schema, size=30, coerce=False))
    assert [] == shown
    assert [{"n": 1.0}] == list(snapshots('{"n": 1.0, "x"', schema, size=30, coerce=False))
    assert [] == list(snapshots('{"n": 1.5, "x"', schema, size=30, coerce=False))
