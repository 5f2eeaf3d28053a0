"""The note of a batch: what it says of each prompt, and of what is no note."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.llm.batch import batch_note
from services.llm.batch.batch_note import BatchNote

TAGS = st.dictionaries(st.sampled_from("ab"), st.text(max_size=2), max_size=2)
KINDS = st.lists(st.tuples(st.sampled_from(["m", "n"]), TAGS), max_size=20)


@given(KINDS, st.lists(st.integers(1, 3), min_size=20, max_size=20))
def test_each_prompt_has_its_model_and_tags_after_a_restart(
    kinds: list[tuple[str, dict[str, str]]], steps: list[int]
) -> None:
    note, index, expected = BatchNote(day="2026-11-26"), 0, {}
    for (model, tags), step in zip(kinds, steps, strict=False):
        index += step  # one of several files has some of the prompts
        note.add(index, model, tags)
        note.reserve(3, {"": 5})
        expected[index] = (model, tags)
    decoded = BatchNote.decode(note.encode())
    for known in (note, decoded):
        assert expected == {index: known.kind_of(index) for index in expected}
        assert ("", {}) == known.kind_of(0)
    assert len(kinds) == decoded.prompts
    assert (3 * len(kinds), {"": 5 * len(kinds)} if kinds else {}) == (
        decoded.tokens,
        decoded.money,
    )


def test_equal_prompts_take_no_room() -> None:
    note = BatchNote()
    for index in range(50_000):
        note.add(index, "m", {"tenant": "acme"})
    assert len(note.encode()) < 200


def test_where_tags_are_many_and_long_they_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_note, "_MOST_CHARACTERS", 100)
    note = BatchNote()
    for index in range(50):
        note.add(index, "m", {"user": str(index)})
    assert ("m", {"user": "3"}) == note.kind_of(3)
    assert ("m", {}) == note.kind_of(49)


GOOD = json.loads(BatchNote(day="d", prompts=1).encode())


WRONG: tuple[Any, ...] = (
    *({"day": 7}, {"prompts": -1}, {"prompts": True}, {"money": {"": "1"}}),
    *({"money": []}, {"kinds": [["m", {"a": 1}]]}, {"kinds": [["m"]]}),
    *({"firsts": [[0, 0]]}, {"firsts": [[0]]}, {"tokens": 0.5}),
)


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "null", "7", "[" * 10_000, "{}"),
        *(json.dumps({**GOOD, **wrong}) for wrong in WRONG),
    ],
)
def test_what_is_no_note_says_nothing(text: str) -> None:
    assert BatchNote() == BatchNote.decode(text)
