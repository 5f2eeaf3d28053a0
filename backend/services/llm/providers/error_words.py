"""The words of an error in a body whose status says that there is none: gateways send these."""

from __future__ import annotations

from .fields import member

#: Under which names gateways keep an error, and its words.
_NAMES = ("error", "errors", "message", "Message", "msg", "detail", "error_message", "Output")

# So many steps lead to the words: a list, an error in it, that error's own member.
_STEPS = 3

#: Characters that are shown of an error that says nothing in words.
_SHOWN = 200


def error_words(body: object) -> str | None:
    """What the error in a *body* says, or that it says nothing; None where there is no error.

    The body may be an SDK's object; what a test's mock makes up is none.
    """
    if isinstance(body, str):
        return None  # a page
    if words := _words(body, _STEPS):
        return words
    error = member(body, "error")
    filled = any(error.values()) if isinstance(error, dict) else error
    if filled and isinstance(error, (dict, list, int, float)):
        return f"an error without words, {str(error)[:_SHOWN]}"
    return None


def _words(thing: object, steps: int) -> str | None:
    if isinstance(thing, str):
        return thing.strip() or None
    if not steps or thing is None:
        return None
    inner = thing[:1] if isinstance(thing, list) else [member(thing, name) for name in _NAMES]
    return next(filter(None, (_words(each, steps - 1) for each in inner)), None)
