"""Whether a file at a store's path was ever ours, told by what it begins with; pure.

What begins as ours and is damaged may be moved out of the way; any other file is left as it is.
A file that is empty, or zeros alone, is what a crash can leave of a new one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

#: Bytes of a file's start that are looked at, but for an older cache, which is read whole.
START = 1 << 16
#: Bytes of the largest older cache that is recognised.
LONGEST_OLDER = 1 << 26

_LOG, _ENTRY = b'{"format":"llm-answers"', b'\n{"sum":"'
_BUDGET = b'{"day": '
_DATABASE, _TABLE = b"SQLite format 3\0", b"llm_answers"

#: A key of an older cache: a hash in hexadecimal, of 64 bits or more.
_HASH = re.compile(r"[0-9a-fA-F]{16,128}")
#: What an older cache may keep its entries under, and what such an entry says of its age.
_FOLDS = ("entries", "cache", "answers", "responses", "data", "items")
_AGES = re.compile(
    r"(?i)ts|time|.*timestamp|(created|cached|stored|saved|expires?)(_?(at|on))?|expiry|ttl"
)


def is_log(start: bytes) -> bool:
    """Tell whether *start* begins a log of answers, of any version, whole or torn."""
    return _is_nothing(start) or _begins(start, _LOG) or _ENTRY in start


def is_budget(start: bytes) -> bool:
    """Tell whether *start* begins the file of a day's tokens, whole or torn."""
    return _is_nothing(start) or _begins(start, _BUDGET)


def is_database(start: bytes, log: bytes) -> bool:
    """Tell whether *start*, and the *log* beside it, are of an SQLite database with our table."""
    named = _TABLE in start or _TABLE in log
    return _is_nothing(start) or (start.startswith(_DATABASE) and named)


def is_older_cache(data: bytes) -> bool:
    """Tell whether *data* is a whole JSON document that maps hashes, or dated entries, to answers.

    That is how a cache was kept which was rewritten at each put.
    """
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and (
        _holds_entries(document) or any(_holds_entries(document.get(fold)) for fold in _FOLDS)
    )


def _holds_entries(entries: Any) -> bool:
    if not isinstance(entries, Mapping):
        return False
    return bool(entries) and all(
        _HASH.fullmatch(key) or _is_dated(value) for key, value in entries.items()
    )


def _is_dated(value: Any) -> bool:
    return isinstance(value, Mapping) and any(_AGES.fullmatch(name) for name in value)


def _is_nothing(start: bytes) -> bool:
    return not start.strip(b"\0")


def _begins(start: bytes, form: bytes) -> bool:
    return start.startswith(form) or form.startswith(start)
