"""A compiled schema at its edges: its size, what only repeats it, what is listed of faults."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, field_validator

from services.llm.structured import OutOfTimeError, Schema, StepDeadline


class Pair(BaseModel):
    """Two fields that its own validator refuses, with a long reason."""

    one: int
    two: int

    @field_validator("one", "two")
    @classmethod
    def refused(cls, number: int) -> int:
        raise ValueError("no " * 200)


class Meeting(BaseModel):
    at: datetime
    # pydantic's own patterns know no assertions; a document may still name one.
    room: Annotated[str, Field(json_schema_extra={"pattern": "(?=r)"})]


def _nested(levels: int) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for _ in range(levels):
        document = {"items": document}
    return document


def test_a_schema_of_two_hundred_levels_is_taken_and_of_one_more_refused() -> None:
    assert Schema.of(_nested(200)).accepts([[1]])
    with pytest.raises(ValueError, match="deeper than 200 levels"):
        Schema.of(_nested(201))


def test_a_schema_of_just_as_many_values_as_allowed_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("services.llm.structured.schema.MAX_NODES", 5)
    assert Schema.of({"enum": ["one", "two", "six"]}).accepts("six")
    with pytest.raises(ValueError, match="more than 5 values"):
        Schema.of({"enum": ["one", "two", "six", "ten"]})


@pytest.mark.parametrize(
    ("spec", "small"),
    [
        ({"enum": [str(n) for n in range(399)]}, False),
        ({"enum": [str(n) for n in range(398)]}, True),
        (type("Wide", (), {"__annotations__": {f"p{n}": int for n in range(50)}}), False),
        (type("Narrow", (), {"__annotations__": {f"p{n}": int for n in range(49)}}), True),
    ],
)
def test_a_schema_is_small_up_to_its_bound(spec: Any, small: bool) -> None:
    assert small is Schema.is_small(spec)


def test_what_a_schema_says_is_shown_to_the_model_as_it_was_written() -> None:
    assert '{"title":"Größe"}' == Schema.of({"title": "Größe"}).text


@pytest.mark.parametrize(
    ("document", "value", "is_echo"),
    [
        ({"type": "object", "properties": {"a": {}}}, None, True),
        ({"type": "object"}, None, True),
        ({"title": "x"}, None, False),
        ({"type": "object", "properties": {"a": {}}}, {"properties": {"a": {}}}, True),
        ({"type": "object", "properties": {"a": {}}}, {"properties": {"a": 1}}, False),
        ({"type": "object", "properties": {"a": {}}}, {"type": "object"}, False),
        ({"type": "object", "properties": {}}, {"properties": {}}, False),
        ({"type": "array"}, ["type", "properties"], False),
    ],
    ids=range(8),
)
def test_what_repeats_a_schema_is_told_from_an_answer(
    document: dict[str, Any], value: Any, is_echo: bool
) -> None:
    schema = Schema.of(document)
    assert is_echo is schema.is_echo(schema.document if value is None else value)


@pytest.mark.parametrize(
    ("spec", "good", "bad"),
    [
        ({"format": "date", "pattern": "(?=2)"}, "2024-02-29", "2023-02-29"),
        (Meeting, {"at": "2024-02-29T10:00:00", "room": "r1"}, {"at": "soon"}),
    ],
    ids=["a dict asserts formats", "a type leaves them to pydantic"],
)
def test_in_a_long_answer_a_pattern_takes_fewer_steps_and_all_else_is_judged_alike(
    spec: Any, good: Any, bad: Any
) -> None:
    schema = Schema.of(spec)
    assert schema is schema.within(5_000)
    long = schema.within(100_000)
    assert long.steps < schema.steps
    assert long is schema.within(100_001)
    for each in (schema, long):
        assert [] == each.violations(good, 9)
        assert 1 <= len(each.violations(bad, 9))
        assert schema.instance(good) == each.instance(good)


@pytest.mark.parametrize("judge", [Schema.satisfied_by, lambda s, v, d: s.violations(v, 1, d)])
def test_judging_a_value_ends_with_its_deadline(judge: Callable[..., Any]) -> None:
    schema = Schema.of({"type": "array", "items": {"type": "integer"}})
    with pytest.raises(OutOfTimeError):
        judge(schema, ["x"], StepDeadline(lambda: 0.0))


def test_what_a_types_validators_refuse_is_listed_up_to_the_limit_and_shortened() -> None:
    schema = Schema.of(Pair)
    faults = schema.violations({"one": 1, "two": 2}, 2)
    assert ["$.one", "$.two"] == [fault.path for fault in faults]
    assert [300, 300] == [len(fault.message) for fault in faults]
    assert faults[:1] == schema.violations({"one": 1, "two": 2}, 1)
    assert not schema.satisfied_by({"one": 1, "two": 2}, StepDeadline())
