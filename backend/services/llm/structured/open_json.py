"""Closes a JSON text that has not come to its end yet, so that it can be read as far as it came."""

from __future__ import annotations

import re

#: An escape that has not ended, and the first of the two that make a character beyond U+FFFF.
_OPEN_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?\Z")
_HIGH_HALF = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\Z")


class OpenJson:
    """The text of one object or array, piece by piece; time is linear in the text.

    `levels` counts what is open at its end, outermost first: objects, arrays, and the string of a
    value. It trusts the text to be JSON: whoever parses it finds out.
    """

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._size = 0
        #: Whether each bracket that is open is an object's.
        self._open: list[bool] = []
        self._in_string = False
        self._is_key = False
        self._awaits_key = False
        self._is_escaped = False
        #: Where the last escape begins, and the one before.
        self._escape_at = self._escape_before = 0
        #: Up to here the text is whole, but for the brackets that are open.
        self._whole = 0

    @property
    def levels(self) -> int:
        """How many values are open, one in the other."""
        return len(self._open) + self._in_value

    @property
    def _in_value(self) -> bool:
        return self._in_string and not self._is_key

    def add(self, piece: str) -> None:
        """Read on."""
        for place, character in enumerate(piece, self._size):
            if self._in_string:
                self._in_text(character, place)
            else:
                self._between(character, place)
        self._parts.append(piece)
        self._size += len(piece)

    def closed(self) -> str:
        """Return the text with all that is open closed, and without what has only begun.

        A number or a word is whole where something follows it.
        """
        text = "".join(self._parts)
        self._parts = [text]
        brackets = "".join("}" if is_object else "]" for is_object in reversed(self._open))
        if self._in_value:
            return f'{self._without_open_escape(text)}"{brackets}'
        return text[: self._whole] + brackets

    def _without_open_escape(self, text: str) -> str:
        last, end = text[self._escape_at :], len(text)
        if _OPEN_ESCAPE.fullmatch(last):
            end = self._escape_at
            if _HIGH_HALF.fullmatch(text[self._escape_before : end]):
                end = self._escape_before
        elif _HIGH_HALF.fullmatch(last):
            end = self._escape_at
        return text[:end]

    def _in_text(self, character: str, place: int) -> None:
        if self._is_escaped:
            self._is_escaped = False
        elif character == "\\":
            self._is_escaped = True
            self._escape_before, self._escape_at = self._escape_at, place
        elif character == '"':
            if not self._is_key:
                self._whole = place + 1
            self._in_string = False

    def _between(self, character: str, place: int) -> None:
        if character == '"':
            self._in_string, self._is_key = True, self._awaits_key
        elif character in "{[":
            self._open.append(character == "{")
            self._awaits_key = self._open[-1]
            self._whole = place + 1
        elif character in "}]" and self._open:
            self._open.pop()
            self._whole = place + 1
        elif character == ",":
            self._whole = place
            self._awaits_key = bool(self._open) and self._open[-1]
        elif character == ":":
            self._awaits_key = False
