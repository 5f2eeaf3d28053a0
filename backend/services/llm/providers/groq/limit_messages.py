"""Reads Groq's messages about a limit: whose it is, which one, and how much it allows."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from ..fields import member, text
from ..refusals import unquoted

# The messages of Groq's 429s and 413s; bounded, since any server may write the text.
_ORGANIZATION = re.compile(r"\borg_[A-Za-z0-9]+")
_LIMIT = re.compile(r"\((RPM|RPD|TPM|TPD|ITPM|OTPM|ASH|ASD)\)")
_NUMBER = r"(\d{1,3}(?:,\d{3}){1,3}|\d{1,9})\b(?!,\d)"
_AMOUNTS = re.compile(rf"\bLimit {_NUMBER}.{{0,60}}?\bRequested {_NUMBER}", re.S)
_USED = re.compile(rf"\bUsed {_NUMBER}")
# The model's name among it, which the caller wrote, and which may hold anything.
_QUOTED = re.compile(r"`[^`]*`")


def organization_of(error: BaseException) -> str | None:
    """Return the organisation that a refusal names, as the first 16 hex digits of its id's SHA-256.

    Groq's limits belong to the organisation, so that two keys with one value here share them.
    """
    body = member(error, "body")
    found = _ORGANIZATION.search(text(error_object(body), "message") or str(error))
    return hashlib.sha256(found[0].encode()).hexdigest()[:16] if found else None


def error_object(body: object) -> object:
    """Return the error object itself: an HTTP error's body wraps it, an error event's does not."""
    inner = member(body, "error")
    return inner if isinstance(inner, Mapping) else body


def limit_of(message: str) -> str | None:
    """Return which limit a refusal is about: RPM, RPD, TPM, TPD, ITPM, OTPM, ASH or ASD (audio)."""
    found = _LIMIT.search(without_quotes(message))
    return found[1] if found else None


def amount_of(message: str) -> int | None:
    """Return the amount of the limit that a refusal is about."""
    found = _AMOUNTS.search(without_quotes(message))
    return _number(found[1]) if found else None


def amounts_in(words: str) -> tuple[float | None, float | None, float | None]:
    """Return a refusal's limit, what of it was used, and what was requested, as far as it says."""
    found, used = _AMOUNTS.search(words), _USED.search(words)
    limit, requested = (_number(found[1]), _number(found[2])) if found else (None, None)
    return limit or None, _number(used[1]) if used else None, requested


def excess_in(message: str) -> str:
    """Return by how much the refused request exceeds the limit, in words; "" if that is unknown."""
    limit, _, requested = amounts_in(without_quotes(message))
    if limit is None or requested is None or requested <= limit:
        return ""
    return f" (it is {requested - limit:.0f} more than the whole limit of {limit:.0f})"


def without_quotes(message: str) -> str:
    """Return *message* without its quotations, which may hold anything that the caller wrote."""
    return unquoted(_QUOTED.sub("``", message))


def exceeds_limit_alone(message: str) -> bool:
    """Whether the request alone exceeds the limit, so that no wait can help."""
    amounts = _AMOUNTS.search(message)
    return "request too large" in message.lower() or bool(
        amounts and _number(amounts[2]) > _number(amounts[1])
    )


def _number(digits: str) -> int:
    return int(digits.replace(",", ""))
