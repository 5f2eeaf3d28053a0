"""Pictures and documents at the door: read, recognized, bounded, and named where they are none."""

from __future__ import annotations

import base64
import io
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

from services.llm.client import content
from services.llm.client.arguments import chat
from services.llm.client.content import Document, Image
from services.llm.errors import ConfigurationError, InvalidRequestError

PNG = b"\x89PNG\r\n\x1a\n----"


def parts_of(*parts: Any) -> list[dict[str, Any]]:
    (message,) = chat([{"role": "user", "content": list(parts)}])
    found: list[dict[str, Any]] = message["content"]
    return found


def zipped(*names: str) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return held.getvalue()


def url_of(part: dict[str, Any]) -> str:
    url: str = part["image_url"]["url"] if "image_url" in part else part["file"]["file_data"]
    return url


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (PNG, "png"),
        (b"\xff\xd8\xff\xe0", "jpeg"),
        (b"GIF87a-", "gif"),
        (b"GIF89a-", "gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "webp"),
    ],
)
@pytest.mark.parametrize("source", ["bytes", "path", "text"])
def test_a_picture_is_told_by_its_bytes(
    tmp_path: Path, data: bytes, kind: str, source: str
) -> None:
    path = tmp_path / "named.txt"
    path.write_bytes(data)
    given = {"bytes": bytearray(data), "path": path, "text": str(path)}[source]
    (part,) = parts_of(Image(given))  # type: ignore[arg-type]  # a bytearray is bytes, too
    encoded = base64.b64encode(data).decode()
    assert {"url": f"data:image/{kind};base64,{encoded}"} == part["image_url"]


@pytest.mark.parametrize(
    ("data", "name", "kind"),
    [
        (b"%PDF-1.7", "a.txt", "application/pdf"),
        (b"\n%PDF-1.7", "", "application/pdf"),
        (zipped("word/document.xml"), "", "wordprocessingml.document"),
        (zipped("xl/workbook.xml"), "a.docx", "spreadsheetml.sheet"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1...", "a.DOC", "application/msword"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1...", "a.xls", "application/vnd.ms-excel"),
        (b"  <!DOCTYPE html><p>", "a.txt", "text/html"),
        (b"<p>", "a.htm", "text/html"),
        (b"a,b", "a.csv", "text/csv"),
        (b"# a", "a.markdown", "text/markdown"),
        (b"a", "", "text/plain"),
        ("ä".encode(), "a.pdf", "text/plain"),
    ],
)
def test_a_document_is_told_by_its_bytes_then_by_its_name(
    data: bytes, name: str, kind: str
) -> None:
    (part,) = parts_of(Document(data, name or None))
    head = url_of(part).partition(";base64,")[0]
    assert head.startswith("data:")
    assert head.endswith(kind)
    assert (name or "document") == part["file"]["filename"]


def test_a_document_has_the_name_of_its_file_and_may_be_cited(tmp_path: Path) -> None:
    path = tmp_path / "report.csv"
    path.write_text("a,b")
    (part,) = parts_of(Document(path, citations=True))
    assert ("report.csv", {"enabled": True}) == (part["file"]["filename"], part["citations"])
    (other,) = parts_of(Document(path, name="Report"))
    assert ("Report", True) == (other["file"]["filename"], url_of(other).startswith("data:text/cs"))
    assert "citations" not in other


@pytest.mark.parametrize(
    "url", ["https://a.example/b.png", "data:image/png;base64,AA==", "s3://bucket/b.png"]
)
def test_a_url_is_the_providers_to_open(url: str) -> None:
    picture, document = parts_of(Image(url, detail="low"), Document(url))
    assert {"url": url, "detail": "low"} == picture["image_url"]
    assert url == document["file"]["file_data"]
    assert ("document" if url.startswith("data:") else "b.png") == document["file"]["filename"]


def test_texts_may_stand_among_pictures_and_one_alone_needs_no_list() -> None:
    words, picture = parts_of("What is this?", Image(PNG))
    assert {"type": "text", "text": "What is this?"} == words
    (message,) = chat([{"role": "user", "content": Image(PNG)}])
    assert [picture] == message["content"]
    own = {"type": "text", "text": "x"}
    assert [own] == parts_of(own)
    assert [own, picture] == parts_of(own, Image(PNG))


def test_what_its_owner_changes_later_changes_nothing() -> None:
    data = bytearray(PNG)
    (part,) = parts_of(Image(data))  # type: ignore[arg-type]  # bytes that can be changed
    before = url_of(part)
    data[:] = b"another"
    assert before == url_of(part)


def test_neither_shows_its_bytes() -> None:
    assert "secret" not in repr([Image(b"secret"), Document(b"secret")])


@pytest.mark.parametrize(
    ("part", "problem"),
    [
        (Image(b"%PDF-"), "is of no known type: give a png, jpeg, gif or webp image"),
        (Image(b""), "is of no known type"),
        (Document(PNG), "is of no known type: give a document: pdf, csv, doc"),
        (Document(b"  \n"), "is of no known type"),
        (Document(b"a\0b"), "is of no known type"),
        (Document(zipped("other")), "is of no known type"),
        (Document(b"PK\x03\x04broken"), "is of no known type"),
        (Document(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a.ppt"), "is of no known type"),
        (Image("no/such/file.png"), "cannot be read: 'no/such/file.png' \\(No such file"),
        (Image("a\0b"), "cannot be read: .*embedded null "),
        (Image(os.devnull), "is no file: '/dev/null'"),
        (Image(5), "is made of int: give a path, bytes"),  # type: ignore[arg-type]  # what it is about
        (Document(5), "is made of int: give a path, bytes"),  # type: ignore[arg-type]  # the same
        (Document(b"x", name=5), "has int for its name"),  # type: ignore[arg-type]  # the same
    ],
    ids=range(14),
)
def test_what_is_none_is_named_by_its_place(part: Any, problem: str) -> None:
    with pytest.raises(InvalidRequestError, match=rf"^messages\[0\]\.content\[1\] {problem}") as e:
        parts_of("Look.", part)
    assert isinstance(e.value, ConfigurationError)
    with pytest.raises(InvalidRequestError, match=rf"^messages\[1\]\.content {problem}"):
        chat([{"role": "user", "content": "x"}, {"role": "user", "content": part}])


def test_what_is_too_large_is_read_no_further(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "LARGEST", 12)
    (tmp_path / "a").write_bytes(PNG)
    parts_of(Image(tmp_path / "a"), Image(PNG))
    (tmp_path / "a").write_bytes(PNG + b"-")
    for source in (tmp_path / "a", PNG + b"-"):
        with pytest.raises(InvalidRequestError, match="has more than 12 bytes: give a smaller"):
            parts_of(Image(source))


def test_a_path_may_be_made_of_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"94: furniture")

    class Named(os.PathLike):  # type: ignore[type-arg]  # a subclass of a generic at run time
        def __fspath__(self) -> bytes:
            return os.fsencode(tmp_path / "a.txt")

    (part,) = parts_of(Document(Named()))
    assert "a.txt" == part["file"]["filename"]


@pytest.mark.parametrize("tools", [True, 5, "tool", {"name": "tool"}])
def test_tools_are_a_list(tools: object) -> None:
    from services.llm.client.arguments import options

    assert {"tools": [{}]} == options({"tools": ({},)})
    with pytest.raises(InvalidRequestError, match="give a list of tools"):
        options({"tools": tools})


@pytest.mark.parametrize("name", ["extra_headers", "extra_query", "extra_body", "metadata"])
def test_what_holds_names_is_a_mapping(name: str) -> None:
    from services.llm.client.arguments import options

    assert {name: {"a": "b"}} == options({name: {"a": "b"}})
    values: list[object] = [5, 0, "text", [], True]
    for value in values:
        with pytest.raises(InvalidRequestError, match=f"{name} is .*: give a mapping"):
            options({name: value})


@pytest.mark.parametrize("name", ["Transfer-Encoding", "content-length", "Connection", "Expect"])
def test_a_header_that_frames_the_request_is_not_the_callers(name: str) -> None:
    from services.llm.client.arguments import options

    with pytest.raises(ConfigurationError, match="says how a request is sent"):
        options({"extra_headers": {name: "3"}})


@pytest.mark.parametrize("name", ["a b", "a:b", "", "ä"])
def test_a_headers_name_is_a_token(name: str) -> None:
    from services.llm.client.arguments import options

    assert {"extra_headers": {"X-A": "b"}} == options({"extra_headers": {"X-A": "b"}})
    with pytest.raises(InvalidRequestError, match="is no name of a header"):
        options({"extra_headers": {name: "b"}})
