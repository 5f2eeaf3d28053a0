"""The parts of a message's content, in OpenAI's form, as Bedrock's blocks."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Mapping, Set
from typing import Any

from ..fields import member, text
from ..media_types import SUFFIXES
from ..request_checks import invalid_request
from .blocks import Block, CachePoint, Document, Image, Reasoning, Text

_IMAGE = re.compile(r"data:image/(png|jpe?g|gif|webp);base64,", re.I)
_DOCUMENT = re.compile(r"data:([\w.+/-]+)(?:;charset=[\w-]+)?;base64,", re.I | re.ASCII)
_S3 = re.compile(r"s3://[^/]+/.*\.(\w+)", re.I | re.S)
_IMAGE_FORMATS = {"png": "png", "jpg": "jpeg", "jpeg": "jpeg", "gif": "gif", "webp": "webp"}
_DOCUMENT_FORMATS = {media: suffix for suffix, media in SUFFIXES.items()}
_CONTROL = "cache_control"


def cache_point(control: object, where: str) -> CachePoint:
    """Return Converse's form of Anthropic's `cache_control`; InvalidRequestError for another.

    Source: docs.anthropic.com, "Prompt caching"; botocore 1.44.5, CachePointBlock.
    """
    if text(control, "type") != "ephemeral":
        raise invalid_request(
            "bedrock", f'{where} must be {{"type": "ephemeral"}}, with a ttl if need be'
        )
    check_known_keys(control, {"type", "ttl"}, where)
    lasting = member(control, "ttl")
    return CachePoint({"type": "default", **({} if lasting is None else {"ttl": lasting})})


def check_known_keys(value: object, known: Set[str], where: str) -> None:
    """Raise InvalidRequestError for a key of *value* that is not *known* and not None."""
    for name, member_value in value.items() if isinstance(value, Mapping) else ():
        if name not in known and member_value is not None:
            raise invalid_request(
                "bedrock", f"{where}.{name} is not understood: known are {', '.join(sorted(known))}"
            )


def content_blocks(content: object, where: str) -> Iterator[Block]:
    """Yield the blocks of a message's *content*, None included; InvalidRequestError for another."""
    if isinstance(content, str):
        yield Text(content)
    elif isinstance(content, (list, tuple)):
        for place, part in enumerate(content):
            yield from _part(part, f"{where}[{place}]")
    elif content is not None:
        kind = type(content).__name__
        found = content if isinstance(content, (int, float)) else f"a {kind}"
        raise invalid_request("bedrock", f"{where} must be a string or a list, not {found}")


def _part(part: object, where: str) -> Iterator[Block]:
    if not isinstance(part, Mapping):
        raise invalid_request("bedrock", f"{where} must be a mapping, not a {type(part).__name__}")
    if isinstance(point := part.get("cachePoint"), Mapping):
        check_known_keys(part, {"type", "cachePoint"}, where)
        yield CachePoint(point)
        return
    # Converse's own text has no type.
    kind = text(part, "type") or ("text" if "text" in part else None)
    if kind not in _READERS or (kind == "text" and text(part, "text") is None):
        known = ", ".join(_READERS)
        raise invalid_request(
            "bedrock", f"{where} is of type {kind!r:.40}; known are {known} and cachePoint"
        )
    keys, read = _READERS[kind]
    check_known_keys(part, {"type", _CONTROL, *keys}, where)
    if (block := read(part, where)) is not None:
        yield block
    yield from cache_point_in(part, where)


def cache_point_in(part: Mapping[str, Any], where: str) -> Iterator[CachePoint]:
    """Yield the cache point that a *part*, a message or a tool asks for, if it does."""
    control = part.get(_CONTROL)
    if control is not None:
        yield cache_point(control, f"{where}.{_CONTROL}")


def _text(part: Mapping[str, Any], where: str) -> Text:
    return Text(part["text"])


def _image(part: Mapping[str, Any], where: str) -> Image:
    source = part.get("image_url")
    # Bedrock reads every image as closely as it can: there is no detail to ask for.
    check_known_keys(source, {"url", "detail"}, f"{where}.image_url")
    url = source if isinstance(source, str) else text(source, "url") or ""
    if format_ := _s3_format(url, _IMAGE_FORMATS):
        return Image(format_, uri=url)
    head = _IMAGE.match(url)
    if head is None:
        raise invalid_request(
            "bedrock",
            f"{where} must be a data: URL of a png, jpeg, gif or webp image, or its s3: address:"
            " Bedrock fetches nothing from elsewhere",
        )
    return Image(_IMAGE_FORMATS[head[1].lower()], _decoded(url, head.end(), where))


def _file(part: Mapping[str, Any], where: str) -> Document:
    file = part.get("file")
    check_known_keys(file, {"filename", "file_data"}, f"{where}.file")
    url, name = text(file, "file_data") or "", text(file, "filename") or ""
    cited = bool(member(part.get("citations"), "enabled"))
    if format_ := _s3_format(url, _DOCUMENT_FORMATS.values()):
        return Document(format_, name, uri=url, citations=cited)
    head = _DOCUMENT.match(url)
    known = _DOCUMENT_FORMATS.get(head[1].lower()) if head else None
    if head is None or known is None:
        raise invalid_request(
            "bedrock",
            f"{where} must be a data: URL of a document, or its s3: address: {', '.join(SUFFIXES)}",
        )
    return Document(known, name, _decoded(url, head.end(), where), citations=cited)


def _reasoning(part: Mapping[str, Any], where: str) -> Reasoning | None:
    signature, redacted = text(part, "signature"), text(part, "redacted")
    if redacted:
        return Reasoning(redacted=_decoded(redacted, 0, where))
    # Only what is signed is taken back.
    return Reasoning(text(part, "text") or "", signature) if signature else None


_READERS: dict[str, tuple[Set[str], Callable[[Mapping[str, Any], str], Block | None]]] = {
    "text": ({"text"}, _text),
    "image_url": ({"image_url"}, _image),
    "file": ({"file", "citations"}, _file),
    "reasoning": ({"text", "signature", "redacted"}, _reasoning),
}


def _s3_format(url: str, known: Any) -> str | None:
    found = _S3.fullmatch(url)
    suffix = found[1].lower() if found else ""
    if suffix not in known:
        return None
    return known[suffix] if isinstance(known, Mapping) else suffix


def _decoded(url: str, start: int, where: str) -> bytes:
    try:
        return base64.b64decode(url[start:], validate=True)
    except (binascii.Error, ValueError) as error:
        raise invalid_request("bedrock", f"{where} is not valid base64: {error}") from error
