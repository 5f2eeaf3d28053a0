"""An SDK's client that calls try_borrow, and that is closed after the last of them."""

from __future__ import annotations

from typing import Any

from .fork import ForkLock, reset_in_child


class SdkClient:
    """A real SDK client: once it is let go it is lent no more, and closed when nobody uses it.

    So a call that is on its way comes to its end, whoever closes meanwhile: another thread, or
    the interpreter as it exits. A child process neither uses nor closes its parent's: a
    connection has one owner.
    """

    def __init__(self, sdk: Any) -> None:
        self.sdk = sdk
        self._lock = ForkLock()  # guards the three below
        self._users = 0
        self._is_retired = False
        self._is_closed = False
        reset_in_child(self)

    def try_borrow(self) -> bool:
        """Whether it may be used, which is then to be done inside one `with` block."""
        with self._lock:
            # In this order: a signal handler may let it go in between.
            self._users += 1
            if not self._is_retired:
                return True
        self._give_back()
        return False

    def __enter__(self) -> Any:
        return self.sdk

    def __exit__(self, *_: object) -> None:
        self._give_back()

    def retire(self) -> None:
        """Close it as soon as nobody uses it any more."""
        with self._lock:
            self._is_retired = True
            is_due = self._is_due()
        if is_due:
            self.sdk.close()

    def after_fork(self) -> None:
        """In a child, count as let go, and as closed."""
        self._is_retired = self._is_closed = True

    def _give_back(self) -> None:
        with self._lock:
            self._users -= 1
            is_due = self._is_due()
        if is_due:
            self.sdk.close()

    def _is_due(self) -> bool:
        """Whether it is to be closed now, which is said once."""
        if self._is_closed or not self._is_retired or self._users:
            return False
        self._is_closed = True
        return True
