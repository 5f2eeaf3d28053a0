"""What becomes of an SDK's client when nobody uses ours any more."""

from __future__ import annotations

import os

import pytest

from services.llm.engine import _close_own


class Sdk:
    """An SDK's client that tells whether it was closed."""

    closed = False

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(("other", "closed"), [(0, True), (1, False)])
def test_only_the_process_that_made_a_connection_closes_it(other: int, closed: bool) -> None:
    sdk = Sdk()
    _close_own(os.getpid() + other, sdk)
    assert closed == sdk.closed
