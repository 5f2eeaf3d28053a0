"""Finds the JSON values in a model's text, between fences, reasoning and prose.

The text is split into the pieces that could be a JSON value. Each is parsed strictly, else
tolerantly. Pieces never overlap, so the time is linear in the text however many brackets it opens.
A bracket that is never closed ends the search: a part of a broken value is no answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .numbers import UnreadableError
from .tolerant import parse_strict, parse_tolerant

#: Values kept of one text, the last ones: models correct themselves towards the end.
MAX_READINGS = 64

# Qwen3 and DeepSeek-R1 write the first; the others are what prompts often ask for.
_THINK_TAG = re.compile(r"<(/?)(?:think|thinking|reasoning)>", re.IGNORECASE)
# CommonMark's code fences.
_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[^\n`]*$", re.MULTILINE)
_BRACKET = re.compile(r"[{\[]")
# No quote may open twice in here, so that no two brackets ever read the same text. The last two
# lines are the beginnings that the end of the text cuts off before their first colon.
_OPENING = re.compile(
    r"""\{\s*(?:\}|//|/\*|\#|“[^“”]*”\s*:|‘[^‘’]*’\s*:|[A-Za-z_$][\w$-]*\s*:
        |"[^"\\]*(?:\\.[^"\\]*)*"\s*:|'[^'\\]*(?:\\.[^'\\]*)*'\s*:)
    |\[\s*(?:[\]\[{"'“‘\d]|-\d|//|/\*|(?:true|false|null|True|False|None|NaN)\b)
    |\{\s*"[^"\\]*(?:\\.[^"\\]*)*\\?(?:"\s*)?\Z|\{\s*'[^'\\]*(?:\\.[^'\\]*)*\\?(?:'\s*)?\Z
    |[\[{]\s*\Z""",
    re.VERBOSE | re.DOTALL,
)
# A quote always matches, up to the end of the text if need be, so that no part of it is read twice.
_TOKEN = re.compile(
    r"""[{}\[\]]|"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)|“[^”]*(?:”|\Z)|‘[^’]*(?:’|\Z)
    |//[^\n]*|\#[^\n]*|/\*.*?(?:\*/|\Z)
    |(?<=[{\[,:\s])'[^'\\]*(?:\\.[^'\\]*)*(?:'|\\?\Z)""",
    re.VERBOSE | re.DOTALL,
)
# A text that may be one value as a whole: an object, an array, or a call written as Python.
_WHOLE_VALUE = re.compile(r"[{\[]|\w+\(")
#: What may follow the answer at the end of a text: the fence that closes it.
_ENDING = "`~ \t\r\n"
_ESCAPED = re.compile(r'\[?\s*\{\s*\\"')


@dataclass
class FoundValues:
    """The values in one text, the likelier later, and the reasons why other pieces are none."""

    values: list[Any] = field(default_factory=list)
    #: The first says why the text as a whole is no JSON; the others are about pieces.
    reasons: list[str] = field(default_factory=list)

    #: The text is one JSON array or object and nothing else.
    is_whole_text: bool = False
    #: The text ends inside a value.
    is_cut_off: bool = False


def find_values(text: str) -> FoundValues:
    """Find the JSON values in a text: the whole text alone, else those in it, fenced ones last.

    Reasoning between think tags is no part of the answer; after a tag that nothing closes only a
    value that ends the text is one.
    """
    answer = text.strip("\ufeff \t\r\n")
    found = FoundValues()
    try:
        value = parse_strict(answer)
    except UnreadableError as unreadable:
        found.reasons.append(str(unreadable))
    else:
        found.values.append(value)
        found.is_whole_text = isinstance(value, (dict, list))
        return found
    # Only now: the strings of a text that is JSON may contain such tags.
    answer, thoughts = _split_reasoning(answer)
    _search(_unescaped(answer.strip()), found)
    if not found.values and thoughts.rstrip(_ENDING).endswith(("}", "]")):
        _search(thoughts.strip(), found)
        del found.values[:-1]
    return found


def _search(answer: str, found: FoundValues) -> None:
    if not _read_whole(answer, found):
        found.is_cut_off = _read_pieces(answer, found)
        # A broken value before a fence has ended the search above.
        for block in fenced(answer):
            _read_pieces(block, found)
        del found.values[:-MAX_READINGS]


def strip_reasoning(text: str) -> str:
    """Drop a model's reasoning: think blocks, and all before a closing tag that has no opening."""
    return _split_reasoning(text)[0]


def _split_reasoning(text: str) -> tuple[str, str]:
    """Return the answer without reasoning, and the reasoning at its end that no tag closes."""
    kept: list[str] = []
    start = 0
    # A block may hold others, and a thought may speak of a tag that it does not close.
    opened: re.Match[str] | None = None
    closed: re.Match[str] | None = None
    depth = 0
    for tag in _THINK_TAG.finditer(text):
        if not tag.group(1):
            opened, depth = opened or tag, depth + 1
        elif opened is None:
            # DeepSeek-R1's and QwQ's chat templates open the block in the prompt, so that all
            # before this tag is reasoning.
            kept.clear()
            start = tag.end()
        else:
            closed, depth = tag, depth - 1
            if depth == 0:
                kept.append(text[start : opened.start()])
                start, opened, closed = tag.end(), None, None
    if opened is None:
        return "".join([*kept, text[start:]]), ""
    kept.append(text[start : opened.start()])
    if closed is None:
        return "".join(kept), text[opened.end() :]
    rest, _, thoughts = _from_open_tag(text[closed.end() :])
    return "".join([*kept, rest]), thoughts


def _from_open_tag(text: str) -> tuple[str, str, str]:
    """Split a text at its first opening tag: the text before, the tag and the text after."""
    tag = _THINK_TAG.search(text)
    return (text, "", "") if tag is None else (text[: tag.start()], tag.group(), text[tag.end() :])


def fenced(text: str) -> Iterator[str]:
    """Yield the contents of Markdown's fenced code blocks; the last may lack its closing fence."""
    opened: re.Match[str] | None = None
    for fence in _FENCE.finditer(text):
        if opened is None:
            opened = fence
        elif fence.group().strip() == opened.group(1):
            yield text[opened.end() : fence.start()]
            opened = None
    if opened is not None:
        yield text[opened.end() :]


def pieces(text: str) -> Iterator[tuple[str, bool]]:
    """Yield the outermost bracketed parts that begin as JSON does, and whether each is closed."""
    position = 0
    while bracket := _BRACKET.search(text, position):
        start = bracket.start()
        position = start + 1
        if _OPENING.match(text, start):
            end = _end_of(text, start)
            position = len(text) if end is None else end
            yield text[start:position], end is not None


def _end_of(text: str, start: int) -> int | None:
    depth = 0
    for token in _TOKEN.finditer(text, start):
        mark = token.group()
        if mark in "{[":
            depth += 1
        elif mark in "}]":
            depth -= 1
            if depth == 0:
                return token.end()
    return None


def _unescaped(answer: str) -> str:
    r"""Undo the escapes of a text that is the inside of a JSON string: `{\"a\": 1}`."""
    if not _ESCAPED.match(answer):
        return answer
    try:
        return str(parse_strict('"' + answer.replace("\r", "").replace("\n", "\\n") + '"'))
    except UnreadableError:
        # Not escaped throughout: the text is no JSON string's content.
        return answer


def _read_whole(answer: str, found: FoundValues) -> bool:
    if not _WHOLE_VALUE.match(answer):
        return False
    try:
        found.values.append(parse_tolerant(answer))
    except UnreadableError as unreadable:
        found.reasons.append(str(unreadable))
        return False
    return True


def _read_pieces(text: str, found: FoundValues) -> bool:
    """Read the pieces of a text; return whether the last one is cut off."""
    open_ended = False
    for piece, closed in pieces(text):
        try:
            found.values.append(_read(piece))
        except UnreadableError as unreadable:
            found.reasons.append(str(unreadable))
            open_ended = not closed
    return open_ended


def _read(piece: str) -> Any:
    try:
        return parse_strict(piece)
    except UnreadableError:
        # The tolerant parser names the error better.
        return parse_tolerant(piece)
