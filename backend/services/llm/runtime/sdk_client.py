"""An SDK's client that calls share, and that is closed after the last of them."""

from __future__ import annotations

from typing import Any

from .fork import ForkLock, on_fork_in_child


class SdkClient:
    """A real SDK client: once it is retired, it is closed when nobody uses it any more.

    So a call in flight completes, whoever closes the client meanwhile: another thread, or the
    interpreter as it exits. A child process neither uses nor closes its parent's: a
    connection has one owner.
    """

    def __init__(self, sdk: Any) -> None:
        self.sdk = sdk
        self._lock = ForkLock()  # guards the three below
        self._users = 0
        self._is_retired = False
        self._is_closed = False
        on_fork_in_child(self, SdkClient._reset_in_child)

    def try_borrow(self) -> bool:
        """Return whether the client may be used; if so, use it inside one `with` block."""
        with self._lock:
            # In this order: a signal handler may retire it in between.
            self._users += 1
            if not self._is_retired:
                return True
        self._release()
        return False

    def __enter__(self) -> Any:
        return self.sdk

    def __exit__(self, *_: object) -> None:
        self._release()

    def retire(self) -> None:
        """Close it as soon as nobody uses it any more."""
        with self._lock:
            self._is_retired = True
            must_close = self._must_close()
        if must_close:
            self.sdk.close()

    def _reset_in_child(self) -> None:
        """In a child, count as retired and closed."""
        self._is_retired = self._is_closed = True

    def _release(self) -> None:
        with self._lock:
            self._users -= 1
            must_close = self._must_close()
        if must_close:
            self.sdk.close()

    def _must_close(self) -> bool:
        """Return True once: when the client must be closed now."""
        if self._is_closed or not self._is_retired or self._users:
            return False
        self._is_closed = True
        return True
