"""One text, one verdict."""

from __future__ import annotations

import inspect
import sys
from typing import Any

import pytest

from services.llm.structured import InvalidAnswer, Schema, ValidAnswer, Violation, parse_answer
from tests.structured.parsing import CODE, GOOD, LOOSE, errors, value


@pytest.mark.parametrize(
    "text",
    [
        '{"code": "8471.30"}',
        '\ufeff \n{"code": "8471.30"}\n',
        '```json\n{"code": "8471.30"}\n```',
        '~~~\n{"code": "8471.30"}\n~~~',
        '```json\n{"code": "8471.30"}',
        'Here: ```{"code": "8471.30"}```',
        '````md\n```\n{"code": "8471.30"}\n````',
        'Sure! The answer is {"code": "8471.30"}. Anything else?',
        'Use {curly} braces, {x: y} or [a](b): {"code": "8471.30"}',
        '{{"code": "8471.30"}}',
        '{"code": "8471.30",}',
        "{'code': '8471.30'}",
        "{code: '8471.30'}",
        "{“code”: “8471.30”}",
        "{‘code’: ‘8471.30’}",
        '{"code": "8471.30", "count": null}',
        '{"code": "8471.30", "count": NaN}',
        '{"code": "8471.30" // the heading\n}',
        '/* why */ {"code": /* this */ "8471.30"} # done',
        '<think>{"code": "0000.00"}</think>{"code": "8471.30"}',
        'perhaps {"code": "0000.00"}</think>{"code": "8471.30"}',
        '<think>maybe {"code": "0000.00"}, no: {"code": "8471.30"}',
        '<think>no {"code": "0000.00", "count": 1}\n```json\n{"code": "8471.30"}\n```\n',
        '{"code": "8471.30"}<think>or {"code": "0000.00"}',
        '<think>a<think>b</think> {"code": "8471.30"}',
        '<think>a<think>b</think>{"code": "0000.00"}</think>{"code": "8471.30"}',
        '{"code": "8471.30"}<think>a<think>b</think>{"code": "0000.00"}</think>',
        '{"code": "8471.30"}<think>a<thinking>b</thinking>c</think> so be it',
        'x</think>y<think>a</think>{"code": "8471.30"}',
        '<think>a<think>b</think>{"code": "8471.30"}<think>or {"code": "0000.00"}',
        '<think>a<think>b</think>no<think>hm {"code": "8471.30"}',
        '"{\\"code\\": \\"8471.30\\"}"',
        '{\\"code\\": \\"8471.30\\"}',
        '{\\"code\\":\n \\"8471.30\\"}',
        '"\\"{\\\\\\"code\\\\\\": \\\\\\"8471.30\\\\\\"}\\""',
        '{"name": "answer", "arguments": {"code": "8471.30"}}',
        '{"name": "answer", "arguments": "{\\"code\\": \\"8471.30\\"}"}',
        '{"name": "answer", "parameters": {"code": "8471.30"}}',
        '{"tool_calls": [{"function": {"name": "f", "arguments": "{\'code\': \'8471.30\'}"}}]}',
        '{"type": "function", "function": {"name": "f", "arguments": {"code": "8471.30"}}}',
        '<tool_call>\n{"name": "f", "arguments": {"code": "8471.30"}}\n</tool_call>',
        '<function=answer>{"code": "8471.30"}</function>',
        '[TOOL_CALLS] [{"name": "f", "arguments": {"code": "8471.30"}}]',
        'answer(code="8471.30")',
        "[answer(code='8471.30')]",
        '{"result": {"code": "8471.30"}}',
        '{"result": "{\\"code\\": \\"8471.30\\"}"}',
        '[{"code": "8471.30"}]',
        '{"type": "object", "properties": {"code": "8471.30"}}',
        '```json\n{"code": "84\n```\nAgain:\n```json\n{"code": "8471.30"}\n```',
    ],
)
def test_an_answer_in_a_known_disguise_is_found_without_another_call(text: str) -> None:
    assert value(text) == GOOD


def test_of_two_valid_objects_the_later_one_is_the_answer() -> None:
    assert value('First {"code": "1111.11"}. Correction: {"code": "8471.30"}') == GOOD


def test_a_fenced_object_is_preferred_to_one_in_the_prose() -> None:
    text = '```json\n{"code": "8471.30"}\n```\nnot {"code": "1111.11"}'
    assert value(text) == GOOD


def test_an_object_with_more_of_the_declared_properties_is_preferred() -> None:
    text = '{"code": "8471.30", "count": 1} as opposed to {"code": "1111.11"}'
    assert value(text) == {"code": "8471.30", "count": 1}


def test_the_schema_itself_is_no_answer() -> None:
    assert errors(LOOSE.text, LOOSE) == ["$: the answer only repeats the schema"]
    assert value(f'{LOOSE.text}\n{{"code": "x"}}', LOOSE) == {"code": "x"}
    assert value(f'{{"schema": {LOOSE.text}}}', LOOSE) == {"schema": LOOSE.document}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "$: the answer is empty"),
        (" \n", "$: the answer is empty"),
        ("I cannot.", "$: the answer holds no JSON"),
        ("<think>hm", "$: the answer holds no JSON"),
        ('<think>Is it {"code": "8471.30"}? No', "$: the answer holds no JSON"),
        ('{"code": +8471}', "$.code: must be string, not 8471.0"),
        ('{"code": "8471.30", "count": Infinity}', "Infinity"),
        (
            '{"code": oops}',
            "$: the JSON cannot be read: expected a JSON value at character 9, found 'oops}'",
        ),
        ('{"code": "8471.30", "count": 1e999}', "which is beyond any float"),
        ('{"code": "8471.30", "count": ' + "9" * 5000 + "}", "a number of 5000 digits"),
        ('{"code": "\\ud800"}', "$: holds half of a surrogate pair, which is no character"),
        ('{"code": "8471.30", "note": "\ud800"}', "$: holds half of a surrogate pair"),
        ('{"code": NaN}', "$.code: must be string, not null"),
        ('{"code": 8471.30}', "$.code: must be string, not 8471.3"),
    ],
)
def test_an_answer_that_cannot_be_saved_says_why(text: str, message: str) -> None:
    assert message in errors(text)[0]


def test_not_a_number_is_null_where_the_schema_takes_null() -> None:
    assert value('{"code": "8471.30", "rate": NaN}') == {**GOOD, "rate": None}


def test_a_surrogate_pair_in_escapes_is_one_character() -> None:
    assert value('{"code": "8471.30", "note": "\\ud83d\\ude00"}')["note"] == "😀"


def test_a_null_character_is_kept() -> None:
    assert value('{"code": "8471.30", "note": "a\\u0000b"}')["note"] == "a\0b"


@pytest.mark.parametrize("end", range(len('{"code": "8471.30", "note": "a {b} [c]"}')))
def test_no_beginning_of_an_answer_is_an_answer(end: int) -> None:
    cut = '{"code": "8471.30", "note": "a {b} [c]"}'[:end]
    for text in (cut, f"Sure: {cut}", f"```json\n{cut}", cut.replace('"', "'")):
        verdict = parse_answer(text, False, LOOSE)
        assert isinstance(verdict, InvalidAnswer)
        assert verdict.truncated == (end > 0)


@pytest.mark.parametrize("text", ['{\\"code": "x"}', '{\\"code\\": \\"x\\"} "', '{\\"a\\q": 1}'])
def test_a_text_that_is_escaped_in_part_is_no_json(text: str) -> None:
    assert errors(text, LOOSE)


def test_a_fragment_inside_a_broken_answer_is_no_answer() -> None:
    assert errors('{"items": [{"code": "8471.30"}, {"code": "84', LOOSE)
    assert errors('{"items": [{"code": "8471.30"}, oops]}', LOOSE)


@pytest.mark.parametrize(
    ("text", "answered"),
    [
        ('{"code": "8471.30"}', True),
        ('{"code": "8471.30"}\n\n\n\n', True),
        ('{"code": "8471.30"} and', False),
        ('```json\n{"code": "8471.30"}\n```', False),
        ('{"code": "84', False),
    ],
)
def test_an_answer_that_was_cut_off_counts_only_if_it_is_one_closed_value(
    text: str, answered: bool
) -> None:
    verdict = parse_answer(text, True, CODE)
    assert answered == isinstance(verdict, ValidAnswer)
    assert answered or (isinstance(verdict, InvalidAnswer) and verdict.truncated)


def test_a_number_that_was_cut_off_is_no_number() -> None:
    schema = Schema.of({"type": "integer"})
    assert parse_answer("360", False, schema) == ValidAnswer(360)
    cut = Violation("$", "the answer was cut off before its end")
    assert parse_answer("36", True, schema) == InvalidAnswer("36", (cut,), True)


def test_a_faulty_answer_lists_every_fault_with_its_path_and_keeps_the_text() -> None:
    text = '{"code": "x", "count": "many", "note": 1.5}'
    verdict = parse_answer(text, False, CODE)
    assert isinstance(verdict, InvalidAnswer)
    assert (text, False) == (verdict.raw, verdict.truncated)
    assert ["$.code", "$.count", "$.note"] == [error.path for error in verdict.errors]


def test_the_faults_of_an_answer_are_those_that_conversion_leaves() -> None:
    assert errors('{"code": "x", "count": "36"}') == [
        '$.code: must match the pattern ^\\d{4}\\.\\d{2}$, not "x"'
    ]


def test_conversion_can_be_turned_off() -> None:
    text = '{"code": "8471.30", "count": "36"}'
    assert value(text) == {**GOOD, "count": 36}
    assert errors(text, coerce=False) == ['$.count: must be integer, not "36"']


def test_an_answer_in_the_callers_form_passes_where_the_providers_form_was_asked_for() -> None:
    def drop_nulls(answer: Any) -> Any:
        return {k: v for k, v in answer.items() if v is not None}

    assert value('{"code": "8471.30", "rate": null}', restore=drop_nulls) == GOOD
    required = Schema.of({"properties": {"rate": {"type": "null"}}, "required": ["rate"]})
    assert value('{"rate": null}', required, restore=drop_nulls) == {"rate": None}


@pytest.mark.parametrize("text", ['{"code": "a"}\n{"code": "b"}', '"a" {"code": "b"}, {"code": 1}'])
def test_one_of_several_objects_is_no_list(text: str) -> None:
    schema = Schema.of({"type": "array", "items": LOOSE.document})
    assert errors(text, schema)
    assert value('So:\n```\n{"code": "a"}\n```', schema) == [{"code": "a"}]
    assert value('{"code": "a"} or {"value": [{"code": "b"}]}', schema) == [{"code": "b"}]


def test_a_bare_word_answers_for_a_list_of_words() -> None:
    schema = Schema.of({"enum": ["red", "green"]})
    assert value("red", schema) == "red"
    assert value("<think>hm</think>\ngreen", schema) == "green"
    assert errors("blue", schema) == ["$: the answer holds no JSON"]
    assert errors("blue", Schema.of({"type": "string"})) == ["$: the answer holds no JSON"]


def test_a_caller_with_no_stack_left_gets_a_verdict() -> None:
    text = '{"a": ' * 90 + "1" + "}" * 90
    schema = Schema.of({"additionalProperties": {"$ref": "#"}})

    wrong = Schema.of({"type": "object", "additionalProperties": {"$ref": "#"}})

    def descend(frames: int, of: Schema = schema) -> Any:
        return parse_answer(text, False, of) if frames == 0 else descend(frames - 1, of)

    room = sys.getrecursionlimit() - len(inspect.stack(0))
    assert isinstance(descend(room - 400), ValidAnswer)
    # How many frames the C functions of json and jsonschema count differs by interpreter, and 3.12
    # counts none: there the smallest remainder still holds what runs out in Python itself.
    for left in range(30, 240, 10):  # runs out of stack in every step of the way
        verdict = descend(room - left)
        assert isinstance(verdict, ValidAnswer) or "nested too deeply" in str(verdict.errors[0])
        # What is wrong is converted and explained, which goes as deep.
        assert isinstance(descend(room - left, wrong), InvalidAnswer)
