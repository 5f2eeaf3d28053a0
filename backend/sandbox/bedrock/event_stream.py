"""AWS's binary event stream: length-prefixed messages of headers and a payload, with checksums.

A message is: total length, length of the headers, CRC-32 of these eight bytes, headers, payload,
CRC-32 of all before it; numbers are big-endian, of four bytes. A header is: length of its name, the
name, 7 for "text", length of the text in two bytes, the text. (AWS's documentation of
`application/vnd.amazon.eventstream`.)
"""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Mapping
from typing import Any

from ..http_types import HttpResponse

CONTENT_TYPE = "application/vnd.amazon.eventstream"
_TEXT = 7
_PADDING = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def message(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One message, with text headers."""
    head = b"".join(
        struct.pack("!B", len(name.encode()))
        + name.encode()
        + struct.pack("!BH", _TEXT, len(value.encode()))
        + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack("!II", 16 + len(head) + len(payload), len(head))
    start = prelude + struct.pack("!I", zlib.crc32(prelude)) + head + payload
    return start + struct.pack("!I", zlib.crc32(start))


def event(kind: str, payload: Mapping[str, Any]) -> bytes:
    """An event of Converse's stream; recorded: each payload has padding of a length of its own."""
    padded = {**payload, "p": _padding(payload)}
    headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    return message(headers, _json(dict(sorted(padded.items()))))


def chunk(payload: Mapping[str, Any]) -> bytes:
    """An event of InvokeModel's stream: the model's own JSON, in base64."""
    encoded = base64.b64encode(_json(payload)).decode()
    return event("chunk", {"bytes": encoded})


def exception(response: HttpResponse) -> bytes:
    """The message of an error in mid-stream: its type in a header, its text in the payload."""
    name = response.headers.get("x-amzn-errortype", "InternalServerException").partition(":")[0]
    headers = {
        ":exception-type": name[:1].lower() + name[1:],
        ":content-type": "application/json",
        ":message-type": "exception",
    }
    return message(headers, response.body)


def damaged(data: bytes) -> bytes:
    """The message with a wrong checksum."""
    return data[:-1] + bytes([data[-1] ^ 0xFF])


def _json(payload: Any) -> bytes:
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()


def _padding(payload: Mapping[str, Any]) -> str:
    # Random in the service; made of the payload, so that the same answer has the same bytes.
    return _PADDING[: 2 + zlib.crc32(_json(payload)) % 60]
