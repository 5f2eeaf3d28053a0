"""What is kept of a reply: all that its caller may need of it, and nothing that is not one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.llm.account.cache_record import record_of, restored
from services.llm.types import Citation, Reply, ToolCall, Usage
from tests.conftest import FEWER

PARTS = ({"type": "reasoning", "text": "", "signature": "s"}, {"type": "text", "text": "hi"})
FULL = Reply(
    "hi",
    "m",
    "bedrock",
    "end_turn",
    Usage(1, 2, 3, reported=True),
    reasoning="Well.",
    tool_calls=(ToolCall("t1", "look", "{}"),),
    citations=(Citation("hi", "94", "Tariff", "s", {"documentPage": {"start": 1}}),),
    parts=PARTS,
    guardrail_trace={"inputAssessment": {}},
    service_tier="flex",
)


def kept(reply: Reply) -> Reply | None:
    return restored(record_of(reply), reply.provider)


def test_a_reply_is_restored_whole() -> None:
    assert FULL.replace(cost=0.0, cached=True) == kept(FULL)


def test_what_a_reply_has_not_is_not_kept() -> None:
    assert {"citations", "parts", "guardrail_trace", "service_tier"} == record_of(
        FULL
    ).keys() - record_of(Reply("hi", "m", "groq")).keys()
    assert Reply("hi", "m", "groq", cost=0.0, cached=True) == kept(Reply("hi", "m", "groq"))


@pytest.mark.parametrize(
    "damage",
    [
        {"citations": 5},
        {"citations": ["x"]},
        {"citations": [{"text": "x"}]},
        {"citations": [{**record_of(FULL)["citations"][0], "title": 5}]},
        {"citations": [{**record_of(FULL)["citations"][0], "location": "x"}]},
        {"parts": 5},
        {"parts": ["x"]},
        {"parts": [{"type": 5}]},
        {"parts": [{"type": "text", "text": 5}]},
        {"parts": [{"type": "text"}, "x"]},
        {"tool_calls": 5},
        {"tool_calls": ["x"]},
        {"tool_calls": [{"id": "t1", "name": "look"}]},
        {"tool_calls": [{"id": "t1", "name": "look", "arguments": {}}]},
        {"tool_calls": [{"id": "t1", "name": "look", "arguments": "{}", "more": "x"}]},
        {"usage": {"input_tokens": 1, "output_tokens": "x"}},
        {"usage": {"input_tokens": -1}},
        {"usage": {"input_tokens": 10**12 + 1}},
        {"usage": {"input_tokens": True}},
        {"usage": {"unheard_of": 1}},
        {"usage": None},
        {"text": None},
        {"model": 5},
        {"finish_reason": 5},
        {"guardrail_trace": "x"},
        {"service_tier": 5},
        {"another": 5},
    ],
)
def test_what_is_none_of_ours_is_a_miss(damage: dict[str, Any]) -> None:
    assert None is restored({**record_of(FULL), **damage}, "bedrock")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=3,
)


def test_lists_of_an_older_json_are_the_same_as_ours() -> None:
    record = record_of(FULL)
    lists = {name: list(record[name]) for name in ("parts", "tool_calls", "citations")}
    found = restored({**record, **lists}, "bedrock")
    assert found is not None
    assert (FULL.parts, FULL.tool_calls, FULL.citations) == (
        *(found.parts, found.tool_calls),
        found.citations,
    )


@settings(max_examples=30 // FEWER)
@given(name=st.sampled_from(sorted(record_of(FULL))), value=JSON)
def test_any_record_is_a_reply_or_a_miss(name: str, value: Any) -> None:
    found = restored({**record_of(FULL), name: value}, "bedrock")
    if found is not None:
        assert "role" in found.message
