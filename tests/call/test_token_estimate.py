"""How many tokens a request is thought to take."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.llm.account.token_estimate import input_estimate
from services.llm.types import Output, Request

EMPTY = Request("m", ())


def of(*messages: Any, **more: Any) -> int:
    return input_estimate(replace(EMPTY, messages=messages, **more))


@pytest.mark.parametrize(
    ("message", "tokens"),
    [
        ({"role": "", "content": ""}, 8),
        ({"role": "user", "content": ""}, 8 + 2),
        ({"role": "user", "content": "x" * 296}, 8 + 100),
        ({"role": "user", "content": "é" * 148}, 8 + 100),
        ({"role": "user", "content": None}, 8 + 2),
        ({"role": "user", "content": "\ud800"}, 8 + 2),
        ({"role": "", "content": ({"text": "x" * 30},)}, 8 + 10),
    ],
)
def test_three_bytes_are_a_token_and_a_message_is_eight(
    message: dict[str, Any], tokens: int
) -> None:
    assert tokens == of(message)


def test_an_image_counts_as_one_whatever_its_size() -> None:
    parts = [{"image_url": {"url": "data:image/png;base64," + "A" * size}} for size in (1, 999_999)]
    small, large = (of({"content": [part]}) for part in parts)
    assert small == large == 8 + 2048


def test_a_document_counts_by_its_size_and_one_of_text_by_its_bytes() -> None:
    def document(url: object) -> int:
        return of({"content": [{"file": {"file_data": url}}]}) - 8

    assert 100 == document("data:text/plain;base64," + "A" * (400 - 23))
    assert [3000, 3000, 6000] == [
        document("data:application/pdf;base64," + "A" * size) for size in (1, 60_000, 120_000)
    ]
    assert 3000 == document(5)
    assert 8 + 1 == of({"content": [{"file": "abc"}]})


def test_an_address_among_a_tools_parameters_is_no_picture() -> None:
    properties = {"url": {"type": "x" * 300}, "image_url": "y" * 300}
    assert 200 == of(options={"tools": [{"parameters": {"properties": properties}}]})


def test_tools_and_a_schema_are_part_of_the_prompt() -> None:
    tools, schema = [{"function": {"name": "x" * 300}}], {"title": "y" * 600}
    assert 100 == of(options={"tools": tools})
    assert 200 == of(output=Output("strict", schema))


DEEP = st.recursive(
    st.text() | st.integers() | st.none(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(content=DEEP, more=st.text())
def test_any_content_is_estimated_and_more_of_it_is_never_less(content: Any, more: str) -> None:
    assert 8 <= of({"content": content}) <= of({"content": [content, more]})


def test_depth_is_no_obstacle() -> None:
    content: Any = "x" * 30
    for _ in range(100_000):
        content = [content]
    assert 8 + 10 == of({"content": content})
