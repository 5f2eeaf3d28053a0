"""What becomes of an SDK's client when nobody uses ours any more."""

from __future__ import annotations

from services.llm.runtime.sdk_client import SdkClient


class Sdk:
    """An SDK's client that counts how often it was closed."""

    closed = 0

    def close(self) -> None:
        self.closed += 1


def test_what_nobody_uses_is_closed_at_once_and_once() -> None:
    held = SdkClient(Sdk())
    held.retire()
    held.retire()
    assert 1 == held.sdk.closed


def test_what_is_used_is_closed_after_its_last_use() -> None:
    held = SdkClient(Sdk())
    assert held.try_borrow()
    assert held.try_borrow()
    with held as sdk:
        assert held.sdk is sdk
        held.retire()
    assert 0 == held.sdk.closed
    with held:
        pass
    assert 1 == held.sdk.closed


def test_what_was_given_back_can_be_used_again() -> None:
    held = SdkClient(Sdk())
    assert held.try_borrow()
    with held:
        pass
    assert held.try_borrow()
    assert 0 == held.sdk.closed


def test_what_was_let_go_is_lent_no_more() -> None:
    held = SdkClient(Sdk())
    held.retire()
    assert not held.try_borrow()


def test_a_child_neither_uses_nor_closes_its_parents() -> None:
    held = SdkClient(Sdk())
    held._reset_in_child()
    held.retire()
    assert (False, 0) == (held.try_borrow(), held.sdk.closed)
