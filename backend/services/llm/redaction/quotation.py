"""Cuts out of a provider's text what it quotes of the request."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from urllib.parse import unquote

from ..types import Request

_CUT = "***"

#: A run of so many words is a quotation, if it has so many characters in all.
_WORDS, _SIZE = 4, 10
#: So long a word, or so long a one with a digit, is nobody else's.
_LONG, _NUMBERED = 16, 6
#: A whole text of the request is cut from this size on, and in quotation marks at any size.
_WHOLE = 8

# Of scripts without spaces every character is a word, so that a part of a sentence is a run too.
_WORD = "[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\\W_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+"
_SIGNS = {code: " " for code in range(128) if not chr(code).isalnum()}
_ESCAPE = r"(?s)\\+(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|U000([0-9a-fA-F]{5})|(.))"
#: How a quotation ends that was cut short, maybe within a word.
_CUT_SHORT = ("...", "\u2026")
_BLANKS = frozenset("nrtbf")
_MARKED = r"(?s)([\"'])(.*?)\1"

#: How a URL begins that holds what it stands for, and what stands in one.
_DATA = r"(?i:data:[\w.+/;=-]{0,200};base64,)"
_TEXT_DATA = r"(?i:data:text/)"
_ENCODED = rf"[A-Za-z0-9+/=%_-]{{{_LONG},}}"

#: Options whose values are the caller's own words.
_CALLERS_OWN = ("extra_headers", "metadata")

#: Keys of a message whose values are no content.
_NO_CONTENT = frozenset({"role", "type", "detail", "name", "id", "tool_call_id"})


def without_quotations(text: str, request: Request | None) -> str:
    """*text* without what it quotes of *request*: prompts, messages, tools and their input.

    Quoted is a whole text of the request, four words in a row, or a word that is nobody else's,
    however JSON, Python, HTML or a URL escapes it. A text that quotes nothing is returned as it is.
    """
    if request is None or not text:
        return text
    sent = [one for one in _texts(request.messages) if one.strip()]
    # Short option values are mostly the provider's own keywords, but for those that are not.
    sent += [one for one in _texts(request.options) if len(one) >= _LONG]
    sent += [one for name in _CALLERS_OWN for one in _texts(request.options.get(name))]
    plain = _plain(text)
    encoded = [one for one in sent if re.match(_DATA, one)]
    words = [one for one in sent if not re.match(_DATA, one)]
    words += [_decoded(one) for one in encoded if re.match(_TEXT_DATA, one)]
    found = [*_runs(plain, words), *_wholes(plain, words), *_encoded_runs(plain, encoded)]
    return _cut(plain, found) if found else text


def _texts(thing: object) -> Iterator[str]:
    """All texts in a value of JSON's kinds."""
    if isinstance(thing, str):
        yield thing
    elif isinstance(thing, Mapping):
        for name, value in thing.items():
            if name not in _NO_CONTENT:
                yield from _texts(value)
    elif isinstance(thing, Sequence) and not isinstance(thing, (bytes, bytearray)):
        for value in thing:
            yield from _texts(value)
    elif isinstance(thing, (int, float)) and len(str(thing)) >= _NUMBERED:
        yield str(thing)


def _plain(text: str) -> str:
    """*text* without escapes, and with no character that cannot be shown."""
    if text.isascii() and not any(map(text.__contains__, "\\&%")):
        return text
    text = unquote(text)
    if "&" in text:
        from html import unescape  # its table of names is large, and few errors have one

        text = unescape(text)
    halves = re.sub(_ESCAPE, _unescaped, text)
    return halves.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _unescaped(escape: re.Match[str]) -> str:
    if (sign := escape[4]) is not None:
        return " " if sign in _BLANKS else sign
    character = chr(int(escape[1] or escape[2] or escape[3], 16))
    # One half of a pair is no character by itself.
    return character if character.isprintable() or "\ud800" <= character <= "\udfff" else " "


def _runs(text: str, sent: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Where words of *text* stand as they do in one of the texts that were *sent*."""
    runs = list(_is_specific_runs(text))
    if not runs:
        return  # it is too short to quote anything, however much was sent
    for one in sent:
        lowered = _plain(one).lower()
        # Far faster than to divide a prompt of megabytes into words, and most often enough: one
        # of a run's words, the longest first, is not in it.
        is_in = cache(lowered.__contains__)
        if left := [each for each in runs if all(map(is_in, sorted(each[0], key=len)[::-1]))]:
            # With a space at both ends, a word is found as a word alone.
            spaced = f" {' '.join(_words_of(lowered))} "
            for run, (start, end) in left:
                closed = "" if text.startswith(_CUT_SHORT, end) else " "
                if f" {' '.join(run)}{closed}" in spaced:
                    yield start, end


def _decoded(url: str) -> str:
    """The text that a URL holds, as a document does that is sent as text."""
    try:
        return base64.b64decode(url.partition(",")[2]).decode(errors="replace")
    except ValueError:  # it was no base64, and was not sent as a text
        return ""


def _encoded_runs(text: str, sent: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Where *text* has a stretch of the data of `data:` URLs that were *sent*.

    These may be of many megabytes, and no words are looked for in them.
    """
    for found in re.finditer(_ENCODED, text) if sent else ():
        ends = found[0][:_LONG], found[0][-_LONG:]
        if any(end in one for one in sent for end in ends):
            yield found.span()


def _is_specific_runs(text: str) -> Iterator[tuple[list[str], tuple[int, int]]]:
    """What of *text* would be a quotation: its words in lower case, and where it stands."""
    words = list(re.finditer(_WORD, text))
    lowered = [word[0].lower() for word in words]
    for at, word in enumerate(words):
        if _is_own(lowered[at]):
            yield [lowered[at]], word.span()
        run = lowered[at : at + _WORDS]
        if len(run) == _WORDS and _size(run) >= _SIZE:
            yield run, (word.start(), words[at + _WORDS - 1].end())


def _words_of(text: str) -> list[str]:
    """What `_WORD` finds; a prompt may be of many megabytes, and in ASCII this is far faster."""
    return text.translate(_SIGNS).split() if text.isascii() else re.findall(_WORD, text)


def _is_own(word: str) -> bool:
    numbered = any(each.isdigit() for each in word) and len(word) >= _NUMBERED
    return numbered or len(word) >= _LONG


def _size(words: Iterable[str]) -> int:
    """Characters; one that is a word by itself says as much as three."""
    return sum(len(word) if word.isascii() else 3 * len(word) for word in words)


def _wholes(text: str, sent: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Where *text* has a whole text that was *sent*, or a part of one in quotation marks."""
    stripped = [one.strip() for one in sent]
    for one in {each for each in stripped if _WHOLE <= len(each) <= len(text)}:
        pattern = re.compile(rf"(?<!\w){re.escape(one)}(?!\w)", re.I)
        yield from (found.span() for found in pattern.finditer(text))
    for quoted in re.finditer(_MARKED, text):
        quotation = quoted[2].strip()
        is_specific = len(quotation) >= _WHOLE and not quotation.isidentifier()
        if quotation and any(
            quotation == one or (is_specific and quotation in one) for one in stripped
        ):
            yield quoted.span(2)


def _cut(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """*text* with one mark for each stretch of spans, and for what stands between two words."""
    parts: list[str] = []
    end = 0
    for start, stop in sorted(spans):
        between = text[end:start]
        # Nothing, or nothing but signs, between two quotations belongs to them.
        if not parts or any(each.isalnum() for each in between):
            parts += [between, _CUT]
        end = max(end, stop)
    return "".join([*parts, text[end:]])
