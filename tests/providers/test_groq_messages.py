from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.llm.errors import InvalidRequestError
from services.llm.providers.groq import to_chat_completion
from services.llm.types import Message, Request

EPHEMERAL = {"type": "ephemeral"}
POINT = {"cachePoint": {"type": "default"}}
WORDS = {"type": "text", "text": "long"}


def sent(*messages: Message, **options: Any) -> dict[str, Any]:
    return to_chat_completion(Request("m", messages, options=options))


def content_of(*parts: Any, role: str = "user") -> Any:
    return sent({"role": role, "content": list(parts)})["messages"][0]["content"]


def file(data: bytes, media: str = "text/plain", **more: Any) -> dict[str, Any]:
    url = f"data:{media};base64,{base64.b64encode(data).decode()}"
    return {"type": "file", "file": {"filename": 'a "b".txt', "file_data": url}, **more}


def test_marks_of_a_prompt_cache_are_left_out() -> None:
    function = {"name": "f", "cache_control": EPHEMERAL}
    tool = {"type": "function", "function": function, "cache_control": EPHEMERAL}
    arguments = sent(
        {"role": "system", "content": "Be brief.", "cache_control": EPHEMERAL},
        {"role": "user", "content": [{**WORDS, "cache_control": EPHEMERAL}, POINT]},
        tools=[tool, POINT, "odd", {"type": "new"}],
    )
    assert [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [WORDS]},
    ] == arguments["messages"]
    plain = {"type": "function", "function": {"name": "f"}}
    assert [plain, "odd", {"type": "new"}] == arguments["tools"]
    assert 5 == sent({"role": "user", "content": "x"}, tools=5)["tools"]


def test_what_another_model_thought_is_left_out() -> None:
    thought = {"type": "reasoning", "text": "Well.", "signature": "s"}
    assert [WORDS, WORDS] == content_of(thought, WORDS, WORDS, role="assistant")
    assert None is content_of(thought, role="assistant")
    assert [] == content_of()


def test_a_picture_is_a_url_in_groqs_form() -> None:
    url = "https://a.example/b.png"
    expected = {"type": "image_url", "image_url": {"url": url}}
    for source in (url, {"url": url}):
        assert [expected] == content_of({"type": "image_url", "image_url": source})
    # What the API may take and this library does not know is left to it.
    odd = {"type": "image_url", "image_url": 5}
    assert [odd, "x", {"type": "new"}] == content_of(odd, "x", {"type": "new"})


def test_a_document_of_text_is_written_out_with_its_name() -> None:
    (part,) = content_of(file("Stühle.".encode()))
    assert '<document name="a \\"b\\".txt">\nStühle.\n</document>' == part["text"]


@pytest.mark.parametrize(
    ("part", "problem"),
    [
        (file(b"x", "application/pdf"), "is no text, and Groq reads no other documents"),
        ({"type": "file", "file": {"file_id": "f"}}, "is no text"),
        ({"type": "file"}, "is no text"),
        (file(b"x", citations={"enabled": True}), "asks for citations: Groq cites what"),
        (file(b"\xff"), "is no base64 of UTF-8"),
        (
            {"type": "file", "file": {"file_data": "data:text/plain;base64,?"}},
            "is no base64 of UTF-8",
        ),
        ({"type": "image_url", "image_url": {"url": "S3://b/c.png"}}, "lies in S3"),
    ],
    ids=range(7),
)
def test_what_groq_cannot_take_is_named(part: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidRequestError, match=rf"messages\[0\]\.content\[1\] {problem}") as e:
        content_of(WORDS, part)
    assert e.value.__cause__ is None


@pytest.mark.parametrize(
    ("tier", "expected"), [("default", "on_demand"), ("flex", "flex"), ("new", "new")]
)
def test_a_tier_has_groqs_name(tier: str, expected: str) -> None:
    extra = sent({"role": "user", "content": "x"}, service_tier=tier)["extra_body"]
    assert {"service_tier": expected} == extra


TEXTS = st.lists(st.text(min_size=1), max_size=4)
MARKED = st.booleans()


@given(texts=TEXTS, marked=MARKED, role=st.sampled_from(["user", "system", "assistant"]))
def test_texts_reach_groq_as_they_are(texts: list[str], marked: bool, role: str) -> None:
    mark = {"cache_control": EPHEMERAL} if marked else {}
    parts = [{"type": "text", "text": text, **mark} for text in texts]
    assert texts == [part["text"] for part in content_of(*parts, role=role)]
