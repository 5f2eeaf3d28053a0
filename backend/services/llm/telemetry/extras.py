"""Packages that a host installs only where it wants traces or metrics."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any, Protocol, TypeVar

from ..errors import ConfigurationError
from ..events import EventHook, Hooks, hooks
from ..redaction.printable import shown

T = TypeVar("T")


class HasHooks(Protocol):
    """A client that tells hooks of its calls."""

    hooks: Hooks


def import_required(module: str, package: str) -> Any:
    """Import *module*; ConfigurationError that names the *package* to install, where it is not."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"{module} is not installed: pip install {package}, or all of"
            " backend/requirements-telemetry.txt"
        ) from error


def hooks_of(client: HasHooks | None) -> Hooks:
    """Return the hooks of *client*, or those of all clients; ConfigurationError for no client."""
    found = hooks if client is None else getattr(client, "hooks", None)
    if not isinstance(found, Hooks):
        raise ConfigurationError(
            f"client is {shown(client)}: give a client of ours, or None for all clients"
        )
    return found


def checked(name: str, value: T, kind: type[Any]) -> T:
    """Return *value*; raises ConfigurationError unless it is None or of this *kind*."""
    if value is None or isinstance(value, kind):
        return value
    raise ConfigurationError(f"{name} is {shown(value)}: give a {kind.__qualname__}, or None")


def add_or_replace(registry: Hooks, hook: EventHook) -> Callable[[], None]:
    """Tell *hook* of the calls of a *registry* of hooks; return what ends that.

    A hook of the same class that is there already is replaced: nothing is counted twice.
    """
    for each in registry.registered:
        if type(each.hook) is type(hook):
            registry.remove(each.hook)
    registry.add(hook)
    return partial(registry.remove, hook)
