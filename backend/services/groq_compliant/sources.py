"""Finds the prompt and the keys: in several places, the first that holds something."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from ..llm.settings.environment import VariableSource

KEY_VARIABLES = ("GROQ_API_KEYS", "GROQ_API_KEY")


class Found(NamedTuple):
    """The keys of a variable, and the place where it is set."""

    variable: str
    keys: str
    place: str


class InputError(Exception):
    """Something to read is missing or unreadable; the message is one line for the user."""


class UsageError(InputError):
    """The command names what is not there to be read, or nothing at all."""


#: The file that stands for standard input.
STDIN = Path("-")


def first_of(places: Iterable[Callable[[], str | None]]) -> str | None:
    """Return the first text that is not blank, reading no place after it."""
    texts = (place() for place in places)
    return next((text for text in texts if text is not None and text.strip()), None)


def prompt_of(
    argument: str | None, file: Path | None, default: str | None, *, stdin: bool
) -> str | None:
    """Return the prompt, or None where no place was named and nothing is piped.

    Standard input is read only if *stdin* asks for it, or if it is piped and nothing else given.
    Raises UsageError where all that was named is blank, as what a failed producer pipes is, and
    InputError for what cannot be read or is no Unicode.
    """
    nothing_else = not (argument and argument.strip()) and file is None and default is None
    reads_stdin = stdin or (nothing_else and _is_piped())
    found = first_of(
        (
            lambda: argument,
            lambda: None if file is None else text_in(file),
            lambda: text_in_stdin() if reads_stdin else None,
            lambda: default,
        )
    )
    if found is not None and not is_unicode(found):
        raise InputError("the prompt is not valid UTF-8")
    if found is None and (reads_stdin or not nothing_else or argument is not None):
        raise UsageError("there is nothing to ask: what was given as the prompt is blank")
    return found


def _is_piped() -> bool:
    """Whether standard input is something that a producer may have filled: no /dev/null."""
    if sys.stdin is None or sys.stdin.isatty():
        return False
    try:
        return not stat.S_ISCHR(os.fstat(sys.stdin.fileno()).st_mode)
    except (OSError, ValueError):  # a stand-in of a program that calls us, which has no number
        return True


def keys_of(places: Iterable[VariableSource]) -> Found:
    """Return the keys in the first of *places* that holds any.

    In each, GROQ_API_KEYS comes before GROQ_API_KEY; a blank or comma-only value does not count.
    Raises InputError without any.
    """
    for source in places:
        for name in KEY_VARIABLES:
            keys = source.get(name)
            if keys.replace(",", "").strip():
                return Found(name, keys, source.place)
    raise InputError("no API key: set GROQ_API_KEYS or GROQ_API_KEY, or put one of them into .env")


def text_in(file: Path) -> str:
    """Return the text of a UTF-8 *file*, `-` for standard input.

    Raises UsageError where it cannot be read, and InputError where it is no text.
    """
    if file == STDIN:
        return text_in_stdin()
    try:
        data = file.read_bytes()
    except OSError as error:
        raise unreadable(file, error) from error
    return _decoded(data, str(file))


def unreadable(file: Path, error: OSError) -> UsageError:
    """The error for a *file* that is not there, or not for us."""
    return UsageError(f"{file}: {error.strerror or error}")


def other_than_utf_8(start: bytes) -> str:
    """What *start*, the first bytes of a text, is instead of UTF-8, or "" where it may be that."""
    if start.startswith((b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")):
        return "not valid UTF-8, but UTF-16 or UTF-32: save it anew"
    # In UTF-16 without its mark, every second byte of an English text.
    return "not valid UTF-8, since it holds NUL bytes: save it anew" if b"\0" in start else ""


def _decoded(data: bytes, name: str) -> str:
    if problem := other_than_utf_8(data):
        raise InputError(f"{name}: {problem}")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{name}: not valid UTF-8 ({error.reason} at byte {error.start})"
        ) from error


def text_in_stdin() -> str:
    """Return all of standard input; raises InputError where it is closed or no UTF-8."""
    if sys.stdin is None:
        raise InputError("standard input is closed")
    try:
        data = sys.stdin.buffer.read()
    except OSError as error:
        raise InputError(f"standard input: {error.strerror or error}") from error
    return _decoded(data, "standard input")


def schema_in(file: Path) -> Any:
    """Return the JSON Schema in *file*; raises InputError where it holds no JSON object."""
    try:
        schema = json.loads(text_in(file))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file}: no JSON ({error})") from error
    if not isinstance(schema, dict):
        raise InputError(
            f"{file}: a JSON Schema is a JSON object, this is a {type(schema).__name__}"
        )
    return schema


def is_unicode(text: str) -> bool:
    """Whether no byte of the command line was left undecoded in it."""
    return not any("\ud800" <= character <= "\udfff" for character in text)
