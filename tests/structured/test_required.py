"""An object without any `required` is asked for in full, and validated as it was given."""

from __future__ import annotations

from typing import Any

import pytest

from services.llm.structured import Rewritten, Schema, Target, rewrite
from services.llm.structured.required import require_all_properties
from tests.structured.parsing import value

TEXT = {"type": "string"}
PAIR = {"type": "object", "properties": {"a": TEXT, "b": {"type": "integer"}}}


@pytest.mark.parametrize("target", list(Target))
def test_every_form_asks_for_all_properties(target: Target) -> None:
    nested = {"type": "object", "properties": {"list": {"type": "array", "items": PAIR}}}
    schema = Schema.of(nested)
    form = rewrite(schema, target)
    assert isinstance(form, Rewritten)
    assert ["list"] == form.schema["required"]
    found = form.schema["properties"]["list"]
    # Where a decoder enforces the form, what may be absent may be null.
    items = found.get("anyOf", [found])[0]["items"]
    assert ["a", "b"] == items["required"]
    assert {} == value("{}", schema, restore=form.restore)
    given = value('{"list": [{"a": "x", "b": null}]}', schema, restore=form.restore)
    assert {"list": [{"a": "x"}]} == given


@pytest.mark.parametrize("required", [[], ["b"]])
@pytest.mark.parametrize("target", [Target.BEDROCK_TEXT_FORMAT, Target.TOOL, Target.PROMPT])
def test_what_the_caller_requires_is_not_added_to(target: Target, required: list[str]) -> None:
    form = rewrite(Schema.of({**PAIR, "required": required}), target)
    assert isinstance(form, Rewritten)
    assert required == form.schema["required"]


@pytest.mark.parametrize(
    ("document", "asked"),
    [
        ({"$defs": {"p": PAIR}, "$ref": "#/$defs/p"}, [["a", "b"]]),
        ({"anyOf": [PAIR, {"type": "null"}]}, [["a", "b"]]),
        ({"allOf": [PAIR, {"required": ["a"]}]}, []),
        ({**PAIR, "allOf": [{"required": ["a"]}]}, []),
        ({"required": ["a"], "anyOf": [PAIR, PAIR]}, []),
        ({"required": ["c"], "properties": {"c": PAIR}}, [["a", "b"]]),
        ({"if": PAIR, "then": PAIR, "not": PAIR}, []),
        ({"properties": {"a": TEXT, "never": False}}, [["a"]]),
        ({"properties": {}}, []),
        ({"type": "array", "items": TEXT}, []),
    ],
)
def test_only_objects_that_declare_nothing_required_are_asked_for_in_full(
    document: dict[str, Any], asked: list[list[str]]
) -> None:
    before = str(document)
    written = str(require_all_properties(document))
    assert asked == [
        names
        for names in (["a", "b"], ["a"])
        if f"'required': {names}" in written and f"'required': {names}" not in before
    ]
    assert before == str(document)
