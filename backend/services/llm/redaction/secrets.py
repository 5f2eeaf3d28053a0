"""Removes secrets from the texts of providers and SDKs."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias
from urllib.parse import urlsplit

#: The longest text shown, in characters.
SHOWN = 500

# What is read of a text at all: a bound for hostile ones, far above what is shown.
_READ_LIMIT = 8 * SHOWN

_SCHEME = r"[A-Za-z][A-Za-z0-9+.-]*"

# A URL whose beginning is misspelt, and no path that holds a "@".
_MISSPELT = re.compile(r"/[/:].*@", re.S)

_Replacement: TypeAlias = "str | Callable[[re.Match[str]], str]"


def _strip_address(address: re.Match[str]) -> str:
    place, asks, _ = address[0].partition("?")
    place, _, fragment = place.partition("#")
    anchor = "#***" if "=" in fragment else f"#{fragment}" if fragment else ""
    return "://" + place[3:].rpartition("@")[2] + anchor + ("?***" if asks else "")


# Each pattern takes time linear in the text: no two neighbouring parts can match the same run.
# They are compiled with the first error: that takes longer than all else of an import.
_RULES: tuple[tuple[str, _Replacement], ...] = (
    # A signature that does not match makes AWS quote the signed request, headers included.
    (r"(?s)(Canonical String|String-to-Sign) for this request.*", r"\1 ***"),
    # botocore's parameter validation quotes the value, which may be the whole prompt and may hold
    # anything, so that nothing after it can be told from it.
    (r"(?s)( for parameter [^\s,]{1,200}, value: ).*", r"\1***"),
    # A validation of pydantic's quotes what it was given; nothing after it can be told from it.
    (r"(?s)(\binput(?:_value)?\\{0,8}['\"]?\s?[:=]\s?\\{0,8}['\"{\[]).*", r"\1***"),
    (r"://\S+", _strip_address),
    (r"(?i)\b(Bearer)[\s:=]+[^\s,;'\"]+|\b(Basic) [A-Za-z0-9+/=]{8,}", r"\1\2 ***"),
    (
        r"(?i)\b((?:X-Amz-)?(?:Signature|Credential|Security-Token)|aws_[a-z_]{1,40}|api[-_ ]?key)"
        r"(['\"]?\s?[=:]\s?['\"]?)(?!\*)[^\s,;&'\"]+",
        r"\1\2***",
    ),
    # Also one that is quoted by its two ends.
    (
        r"(?a)(org_|gsk_|\bsk-)(?:[\w-]+(?:(?:[*.]{2,}|…)[\w-]*)?|(?:[*.]{2,}|…)[\w-]+)",
        r"\1***",
    ),
    (r"(?:AKIA|ASIA|ABIA|ACCA|AROA|AIDA|ABSK|bedrock-api-key-)[\w+/=-]{8,}", "***"),
    (r"(?<!\d)\d{12}(?!\d)", "***"),
    # Nothing that is meant to be read is this long and this dense: a session token, a secret key.
    (r"[A-Za-z0-9+/]{40,}=*", "***"),
)


def redacted(text: str) -> str:
    """The *text* in at most 500 characters and without what must not be shown.

    Organisation and account ids, keys, tokens, signatures, user names and queries of URLs, and
    the values that botocore quotes, become `***`. The time taken is linear and bounded.
    """
    shown = _whole_words(text, _READ_LIMIT)
    for pattern, replacement in _RULES:
        shown = re.sub(pattern, replacement, shown)
    return _whole_words(shown.strip(), SHOWN)


def without_credentials(text: str) -> str:
    """Return *text*; if it is a URL, without its user, password, query and fragment.

    If these cannot be told apart, return only the scheme, if there is one: a password that holds a
    stray "/", "?" or "#" is cut in two by any parser.
    """
    scheme, colon, rest = text.partition(":")
    if not colon or not re.fullmatch(_SCHEME, scheme):
        return "..." if _MISSPELT.search(text) else text
    if not rest.startswith("//"):
        return f"{scheme}:..." if "@" in rest else text
    try:
        parts = urlsplit(text)
        _ = parts.port  # read for its ValueError: a password may stand in its place
    except ValueError:
        return f"{scheme}://..."
    if "@" in parts.path + parts.query + parts.fragment:
        return f"{scheme}://..."
    return f"{scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def url_shown(url: str) -> str:
    """Return *url* as an error shows it: as it stands, but for what may be a password."""
    return without_credentials(url) if "@" in url else url


def _whole_words(text: str, limit: int) -> str:
    """Cut *text* between two words, so that no half of a secret passes for a harmless word."""
    if len(text) <= limit:
        return text
    kept = text[: limit - 1]
    if not (kept[-1].isspace() or text[limit - 1].isspace()):
        kept = "".join(kept.rsplit(None, 1)[:-1])
    return kept.rstrip() + "…"
