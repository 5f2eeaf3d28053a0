"""What both dialects check of a request before it is put into a provider's words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

from ..errors import UnsendableError
from ..types import Message, Provider, Request


def invalid_request(provider: Provider, problem: str) -> UnsendableError:
    """An error for a request that cannot be put into the *provider*'s words; nothing was sent."""
    return UnsendableError(f"{provider.capitalize()} API error: {problem}", provider=provider)


def sampling_settings(request: Request, provider: Provider) -> dict[str, Any]:
    """The request's temperature and max_tokens, where given.

    Raises InvalidRequestError for a value of a type that no provider could read; whether a number
    is in range is the provider's to say.
    """
    given: dict[str, Any] = {}
    if request.temperature is not None:
        given["temperature"] = _number(request.temperature, provider)
    if request.max_tokens is not None:
        # True is an int to Python, and 1 token to a provider.
        if isinstance(request.max_tokens, bool) or not isinstance(request.max_tokens, int):
            raise invalid_request(
                provider, f"max_tokens must be an integer, not {request.max_tokens!r}"
            )
        given["max_tokens"] = request.max_tokens
    return given


def _number(value: object, provider: Provider) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise invalid_request(provider, f"temperature must be a finite number, not {value!r}")
    return value


def checked_messages(request: Request, provider: Provider) -> list[Message]:
    """The request's messages; raises InvalidRequestError for none, or one without a role."""
    if not request.messages:
        raise invalid_request(provider, "messages must hold at least one message")
    # What a caller gave, whatever its annotation says.
    for place, message in enumerate(cast("tuple[object, ...]", request.messages)):
        if not isinstance(message, Mapping) or not isinstance(message.get("role"), str):
            kind = type(message).__name__
            raise invalid_request(
                provider, f"messages[{place}] must be a mapping with a role, not a {kind}"
            )
    return list(request.messages)
