"""The media types of pictures and documents, told by their bytes."""

from __future__ import annotations

import io
from pathlib import PurePath

_OFFICE = "application/vnd.openxmlformats-officedocument."

#: The documents that Converse reads, by the end of their names (botocore 1.44.5, DocumentFormat).
SUFFIXES = {
    "pdf": "application/pdf",
    "csv": "text/csv",
    "doc": "application/msword",
    "docx": f"{_OFFICE}wordprocessingml.document",
    "xls": "application/vnd.ms-excel",
    "xlsx": f"{_OFFICE}spreadsheetml.sheet",
    "html": "text/html",
    "txt": "text/plain",
    "md": "text/markdown",
}
_TEXTS = frozenset({"csv", "html", "txt", "md"})
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
#: Bytes at its beginning in which a page says that it is one.
_HEAD = 1024


def image_type(data: bytes) -> str | None:
    """Return the media type of a picture, None for what is none of the four that models see."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    return "image/webp" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else None


def document_type(data: bytes, name: str = "") -> str | None:
    """Return the media type of a document, by its bytes, then by its *name*; None for no document.

    The name decides only between types whose bytes look alike.
    """
    suffix = PurePath(name).suffix[1:].lower()
    suffix = {"htm": "html", "markdown": "md", "text": "txt"}.get(suffix, suffix)
    if data[:_HEAD].lstrip().startswith(b"%PDF-"):
        return SUFFIXES["pdf"]
    if data.startswith(b"PK\x03\x04"):
        return _office_type(data)
    if data.startswith(_OLE):
        return SUFFIXES.get(suffix) if suffix in ("doc", "xls") else None
    if not _is_text(data):
        return None
    head = data[:_HEAD].lstrip().lower()
    if head.startswith((b"<!doctype html", b"<html")):
        return SUFFIXES["html"]
    return SUFFIXES[suffix if suffix in _TEXTS else "txt"]


def _office_type(data: bytes) -> str | None:
    import zipfile  # slow to import, and rarely needed

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError):
        return None
    for folder, suffix in (("word/", "docx"), ("xl/", "xlsx")):
        if any(name.startswith(folder) for name in names):
            return SUFFIXES[suffix]
    return None


def _is_text(data: bytes) -> bool:
    try:
        return bool(data.strip()) and "\0" not in data.decode("utf-8")
    except UnicodeDecodeError:
        return False
