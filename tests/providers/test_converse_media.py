"""Pictures and documents as Converse's blocks, and what InvokeModel cannot carry of them."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from services.llm.errors import InvalidRequestError
from services.llm.providers.bedrock import to_converse, to_invoke
from services.llm.types import Request

CLAUDE_3 = "anthropic.claude-3-haiku-20240307-v1:0"
LLAMA = "meta.llama3-8b-instruct-v1:0"
PIXEL = base64.b64encode(b"pixel").decode()
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
PICTURE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
BLOCK = {"image": {"format": "png", "source": {"bytes": b"pixel"}}}


def file(url: str, name: str = "a.pdf", **more: Any) -> dict[str, Any]:
    return {"type": "file", "file": {"filename": name, "file_data": url}, **more}


def content_of(*parts: Any) -> Any:
    request = Request("m", ({"role": "user", "content": list(parts)},))
    return to_converse(request)["messages"][0]["content"]


@pytest.mark.parametrize(
    ("media", "form"),
    [
        ("application/pdf", "pdf"),
        ("text/plain;charset=utf-8", "txt"),
        ("TEXT/CSV", "csv"),
        ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"),
    ],
)
def test_a_document_becomes_bytes(media: str, form: str) -> None:
    named = {"format": form, "name": "a-pdf", "source": {"bytes": b"pixel"}}
    url = f"data:{media};base64,{PIXEL}"
    assert [{"document": named}] == content_of(file(url))
    cited = {"document": {**named, "citations": {"enabled": True}}}
    point = {"cachePoint": {"type": "default"}}
    more: dict[str, Any] = {"citations": {"enabled": True}, "cache_control": {"type": "ephemeral"}}
    assert [cited, point] == content_of(file(url, **more))
    assert [{"document": named}] == content_of(file(url, citations={"enabled": False}))


def test_what_lies_in_s3_stays_there() -> None:
    picture, document = "s3://bucket/a/b.JPG", "s3://bucket/a.md"
    image = {"format": "jpeg", "source": {"s3Location": {"uri": picture}}}
    named = {"format": "md", "name": "a-pdf", "source": {"s3Location": {"uri": document}}}
    found = content_of({"type": "image_url", "image_url": picture}, file(document))
    assert [{"image": image}, {"document": named}] == found


@pytest.mark.parametrize(
    ("part", "problem"),
    [
        (file("data:application/zip;base64,AA=="), "must be a data: URL of a document"),
        (file("https://a.example/b.pdf"), "must be a data: URL of a document, or its s3: address"),
        (file("s3://bucket/a.exe"), "must be a data: URL of a document"),
        (file("data:text/plain;base64,?"), "is not valid base64"),
        ({"type": "file"}, "must be a data: URL of a document"),
        ({"type": "file", "file": {"file_id": "f"}}, "file.file_id is not understood"),
        (
            {"type": "image_url", "image_url": "https://a.example/b.png"},
            "must be .* Bedrock fetches nothing from elsewhere",
        ),
        ({"type": "image_url", "image_url": "s3://bucket/a.tiff"}, "must be a data: URL of a png"),
        ({"type": 5}, "is of type None"),
    ],
    ids=range(9),
)
def test_what_converse_cannot_take_is_named(part: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidRequestError, match=rf"messages\[0\]\.content\[0\].*{problem}"):
        content_of(part)


def test_content_that_is_none_is_not_shown() -> None:
    for content, kind in (({"secret": "x"}, "not a dict"), (5, "not 5")):
        with pytest.raises(InvalidRequestError, match=f"string or a list, {kind}$"):
            to_converse(Request("m", ({"role": "user", "content": content},)))


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([{"type": "text", "text": "a"}, PICTURE], [{"text": "a"}, BLOCK]),
        ([PICTURE], [BLOCK]),
        ([], [{"text": ""}]),
    ],
    ids=range(3),
)
def test_a_tool_may_give_a_picture(parts: list[Any], expected: list[Any]) -> None:
    talk = (
        {"role": "user", "content": "?"},
        {"role": "assistant", "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c", "content": parts},
    )
    result = to_converse(Request("m", talk))["messages"][2]["content"]
    assert [{"toolResult": {"toolUseId": "c", "content": expected}}] == result
    body = json.loads(to_invoke(Request(CLAUDE_3, talk))["body"])
    given = body["messages"][2]["content"][0]["content"]
    if PICTURE in parts:
        assert ["text", "image"] == [block["type"] for block in given]
    else:
        assert "" == given


@pytest.mark.parametrize(
    ("model", "part", "problem"),
    [
        (CLAUDE_3, file("s3://bucket/a.md"), "InvokeModel, which carries no documents"),
        (
            CLAUDE_3,
            {"type": "image_url", "image_url": "s3://bucket/a.png"},
            "InvokeModel, which carries no images in S3",
        ),
        (LLAMA, file("s3://bucket/a.md"), "takes text alone, not the Document in messages"),
    ],
)
def test_invoke_model_says_what_it_cannot_carry(
    model: str, part: dict[str, Any], problem: str
) -> None:
    message = {"role": "user", "content": [{"type": "text", "text": "a"}, part]}
    with pytest.raises(InvalidRequestError, match=problem):
        to_invoke(Request(model, (message,)))
