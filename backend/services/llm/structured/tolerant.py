"""A parser for the JSON that models misspell: it corrects spelling, and guesses no value.

Beyond RFC 8259 it reads comments, trailing commas, single and typographic quotes, bare keys, raw
newlines in strings, Python's True, False and None, a comma left out at a line's end, and a quote
inside a string where nothing else can be meant. NaN is null, as ECMA-262's JSON.stringify writes
it; infinity is beyond any number. Whatever could be read in two ways, or ends before it is closed,
is refused: nothing is completed, dropped or guessed. Time is linear in the text, as each character
is consumed once.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from .numbers import UnreadableError, floating, integer, whole
from .walk import MAX_DEPTH

# Nothing follows the repetition, so that no match of it is ever taken back.
_SPACE = re.compile(r"(?:\s+|//[^\n]*|#[^\n]*|/\*.*?\*/)*", re.DOTALL)
_BLANK = re.compile(r"\s*")
# Wider than RFC 8259 by a plus sign, .5 and 5., and by no more: 0012 may be a code, 1.2.3 is one.
_NUMBER = re.compile(r"[-+]?(?:(?:0|[1-9]\d*)(\.\d*)?|(\.\d+))([eE][-+]?\d+)?(?![\w.])", re.ASCII)
_WORD = re.compile(r"-?[A-Za-z_$][\w$-]*")
_WORDS = {
    **{"true": True, "false": False, "null": None, "True": True, "False": False, "None": None},
    **dict.fromkeys(("NaN", "nan", "-NaN")),
}
_CLOSING = {'"': '"', "'": "'", "“": "”", "‘": "’"}
_TO_QUOTE = {
    quote: re.compile(rf"[^{quote}\\]*(?:\\.[^{quote}\\]*)*", re.DOTALL) for quote in "\"'”’"
}
_ESCAPE = re.compile(r'\\(u[0-9a-fA-F]{4}|.)|"', re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f]")
# Between two letters, as in it's; the importers' cannot be told from the end of a string.
_APOSTROPHE = re.compile(r"(?<=\w)['’](?=\w)")


def parse_strict(text: str) -> Any:
    """Read RFC 8259 JSON, the last of equal keys winning, NaN as null.

    Raises UnreadableError for anything else, nesting beyond 100 levels, a number of more than
    4,300 digits and one that no float can hold, and for a key whose objects or lists differ.
    """
    try:
        value = json.loads(
            text,
            parse_int=integer,
            parse_float=floating,
            parse_constant=_constant,
            object_pairs_hook=_object,
        )
    except json.JSONDecodeError as broken:
        raise UnreadableError(f"{broken.msg} at character {broken.pos}") from broken
    except RecursionError:
        raise UnreadableError("it is nested too deeply") from None
    _check_depth(value)
    return value


def parse_tolerant(text: str) -> Any:
    """Read one misspelt JSON value that fills the text.

    Raises UnreadableError, which says where reading ended and what was expected there.
    """
    reader = _Reader(text)
    try:
        value = reader.value(0)
    except RecursionError:
        # A host that calls from deep inside has less room than 100 levels need.
        raise UnreadableError("it is nested too deeply") from None
    if reader.peek():
        reader.fail("expected the end of the text")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        for key, value in pairs:
            _check_repeated(key, value, found[key])
    return found


def _check_repeated(key: str, earlier: Any, later: Any) -> None:
    # A word that is corrected is no loss; a list that comes in two parts would be.
    if isinstance(earlier, (dict, list)) and earlier and earlier != later:
        raise UnreadableError(f"the key {key[:40]!r} stands twice in one object")


def _constant(name: str) -> None:
    if name != "NaN":
        raise UnreadableError(f"it holds {name}, which is beyond any float")


def _check_depth(value: Any) -> None:
    # Level by level, as json.loads nests deeper than a recursion of ours could follow.
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(MAX_DEPTH):
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return
    raise UnreadableError(f"it is nested deeper than {MAX_DEPTH} levels")


class _Reader:
    """A recursive descent over one text; `at` is the next character to read."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        #: What may stand after a string; inside a Python call its closing parenthesis too.
        self.followers = ",}]"

    def fail(self, expectation: str) -> NoReturn:
        found = repr(self.text[self.at : self.at + 12]) if self.at < len(self.text) else "the end"
        raise UnreadableError(f"{expectation} at character {self.at}, found {found}")

    def peek(self) -> str:
        """Skip space and comments and show the next character, or an empty string at the end."""
        space = _SPACE.match(self.text, self.at)
        self.at = space.end() if space else self.at
        return self.text[self.at : self.at + 1]

    def value(self, depth: int) -> Any:
        first = self.peek()
        if depth >= MAX_DEPTH and first in ("{", "["):
            self.fail(f"expected no more than {MAX_DEPTH} levels of nesting")
        if first == "{":
            self.at += 1
            return self.members("}", ":", depth)
        if first == "[":
            self.at += 1
            return self.items(depth)
        if first in _CLOSING and first:
            return self.string(self.followers)
        return self.word(depth)

    def members(self, end: str, separator: str, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while self.peek() != end:
            key = self.key()
            if self.peek() != separator:
                self.fail(f"expected {separator!r} after a key")
            self.at += 1
            value = self.value(depth + 1)
            _check_repeated(key, found.get(key), value)
            found[key] = value
            self.comma(end)
        self.at += 1
        return found

    def items(self, depth: int) -> list[Any]:
        found: list[Any] = []
        while self.peek() != "]":
            found.append(self.value(depth + 1))
            self.comma("]")
        self.at += 1
        return found

    def comma(self, end: str) -> None:
        """Pass the comma after a member; one may be missing before a quote on a new line, or before
        the end.
        """
        before = self.at
        following = self.peek()
        if following == ",":
            self.at += 1
        elif following != end and not (
            following in _CLOSING and following and "\n" in self.text[before : self.at]
        ):
            self.fail(f"expected ',' or {end!r}")

    def key(self) -> str:
        if self.text[self.at : self.at + 1] in _CLOSING and self.at < len(self.text):
            return self.string("")
        word = _WORD.match(self.text, self.at)
        if not word:
            self.fail("expected a key")
        self.at = word.end()
        return word.group()

    def string(self, followers: str) -> str:
        """Read a string; a quote inside it is text where none of the followers comes after it.

        No followers: the first quote ends it. Text holds such quotes in pairs, never one before a
        colon or before another string: those are the marks of a lost quote or comma elsewhere. An
        apostrophe inside a word is none.
        """
        quote = _CLOSING[self.text[self.at]]
        self.at += 1
        parts: list[str] = []
        alone = 0
        while True:
            run = _TO_QUOTE[quote].match(self.text, self.at)
            parts.append(run.group() if run else "")
            self.at = run.end() + 1 if run else self.at
            if self.at > len(self.text):
                self.at = len(self.text)
                self.fail("expected the end of a string")
            if not followers or self.closes(followers):
                break
            alone += not _APOSTROPHE.match(self.text, self.at - 1)
            parts.append(quote)
        if alone % 2:
            self.fail("expected quotes inside a string in pairs")
        return self.decoded("".join(parts))

    def closes(self, followers: str) -> bool:
        """Tell whether the quote just read ends its string; raises UnreadableError if in doubt."""
        following, gap = self.after(self.at)
        if not following or following in followers:
            return True
        if following in _CLOSING and gap == "":
            if self.after(self.at + 1)[0] not in tuple(followers):
                self.fail("expected ',' between two strings")
            return False
        if following == ":" or (following in _CLOSING and "\n" not in gap):
            self.fail("expected ',' after a string")
        return following in _CLOSING or (gap != "" and following in "/#")

    def after(self, start: int) -> tuple[str, str]:
        """Show the first character that is no space, and the space before it."""
        # Comments are not skipped: every quote inside one string would read them again.
        gap = _BLANK.match(self.text, start)
        end = gap.end() if gap else start
        return self.text[end : end + 1], self.text[start:end]

    def decoded(self, raw: str) -> str:
        """Resolve escapes; a backslash before any other letter is text, as in a regex or a path."""
        try:
            return str(json.loads(f'"{_ESCAPE.sub(self.escape, raw)}"', strict=False))
        except json.JSONDecodeError:
            # A backslash at the end, or \u without four digits.
            self.fail("expected a JSON escape in the string before")

    def escape(self, found: re.Match[str]) -> str:
        code = found.group(1)
        if code is None:
            return '\\"'
        if code[0] in '"\\/bfnrtu':
            return found.group()
        if code in "'":
            return code
        # The three letters mean a character by number or name in Python, but not in a regex.
        if code.isalpha() and code not in "xUN":
            return "\\" + found.group()
        return self.fail("expected a JSON escape in the string before")

    def word(self, depth: int) -> Any:
        number = _NUMBER.match(self.text, self.at)
        if number:
            self.at = number.end()
            is_whole = number.group(1) is number.group(2) is number.group(3) is None
            return whole(number.group()) if is_whole else floating(number.group())
        word = _WORD.match(self.text, self.at)
        if not word:
            self.fail("expected a JSON value")
        if word.group() in _WORDS:
            self.at = word.end()
            return _WORDS[word.group()]
        if self.text[word.end() : word.end() + 1] != "(":
            self.fail("expected a JSON value")
        # A call written as Python, the form in which some Llama models answer through a tool.
        self.at = word.end() + 1
        self.followers = ",}])"
        return {"name": word.group(), "arguments": self.members(")", "=", depth + 1)}
