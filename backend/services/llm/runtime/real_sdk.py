"""What tells an SDK's own class, function or object from what a test has put in its place."""

from __future__ import annotations

from types import FunctionType
from typing import Any


def is_real_sdk(thing: Any, package: str) -> bool:
    """Whether *thing*, a class, a function or an instance, is defined in *package*.

    Suites put mocks of `unittest`, or classes of their own, where an SDK is looked up. Such a
    stand-in takes no keyword that it was not written for, shares no quota with others and keeps
    no answers; so it must be recognised. Its module is the one thing that it does not imitate: a
    mock with a spec passes for an instance of the real class.
    """
    definition = thing if isinstance(thing, (type, FunctionType)) else type(thing)
    return definition.__module__.partition(".")[0] == package
