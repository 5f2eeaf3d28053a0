"""Answers and failures that the live services gave, where a folder of recordings is named."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from services.llm.structured import (
    InvalidAnswer,
    Rewritten,
    Schema,
    Target,
    ValidAnswer,
    parse_answer,
    rewrite,
)

FOLDER = os.environ.get("LLM_RECORDINGS", "")
pytestmark = pytest.mark.skipif(not FOLDER, reason="LLM_RECORDINGS names no folder of recordings")


def records() -> Iterator[dict[str, Any]]:
    with Path(FOLDER, "groq.jsonl").open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def parameters(record: dict[str, Any]) -> list[dict[str, Any]]:
    tools = (record["request"].get("body") or {}).get("tools") or ()
    found = [tool.get("function", {}).get("parameters") for tool in tools]
    return [schema for schema in found if isinstance(schema, dict) and schema.get("properties")]


def failed_generations() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    for record in records():
        text = record["response"].get("body_text", "")
        start = text.find('{"error"')
        if '"failed_generation"' in text and start >= 0:
            error = json.JSONDecoder().raw_decode(text[start:])[0]["error"]
            yield error["failed_generation"], parameters(record)


def tool_arguments() -> Iterator[tuple[str, dict[str, Any]]]:
    for record in records():
        text = record["response"].get("body_text", "")
        schemas = parameters(record)
        if record["response"]["status"] != 200 or not text.startswith("{") or len(schemas) != 1:
            continue
        for call in json.loads(text)["choices"][0]["message"].get("tool_calls") or ():
            yield call["function"]["arguments"], schemas[0]


def test_recorded_tool_arguments_are_read_as_they_are() -> None:
    seen = 0
    for text, document in tool_arguments():
        if jsonschema_rs.validator_for(document).is_valid(json.loads(text)):
            seen += 1
            assert parse_answer(text, False, Schema.of(document), coerce=False) == ValidAnswer(
                json.loads(text)
            )
    assert seen >= 20


def test_recorded_tool_schemas_are_rewritten() -> None:
    seen = 0
    for _, document in tool_arguments():
        rewritten = rewrite(Schema.of(document), Target.GROQ_STRICT)
        if isinstance(rewritten, Rewritten):
            seen += 1
            assert set(rewritten.schema["required"]) == set(document["properties"])
    assert seen >= 20


def test_a_recorded_failed_generation_is_saved_exactly_where_it_satisfies_the_schema() -> None:
    outcomes = {"ValidAnswer": 0, "InvalidAnswer": 0}
    for text, documents in failed_generations():
        for document in documents:
            verdict = parse_answer(text, False, Schema.of(document))
            outcomes[type(verdict).__name__] += 1
            if isinstance(verdict, InvalidAnswer):
                assert verdict.errors
            else:
                assert jsonschema_rs.validator_for(document).is_valid(verdict.value)
    assert outcomes["ValidAnswer"] >= 1
    assert outcomes["InvalidAnswer"] >= 3
