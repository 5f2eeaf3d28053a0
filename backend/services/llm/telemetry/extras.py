"""Packages that a host installs only where it wants traces or metrics."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any, Protocol

from ..errors import ConfigurationError
from ..events import EventHook, Hooks, hooks


class HasHooks(Protocol):
    """A client whose calls can be followed."""

    hooks: Hooks


def required(module: str, package: str) -> Any:
    """Import *module*; ConfigurationError that names the *package* to install, where it is not."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"{module} is not installed: pip install {package}, or all of"
            " backend/requirements-telemetry.txt"
        ) from error


def follow(client: HasHooks | None, hook: EventHook) -> Callable[[], None]:
    """Tell *hook* of the calls of *client*, or of all clients; return what ends that.

    A hook of the same class that is there already is replaced: nothing is counted twice.
    """
    registry = hooks if client is None else client.hooks
    for each in registry.registered:
        if type(each.hook) is type(hook):
            registry.remove(each.hook)
    registry.add(hook)
    return partial(registry.remove, hook)
