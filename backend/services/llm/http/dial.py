"""Open a connection to a host before a moment, at the first of its addresses that answers."""

from __future__ import annotations

import asyncio
import math
import socket
import time
from collections.abc import Callable, Coroutine, Generator, Iterable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from ..runtime.coroutines import as_coroutine, run_without_loop
from ..runtime.opening import abortable_by, check_aborted, is_abortable
from .addresses import attempts, names

if TYPE_CHECKING:
    import ssl

T = TypeVar("T")
P = TypeVar("P", bound=asyncio.Protocol)

#: What `settimeout` takes for "now": zero would make the socket non-blocking instead.
_AT_ONCE = 1e-6

#: An option of a socket, as `setsockopt` takes it.
Option = tuple[int, int, int]

Attempts = Generator[tuple[str, float | None], bool, None]

_NO_DELAY: Option = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def left_until(moment: float) -> float:
    """The seconds until *moment* of `time.monotonic`; raises TimeoutError where none are left."""
    left = moment - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return max(left, _AT_ONCE)


def shut(connected: socket.socket) -> None:
    """End whatever a thread does with the socket, at once; the thread itself is to close it."""
    # Not the method of a TLS socket's own, which takes its state from under whoever reads. One that
    # has no other end any more cannot be shut down, and need not be.
    with suppress(OSError):
        socket.socket.shutdown(connected, socket.SHUT_RDWR)


def dial(
    host: str,
    port: int,
    until: float,
    *,
    options: Iterable[Option] = (_NO_DELAY,),
    opened: Callable[[socket.socket], None] = lambda _: None,
) -> socket.socket:
    """Return a socket that is connected to *host* before *until*, a moment of `time.monotonic`.

    *opened* is called with each socket before it connects. Raises TimeoutError, and OSError where
    no address answers.
    """
    trying = attempts(names.look_up(host, port, left_until(until)), until)

    def connect(address: str, seconds: float | None) -> socket.socket:
        left = min(seconds or math.inf, left_until(until))
        return _connected((address, port), left, options, opened)

    return run_without_loop(first_to_answer(trying, as_coroutine(connect)))


async def first_to_answer(
    trying: Attempts,
    connect: Callable[[str, float | None], Coroutine[Any, Any, T]],
    failures: tuple[type[Exception], ...] = (OSError,),
    late: type[Exception] = TimeoutError,
) -> T:
    """Return what *connect* makes of the first address that answers, in its share of the time.

    Raises the last of the *failures*, of which *late* means that an address was silent.
    """
    problem: Exception = OSError("the host has no address")
    trial = next(trying, None)
    while trial is not None:
        try:
            return await connect(*trial)
        except failures as error:
            problem = error
            trial = _after(isinstance(error, late), trying)
    raise problem


def _after(was_silent: bool, trying: Attempts) -> tuple[str, float | None] | None:
    """The next address that is to be tried, and for how long."""
    try:
        return trying.send(was_silent)
    except StopIteration:
        return None


def _connected(
    place: tuple[str, int],
    seconds: float,
    options: Iterable[Option],
    opened: Callable[[socket.socket], None],
) -> socket.socket:
    family = socket.AF_INET6 if ":" in place[0] else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        for option in options:
            made.setsockopt(*option)
        opened(made)
        if is_abortable():
            # One of its own: a TLS handshake takes the descriptor away from the other.
            copy = made.dup()
            abortable_by(partial(shut, copy), copy.close)
        made.settimeout(seconds)
        made.connect(place)
        check_aborted()  # one that is not connected yet cannot be shut down
    except BaseException:
        made.close()
        raise
    return made


async def adial(
    make: Callable[[], P], host: str, port: int, until: float, context: ssl.SSLContext | None
) -> P:
    """Return a protocol that is connected to *host* before *until*, by TLS if there is a context.

    Raises TimeoutError, and OSError where no address answers.
    """
    with anyio.fail_after(left_until(until)):
        found = await names.alook_up(host, port)
    loop = asyncio.get_running_loop()
    secured: dict[str, Any] = {"ssl": context, "server_hostname": host} if context else {}

    async def connect(address: str, seconds: float | None) -> P:
        with anyio.fail_after(min(seconds or math.inf, left_until(until))):
            return (await loop.create_connection(make, address, port, **secured))[1]

    return await first_to_answer(attempts(found, until), connect)
