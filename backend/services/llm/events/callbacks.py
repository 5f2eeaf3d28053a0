"""Functions of a host that are called back: what is wrong with one, and what it is called."""

from __future__ import annotations

import inspect
from functools import partial

from ..errors import ConfigurationError
from ..redaction.printable import shown


def check_callback(name: str, function: object, argument: str) -> None:
    """Raise ConfigurationError where *function*, called *name*, is no plain one of an *argument*.

    A coroutine function, or a generator's, does nothing where it is only called.
    """
    if not callable(function):
        raise ConfigurationError(f"{name} is {shown(function)}: give a function of {argument}")
    for is_other, kind, instead in _NOT_PLAIN:
        if is_other(function) or is_other(type(function).__call__):
            raise ConfigurationError(
                f"{name} is {callback_name(function)}, a {kind} function: give a plain one{instead}"
            )


_NOT_PLAIN = (
    (inspect.iscoroutinefunction, "coroutine", ", which may start a task"),
    (inspect.isgeneratorfunction, "generator", ", without a yield"),
    (inspect.isasyncgenfunction, "generator", ", without a yield"),
)


def callback_name(function: object) -> str:
    """Return what *function* is called in errors and in the log."""
    while isinstance(function, partial):
        function = function.func
    return getattr(function, "__qualname__", None) or type(function).__qualname__
