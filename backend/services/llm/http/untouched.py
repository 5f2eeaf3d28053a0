"""Whether a function is still the one that its package defines.

Tests put mocks into a library's classes, and instrumentation wraps their methods. What stands
there then is what is to be called, so that no road of ours may go around it.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any


def is_untouched(owner: Any, name: str, package: ModuleType) -> bool:
    """Whether *owner*'s method *name* is a plain function of *package*'s own source.

    A mock or a wrapt proxy is no plain function; a wrapper that calls itself by the name and the
    module of what it wraps has its code in another file all the same.
    """
    kind = owner
    if not isinstance(owner, type):
        if name in getattr(owner, "__dict__", ()):
            return False  # set on the object itself
        kind = type(owner)
    # Read off the classes, since a descriptor's answer may hide what stands there.
    for each in kind.__mro__:
        if name in each.__dict__:
            return is_own(each.__dict__[name], package)
    return False


def is_own(found: Any, package: ModuleType) -> bool:
    """Whether *found* is a plain function of *package*'s own source."""
    return type(found) is FunctionType and _is_of(
        found.__code__.co_filename, getattr(package, "__file__", None)
    )


@lru_cache(maxsize=256)
def _is_of(source: str, file: str | None) -> bool:
    # A test's stand-in may be a module without a file.
    return source.startswith(str(Path(file or "?").parent))
