"""What all providers put into a request alike, and the error for what one cannot express."""

from __future__ import annotations

from typing import Any

from ..errors import UnsendableError
from ..types import Provider, Request


def invalid_request(provider: Provider, problem: str) -> UnsendableError:
    """Return the error for a request that the *provider* cannot express; nothing was sent."""
    return UnsendableError(f"{provider.capitalize()} API error: {problem}", provider=provider)


def sampling_settings(request: Request) -> dict[str, Any]:
    """Return the request's temperature and max_tokens, as far as they are set."""
    settings = {"temperature": request.temperature, "max_tokens": request.max_tokens}
    return {name: value for name, value in settings.items() if value is not None}
