"""What a prompt of a batch may be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import ConfigurationError
from ..redaction.printable import shown


def copy_of(prompt: object) -> Any:
    """Return *prompt* with lists and dicts of its own: who yields it may go on to change them.

    All else in it is shared. What holds itself keeps its shape, and what is too deep to be copied
    is returned as it is: its own call refuses both.
    """
    try:
        return _copied(prompt, {})
    except RecursionError:
        return prompt


def _copied(thing: object, copies: dict[int, Any]) -> Any:
    if id(thing) in copies:
        return copies[id(thing)]
    if type(thing) is list:
        row: list[Any] = []
        copies[id(thing)] = row
        row.extend(_copied(each, copies) for each in list(thing))
        return row
    if type(thing) is dict:
        table: dict[Any, Any] = {}
        copies[id(thing)] = table
        table.update((key, _copied(each, copies)) for key, each in list(thing.items()))
        return table
    return tuple(_copied(each, copies) for each in thing) if type(thing) is tuple else thing


def arguments_of(prompt: object) -> dict[str, Any]:
    """Return the arguments of a call that *prompt* has of its own: text, a chat list, or a dict.

    Raises `ConfigurationError` for anything else.
    """
    if isinstance(prompt, str):
        return {"prompt": prompt}
    if isinstance(prompt, Mapping):
        for name in prompt:
            if not isinstance(name, str):
                raise ConfigurationError(f"a prompt has {shown(name)} for an argument's name")
        if "role" in prompt:
            raise ConfigurationError("a prompt is one message: give a chat as a list of them")
        return dict(prompt)
    if isinstance(prompt, Sequence) and not isinstance(prompt, bytes):
        return {"messages": prompt}
    raise ConfigurationError(
        f"a prompt is of type {type(prompt).__name__}: give text, a chat list, or a dict of"
        " arguments"
    )
