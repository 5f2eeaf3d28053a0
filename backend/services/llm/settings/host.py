"""Finds the host's settings object, and reads the knobs from it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from importlib.util import resolve_name
from inspect import ismodule
from typing import Any, NoReturn

from pydantic import ValidationError

from ..errors import ConfigurationError
from ..redaction.printable import words_of
from ..redaction.secrets import redacted
from .knob_errors import refusal
from .knobs import Knobs
from .plain_values import is_mock, is_unknown

log = logging.getLogger(__name__)

_CONFIG = "config" if __package__ == "services.llm.settings" else "....config"

_NAMING = "name them as the README's table does, or write class Settings(BaseSettings, Knobs)"

#: The value of a field that is not there.
_ABSENT = object()

#: The argument of the last `configure`.
_configured: Any = None


def configure(settings: object) -> None:
    """Make *settings* those of `current`; None leaves them to `config` again."""
    global _configured
    _configured = settings


def current() -> Any:
    """Return the settings of `configure`, else `config.settings`, else `config.get_settings`.

    If there is none of them, return a function that raises ConfigurationError.
    """
    if _configured is not None:
        return _configured
    config = _module(_CONFIG)
    if config is None:
        return _missing
    if hasattr(config, "__path__"):
        _module(f"{config.__name__}.settings")
    candidates = [candidate for candidate in _candidates(config) if candidate is not None]
    # A submodule `settings` of a package may hold the object, or only its class.
    return next(
        (candidate for candidate in candidates if not ismodule(candidate) or _known(candidate)),
        _missing,
    )


def read(settings: Any) -> Knobs:
    """Read the knobs from *settings*: an object, a module, a mapping, or a function for one.

    A knob that is missing there, None, blank or a test's mock has its default, and is not in
    `model_fields_set`. Text, numbers, URLs and paths are converted. Raises `ConfigurationError`
    for a value that cannot be, or is out of bounds, and for settings that hold no knob.
    """
    known = _known(settings)
    if not known and callable(settings) and not isinstance(settings, type):
        return read(_returned(settings))
    if not is_mock(settings):
        _refuse_other_names(settings, known)
    values = {name: _at(settings, name) for name in known if not _is_default(settings, name)}
    for name, value in values.items():
        if is_unknown(value):
            kind = type(value).__name__
            log.warning("%s is an object of type %s, which says nothing: it is not set", name, kind)
    try:
        return Knobs(**values)
    except ValidationError as error:
        raise refusal(error, values) from None


def _module(name: str) -> Any:
    """Import the module *name*; None where there is none."""
    try:
        return import_module(name, __package__)
    except ModuleNotFoundError as error:
        if error.name != resolve_name(name, __package__ or ""):
            raise
        return None


def _candidates(config: object) -> Iterator[Any]:
    settings = getattr(config, "settings", None)
    yield settings
    yield getattr(config, "get_settings", None)
    yield getattr(settings, "settings", None)
    yield getattr(settings, "get_settings", None)


def _missing() -> NoReturn:
    raise ConfigurationError(
        "There are no settings: give config.py a `settings` or a `get_settings()`,"
        " or call llm_client.configure(settings) first"
    )


def _known(settings: Any) -> list[str]:
    return [name for name in Knobs.model_fields if _at(settings, name) is not _ABSENT]


def _returned(function: Callable[[], Any]) -> Any:
    try:
        return function()
    except ConfigurationError:
        raise
    except Exception as error:
        raise ConfigurationError(
            f"The settings cannot be read: their function raises {_described(error)}"
        ) from error


def _described(error: Exception) -> str:
    return f"{type(error).__name__}: {redacted(words_of(error))}"


def _at(settings: Any, name: str) -> Any:
    try:
        if isinstance(settings, Mapping):
            return settings.get(name, _ABSENT)
        return getattr(settings, name)
    except Exception as error:
        # A property that fails is no field that is missing.
        if isinstance(error, AttributeError) and not hasattr(type(settings), name):
            return _ABSENT
        raise ConfigurationError(
            f"The settings cannot be read: {name} raises {_described(error)}"
        ) from error


def _is_default(settings: object, name: str) -> bool:
    """Whether nobody has set knob *name* in a class that has it from `Knobs`."""
    if is_mock(settings) or not isinstance(settings, Knobs) or name in settings.model_fields_set:
        return False
    return bool(getattr(settings, name) == Knobs.model_fields[name].default)


def _refuse_other_names(settings: Any, known: list[str]) -> None:
    """Raise ConfigurationError for misspelt knobs, and for settings that hold no knob."""
    if not known and isinstance(settings, type):
        raise ConfigurationError(f"settings is the class {settings.__name__}: give an instance")
    names = settings if isinstance(settings, Mapping) else dir(settings)
    alike = {str(name).replace("_", "").casefold(): name for name in names}
    meant = {name: alike.get(name.replace("_", "").casefold()) for name in Knobs.model_fields}
    wrong = [f"{other} for {name}" for name, other in meant.items() if other and name not in known]
    if wrong:
        raise ConfigurationError(f"The settings have {', '.join(wrong)}: {_NAMING}")
    if not known:
        kind = type(settings).__name__
        raise ConfigurationError(f"The settings ({kind}) have no field such as USE_GROQ: {_NAMING}")
