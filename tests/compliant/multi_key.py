"""Several keys without a wire: what is sent with each, and what Groq refuses."""

from __future__ import annotations

from typing import Any

from services.llm.account.multi_key import MultiKeyAccount
from services.llm.errors import RateLimitError
from services.llm.quota import Demand, Reservation
from tests.compliant.support import KEYS, Clock

ONE: Demand = {"requests": 1.0}
FIRST, SECOND, THIRD = (f"key {place} of 3" for place in (1, 2, 3))


def make(clock: Clock, keys: list[str] = KEYS, **arguments: Any) -> MultiKeyAccount:
    given = {"rpm_per_key": 30, "max_concurrency": 8, **arguments}
    return MultiKeyAccount(keys, now=clock, wall=clock, **given)


def send(many_keys: MultiKeyAccount, scope: str, now: float) -> Reservation:
    reservation = many_keys.reserve(scope, ONE, now)
    assert isinstance(reservation, Reservation)
    assert many_keys.quota.try_start(reservation, now) == 0.0
    return reservation


def answered(many_keys: MultiKeyAccount, scope: str, now: float) -> None:
    many_keys.quota.settle(send(many_keys, scope, now), {}, now, now)


def refusal(organization: str | None = None, **how: Any) -> RateLimitError:
    """A 429 as Groq words it."""
    limit = how.pop("limit", "tokens per minute (TPM): Limit 8000, Used 8000, Requested 10")
    where = f" in organization `{organization}`" if organization else ""
    given = {"status": 429, "retry_after": 5.0, **how}
    error = RateLimitError(f"Rate limit reached for model `m`{where} on {limit}.", **given)
    cause = Exception("429")
    vars(cause)["body"] = {"error": {"message": str(error)}}
    error.__cause__ = cause
    return error
