"""What a prompt of a batch may be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import ConfigurationError
from ..redaction.printable import shown


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
        return dict(prompt)
    if isinstance(prompt, Sequence) and not isinstance(prompt, bytes):
        return {"messages": prompt}
    raise ConfigurationError(
        f"a prompt is a {type(prompt).__name__}: give text, a chat list, or a dict of arguments"
    )
