"""What callers may pass, checked before anything is sent: each error names the argument."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .errors import ConfigurationError
from .types import Message


def conversation(
    prompt: str | None, system_prompt: str | None, messages: Sequence[Message] | None
) -> tuple[Message, ...]:
    """Return the system prompt, then *messages*, then the prompt as what the user says last.

    Raises `ConfigurationError` where there is nothing to ask, or a prompt is no text.
    """
    if prompt is None and not messages:
        raise ConfigurationError("There is nothing to ask: give a prompt, or messages")
    for name, value in (("prompt", prompt), ("system_prompt", system_prompt)):
        if value is not None and not isinstance(value, str):
            raise ConfigurationError(
                f"{name} is a {type(value).__name__}: give a str, or a chat list as messages"
            )
    said = list(messages or ())
    if system_prompt:
        said.insert(0, {"role": "system", "content": system_prompt})
    if prompt is not None:
        said.append({"role": "user", "content": prompt})
    return tuple(said)


def model_id(value: object) -> str:
    """Return the plain text of a model's id, else raise `ConfigurationError`.

    An enum's member that is a str has another hash and another look than its text.
    """
    if not isinstance(value, str):
        raise ConfigurationError(f"model is {value!r}: give a model's id")
    return str.__str__(value)


def seconds(name: str, value: object) -> float:
    """Return *value* if it is a finite number above 0, else raise `ConfigurationError`."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ConfigurationError(f"{name} is {value!r}: give a number of seconds")
    if not 0 < value < math.inf:
        raise ConfigurationError(f"{name} is {value!r}: give a number of seconds above 0")
    return float(value)


def count(name: str, value: object, *, least: int) -> int:
    """Return *value* if it is a whole number from *least* on, else raise `ConfigurationError`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigurationError(f"{name} is {value!r}: give a whole number from {least} on")
    return value
