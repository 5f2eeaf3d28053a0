"""What an image, a document and other media cost in tokens."""

from __future__ import annotations

import base64
import binascii
import struct

MEDIA_TOKENS = 256  # what cannot be measured
_LONGEST = 1568  # pixels; a longer image is scaled down (Anthropic's documentation)
_PIXELS_PER_TOKEN = 750
_PNG = b"\x89PNG\r\n\x1a\n"
# The markers of a JPEG's frame header; the others in this range define tables.
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def image_tokens(data: str | bytes | None) -> int:
    """The tokens of an image in base64, as Claude counts: pixels / 750, at most about 1,600."""
    size = image_size(_decoded(data))
    if size is None:
        return MEDIA_TOKENS
    scale = min(1.0, _LONGEST / max(size))
    width, height = (max(1, int(side * scale)) for side in size)
    return min(1_600, -(-width * height // _PIXELS_PER_TOKEN))


def image_size(data: bytes) -> tuple[int, int] | None:
    """The width and height of a PNG, GIF or JPEG in pixels, or None where it is none of them."""
    if data.startswith(_PNG) and len(data) >= 24:
        size = struct.unpack(">II", data[16:24])
    elif data[:6] in (b"GIF87a", b"GIF89a") and len(data) >= 10:
        size = struct.unpack("<HH", data[6:10])
    else:
        return _jpeg_size(data)
    return (size[0], size[1]) if all(size) else None


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    place = 2 if data.startswith(b"\xff\xd8") else len(data)
    while place + 9 <= len(data) and data[place] == 0xFF:
        marker, length = data[place + 1], int.from_bytes(data[place + 2 : place + 4], "big")
        if marker in _JPEG_FRAMES:
            height, width = struct.unpack(">HH", data[place + 5 : place + 9])
            return (width, height) if width and height else None
        place += 2 + length
    return None


def _decoded(data: str | bytes | None) -> bytes:
    try:
        return base64.b64decode(data or b"", validate=False)
    except (binascii.Error, ValueError):  # not base64: nothing that could be measured
        return b""
