"""Copies of one call's error, for all identical calls that waited for it."""

from __future__ import annotations

from typing import TypeVar

from ..redaction.printable import words_of

E = TypeVar("E", bound=Exception)


def copied_error(error: E) -> E:
    """Return a copy of *error* to raise elsewhere, with its cause but no traceback.

    One object raised in many threads would collect all their tracebacks. An exception of a kind
    that cannot be copied without its constructor (UnicodeDecodeError) is returned itself.
    """
    try:
        copy = type(error).__new__(type(error), *error.args)
    except TypeError:  # its own `__new__` asks for more than its args
        return error.with_traceback(None)
    for name, value in vars(error).items():  # lists are copied: notes are added in place
        vars(copy)[name] = list(value) if type(value) is list else value
    if words_of(copy) != words_of(error):
        return error.with_traceback(None)
    copy.__cause__ = error.__cause__
    copy.__suppress_context__ = True
    return copy
