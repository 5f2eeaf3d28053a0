"""The window of requests as hosts' tests know it: they look at it and assign to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import RateLimitError

if TYPE_CHECKING:
    from .provider_client import ProviderClient


class WindowAttribute:
    """An attribute of the window of a client's account, under another name on the client."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, client: ProviderClient | None, owner: type[ProviderClient]) -> Any:
        return self if client is None else getattr(client._account.window, self._name)

    def __set__(self, client: ProviderClient, value: Any) -> None:
        setattr(client._account.window, self._name, value)


class WindowTimes:
    """The times of use that the window still counts, as Unix seconds: a live list."""

    def __get__(self, client: ProviderClient | None, owner: type[ProviderClient]) -> Any:
        return self if client is None else client._account.window.times

    def __set__(self, client: ProviderClient, times: Sequence[float]) -> None:
        client._account.window.times[:] = times


def check_rate_limit(client: ProviderClient) -> None:
    """Use one request of the window, or raise `RateLimitError` with the seconds to wait."""
    from ..quota.immediate_use import use_at_once

    quota, now = client._account.quota, client._account.now()
    wait = use_at_once(quota, quota.reserve, client._model, {"requests": 1.0}, now)
    if wait > 0:
        raise RateLimitError(
            f"Rate limit exceeded. Please wait {wait:.1f} seconds",
            provider=client._account.provider,
            retry_after=wait,
        )
