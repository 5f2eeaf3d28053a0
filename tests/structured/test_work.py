"""How much work judging is, counted in steps, and that it ends with the call's deadline."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

from services.llm.structured import (
    InvalidAnswer,
    OutOfTimeError,
    Rewritten,
    Schema,
    StepDeadline,
    Target,
    ValidAnswer,
    parse_answer,
    rewrite,
)
from services.llm.structured.accepted_types import AcceptedTypes
from services.llm.structured.alternatives import Alternatives
from tests.structured.parsing import CODE

Spec = dict[str, Any]


def _constants(count: int) -> list[Spec]:
    return [{"const": f"c{n}"} for n in range(count)]


def _tagged(count: int) -> list[Spec]:
    return [
        {
            "type": "object",
            "properties": {"kind": {"const": f"c{n}"}, "size": {"type": "integer"}},
            "required": ["kind"],
            "additionalProperties": False,
        }
        for n in range(count)
    ]


def _untagged(count: int) -> list[Spec]:
    return [
        {"type": "object", "properties": {f"c{n}": {"type": "integer"}}, "required": [f"c{n}"]}
        for n in range(count)
    ]


def _list_of(keyword: str, branches: list[Spec]) -> Schema:
    return Schema.of({"type": "array", "items": {keyword: branches}})


def _steps(text: str, schema: Schema, **options: Any) -> int:
    deadline = StepDeadline()
    parse_answer(text, False, schema, deadline=deadline, **options)
    return deadline.steps


@pytest.mark.parametrize("keyword", ["oneOf", "anyOf"])
@pytest.mark.parametrize(
    ("alternatives", "item"),
    [
        (_constants, lambda n: f"c{n}"),
        (_constants, lambda n: f"d{n}"),
        (_constants, lambda n: n),
        (_tagged, lambda n: {"kind": f"c{n}", "size": n}),
        (_tagged, lambda n: {"kind": f"c{n}", "size": str(n)}),
        (_tagged, lambda n: {"kind": f"d{n}", "size": n}),
        (_tagged, lambda n: {"kind": f"c{n}", "size": "many"}),
        (_untagged, lambda n: {f"c{n}": n}),
        (_untagged, lambda n: {f"c{n}": str(n)}),
        (_untagged, lambda n: {f"d{n}": n}),
    ],
)
def test_the_work_grows_with_alternatives_and_items_and_not_with_their_product(
    keyword: str, alternatives: Callable[[int], list[Spec]], item: Callable[[int], Any]
) -> None:
    count = 200
    schema = _list_of(keyword, alternatives(count))
    wrong_last = [item(n) for n in range(count - 1)] + [{"nothing": "of it"}]
    for answer in ([item(n) for n in range(count)], wrong_last):
        assert _steps(json.dumps(answer), schema) < 60 * count


@pytest.mark.parametrize("target", list(Target))
def test_an_answer_that_the_validator_accepts_is_not_converted(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    def coerced(*_: Any) -> Any:
        raise AssertionError("converted")

    # The package's own name for the module is that of the function in it.
    module = sys.modules["services.llm.structured.parse"]
    monkeypatch.setattr(module, "coerced", coerced)
    schema = Schema.of(
        {
            "type": "object",
            "properties": {"code": {"oneOf": _constants(20)}, "n": {"type": "integer"}},
            "required": ["code"],
        }
    )
    form = rewrite(schema, target)
    assert isinstance(form, Rewritten)
    answer = {"code": "c7", "n": 4}
    assert ValidAnswer(answer) == parse_answer(
        json.dumps(answer), False, schema, restore=form.restore
    )


@pytest.mark.parametrize("text", ['{"code": "8471.30"}', '{"code": 1}', '{"result": {"code": 1}}'])
def test_judging_ends_with_the_deadline(text: str) -> None:
    with pytest.raises(OutOfTimeError, match="deadline"):
        parse_answer(text, False, CODE, deadline=StepDeadline(lambda: 0.0))


def test_the_clock_is_read_every_thousand_steps() -> None:
    read: list[int] = []

    def left() -> float:
        read.append(deadline.steps)
        return 1.0

    deadline = StepDeadline(left)
    for _ in range(2_500):
        deadline.step()
    deadline.step(600)
    assert [1, 1_001, 2_001, 3_100] == read


def test_a_deadline_that_passes_on_the_way_ends_each_part_of_judging() -> None:
    schema = Schema.of({"type": "array", "items": {"type": "integer"}})
    text = json.dumps(["x"] * 5_000)
    whole = _steps(text, schema)
    ended = []
    for last in range(1, whole // 1_000):
        looks = iter([1.0] * last)
        deadline = StepDeadline(lambda looks=looks: next(looks, 0.0))  # type: ignore[misc] # mypy infers no type for a default of a lambda
        with pytest.raises(OutOfTimeError):
            parse_answer(text, False, schema, deadline=deadline)
        ended.append(deadline.steps)
    assert len(ended) > 3
    assert ended == sorted(ended)


@pytest.mark.parametrize(
    ("branches", "value", "possible"),
    [
        ([{"const": 1}, {"const": "1"}], 1, [0]),
        ([{"const": 1}, {"const": True}], True, [1]),
        ([{"const": 1}, {"type": "number"}], 1.0, [0, 1]),
        ([{"const": 1.5}, {"type": "integer"}], 1.5, [0]),
        ([{"enum": ["a", "a"]}, {"enum": ["b", "a"]}], "a", [0, 1]),
        ([{"const": {}}, {"const": []}], {}, [0]),
        ([{"const": {}}, {"const": []}], [], [1]),
        ([{"enum": ["a", {}]}, {"type": "null"}], {}, [0]),
        ([{"enum": ["a", {}]}, {"type": "null"}], "a", [0]),
        ([True, False, {}], None, [0, 2]),
        (_tagged(3), {"kind": "c2"}, [2]),
        (_tagged(3), {"kind": ["c2"]}, []),
        (_tagged(3), {}, []),
        ([{"properties": {"a": {"enum": ["b", "c"]}}, "required": ["a"]}], {"a": "c"}, [0]),
        (
            [{"properties": {n: {"const": n} for n in "ab"}, "required": ["a", "b"]}],
            {"a": "a", "b": ["b"]},
            [],
        ),
        ([{"properties": {"kind": {"const": "a"}}}, {"type": "object"}], {"kind": "b"}, [1]),
        ([{"$ref": "#/$defs/a"}, {"type": "null"}], {"kind": "a"}, [0]),
    ],
)
def test_only_alternatives_that_a_value_may_fit_are_looked_at(
    branches: list[Any], value: Any, possible: list[int]
) -> None:
    document = {"anyOf": branches, "$defs": {"a": {"required": ["kind"]}}}
    found = Alternatives(document, AcceptedTypes(document)).possible(branches, value)
    assert [branches[n] for n in possible] == found


def test_one_wrong_item_among_a_thousand_constants_is_found() -> None:
    schema = _list_of("oneOf", _constants(1_000))
    answer = [f"c{n}" for n in range(1_000)]
    answer[7] = "wrong"
    verdict = parse_answer(json.dumps(answer), False, schema)
    assert isinstance(verdict, InvalidAnswer)
    assert ["$[7]"] == [fault.path for fault in verdict.errors]


def test_a_search_for_violations_ends_with_its_deadline() -> None:
    schema = Schema.of({"properties": {"a": {"type": "integer"}}})
    assert 1 == len(schema.violations({"a": "x"}, 20, StepDeadline(lambda: 1.0)))
    with pytest.raises(OutOfTimeError):
        schema.violations({"a": "x"}, 20, StepDeadline(lambda: 0.0))
