"""How large a picture is, by the first bytes of it."""

from __future__ import annotations

import base64
import binascii

#: Characters of base64 in which a header is looked for: a JPEG may begin with 64 KiB of notes.
_LOOKED_AT = 120_000
# The markers of a JPEG's frame header; the others in this range define tables.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def size_in_url(url: str) -> tuple[int, int] | None:
    """Return width and height in pixels of a png, gif or jpeg in a `data:` URL, or None."""
    head, comma, data = url[: _LOOKED_AT + 100].partition(";base64,")
    if not comma or head[:11].lower() != "data:image/":
        return None
    try:
        return image_size(base64.b64decode(data[: len(data) // 4 * 4]))
    except (binascii.Error, ValueError):
        return None  # which the provider will say


def image_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height in pixels by a picture's beginning, or None."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return _size(data[16:20], data[20:24])
    if data.startswith((b"GIF87a", b"GIF89a")):
        return _size(data[6:8][::-1], data[8:10][::-1])
    return _jpeg_size(data) if data.startswith(b"\xff\xd8") else None


def _size(width: bytes, height: bytes) -> tuple[int, int] | None:
    size = int.from_bytes(width, "big"), int.from_bytes(height, "big")
    return size if all(size) else None


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    place = 2
    while place + 9 <= len(data) and data[place] == 0xFF:
        if data[place + 1] in _FRAMES:
            return _size(data[place + 7 : place + 9], data[place + 5 : place + 7])
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return None
