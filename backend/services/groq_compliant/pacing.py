"""The client's limits and keys by themselves, for programs that send on their own.

    keys = KeyManager(["gsk_one", "gsk_two"], rpm_per_key=30)
    key = await keys.acquire()  # in turn, and none beyond its requests a minute
    ...
    keys.pause(key, seconds=retry_after)  # where a 429 asks for it

Both stand on the quota that the clients use. Times are in seconds of a clock that never steps.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from math import inf

from ..llm.account.multi_key import MultiKeyAccount
from ..llm.account.registry import steady_now
from ..llm.client.arguments import count
from ..llm.errors import AuthenticationError, ConfigurationError, RateLimitError
from ..llm.quota import Demand, NoCapacity, Quota, TokenBucketLimit
from ..llm.quota.immediate_use import ImmediateUse, use_at_once
from .constructor import keys_in

#: The demand of one request, and the one scope of a bucket.
_ONE: Demand = {"requests": 1.0}
_SCOPE = ""


class TokenBucket:
    """At most *capacity* tokens at once, refilled continuously by *refill_rate* a second.

    It begins full; threads and tasks may share it. Raises ConfigurationError for an argument that
    is no number above 0.
    """

    def __init__(
        self, capacity: float, refill_rate: float, *, now: Callable[[], float] = steady_now
    ) -> None:
        self.capacity = _amount("capacity", capacity)
        self.refill_rate = _amount("refill_rate", refill_rate)
        self._now = now
        window = self.capacity / self.refill_rate
        self._quota = Quota((TokenBucketLimit(self.capacity, window, "requests"),))

    def try_acquire(self, tokens: float = 1.0) -> bool:
        """Take *tokens* if they are there now and nobody waits before us."""
        return use_at_once(self._quota, self._quota.reserve, *_charge(tokens), self._now()) == 0

    async def acquire(self, tokens: float = 1.0) -> None:
        """Take *tokens*, waiting for them in the order of the calls."""
        use = ImmediateUse(self._quota)
        try:
            result = self._quota.reserve(*_charge(tokens), self._now(), inf, holder=use)
            if isinstance(result, NoCapacity):
                raise ConfigurationError(f"tokens is {tokens!r}: the capacity is {self.capacity:g}")
            while (wait := self._quota.try_start(result, self._now())) > 0:
                await asyncio.sleep(wait)
        finally:
            try:
                use.end(self._now())
            except BaseException:  # an interrupt, of what is not done yet
                use.end(self._now())
                raise


class KeyManager:
    """Keys in turn, each within *rpm_per_key* requests a minute, all within *organization_rpm*.

    A pause holds for every key that may be of the same organisation: another key is no way around
    a Retry-After. Raises ConfigurationError that names the argument.
    """

    def __init__(
        self,
        keys: str | Sequence[str],
        rpm_per_key: int = 30,
        *,
        organization_rpm: int | None = None,
        now: Callable[[], float] = steady_now,
    ) -> None:
        if organization_rpm is not None:
            count("organization_rpm", organization_rpm, least=1)
        self._account = MultiKeyAccount(
            keys_in(keys),
            rpm_per_key=count("rpm_per_key", rpm_per_key, least=1),
            max_concurrency=1,
            organization_rpm=organization_rpm,
            now=now,
        )

    def __repr__(self) -> str:
        return f"KeyManager({len(self.keys)} keys)"

    @property
    def keys(self) -> Sequence[str]:
        """All keys that were given, secrets."""
        return self._account.keys

    def try_acquire(self) -> str | None:
        """Return the key whose turn it is, counted as used now; None where all have to wait.

        Raises AuthenticationError where every key was removed.
        """
        found = self._next()
        return found if isinstance(found, str) else None

    async def acquire(self) -> str:
        """Return the key whose turn it is as soon as the limits let it be used."""
        while not isinstance(found := self._next(), str):
            await asyncio.sleep(found)
        return found

    def pause(self, key: str, seconds: float) -> None:
        """Pause *key* and its whole organisation for *seconds*, as a 429 demands."""
        wait = _amount("seconds", seconds)
        refusal = RateLimitError("paused by the program", status=429, retry_after=wait)
        self._account.learn_about_scope(refusal, self._scope_of(key), "", 0.0)

    def remove(self, key: str) -> None:
        """Use *key* no more: it was not accepted."""
        refused = AuthenticationError("removed by the program", status=401)
        self._account.learn_about_scope(refused, self._scope_of(key), "", 0.0)

    def _next(self) -> str | float:
        """Use the first key that is free and return it, or else the seconds until one is."""
        waits = []
        account = self._account
        for scope in account.scopes(""):
            wait = use_at_once(account.quota, account.reserve, scope, _ONE, account.now())
            if wait <= 0:
                return account.api_key_of(scope)
            waits.append(wait)
        return min(waits)

    def _scope_of(self, key: str) -> str:
        scope = self._account.scope_of(key)
        if scope is None:
            raise ConfigurationError("key is none of those that were given")
        return scope


def _charge(tokens: float) -> tuple[str, Demand]:
    return _SCOPE, {"requests": _amount("tokens", tokens)}


def _amount(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < inf:
        raise ConfigurationError(f"{name} is {value!r}: give a number above 0")
    return float(value)
