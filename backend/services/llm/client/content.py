"""Pictures and documents in a message: read, recognized and bounded at the door."""

from __future__ import annotations

import base64
import os
import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any, Literal

from ..errors import UnsendableError
from ..frozen import dataclass
from ..providers.media_types import SUFFIXES, document_type, image_type
from ..redaction.printable import shown

#: Bytes of one picture or document; neither provider takes as many.
LARGEST = 20 * 2**20

_URL = r"(?i:data:|[a-z][a-z0-9+.-]+://)"


@dataclass(frozen=True)
class Image:
    """A picture for a model that sees: a path, its bytes, or its URL.

    A URL is the provider's to open: `https:` on Groq, `s3:` on Bedrock, `data:` on both. *detail*
    is how closely Groq is to look.
    """

    source: str | bytes | os.PathLike[str] = field(repr=False)
    detail: Literal["auto", "low", "high"] | None = None

    def as_part(self, place: str) -> dict[str, Any]:
        """The part of a message; UnsendableError, which names *place*, for what is no picture."""
        url = _url_of(self.source, place, image_type, "a png, jpeg, gif or webp image")
        more = {} if self.detail is None else {"detail": self.detail}
        return {"type": "image_url", "image_url": {"url": url, **more}}


@dataclass(frozen=True)
class Document:
    """A document for a model that reads them: a path, its bytes, or its URL (`s3:`, `data:`).

    *name* is what the model knows it by, the file's own by default. With *citations* the answer
    says what it rests on.
    """

    source: str | bytes | os.PathLike[str] = field(repr=False)
    name: str | None = None
    citations: bool = False

    def as_part(self, place: str) -> dict[str, Any]:
        """The part of a message; UnsendableError, which names *place*, for no document."""
        if not isinstance(self.name, (str, type(None))):
            raise UnsendableError(
                f"{place} has {type(self.name).__name__} for its name: give a str"
            )
        named = _file_name(self.source)

        def media_type(data: bytes) -> str | None:
            return document_type(data, named or self.name or "")

        known = f"a document: {', '.join(SUFFIXES)}"
        url = _url_of(self.source, place, media_type, known)
        file = {"filename": self.name or named or "document", "file_data": url}
        return {"type": "file", "file": file} | (
            {"citations": {"enabled": True}} if self.citations else {}
        )


def with_parts(place: str, message: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return *message* with its pictures and documents as parts, and plain texts among them too."""
    content = message.get("content")
    if isinstance(content, (Image, Document)):
        return {**message, "content": [content.as_part(f"{place}.content")]}
    if not isinstance(content, (list, tuple)) or not any(map(_is_short, content)):
        return message
    parts = [_part(f"{place}.content[{at}]", part) for at, part in enumerate(content)]
    return {**message, "content": parts}


def _is_short(part: object) -> bool:
    return isinstance(part, (str, Image, Document))


def _part(place: str, part: object) -> object:
    if isinstance(part, (Image, Document)):
        return part.as_part(place)
    return {"type": "text", "text": part} if isinstance(part, str) else part


def _file_name(source: object) -> str:
    if not isinstance(source, (str, os.PathLike)) or str(source)[:5].lower() == "data:":
        return ""
    return os.path.basename(os.fsdecode(source))


def _url_of(
    source: object, place: str, media_type: Callable[[bytes], str | None], known: str
) -> str:
    if isinstance(source, str) and re.match(_URL, source):
        return source
    if isinstance(source, (bytes, bytearray, memoryview)):
        data = bytes(source)
    elif isinstance(source, (str, os.PathLike)):
        data = _read(Path(os.fsdecode(source)), place)
    else:
        found = type(source).__name__
        raise UnsendableError(f"{place} is made of {found}: give a path, bytes or a URL")
    if len(data) > LARGEST:
        raise UnsendableError(f"{place} has more than {LARGEST} bytes: give a smaller one")
    if (kind := media_type(data)) is None:
        raise UnsendableError(f"{place} is of no known type: give {known}")
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _read(path: Path, place: str) -> bytes:
    try:
        # A pipe or a terminal would keep the call waiting, and a device has no end.
        if not stat.S_ISREG(path.stat().st_mode):
            raise UnsendableError(f"{place} is no file: {shown(str(path))}")
        with path.open("rb") as file:
            return file.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        if isinstance(error, UnsendableError):
            raise
        why = error.strerror if isinstance(error, OSError) else error
        raise UnsendableError(f"{place} cannot be read: {shown(str(path))} ({why})") from error
