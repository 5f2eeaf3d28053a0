"""Short strings that match a regular expression, built from Python's own parse of it."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from typing import Any

# Private to `re` since 3.11, when its public name was deprecated; its form is as old as Python 2.
_parser: Any = importlib.import_module("re._parser" if sys.version_info >= (3, 11) else "sre_parse")
# JSON Schema's patterns are ECMA-262's, which names a group without Python's P.
_NAMED_GROUP = re.compile(r"\(\?<(?=[A-Za-z_])")
# Plain characters first: they are what the first variants are made of.
_ALPHABET = (
    "a1A _-.\tbcdefghijklmnopqrstuvwxyz023456789BCDEFGHIJKLMNOPQRSTUVWXYZ"
    "!#$%&()*+,/:;<=>?@[]^{|}~\u00e9\u0436"
)
_CATEGORIES = {
    "CATEGORY_DIGIT": "1203456789",
    "CATEGORY_NOT_DIGIT": "aA _-",
    "CATEGORY_SPACE": " \t",
    "CATEGORY_NOT_SPACE": "a1A_-",
    "CATEGORY_WORD": "a1A_",
    "CATEGORY_NOT_WORD": " -.",
}


def matching(pattern: str, variants: int = 12) -> Iterator[str]:
    """Strings with a match of the pattern, shortest first; none where Python cannot parse it.

    Lookarounds are passed over, so what comes out has still to be checked.
    """
    try:
        parsed = _parser.parse(_NAMED_GROUP.sub("(?P<", pattern))
    except (
        re.error,
        OverflowError,
        RecursionError,
    ):  # an expression of another dialect: the caller tries other text
        return
    seen = set()
    for variant in range(variants):
        text = _Writer(variant).write(parsed)
        if text not in seen:
            seen.add(text)
            yield text


class _Writer:
    """Writes one match: the n-th repeats n times more than it must, and picks the n-th choice."""

    def __init__(self, variant: int) -> None:
        self._variant = variant
        self._groups: dict[int, str] = {}

    def write(self, parsed: Any) -> str:
        """The text of a sequence of parsed items."""
        return "".join(self._item(str(operation), value) for operation, value in parsed)

    def _item(self, operation: str, value: Any) -> str:
        if operation == "LITERAL":
            return chr(value)
        if operation in ("ANY", "NOT_LITERAL", "IN"):
            return self._pick(self._characters(operation, value))
        if operation in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            low, high, item = value
            return "".join(self.write(item) for _ in range(min(low + self._variant, int(high))))
        # Every branch comes up in turn, so one that the other constraints admit does too.
        if operation == "BRANCH":
            return self.write(value[1][self._variant % len(value[1])])
        if operation == "SUBPATTERN":
            text = self.write(value[-1])
            self._groups[value[0]] = text
            return text
        if operation == "ATOMIC_GROUP":
            return self.write(value)
        if operation == "GROUPREF":
            return self._groups.get(value, "")
        return ""  # anchors and lookarounds write nothing

    def _pick(self, characters: str) -> str:
        return characters[self._variant % len(characters)] if characters else ""

    def _characters(self, operation: str, value: Any) -> str:
        if operation == "ANY":
            return _ALPHABET
        if operation == "NOT_LITERAL":
            return _ALPHABET.replace(chr(value), "")
        negated = bool(value) and str(value[0][0]) == "NEGATE"
        members = "".join(_member(str(kind), member) for kind, member in value)
        return "".join(c for c in _ALPHABET if c not in members) if negated else members


def _member(kind: str, value: Any) -> str:
    if kind == "LITERAL":
        return chr(value)
    if kind == "RANGE":
        return "".join(map(chr, range(value[0], min(value[1], value[0] + 255) + 1)))
    return _CATEGORIES.get(str(value), "")
