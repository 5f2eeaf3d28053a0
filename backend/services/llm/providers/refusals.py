"""Which parameter a refusal is about, by its message."""

from __future__ import annotations

import re

#: Parameters as a `Request` names them, by what the providers call them.
_OPTIONS = {
    "temperature": "temperature",
    "maxtokens": "max_tokens",
    "maxgenlen": "max_tokens",
    "maxcompletiontokens": "max_tokens",
    "maximumtokens": "max_tokens",
}
_NAME = r"(temperature|max[_ ]?(?:completion[_ ]?)?tokens|max_gen_len|maximum tokens)"
_NOT_TAKEN = (
    r"deprecated|unsupported|not supported|no longer supported|not allowed|not permitted"
    r"|not available|not accepted|may only be|can only be|must be|does not support|exceeds"
    r"|cannot both|mutually exclusive"
)

# The name, then the refusal, in one sentence; or the other way round.
_REFUSALS = (
    rf"(?i)\b{_NAME}\b[^\n.;]{{0,80}}?\b(?:{_NOT_TAKEN})",
    r"(?i)\b(?:unsupported (?:parameter|value|option)s?|extraneous key|unknown parameter"
    r"|unrecognized (?:parameter|field)|does not support(?: the)?|do not support(?: the)?)"
    rf"[^\n.;a-z0-9]{{0,10}}(?:parameter\W{{0,3}})?{_NAME}\b",
)


# A mark that can open a quotation, or close one; an apostrophe within a word can do neither.
_MARKS = re.compile(r"(?P<opens>(?<!\w)['\"`])|['\"`](?!\w)")


def unquoted(words: str) -> str:
    """*words* without what they quote, which the model or its user may have written.

    A single word stays, since it may be the name of what is refused.
    """
    marks = list(_MARKS.finditer(words))
    closing = {each[0]: each.start() for each in marks if _closes(each)}
    kept: list[str] = []
    end, opened = 0, None
    for each in marks:
        if opened is None:
            # One that nothing closes opens nothing.
            is_open = each["opens"] and closing.get(each[0], 0) > each.start()
            opened = each if is_open else None
        elif each[0] == opened["opens"] and _closes(each):
            if len(words[opened.end() : each.start()].split()) > 1:
                kept.append(words[end : opened.end()])
                end = each.start()
            opened = None
    return "".join([*kept, words[end:]])


def _closes(mark: re.Match[str]) -> bool:
    after = mark.string[mark.end() : mark.end() + 1]
    return not (after.isalnum() or after == "_")


def refused_name(words: str, param: str | None = None) -> str | None:
    """The parameter that a refusal's *words* say is not taken, as the provider writes it.

    *param* is the provider's own field for it, where it has one. None for any other refusal.
    """
    own = unquoted(words)
    found = next(filter(None, (re.search(pattern, own) for pattern in _REFUSALS)), None)
    name = param if param is not None else found[1] if found else None
    return name if option_named(name) else None


def option_named(name: str | None) -> str | None:
    """The parameter that has this *name* at a provider, by its name in a `Request`."""
    return None if name is None else _OPTIONS.get(_plain(name))


def _plain(name: str) -> str:
    return re.sub(r"[_ ]", "", name.lower())
