"""What an account has used of its limits, and of the prompts that are kept for it."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Mapping
from dataclasses import dataclass

from .completion import CachePoint
from .limits import Demand, Level, Limiter, Limits, Refusal, Reservation
from .prompt_cache import CacheUse, PromptCache

LimitsSetting = Limits | Mapping[str, Limits] | None
# What the headers tell where no limit is enforced: more than any suite will use.
_UNLIMITED = Limits(rpd=1_000_000_000, tpm=1_000_000_000)


@dataclass(frozen=True)
class QuotaReservation:
    """An admitted request's place in the limits, and in the levels that the headers show."""

    shown: Reservation
    reserved: Reservation | None = None


class Quota:
    """Limits and levels by account and model; may be used from any thread."""

    def __init__(self, limits: LimitsSetting) -> None:
        self._lock = threading.Lock()  # guards all below
        self._limits = limits
        self._limiter = Limiter()
        # Recorded: the headers do not count what is only reserved for the answer.
        self._shown = Limiter()
        self._prompts = PromptCache()

    @property
    def limits(self) -> LimitsSetting:
        """The limits in force: one for all models, or by model id."""
        return self._limits

    @limits.setter
    def limits(self, limits: LimitsSetting) -> None:
        with self._lock:
            self._limits = limits
            # What was used counted against other amounts.
            self._limiter.clear()
            self._shown.clear()

    def clear(self) -> None:
        """Forget what was used, and every kept prompt."""
        with self._lock:
            self._limiter.clear()
            self._shown.clear()
            self._prompts.clear()

    def reserve(
        self, account: str, model: str, demand: Demand, now: float
    ) -> QuotaReservation | Refusal:
        """Admit a request under all its limits, or refuse it."""
        limits, key = self._limits_of(model), (account, model)
        with self._lock:
            reserved = None
            if limits is not None:
                outcome = self._limiter.reserve(key, limits, demand, now)
                if isinstance(outcome, Refusal):
                    return outcome
                reserved = outcome
            prompt_alone = Demand(demand.input_tokens, 0)
            shown = self._shown.charge(key, limits or _UNLIMITED, prompt_alone, now)
            return QuotaReservation(shown, reserved)

    def levels(self, reservation: QuotaReservation, now: float) -> dict[str, Level]:
        """The levels that the headers of a response show."""
        with self._lock:
            return self._shown.levels(reservation.shown.key, reservation.shown.limits, now)

    def shown_levels(self, account: str, model: str, now: float) -> dict[str, Level]:
        """The levels that an error shows, which reserves nothing."""
        limits = self._limits_of(model) or _UNLIMITED
        with self._lock:
            return self._shown.levels((account, model), limits, now)

    def settle(self, reservation: QuotaReservation, used: Demand, now: float) -> None:
        """Replace what was reserved by what was used."""
        with self._lock:
            self._shown.settle(reservation.shown, used, now)
            if reservation.reserved is not None:
                self._limiter.settle(reservation.reserved, used, now)

    def use_prompt_cache(
        self, account: Hashable, points: tuple[CachePoint, ...], now: float
    ) -> CacheUse:
        """What of a prompt is read from the cache, and what is written to it."""
        with self._lock:
            return self._prompts.use(account, points, now)

    def _limits_of(self, model: str) -> Limits | None:
        limits = self._limits
        return limits.get(model) if isinstance(limits, Mapping) else limits
