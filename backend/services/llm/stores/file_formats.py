"""Recognise by its first bytes whether a file at a store's path is one of ours; pure.

A damaged file of ours may be moved aside; any other file is left as it is. A crash can leave a new
file empty or full of zeros, so such a file counts as ours.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

#: Bytes that are read of a file; an older cache is read as a whole.
START_SIZE = 1 << 16
#: Bytes of the largest older cache that is recognised.
OLDER_CACHE_SIZE = 1 << 26

_LOG, _ENTRY = b'{"format":"llm-answers"', b'\n{"sum":"'
_BUDGET = b'{"day": '
_DATABASE = b"SQLite format 3\0"

#: A key of an older cache: a hash in hexadecimal, of 64 bits or more.
_HASH = re.compile(r"[0-9a-fA-F]{16,128}")
#: Under which names an older cache may keep its entries, and an entry its times.
_CONTAINERS = ("entries", "cache", "answers", "responses", "data", "items")
_TIME_FIELDS = re.compile(
    r"(?i)ts|time|.*timestamp|(created|cached|stored|saved|expires?)(_?(at|on))?|expiry|ttl"
)


def resembles_log(start: bytes) -> bool:
    """Tell whether *start* begins a log of answers, of any version, whole or torn."""
    return _is_blank(start) or _is_prefix_or_longer(start, _LOG) or _ENTRY in start


def resembles_budget(start: bytes) -> bool:
    """Tell whether *start* begins the file of a day's tokens, whole or torn."""
    return _is_blank(start) or _is_prefix_or_longer(start, _BUDGET)


def resembles_database(start: bytes, log: bytes, table: str) -> bool:
    """Tell whether *start*, and the *log* beside it, are of an SQLite database with our *table*."""
    named = table.encode() in start or table.encode() in log
    return _is_blank(start) or (start.startswith(_DATABASE) and named)


def resembles_older_cache(data: bytes) -> bool:
    """Tell whether *data* is a JSON document that maps hashes to entries, or names to dated ones.

    Older caches were kept so, and rewritten at each put.
    """
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and (
        _holds_entries(document) or any(_holds_entries(document.get(fold)) for fold in _CONTAINERS)
    )


def _holds_entries(entries: Any) -> bool:
    if not isinstance(entries, Mapping):
        return False
    return bool(entries) and all(
        _HASH.fullmatch(key) or _is_dated(value) for key, value in entries.items()
    )


def _is_dated(value: Any) -> bool:
    return isinstance(value, Mapping) and any(_TIME_FIELDS.fullmatch(name) for name in value)


def _is_blank(start: bytes) -> bool:
    return not start.strip(b"\0")


def _is_prefix_or_longer(start: bytes, form: bytes) -> bool:
    return start.startswith(form) or form.startswith(start)
