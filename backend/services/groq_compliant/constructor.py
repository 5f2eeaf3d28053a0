"""What a program gives the compliant client, checked: each error names the argument."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from ..llm.account.cache import Nowhere
from ..llm.account.daily_budget import DayCounter, MemoryDayCounter
from ..llm.client.arguments import chat, count, model_id, take_max_tokens
from ..llm.client.arguments import options as plain_options
from ..llm.client.arguments import temperature as finite
from ..llm.client.options import checked
from ..llm.client.request_check import check_request
from ..llm.errors import ConfigurationError
from ..llm.settings.credentials import secret
from ..llm.settings.knobs import Knobs
from ..llm.stores import BudgetFile, RedisBudget, Store, open_store
from ..llm.types import Request


class _Default(float):
    """A number that nobody gave: the same one, if given, is another object."""


#: Groq's largest general model in production; see `models` for the day of that knowledge.
DEFAULT_MODEL = "openai/gpt-oss-120b"

#: Left out where the model takes none, as long as it is not given.
DEFAULT_TEMPERATURE: float = _Default(0.7)


#: Where keys come from that a program gives, and no setting.
_ARGUMENT = "keys"


def keys_in(keys: object, name: str = _ARGUMENT) -> list[str]:
    """Return the keys in a list or in a string with commas, each once; *name* says whence they are.

    Raises ConfigurationError, which never shows a key, where there is none or one is unusable.
    """
    if isinstance(keys, str):
        keys = [key.strip() for key in keys.split(",")]
    if not isinstance(keys, Sequence) or not all(isinstance(key, str) for key in keys):
        raise ConfigurationError(
            f"{name} is a {type(keys).__name__}: give a list of API keys, or one string with commas"
        )
    is_set = name != _ARGUMENT
    usable = [secret(f"{name}[{place}]", key, is_set=is_set) for place, key in enumerate(keys)]
    unique = list(dict.fromkeys(filter(None, usable)))
    if not unique:
        raise ConfigurationError(f"{name} holds no API key: give at least one that is not blank")
    return unique


def limit_of_all(organization_rpm: int | None, known: Knobs) -> int | None:
    """Return the requests a minute of all keys together: as given, else as the settings say.

    Raises ConfigurationError for what is no whole number from 1 on.
    """
    if organization_rpm is None:
        return known.GROQ_ORG_RPM
    return count("organization_rpm", organization_rpm, least=1)


def max_wait(value: object) -> float:
    """Return *value* if it is a number of seconds from 0 on, endless ones included.

    Raises ConfigurationError, which names max_quota_wait, for anything else.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
        raise ConfigurationError(
            f"max_quota_wait is {value!r}: give seconds from 0 on, math.inf for no end"
        )
    return float(value)


def store_at(place: str | os.PathLike[str] | None, ttl: float) -> Store:
    """Return the store of answers at *place*, a path or URL; None keeps none.

    *ttl* is in seconds. Raises ConfigurationError for a place that cannot work, and
    ImportError for a Redis URL without the redis package.
    """
    if place is None:
        return Nowhere()
    if not isinstance(place, (str, os.PathLike)):
        raise ConfigurationError(
            f"cache_path is a {type(place).__name__}: give a path, a store's URL, or None"
        )
    try:
        return open_store(place, ttl=ttl)
    except ValueError as error:
        raise ConfigurationError(f"cache_path: {error}") from error


def token_counter_at(place: str | os.PathLike[str] | None) -> DayCounter:
    """Return the tally beside the cache: in a file, on its server, or in this process's memory."""
    if place is None:
        return MemoryDayCounter()
    scheme, colon, path = os.fspath(place).partition(":")
    if colon and scheme.lower() in ("redis", "rediss"):
        return RedisBudget(f"{scheme.lower()}:{path}")
    if colon and scheme.lower() == "memory":
        return MemoryDayCounter()
    file = path if colon and scheme.lower() in ("json", "sqlite") else os.fspath(place)
    return BudgetFile(f"{file}.budget")


def request_of(
    messages: object,
    model: object,
    temperature: float | None,
    max_tokens: int | None,
    options: Mapping[str, Any],
) -> Request:
    """Return the request for a chat, a snapshot; what can be told to be wrong is not sent.

    Raises ConfigurationError, or UnsendableError which is one too, that names the argument.
    """
    message = chat(messages)
    further = plain_options(checked(options, "groq"))
    length = take_max_tokens(max_tokens, further)
    own = frozenset({"temperature"}) if temperature is DEFAULT_TEMPERATURE else frozenset()
    request = Request(model_id(model), message, finite(temperature), length, own, options=further)
    check_request(request, "groq")
    return request
