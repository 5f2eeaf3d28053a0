from __future__ import annotations

import inspect
import sys
from typing import Any

import pytest

from services.llm.structured.numbers import UnreadableError
from services.llm.structured.tolerant import parse_strict, parse_tolerant


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1,}', {"a": 1}),
        ("[1, 2,]", [1, 2]),
        ("{a: 1, $b-c: 2}", {"a": 1, "$b-c": 2}),
        ("{'a': 'it\\'s \"so\"'}", {"a": 'it\'s "so"'}),
        ("{“a”: “b 'c' \"d\"”}", {"a": "b 'c' \"d\""}),
        ("{‘a’: ‘it’s so {’}", {"a": "it’s so {"}),
        ("{'a': 'the importer's, and it's', 'b': 1}", {"a": "the importer's, and it's", "b": 1}),
        ('{"a": True, "b": False, "c": None}', {"a": True, "b": False, "c": None}),
        ("[NaN, nan, -NaN]", [None, None, None]),
        ("[+1, .5, 5., -0.5e3, 1E2]", [1, 0.5, 5.0, -500.0, 100.0]),
        ('{"a": 1 // one\n, /* two */ "b": 2 # three\n}', {"a": 1, "b": 2}),
        ('{"a": "x" // last\n}', {"a": "x"}),
        ('{"a": "x"\n "b": 2\n}', {"a": "x", "b": 2}),
        ('{"a": 1\n "b": 2}', {"a": 1, "b": 2}),
        ('{"a": "one\ntwo\tthree"}', {"a": "one\ntwo\tthree"}),
        ('{"a": "\\u0041\\n\\/"}', {"a": "A\n/"}),
        ('{"a": "\\d{4} C:\\Programs"}', {"a": "\\d{4} C:\\Programs"}),
        ('{"a": "he said "yes" to me", "b": 1}', {"a": 'he said "yes" to me', "b": 1}),
        ('{"a": "he said "yes""}', {"a": 'he said "yes"'}),
        ('{"a": 1, "a": 2}', {"a": 2}),
        ('{"a": [], "a": [2]}', {"a": [2]}),
        ("[+9007199254740991]", [9007199254740991.0]),
        ("[9007199254740992.0, 1e22, 0.9007199254740993]", [2.0**53, 1e22, 0.9007199254740993]),
        ("f(x=1, y='b')", {"name": "f", "arguments": {"x": 1, "y": "b"}}),
        ("[]", []),
        ("12345678901234567890123", 12345678901234567890123),
    ],
)
def test_a_misspelling_with_one_meaning_is_read(text: str, value: Any) -> None:
    assert parse_tolerant(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"a',
        '{"a": "x',
        '{"a": "x\\',
        '{"a": "x\\"}',
        "[1",
        '{"a": tru}',
        '{"a": undefined}',
        '{"a": ...}',
        '{"a": 0012}',
        '{"a": 1.2.3}',
        '{"a": 1 2}',
        '{"a": 1,, "b": 2}',
        "{,}",
        '{"a" 1}',
        '{"a": 1} x',
        '{"a": "x" "b": 1}',
        '["a" "b"]',
        '["a""b"]',
        '{"a": """x"""}',
        '{"a": "5" pipe"}',
        '["I said "yes", "no" and left"]',
        '{"a": "one" : "two"}',
        "{'a': 'the importers' duty'}",
        "{'a': 'it's, 'b': 'c'}",
        "[+9007199254740993]",
        "[+9007199254740992]",
        "[9007199254740993.0]",
        "[-9007199254740993.]",
        "[" + "9" * 4301 + ".0]",
        "[Infinity]",
        "[-inf]",
        '{"a": "\\_"}',
        '{"a": "\\x41"}',
        '{"a": "\\u12"}',
        '{"a": 1e999}',
        "[-" + "1" * 4301 + "]",
        "[" * 101 + "]" * 101,
        "f(x: 1)",
        "f(x=1",
        "/* never closed",
    ],
)
def test_what_has_two_meanings_or_no_end_is_refused(text: str) -> None:
    with pytest.raises(UnreadableError):
        parse_tolerant(text)


def test_a_refusal_says_what_was_expected_where_and_what_stood_there() -> None:
    with pytest.raises(
        UnreadableError, match=r"expected ':' after a key at character 5, found '1}'"
    ):
        parse_tolerant('{"a" 1}')


def test_the_strict_reader_takes_rfc_8259_alone() -> None:
    assert parse_strict('{"a": [1, -2.5e3, "\\ud83d\\ude00", null, true]}') == {
        "a": [1, -2500.0, "😀", None, True]
    }
    for text in ("{'a': 1}", '{"a": 1,}', "[1] x", '["\t"]'):
        with pytest.raises(UnreadableError):
            parse_strict(text)


def test_numbers_beyond_bounds_are_refused_by_both_readers() -> None:
    assert parse_strict("[" + "9" * 4300 + "]") == parse_tolerant("[" + "9" * 4300 + "]")
    for read in (parse_strict, parse_tolerant):
        with pytest.raises(UnreadableError, match="5000 digits; at most 4300"):
            read("[" + "9" * 5000 + "]")
        with pytest.raises(UnreadableError, match="beyond any float"):
            read("[1e999]")
    with pytest.raises(UnreadableError, match="-Infinity, which is beyond any float"):
        parse_strict("[-Infinity]")


def test_nesting_of_a_hundred_levels_is_read_and_one_more_is_not() -> None:
    for read in (parse_strict, parse_tolerant):
        assert read("[" * 100 + "]" * 100)
        for depth in (101, 5000, 100_000):
            with pytest.raises(UnreadableError, match=r"100 levels|too deeply"):
                read("[" * depth + "]" * depth)


def test_a_reader_without_stack_refuses_instead_of_crashing() -> None:
    def descend(frames: int) -> Any:
        return parse_tolerant("[" * 90 + "]" * 90) if frames == 0 else descend(frames - 1)

    with pytest.raises(UnreadableError, match="nested too deeply"):
        descend(sys.getrecursionlimit() - len(inspect.stack(0)) - 60)
