"""No conversion throws away what the schema could hold: such an answer is repaired, or an error."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, cast

import pytest
from pydantic import BaseModel, ConfigDict
from typing_extensions import TypedDict

from services.llm.structured import Rewritten, Schema, StepDeadline, Target, rewrite
from services.llm.structured.annotations import lossless_instance
from services.llm.structured.losses import lost_members
from tests.structured.parsing import errors, value


class Contact(BaseModel):
    name: str | None = None
    email: str | None = None


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    name: str | None = None


class Team(BaseModel):
    title: str | None = None
    contacts: list[Contact] = []
    lead: Contact | None = None


class Tree(BaseModel):
    size: int = 0
    parts: list[Tree] = []


class Row(TypedDict, total=False):
    name: str


@dataclass
class Point:
    x: int = 0


ANN = {"name": "Ann"}
BOB = {"name": {"first": "Bob"}}


@pytest.mark.parametrize("target", list(Target))
@pytest.mark.parametrize("key", ["value", "contacts", "items", "name_list"])
def test_a_list_in_a_wrapper_with_a_wrong_item_is_no_item_itself(target: Target, key: str) -> None:
    schema = Schema.of(list[Contact])
    form = rewrite(schema, target)
    assert isinstance(form, Rewritten)
    assert errors(json.dumps({key: [ANN, BOB]}), schema, restore=form.restore)
    found = value(json.dumps({key: [ANN, ANN]}), schema, restore=form.restore)
    assert [Contact(name="Ann")] * 2 == found


@pytest.mark.parametrize(
    ("spec", "answer"),
    [
        # A lone key.
        (Contact, {"contacts": [ANN, ANN]}),
        (Contact, {"contact": BOB}),
        (list[Contact], [{"contact": ANN}, ANN]),
        (list[Contact], {"a": {"b": [ANN, BOB]}}),
        (dict[str, Contact], {"a": {"contact": ANN}, "b": ANN}),
        (Contact | None, {"contacts": [ANN, ANN]}),
        (Row, {"row": [ANN, ANN]}),
        (Point, {"point": {"x": "far"}}),
        # One value made a list.
        (Team, {"title": "T", "contacts": {"list": [ANN, ANN]}}),
        (Team, {"title": "T", "contacts": {"name": "Ann", "others": [ANN]}}),
        (Team, {"title": "T", "lead": {"contact": ANN}}),
        # What is taken for a tool call, or a form.
        (Team, {"name": "f", "arguments": {"title": "T"}, "lead": {"name": 1}}),
        (list[Contact], {"name": "f", "arguments": {"a": ANN}, "input": {"b": ANN}}),
        (list[Contact], {"type": "x", "input": {"name": "Ann"}, "more": [ANN]}),
        # A property one level too deep.
        (Contact, {"name": "Ann", "contact": {"email": "a@b.de"}}),
    ],
)
def test_what_a_type_could_hold_is_not_lost_without_a_word(spec: Any, answer: Any) -> None:
    assert errors(json.dumps(answer), Schema.of(spec))


@pytest.mark.parametrize(
    ("spec", "answer", "expected"),
    [
        (Contact, {}, Contact()),
        (Contact, {"name": "Ann", "note": "a remark"}, Contact(name="Ann")),
        (Contact, {"name": "Ann", "company": {"name": "X"}}, Contact(name="Ann")),
        (Open, {"other": 1}, Open.model_validate({"other": 1})),
        (list[Contact], ANN, [Contact(name="Ann")]),
        (list[Contact], [], []),
        (list[dict[str, int]], {"x": 1}, [{"x": 1}]),
        (Team, {"lead": None, "contacts": ANN}, Team(contacts=[Contact(name="Ann")])),
        (list[Contact], [{"contact": ANN}], [Contact(name="Ann")]),
        (dict[str, Any], {"contact": {"x": 1}}, {"contact": {"x": 1}}),
        (list[Any], [{"contact": {"x": 1}}], [{"contact": {"x": 1}}]),
        (Tree, {"size": 1, "parts": [{"size": "2"}]}, Tree(size=1, parts=[Tree(size=2)])),
        (
            list[Team],
            [{"contacts": ANN}, {"contacts": ANN}],
            [Team(contacts=[Contact(name="Ann")])] * 2,
        ),
        (Contact, {"name": "f", "arguments": ANN}, Contact(name="Ann")),
        (Contact, {"type": "object", "properties": ANN}, Contact(name="Ann")),
    ],
)
def test_what_no_type_could_hold_is_left_out(spec: Any, answer: Any, expected: Any) -> None:
    assert expected == value(json.dumps(answer), Schema.of(spec))


def test_the_model_is_told_which_properties_there_are() -> None:
    assert errors('{"contacts": [{"name": "Ann"}, {}]}', Schema.of(Contact)) == [
        "$: has none of the properties: name, email"
    ]
    assert errors('{"name": "A", "more": {"email": "e"}}', Schema.of(Contact)) == [
        "$.more: is no property of the schema; use: name, email"
    ]


def test_no_more_losses_are_listed_than_asked_for() -> None:
    schema = Schema.of(list[Contact])
    assert 2 == len(schema.violations([{"x": ANN}] * 5, 2))


def test_an_answer_in_several_parts_is_asked_for_in_one() -> None:
    assert errors('{"name": "Ann"}\n{"email": "a@b.de"}', Schema.of(Contact)) == [
        "$: the answer is in several parts; give one value with all"
    ]
    corrected = value('{"name": "An"}\n{"name": "Ann", "email": "e"}', Schema.of(Contact))
    assert Contact(name="Ann", email="e") == corrected


@pytest.mark.parametrize("end", ["}", ",}"])
def test_two_different_lists_of_one_name_are_no_answer(end: str) -> None:
    schema = Schema.of(Team)
    same = '{"contacts": [{"name": "Ann"}], "contacts": [{"name": "Ann"}]'
    twice = '{"contacts": [{"name": "Ann"}], "contacts": [{"name": "Bob"}]'
    assert Team(contacts=[Contact(name="Ann")]) == value(same + end, schema)
    assert "stands twice" in errors(twice + end, schema)[0]


def test_the_wrapper_of_a_form_goes_with_a_form_alone() -> None:
    schema = Schema.of({"type": "object", "properties": {"name": {"type": "string"}}})
    form = {"type": "object", "properties": {"name": "Ann"}}
    assert {"name": "Ann"} == value(json.dumps(form), schema)
    both = {**form, "parts": [1]}
    assert both == value(json.dumps(both), schema)


@pytest.mark.parametrize(
    ("extra", "losses"),
    [
        *(([True], 0), ([], 1), ([{}], 0), ([{"type": "object"}], 0), ([{"const": {}}], 1)),
        *(([{"enum": [{}]}], 1), ([{"type": "string"}], 1)),
    ],
)
def test_where_anything_is_allowed_nothing_is_lost(extra: list[Any], losses: int) -> None:
    document = {"anyOf": [*extra, {"$ref": "#"}, {"properties": {"a": {}}}]}
    assert losses == len(lost_members(document, {"x": 1}, 5, StepDeadline()))


@pytest.mark.parametrize("union", [Contact | dict[str, int], Row | dict[str, int], Point | Tree])
def test_of_a_union_the_alternative_counts_that_leaves_nothing_out(union: Any) -> None:
    whole = Tree(size=1) if union == Point | Tree else {"size": 1}
    assert whole == Schema.of(union).instance({"size": 1})
    assert {"in": [whole]} == Schema.of(dict[str, list[union]]).instance({"in": [{"size": 1}]})


def test_a_member_that_no_alternative_has_is_left_out_as_ever() -> None:
    found = Schema.of(list[Contact | Point]).instance([{"name": "Ann", "q": 1}, {"x": 2, "q": 1}])
    assert [Contact(name="Ann"), Point(2)] == found


def test_a_pydantic_that_cannot_be_asked_for_it_loses_what_it_does() -> None:
    class Older:
        """As before pydantic 2.12: it has no `extra`."""

        def validate_json(self, _: str) -> object:
            raise AssertionError

    assert None is lossless_instance(cast("Any", Older()), "{}")
