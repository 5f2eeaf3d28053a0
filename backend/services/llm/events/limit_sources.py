"""Whose limits can be looked at: the accounts that hooks were told of, while these live."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol
from weakref import WeakSet

from ..limit_types import Headroom
from ..runtime.fork import ForkLock
from ..types import Provider

#: Scopes of one account that are remembered: more models than an application uses.
_MOST_SCOPES = 64


class HasHeadroom(Protocol):
    """Limits, each with what is left of it."""

    def headroom(self, scope: str, now: float) -> tuple[Headroom, ...]:
        """Return what is left of each limit of *scope*."""


class HasLimits(Protocol):
    """An account at a provider."""

    @property
    def provider(self) -> Provider:
        """The provider that limits it."""

    @property
    def now(self) -> Callable[[], float]:
        """Its clock, in seconds."""

    @property
    def quota(self) -> HasHeadroom:
        """Its limits."""

    @property
    def observed_scopes(self) -> set[str]:
        """The scopes whose limits are looked at, for `LimitSources` to keep."""


class LimitSources:
    """Accounts, weakly held; each has the scopes that its calls have used."""

    def __init__(self) -> None:
        self._lock = ForkLock(leaf=True)  # guards the one below, and the scopes of each account
        self._accounts: WeakSet[HasLimits] = WeakSet()

    def note(self, account: HasLimits, scope: str) -> None:
        """Remember that a call of *account* was sent within the limits of *scope*."""
        with self._lock:
            self._accounts.add(account)
            if len(account.observed_scopes) < _MOST_SCOPES:
                account.observed_scopes.add(scope)

    def headroom(self) -> Iterator[tuple[Provider, str, Headroom]]:
        """Yield provider and scope of each limit, and what is left of it."""
        with self._lock:
            known = [(account, tuple(account.observed_scopes)) for account in self._accounts]
        for account, scopes in known:
            for scope in scopes:
                for each in account.quota.headroom(scope, account.now()):
                    yield account.provider, scope, each


#: The accounts of this process.
limit_sources = LimitSources()
