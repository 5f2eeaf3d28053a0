from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from types import MappingProxyType
from typing import Annotated, Any, Literal, Optional, TypedDict

import pytest
from pydantic import BaseModel, Field, field_validator

from services.llm.structured import InvalidAnswer, Schema, ValidAnswer, parse_answer


class Colour(Enum):
    RED = "red"
    GREEN = "green"


class Part(BaseModel):
    name: str
    weight: float = 0.0


class Machine(BaseModel):
    code: Annotated[str, Field(pattern=r"^\d{4}$")]
    built: datetime
    parts: list[Part] = []
    colour: Colour | None = None

    @field_validator("code")
    @classmethod
    def of_chapter_84(cls, code: str) -> str:
        if not code.startswith("84"):
            raise ValueError("is of another chapter")
        return code


@dataclass
class Point:
    x: int
    y: int = 0


class Inner(TypedDict):
    n: int


class Outer(Inner, total=False):
    """An outer one."""

    inner: Inner
    many: list[Inner]
    maybe: Annotated[Optional[Inner], "a note"]  # noqa: UP045  # the older spelling is rebuilt too
    either: Inner | int
    mark: Literal["a"]


class Looped(TypedDict):
    children: list[Looped]


@pytest.mark.parametrize(
    ("spec", "text", "instance"),
    [
        ({"type": "array"}, "[1]", [1]),
        (MappingProxyType({"enum": (1, 2)}), "2", 2),
        (int, "5", 5),
        (list[int], "[1, 2]", [1, 2]),
        (dict[str, date], '{"a": "2024-02-29"}', {"a": date(2024, 2, 29)}),
        (tuple[int, str], '[1, "a"]', (1, "a")),
        (int | None, "null", None),
        (int | list[str], '["a"]', ["a"]),
        (Colour, '"red"', Colour.RED),
        (Colour, "green", Colour.GREEN),
        (Annotated[int, Field(ge=3)], "3", 3),
        (Literal["a", "b"], '"b"', "b"),
        (Point, '{"x": 1}', Point(1, 0)),
        (Inner, '{"n": 1}', {"n": 1}),
        (Outer, '{"n": 1, "many": [{"n": "2"}]}', {"n": 1, "many": [{"n": 2}]}),
        (
            Machine,
            '{"code": "8471", "built": "2024-02-29T10:00:00", "parts": [{"name": "a"}]}',
            Machine(code="8471", built=datetime(2024, 2, 29, 10), parts=[Part(name="a")]),
        ),
    ],
)
def test_a_dict_gives_a_plain_value_and_a_type_gives_an_instance(
    spec: Any, text: str, instance: Any
) -> None:
    assert parse_answer(text, False, Schema.of(spec)) == ValidAnswer(instance)


def test_what_the_types_own_validators_refuse_is_a_fault_with_its_path() -> None:
    verdict = parse_answer(
        '{"code": "9401", "built": "2024-02-29T10:00:00Z"}', False, Schema.of(Machine)
    )
    assert isinstance(verdict, InvalidAnswer)
    assert ["$.code: Value error, is of another chapter"] == [str(e) for e in verdict.errors]
    verdict = parse_answer('{"code": "9401", "built": "soon"}', False, Schema.of(Machine))
    assert isinstance(verdict, InvalidAnswer)
    assert ["$.code", "$.built"] == [error.path for error in verdict.errors]


def test_an_optional_key_of_a_typed_dict_stays_optional() -> None:
    schema = Schema.of(Outer)
    assert schema.document["required"] == ["n"]
    assert schema.document["description"] == "An outer one."
    assert schema.accepts({"n": 1, "inner": {"n": 1}, "maybe": None, "either": 2, "mark": "a"})
    assert not schema.accepts({"n": 1, "inner": {}})


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="pydantic takes it from Python 3.12 on")
def test_a_typed_dict_that_holds_itself_is_refused_in_pydantics_words() -> None:
    with pytest.raises(ValueError, match=r"typing_extensions\.TypedDict"):
        Schema.of(Looped)


def test_a_schema_is_compiled_once() -> None:
    document = {"type": "object", "properties": {"a": {"type": "integer"}}}
    assert Schema.of(document) is Schema.of({**document})
    assert Schema.of(Machine) is Schema.of(Machine)
    assert Schema.of({"properties": {"a": {}, "b": {}}}).text == '{"properties":{"a":{},"b":{}}}'


def test_a_later_change_of_the_callers_dict_changes_nothing() -> None:
    document: dict[str, Any] = {"type": "integer"}
    schema = Schema.of(document)
    document["type"] = "string"
    assert schema.accepts(1)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"type": "objekt"}, 'schema at $.type: "objekt" is no type; use array, boolean'),
        (
            {"properties": {"a": {"items": {"type": "strin"}}}},
            'schema at $.properties.a.items.type: "strin" is no type',
        ),
        ({"required": "a"}, "schema at $.required: "),
        ({"name": "a", "strict": True, "schema": {}}, "schema is a response_format, which is no"),
        ({"type": "json_schema", "json_schema": {}}, "give the JSON Schema in it; the client sets"),
        ({"minLength": -1}, "schema at $.minLength: -1 is less than the minimum of 0"),
        ({"properties": {"a": {"pattern": "(a"}}}, "schema at $.properties.a.pattern: "),
        (
            {"$ref": "http://x.test/y"},
            "schema at $['$ref']: \"http://x.test/y\" is another document",
        ),
        (
            {"items": {"$ref": "#/$defs/gone"}},
            "schema at $.items['$ref']: \"#/$defs/gone\" names nothing in the schema",
        ),
        ({"$ref": "#/allOf/1", "allOf": [{}]}, "names nothing in the schema"),
        ({"$ref": "#/allOf/x", "allOf": [{}]}, "names nothing in the schema"),
        ({"items": {"$ref": 5}}, "schema at $.items['$ref']: a reference must be a string"),
        ({"$ref": "#gone"}, "Anchor 'gone' does not exist"),
        ({"$id": "http://x.test/a", "$ref": "b"}, "http://x.test/b"),
        ({"$schema": "http://x.test/mine"}, "is no known dialect; use https://json-schema.org/"),
        ({"$schema": 7}, "schema at $['$schema']: 7 is no known dialect"),
        ({"properties": {1: {}}}, "schema at $.properties: a key must be a text, not 1"),
        ({"default": float("inf")}, "schema at $.default: inf is not a JSON number"),
        ({"enum": [{1, 2}]}, "schema at $.enum[0]: set is not a JSON type"),
        ({"title": "\ud800"}, 'schema at $.title: "\\ud800" is no text that UTF-8 can carry'),
        ({"\ud800": 1}, "schema at $: a key must be a text, not '\\ud800'"),
        (None, "schema must be a JSON Schema dict or a type, not None"),
        ("int", "schema must be a JSON Schema dict or a type, not 'int'"),
        ([{}], "schema must be a JSON Schema dict or a type, not [{}]"),
        (True, "schema must be a JSON Schema dict or a type, not True"),
        (lambda: None, "schema must be a JSON Schema dict or a type, not <function"),
        (object(), "has no JSON Schema"),
        (type("Plain", (), {}), "has no JSON Schema"),
    ],
)
def test_an_invalid_schema_is_refused_before_any_call_with_its_place(
    spec: Any, message: str
) -> None:
    with pytest.raises(ValueError, match="schema") as refused:
        Schema.of(spec)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    "document",
    [
        {"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"a": {}}},
        {"$schema": "https://json-schema.org/draft/2020-12/schema", "$defs": {"a": {}}},
        {"$id": "http://x.test/a", "$ref": "#/$defs/b", "$defs": {"b": {"type": "object"}}},
        {"$id": "http://x.test/a", "$ref": "b", "$defs": {"b": {"$id": "b", "type": "object"}}},
        {"$ref": "#b", "$defs": {"b": {"$anchor": "b", "type": "object"}}},
        {"$ref": "#/$defs/a~1b%20c", "$defs": {"a/b c": {"type": "object"}}},
        {"$ref": "#/anyOf/0", "anyOf": [{"type": "object"}]},
        {"properties": {"$ref": {"type": "string"}}},
    ],
)
def test_both_drafts_and_every_local_reference_work(document: dict[str, Any]) -> None:
    schema = Schema.of(document)
    assert schema.accepts({})
    assert schema.accepts([]) == ("$ref" not in document and "type" not in document)


def test_formats_are_asserted_for_a_dict() -> None:
    schema = Schema.of({"format": "date"})
    assert schema.accepts("2024-02-29")
    assert not schema.accepts("2023-02-29")


@pytest.mark.parametrize("document", [{"$ref": "#"}, {"allOf": [{"$ref": "#"}]}])
def test_a_reference_to_itself_in_place_accepts_anything(document: dict[str, Any]) -> None:
    assert Schema.of(document).accepts([1])


def chained(length: int) -> dict[str, Any]:
    definitions: dict[str, Any] = {
        f"a{i}": {"anyOf": [{"$ref": f"#/$defs/a{i + 1}"}, {"$ref": f"#/$defs/a{i + 1}"}]}
        for i in range(length)
    }
    return {"$ref": "#/$defs/a0", "$defs": {**definitions, f"a{length}": {"type": "string"}}}


def test_alternatives_that_multiply_are_refused() -> None:
    assert Schema.of(chained(8)).accepts("a")
    with pytest.raises(ValueError, match="alternatives multiply to"):
        Schema.of(chained(60))


def test_what_no_reference_leads_to_multiplies_nothing() -> None:
    assert Schema.of({**chained(60), "$ref": "#/$defs/a60"}).accepts("a")


def test_a_long_chain_of_references_is_no_depth() -> None:
    length = 5_000
    definitions: dict[str, Any] = {
        f"a{i}": {"properties": {"next": {"$ref": f"#/$defs/a{i + 1}"}}} for i in range(length)
    }
    schema = Schema.of({"$ref": "#/$defs/a0", "$defs": {**definitions, f"a{length}": {}}})
    assert schema.names == {"next"}
    assert schema.accepts({"next": {"next": 1}})


def test_a_schema_of_endless_depth_or_size_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(10_000):
        deep = {"items": deep}
    loop: dict[str, Any] = {}
    loop["items"] = loop
    for schema in (deep, loop):
        with pytest.raises(ValueError, match="deeper than 200 levels"):
            Schema.of(schema)
    wide: dict[str, Any] = {}
    for _ in range(40):
        wide = {"anyOf": [wide, wide]}
    with pytest.raises(ValueError, match="more than 500000 values"):
        Schema.of(wide)


def test_a_union_is_told_from_one_in_another_order() -> None:
    @dataclass
    class Import:
        code: str

    @dataclass
    class Export:
        code: str

    for types, first in ((Import | Export, Import), (Export | Import, Export)):
        assert Schema.of(list[types]).instance([{"code": "1"}]) == [first("1")]  # type: ignore[valid-type] # made here


@pytest.mark.parametrize(
    ("spec", "small"),
    [
        ({"type": "object", "properties": {f"p{n}": {} for n in range(50)}}, True),
        ({"type": "object", "properties": {f"p{n}": {} for n in range(2_000)}}, False),
        ({"enum": [str(n) for n in range(2_000)]}, False),
        ({"oneOf": ({"const": 1}, {"const": 2})}, True),
        (list[int], True),
        (type("Wide", (), {"__annotations__": {f"p{n}": int for n in range(200)}}), False),
        (7, True),
    ],
)
def test_a_large_schema_is_known_before_it_is_compiled(spec: Any, small: bool) -> None:
    assert small is Schema.is_small(spec)


@dataclasses.dataclass
class Instance:
    size: int = 0


class Mute:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


@pytest.mark.parametrize("spec", [Instance(), Mute(), object()])
def test_an_object_is_no_type(spec: object) -> None:
    with pytest.raises(ValueError, match="has no JSON Schema"):
        Schema.of(spec)
