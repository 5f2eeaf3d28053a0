"""How many tokens a request is thought to take."""

from __future__ import annotations

import base64
import struct
from dataclasses import replace
from math import ceil
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.llm.account.token_estimate import input_estimate, text_estimate
from services.llm.providers.image_size import image_size, size_in_url
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


def png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", width, height)


JPEG = b"\xff\xd8\xff\xe1\x00\x04EX\xff\xc0\x00\x11\x08" + struct.pack(">HH", 600, 1000)
SIZES = [
    (png(1000, 600), (1000, 600)),
    (b"GIF89a" + struct.pack("<HH", 1000, 600), (1000, 600)),
    (JPEG, (1000, 600)),
    (png(0, 600), None),
    (JPEG[:8], None),
    (b"\xff\xd8\x00" + b"\0" * 20, None),
    (b"RIFF\0\0\0\0WEBP", None),
    (b"", None),
]


@pytest.mark.parametrize(("data", "size"), SIZES, ids=range(len(SIZES)))
def test_a_picture_tells_its_size_in_its_first_bytes(
    data: bytes, size: tuple[int, int] | None
) -> None:
    assert size == image_size(data)
    encoded = base64.b64encode(data + b"\0" * 200_000).decode()
    assert size == size_in_url(f"data:image/x;base64,{encoded}")


@pytest.mark.parametrize("url", ["https://a.example/b.png", "data:text/plain;base64,AA==", "data:"])
def test_what_is_no_picture_of_ours_has_no_size(url: str) -> None:
    assert None is size_in_url(url)
    assert None is size_in_url("data:image/png;base64,?\N{SNOWMAN}??")


@given(data=st.binary(max_size=40))
def test_any_bytes_have_a_size_above_nothing_or_none(data: bytes) -> None:
    for head in (b"", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"\xff\xd8"):
        size = image_size(head + data)
        assert size is None or min(size) > 0


@pytest.mark.parametrize(
    ("model", "data", "tokens"),
    [
        ("us.anthropic.claude-sonnet-4-6", png(1000, 600), 800),
        ("us.anthropic.claude-sonnet-4-6", png(1, 1), 1),
        ("us.anthropic.claude-sonnet-4-6", png(9000, 9000), 1600),
        ("us.anthropic.claude-sonnet-4-6", b"RIFF", 1600),
        ("us.anthropic.claude-opus-4-7", png(9000, 9000), 4800),
        ("amazon.nova-lite-v1:0", png(1, 1), 2048),
        ("qwen/qwen3.8-27b", png(1, 1), 2048),
    ],
)
def test_an_image_counts_as_its_provider_counts_it(model: str, data: bytes, tokens: int) -> None:
    url = f"data:image/png;base64,{base64.b64encode(data).decode()}"
    for source in (url, {"url": url}):
        message = {"content": [{"type": "image_url", "image_url": source}]}
        asked = replace(EMPTY, model=model, messages=(message,))
        assert 8 + tokens == input_estimate(asked)


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
    names = '"properties":"url":"type":"image_url":'
    assert ceil((600 + len(names)) / 3) == of(options={"tools": [{"properties": properties}]})


def test_tools_and_a_schema_are_part_of_the_prompt() -> None:
    tools, schema = [{"function": {"name": "x" * 300}}], {"title": "y" * 600}
    assert ceil((300 + len('"function":"name":')) / 3) == of(options={"tools": tools})
    assert ceil((600 + len('"title":')) / 3) == of(output=Output("strict", schema))


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


@pytest.mark.parametrize(
    ("text", "tokens"), [("", 0), ("x" * 30, 10), ("x" * 31, 11), ("é" * 3, 2)]
)
def test_a_part_of_an_answer_is_estimated_by_its_bytes(text: str, tokens: int) -> None:
    assert tokens == text_estimate(text)
