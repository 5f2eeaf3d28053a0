"""Names for labels of metrics and log lines, of which there are few, whatever callers send."""

from __future__ import annotations

import re
from functools import lru_cache

from .. import errors, models
from ..models.catalogue import REPLACEMENTS

_KEY = re.compile(r"key \d{1,4} of \d{1,4}")

#: What stands for all names that are not known.
OTHER = "other"

_ERRORS = frozenset(
    name
    for name, value in vars(errors).items()
    if isinstance(value, type) and issubclass(value, errors.LLMError)
) | {"CancelledError", "KeyboardInterrupt", "Cancelled"}


@lru_cache(maxsize=1024)
def model_label(model: str) -> str:
    """Return the id of a model in our table, without profile and ARN; else "other"."""
    able = models.abilities(model)
    return able.model if able.known or able.model in REPLACEMENTS else OTHER


def scope_label(scope: str) -> str:
    """Return the place of one of several keys, or a known model; else "other"."""
    return scope if _KEY.fullmatch(scope) else model_label(scope)


def error_label(name: str) -> str:
    """Return the class of an error that may end a call, or an attempt; else "other".

    An attempt's error may have the provider's own code behind it, which is dropped.
    """
    kind = name.partition("(")[0]
    return kind if kind in _ERRORS else OTHER


def status_label(status: int | None) -> str:
    """Return an HTTP status, "none" where there was no answer, "other" for what is no status."""
    if status is None:
        return "none"
    return str(status) if 100 <= status <= 599 else OTHER
