"""Find a host's addresses within a time, and say in which order and how long each is tried."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from functools import partial

from ..runtime.fork import ForkLock, on_fork_in_child
from ..runtime.workers import Workers

#: Seconds in which an address is to answer while others are left to be tried; RFC 8305 proposes
#: 0.25 s before the next one.
PATIENCE = 0.3

#: Names that are looked up at once. A look-up cannot be ended from outside.
LOOK_UPS = 8

Addresses = tuple[str, ...]


def _ask(host: str, port: int) -> Addresses:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


class Names:
    """Looks names up in threads of its own; those who ask for one name at once share a look-up."""

    def __init__(self, ask: Callable[[str, int], Addresses] = _ask) -> None:
        self._ask = ask
        self._workers = Workers(LOOK_UPS, "llm-names")
        self._lock = ForkLock()  # guards the look-ups under way
        self._resolving: dict[tuple[str, int], Future[Addresses]] = {}
        on_fork_in_child(self, Names._reset_in_child)

    def look_up(self, host: str, port: int, seconds: float | None) -> Addresses:
        """Return the addresses, in the resolver's order.

        Raises OSError where there are none, TimeoutError after *seconds*.
        """
        if literal := _literal(host):
            return literal
        try:
            return self._look_up(host, port).result(seconds)
        except FutureTimeoutError as error:
            raise TimeoutError(f"no name server answered for {host!r} in time") from error

    async def alook_up(self, host: str, port: int) -> Addresses:
        """Return the addresses, as `look_up` does, until the caller is cancelled."""
        if literal := _literal(host):
            return literal
        # Others may wait for the same look-up.
        return await asyncio.shield(asyncio.wrap_future(self._look_up(host, port)))

    def _reset_in_child(self) -> None:
        """In a child, forget the look-ups of the parent's threads."""
        self._resolving = {}

    def _look_up(self, host: str, port: int) -> Future[Addresses]:
        key = host, port
        with self._lock:
            found = self._resolving.get(key)
            if found is None:
                found = self._resolving[key] = self._workers.submit(partial(self._ask, host, port))
        # At once, if it has ended: outside of the lock, which is not to be taken twice.
        found.add_done_callback(partial(self._forget, key))
        return found

    def _forget(self, key: tuple[str, int], ended: Future[Addresses]) -> None:
        with self._lock:
            if self._resolving.get(key) is ended:
                del self._resolving[key]


def _literal(host: str) -> Addresses:
    """The address that *host* is itself, for which nobody is asked; none if it is a name.

    In no other way is the resolver kept out of the caller's thread, whoever stands in its place.
    """
    for family in (socket.AF_INET, socket.AF_INET6):
        with suppress(OSError, ValueError):
            socket.inet_pton(family, host)
            return (host,)
    return ()


def attempts(addresses: Addresses, at: float | None) -> Generator[tuple[str, float | None], bool]:
    """Yield each address and the seconds to try it; send back whether it was silent.

    All share the time until *at*, of `time.monotonic`. Each is tried for a moment, so that a
    black hole does not hide the address behind it; then those that were silent, for longer.
    """
    silent: list[str] = []
    for position, address in enumerate(addresses):
        share = _share(at, len(addresses) - position)
        if len(addresses) > 1:
            share = PATIENCE if share is None else min(PATIENCE, share)
        if (yield address, share) and len(addresses) > 1:
            silent.append(address)
    for position, address in enumerate(silent):
        yield address, _share(at, len(silent) - position)


def _share(at: float | None, rest: int) -> float | None:
    return None if at is None else max(0.001, at - time.monotonic()) / rest


#: The process's look-ups.
names = Names()
