"""The SDK's client behind a client of ours, lent to one call after the other."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from .fork import ForkLock
from .real_sdk import is_real_sdk
from .sdk_client import SdkClient


class SdkLender:
    """Builds the SDK's client by *connect*, again after `close` and in a forked child.

    What a test assigns to `sdk` is lent as it is. A real client that was built here is closed when
    the lender is gone, or at exit.
    """

    def __init__(self, connect: Callable[[], Any], package: str) -> None:
        self._connect = connect
        self._package = package
        self._built: SdkClient | None = None
        self._lock = ForkLock()  # guards the replacement of a client that is retired
        self._finalizer = weakref.finalize(self, int)  # until there is a client to close
        self.sdk = self._build()

    @property
    def is_real(self) -> bool:
        """Whether what is lent is the SDK's own client, and no test's stand-in."""
        return is_real_sdk(self.sdk, self._package)

    def lend(self) -> AbstractContextManager[Any]:
        """Lend the SDK's client for one call, inside one `with` block."""
        with self._lock:
            while (built := self._built) is not None and built.sdk is self.sdk:
                if built.try_borrow():
                    return built
                self.sdk = self._build()
        return nullcontext(self.sdk)

    def close(self) -> None:
        """Close the client that was built here, once the calls that have borrowed it have ended."""
        if self._built is not None:
            self._built.retire()

    def _build(self) -> Any:
        sdk = self._connect()
        self._built = None
        # The finalizer of the client before would keep that one as long as this lender.
        self._finalizer.detach()
        if is_real_sdk(sdk, self._package):
            self._built = SdkClient(sdk)
            self._finalizer = weakref.finalize(self, self._built.retire)
        return sdk
