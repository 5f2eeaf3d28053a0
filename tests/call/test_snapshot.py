"""What a caller gave is copied at the door, or refused there by the name of its place."""

from __future__ import annotations

import json
import math
import sys
from collections import UserDict
from decimal import Decimal
from enum import Enum, IntEnum
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.llm.client import snapshot as module
from services.llm.client.arguments import chat, conversation, count, model_id, options, temperature
from services.llm.client.snapshot import MOST_LEVELS, snapshot
from services.llm.errors import ConfigurationError, InvalidRequestError, UnsendableError


class Word(str, Enum):
    """A text by another class."""

    ONE = "one"


class Number(IntEnum):
    """A number by another class."""

    ONE = 1


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def endless() -> Any:
    value: list[Any] = []
    value.append({"again": value})
    return value


def doubled(times: int) -> Any:
    value: Any = []
    for _ in range(times):
        value = [value, value]
    return value


CANNOT: dict[str, tuple[Any, str]] = {
    "half a surrogate pair": ("a\ud83d b", "holds half a surrogate pair, U.D83D, as its character"),
    "inside": ({"a": [1, {"b c": "\udc00"}]}, r"\.a\[1\]\['b c'\] holds half a surrogate pair"),
    "in a key": ({"\ud83d": 1}, "a key of .* holds half a surrogate pair"),
    "a class": (dict, "is the class dict, which JSON has no form for"),
    "bytes": (b"raw", "is a bytes, which JSON"),
    "a decimal": ([Decimal(1)], r"\[0\] is a decimal\.Decimal, which JSON"),
    "a set": ({1}, "is a set, which JSON"),
    "a function": (len, "is a builtin_function_or_method, which JSON"),
    "an iterator": (iter("ab"), "is a str_(ascii_)?iterator, which JSON"),
    "no number": (math.nan, "is nan: JSON has no such number"),
    "infinity": ([-math.inf], r"\[0\] is -inf: JSON"),
    "a number of 5001 digits": (10**5000, "is an integer of 16610 bits: give a smaller"),
    "a key that is a number": ({1: 2}, "has the key 1, a int: give a str"),
    "a key of many digits": ({10**5000: 2}, "has the key a int of many digits, a int"),
    "a key that is nothing": ({None: 2}, "has the key None, a NoneType"),
    "a cycle": (
        endless(),
        r"\[0\]\.again\[0\].* deeper than 200 levels, or holds itself",
    ),
    "too deep": (nested(MOST_LEVELS + 1), "is nested deeper than 200 levels"),
    "deeper than Python's stack": (nested(100_000), "is nested deeper than 200 levels"),
    "endless when written out": (doubled(40), "holds more than 1000(000)? values"),
}
BAD = pytest.mark.parametrize(("value", "problem"), CANNOT.values(), ids=CANNOT)


@BAD
def test_an_option_that_cannot_be_sent_is_named(value: object, problem: str) -> None:
    with pytest.raises(UnsendableError, match=problem) as caught:
        options({"seed": 1, "response_format": value})
    assert "response_format" in str(caught.value)


@BAD
def test_a_message_that_cannot_be_sent_is_named(
    value: object, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_VALUES", 1000)  # to count a million takes a second
    with pytest.raises(UnsendableError, match=problem) as caught:
        chat([{"role": "user", "content": "hi"}, {"role": "user", "content": value}])
    assert "messages[1]" in str(caught.value)


@pytest.mark.parametrize("name", ["prompt", "system_prompt"])
@pytest.mark.parametrize("value", ["a\ud83d b", b"raw", Decimal(1), str, ["hi"], {"role": "user"}])
def test_a_prompt_that_cannot_be_sent_is_named(name: str, value: Any) -> None:
    given = {"prompt": "hi", "system_prompt": None, name: value}
    with pytest.raises(UnsendableError, match=f"^{name} "):
        conversation(given["prompt"], given["system_prompt"], None)


def test_it_is_the_error_of_a_bad_request_and_of_a_bad_argument() -> None:
    with pytest.raises(UnsendableError) as caught:
        conversation("the secret \ud83d word", None, None)
    assert isinstance(caught.value, InvalidRequestError)
    assert isinstance(caught.value, ConfigurationError)
    assert isinstance(caught.value, ValueError)
    assert "secret" not in f"{caught.value!r} {caught.value.__cause__!r}"
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("messages", ["hi", b"hi", {"role": "user"}, 7, [], (), iter(())])
def test_what_is_no_chat_list_is_refused(messages: object) -> None:
    with pytest.raises(UnsendableError, match=r"^messages is .*: give a chat list"):
        chat(messages)


@pytest.mark.parametrize("message", ["hi", None, 7, {"content": "hi"}, {"role": 7}, {}])
def test_a_message_without_a_role_is_named(message: object) -> None:
    with pytest.raises(UnsendableError, match=r"^messages\[1\] is no mapping with a role"):
        chat([{"role": "user", "content": "hi"}, message])


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, True, "hot", Decimal(1), 10**400, 10**5000], ids=range(7)
)
def test_a_temperature_is_a_finite_number(value: object) -> None:
    with pytest.raises(UnsendableError, match=r"^temperature must be a finite number"):
        temperature(value)


@pytest.mark.parametrize("value", [None, 0, 1, 0.7, -1.0, sys.float_info.max])
def test_a_finite_temperature_is_taken(value: object) -> None:
    assert value == temperature(value)


@pytest.mark.parametrize("value", [2**53 + 1, 10**5000], ids=["just", "far"])
def test_a_count_is_one_that_every_reader_takes(value: int) -> None:
    with pytest.raises(ConfigurationError, match=r"^max_tokens is above 9007199254740992"):
        count("max_tokens", value, least=1)
    assert 2**53 == count("max_tokens", 2**53, least=1)
    with pytest.raises(ConfigurationError, match=r"^max_tokens is a int of many digits"):
        count("max_tokens", -(10**5000), least=1)


def test_a_model_is_text_that_can_be_sent() -> None:
    with pytest.raises(UnsendableError, match=r"^model holds half a surrogate pair"):
        model_id("a\ud83d")
    assert "one" == model_id(Word.ONE)
    assert type(model_id(Word.ONE)) is str
    assert "one" == model_id(" one\r")
    with pytest.raises(ConfigurationError, match="give a model's id"):
        model_id(" ")


@pytest.mark.parametrize("value", ["é", "a\nb", 7, None, b"x"])
def test_a_header_is_printable_ascii(value: object) -> None:
    with pytest.raises(UnsendableError, match="extra_headers"):
        options({"extra_headers": {"X-A": value}})
    assert {"extra_headers": {"X-A": "b"}} == options({"extra_headers": {"X-A": "b"}})
    assert {"extra_headers": None} == options({"extra_headers": None})


def test_what_json_can_hold_is_copied_as_jsons_own_types() -> None:
    given = {
        "one": MappingProxyType({"two": (1, 2.5, Word.ONE, Number.ONE)}),
        "three": UserDict({"four": None}),
        "é": "né",
    }
    copy = snapshot("option", given)
    assert {"one": {"two": [1, 2.5, "one", 1]}, "three": {"four": None}, "é": "né"} == copy
    assert [int, float, str, int] == [type(each) for each in copy["one"]["two"]]
    assert nested(MOST_LEVELS) == snapshot("option", nested(MOST_LEVELS))


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def _spoil(value: Any) -> None:
    """Change every list and dict in *value*."""
    for inner in value.values() if isinstance(value, dict) else value:
        if isinstance(inner, (dict, list)):
            _spoil(inner)
    if isinstance(value, dict):
        value["changed"] = True
    else:
        value.append("changed")


@given(st.dictionaries(st.text(), _json, max_size=3))
def test_a_copy_is_what_was_given_whatever_becomes_of_that(value: dict[str, Any]) -> None:
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        text.encode()
    except ValueError:
        with pytest.raises(UnsendableError, match="option"):
            snapshot("option", value)
        return
    copy = snapshot("option", value)
    _spoil(value)
    assert text == json.dumps(copy, ensure_ascii=False)


def test_a_stack_that_is_nearly_full_is_a_value_too_deep() -> None:
    def deep(levels: int) -> Any:
        return snapshot("option", nested(150)) if levels == 0 else deep(levels - 1)

    with pytest.raises(UnsendableError, match="option is nested deeper"):
        deep(sys.getrecursionlimit() - _depth() - 100)


def _depth() -> int:
    frame, depth = sys._getframe(), 0
    while frame := frame.f_back:  # type: ignore[assignment]  # the outermost frame has none
        depth += 1
    return depth


def test_as_many_values_as_there_may_be_are_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_VALUES", 4)
    assert [1, 2, 3] == snapshot("seed", [1, 2, 3])
    with pytest.raises(UnsendableError, match="holds more than 4 values"):
        snapshot("seed", [1, 2, 3, 4])


def test_an_integer_of_1024_bits_is_the_largest() -> None:
    assert 2**1024 - 1 == snapshot("seed", 2**1024 - 1)
    with pytest.raises(UnsendableError, match="seed is an integer of 1025 bits"):
        snapshot("seed", 2**1024)


def test_a_class_as_a_response_format_is_a_schemas_and_elsewhere_none() -> None:
    with pytest.raises(UnsendableError, match=r"int, which .*: give it to generate_structured"):
        snapshot("response_format", int)
    with pytest.raises(UnsendableError, match="int, which JSON has no form for: give text, num"):
        snapshot("seed", int)
    with pytest.raises(UnsendableError, match="object, which JSON has no form for: give text, "):
        snapshot("response_format", object())


class Mute:
    """A value that cannot be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


def test_a_value_that_cannot_be_shown_is_told_by_its_kind() -> None:
    for check in (temperature, model_id, lambda value: count("max_tokens", value, least=1)):
        with pytest.raises(ConfigurationError, match="a Mute that cannot be shown"):
            check(Mute())
