"""One entry as bytes: a line of JSON that carries a checksum of itself.

    {"sum":"<16 hex>","key":"<64 hex>","expires":1795305600.000,"value":{...}}

The sum is the BLAKE2b hash (RFC 7693), 8 bytes long, of all that follows its comma, so damage is
recognised without trusting any byte of the line. The text is pure ASCII and holds no newline.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

_log = logging.getLogger(__name__)

_KEY = re.compile(r"[0-9a-f]{64}")
_HEAD = re.compile(rb'\{"sum":".{16}","key":"(.{64})","expires":(-?\d{1,15}\.\d{3}),"value":\{')
_SUM = slice(8, 24)
_SUMMED = 26  # where the part under the checksum begins


def check_key(key: object) -> None:
    """Raise ValueError unless *key* is a SHA-256 hash in lowercase hexadecimal."""
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise ValueError(f"key must be a SHA-256 hash, 64 lowercase hex digits, not {key!r}")


def encode_entry(key: str, value: Mapping[str, Any], expires: float) -> bytes:
    """Return the line, without newline, that holds *value* until *expires* (Unix seconds).

    TypeError or ValueError for a value that JSON cannot hold, NaN included, or a bad key.
    """
    check_key(key)
    text = json.dumps(dict(value), separators=(",", ":"), allow_nan=False)
    body = f'"key":"{key}","expires":{expires:.3f},"value":{text}}}'.encode("ascii")
    return b'{"sum":"%s",%s' % (_sum(body), body)


def peek(data: bytes, start: int = 0) -> tuple[str, float] | None:
    """Return the key and expiry (Unix seconds) that a line at *start* states, or None.

    The checksum is not verified here, see `has_valid_checksum`: opening a log peeks at each line.
    """
    found = _HEAD.match(data, start)
    return (found[1].decode("latin-1"), float(found[2])) if found else None


def has_valid_checksum(line: bytes) -> bool:
    """Whether the line that `peek` found is as it was written, from first byte to last."""
    return line[_SUM] == _sum(line[_SUMMED:])


def decode_entry(line: object, key: str) -> dict[str, Any] | None:
    """Return the value in *line*; if the line is damaged or another key's, warn and return None.

    The checksum only finds accidental damage: whoever can write to the store can compute one, so
    the value may be any JSON object.
    """
    if isinstance(line, bytes):
        stated = peek(line)
        if stated is not None and stated[0] == key and has_valid_checksum(line):
            value = _value_in(line)
            if isinstance(value, dict):
                return value
    _log.warning("a cached answer is damaged and counts as a miss (%s)", type(line).__name__)
    return None


def _value_in(line: bytes) -> object:
    try:
        return json.loads(line)["value"]
    except (ValueError, RecursionError, KeyError):
        return None


def _sum(body: bytes) -> bytes:
    return blake2b(body, digest_size=8).hexdigest().encode("ascii")
