"""The window of requests as hosts' tests know it: they look at it and assign to it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from ..account.account import Account
from ..account.registry import steady_now
from ..errors import RateLimitError
from ..quota import Refusal, Reservation
from .base import LLMClient


class WindowClient(LLMClient):
    """A client that shows its account's window under the names that hosts use."""

    _account: Account

    @property
    @abstractmethod
    def _model(self) -> str:
        """The model that answers where the caller names none."""

    @property
    def _request_times(self) -> list[float]:
        """The times of use that the window still counts, as Unix seconds; a live list."""
        return self._account.window.times

    @_request_times.setter
    def _request_times(self, times: Sequence[float]) -> None:
        self._account.window.times[:] = times

    @property
    def _rate_limit_window(self) -> float:
        return self._account.window.window

    @_rate_limit_window.setter
    def _rate_limit_window(self, seconds: float) -> None:
        self._account.window.window = seconds

    @property
    def _max_requests_per_window(self) -> float:
        return self._account.window.amount

    @_max_requests_per_window.setter
    def _max_requests_per_window(self, requests: float) -> None:
        self._account.window.amount = requests

    def _check_rate_limit(self) -> None:
        """Use one request of the window, or raise `RateLimitError` with the seconds to wait."""
        quota, now = self._account.quota, steady_now()
        reservation = quota.reserve(self._model, {"requests": 1.0}, now)
        wait = (
            reservation.wait if isinstance(reservation, Refusal) else quota.start(reservation, now)
        )
        if isinstance(reservation, Reservation):
            # Between the two calls another may have come first.
            if wait > 0:
                quota.cancel(reservation, now)
            else:
                quota.settle(reservation, {}, now, now)
        if wait > 0:
            raise RateLimitError(
                f"Rate limit exceeded. Please wait {wait:.1f} seconds",
                provider=self._account.provider,
                retry_after=wait,
            )
