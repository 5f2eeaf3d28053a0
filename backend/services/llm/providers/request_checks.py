"""Checks of a request that are common to all providers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

from ..errors import UnsendableError
from ..types import Message, Provider, Request


def invalid_request(provider: Provider, problem: str) -> UnsendableError:
    """Return the error for a request that the *provider* cannot express; nothing was sent."""
    return UnsendableError(f"{provider.capitalize()} API error: {problem}", provider=provider)


def sampling_settings(request: Request, provider: Provider) -> dict[str, Any]:
    """Return the request's temperature and max_tokens, as far as they are set.

    Raises InvalidRequestError for a value of a type that no provider could read; whether a number
    is in range is the provider's to say.
    """
    settings: dict[str, Any] = {}
    if request.temperature is not None:
        settings["temperature"] = _number(request.temperature, provider)
    if request.max_tokens is not None:
        # True is an int to Python, and 1 token to a provider.
        if isinstance(request.max_tokens, bool) or not isinstance(request.max_tokens, int):
            raise invalid_request(
                provider, f"max_tokens must be an integer, not {request.max_tokens!r}"
            )
        settings["max_tokens"] = request.max_tokens
    return settings


def _number(value: object, provider: Provider) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise invalid_request(provider, f"temperature must be a finite number, not {value!r}")
    return value


def checked_messages(request: Request, provider: Provider) -> list[Message]:
    """Return the request's messages; raises InvalidRequestError for none, or one without a role."""
    if not request.messages:
        raise invalid_request(provider, "messages must hold at least one message")
    # A caller may pass anything, whatever the annotation says.
    for place, message in enumerate(cast("tuple[object, ...]", request.messages)):
        if not isinstance(message, Mapping) or not isinstance(message.get("role"), str):
            kind = type(message).__name__
            raise invalid_request(
                provider, f"messages[{place}] must be a mapping with a role, not a {kind}"
            )
    return list(request.messages)
